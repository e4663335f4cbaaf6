//! `generate`: examples of what a sentence says, and whether they are so where a program can tell.

use super::output::{self, Written};
use super::sample;
use crate::error::{Error, Result};
use crate::pictures::{self, COLUMNS, Side};
use crate::session::Session;
use jensen_data::Judge;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::condition::{Condition, Vocabulary};
use jensen_vae::model::Model;
use jensen_vae::recipe::Recipe;
use std::path::PathBuf;

/// How many unless another number is asked for.
pub const N_DEFAULT: usize = 10;
/// The share of a battery of captions that were satisfied: of captions like those in training, and of captions with a
/// pair of words that never stood together there.
pub(super) const SATISFIED: [&str; 2] = ["captions_satisfied", "captions_satisfied_unseen"];
/// Captions of each battery.
const N_CAPTIONS: usize = 200;

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// The sentence, of words that the model was trained with.
    pub caption: String,
    /// How many.
    pub n: usize,
    /// Seed of the samples.
    pub seed: u64,
    /// The file, `.png`, `.npz` or `.csv`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            caption: String::new(),
            n: N_DEFAULT,
            seed: 1,
            out: None,
            device: None,
        }
    }
}

/// Draws examples given a sentence. The metric `satisfied` is the share that shows what it says.
///
/// # Errors
/// [`Error::Option`] for a model without captions, or a sentence with words that it does not know.
pub fn generate(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    Session::check_count("-n", request.n)?;
    let session = Session::load(&request.run, request.device.as_deref())?;
    let (model, params, n) = (&session.model, &session.params, request.n);
    let judge = judge(&session.recipe);
    if let Some(judge) = judge {
        (judge.check_caption)(&request.caption).map_err(|fault| Error::Option {
            name: "CAPTION",
            expected: "a sentence such as those of the data".to_owned(),
            found: fault,
        })?;
    }
    let words = numbers(model, &request.caption)?;
    let path = output::place(&session, request.out.as_deref(), "generated")?;
    output::check_grid(
        &session,
        &path,
        Side::of("-n", COLUMNS),
        Side::rows_of("-n", n),
    )?;
    let stream = Stream::from_seed(request.seed);
    let values = sample::make(model, params, n, (Some(&words), false), &stream, observer)?;
    output::write(&session, &path, &[], &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    let mut written = Written::of(&session, vec![path], n, observer);
    if let Some(judge) = judge {
        let captions = vec![request.caption.clone(); n];
        let share = satisfied(judge, model, &captions, &values);
        written.metrics.insert("satisfied".to_owned(), share);
    }
    Ok(written)
}

/// Who can tell whether examples of the recipe's data are as their captions say.
fn judge(recipe: &Recipe) -> Option<&'static Judge> {
    let mut entries = jensen_data::catalogue().iter();
    let entry = entries.find(|entry| entry.name == recipe.data.source)?;
    entry.judge.as_ref()
}

/// The words that a model can be told, if there are several.
fn vocabulary(model: &Model) -> Option<&Vocabulary> {
    let vocabulary = model.site().vocabulary.as_ref();
    vocabulary.filter(|_| model.is_conditional())
}

/// The numbers of a sentence's words, filled up to the length that the model takes.
fn numbers(model: &Model, caption: &str) -> Result<Vec<u32>> {
    let refuse = |expected: String, found: &str| {
        Err(Error::Option {
            name: "CAPTION",
            expected,
            found: found.to_owned(),
        })
    };
    let Some(vocabulary) = vocabulary(model) else {
        let expected =
            "a model whose prior was trained with captions or classes (conditional = true)";
        return refuse(expected.to_owned(), caption);
    };
    let mut words: Vec<&str> = caption.split_whitespace().collect();
    let can_be_shorter = vocabulary.words.iter().any(String::is_empty);
    if words.len() > vocabulary.len || words.len() < vocabulary.len && !can_be_shorter {
        let bound = if can_be_shorter { "at most " } else { "" };
        return refuse(format!("{bound}{} words", vocabulary.len), caption);
    }
    words.resize(vocabulary.len, "");
    vocabulary.numbers(&words).or_else(|unknown| {
        let known: Vec<&str> = vocabulary.words.iter().map(String::as_str).collect();
        refuse(format!("words among {}", known.join(" ").trim()), unknown)
    })
}

/// The share of examples `[n, P]` that show what their captions say.
fn satisfied(judge: &Judge, model: &Model, captions: &[String], values: &[f32]) -> f64 {
    let facts = &model.site().facts;
    let width = model.site().layout.n_values();
    let shows = |(caption, example): (&String, &[f32])| {
        let unit = |&value: &f32| ((value - facts.min) / (facts.max - facts.min)).clamp(0.0, 1.0);
        let image: Vec<f32> = example.iter().map(unit).collect();
        (judge.check)(caption, &image).is_ok()
    };
    let examples = captions.iter().zip(values.chunks_exact(width));
    examples.filter(|pair| shows(*pair)).count() as f64 / captions.len() as f64
}

/// Whether [`measure`] finds something for a model of such data.
pub(super) fn is_measured(recipe: &Recipe, model: &Model) -> bool {
    judge(recipe).is_some() && vocabulary(model).is_some()
}

/// The share of captions that are satisfied by an example each, where a program can tell; by name.
pub(super) fn measure(
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    observer: &mut dyn Observer,
) -> Result<Vec<(&'static str, f64)>> {
    let mut found = Vec::new();
    let Some(judge) = judge(recipe).filter(|_| vocabulary(model).is_some()) else {
        return Ok(found);
    };
    for (i, name) in SATISFIED.into_iter().enumerate() {
        let stream = Stream::from_seed(recipe.train.seed).child(name, 0);
        let captions = (judge.captions)(N_CAPTIONS, i == 0, &mut stream.child("captions", 0));
        let mut condition: Option<Condition> = None;
        for caption in &captions {
            let next = Condition::repeated(&numbers(model, caption)?, 1);
            condition = Some(match condition {
                None => next,
                Some(before) => before.followed_by(&next),
            });
        }
        let Some(condition) = condition else { continue };
        let values = jensen_vae::generate::sample_given(model, params, &condition, false, &stream);
        found.push((name, satisfied(judge, model, &captions, &values)));
        crate::session::advance(observer, "captions", i + 1, SATISFIED.len(), "batteries")?;
    }
    Ok(found)
}

//! `sample`: new examples from the prior.

use super::output::{self, Written};
use crate::error::{Error, Result};
use crate::memory;
use crate::pictures::{self, COLUMNS, Side};
use crate::session::{self, Session};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::condition::Condition;
use jensen_vae::generate;
use jensen_vae::model::Model;
use std::path::PathBuf;

/// Samples unless another number is asked for.
pub const N_DEFAULT: usize = 100;

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// How many.
    pub n: usize,
    /// Whether to draw from the likelihood too, instead of showing its mean.
    pub draw: bool,
    /// All of this class, by its number, where the model was trained with classes.
    pub class: Option<usize>,
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
            n: N_DEFAULT,
            draw: false,
            class: None,
            seed: 1,
            out: None,
            device: None,
        }
    }
}

/// Draws samples from the prior of a run's model.
pub fn sample(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    Session::check_count("-n", request.n)?;
    let session = Session::load(&request.run, request.device.as_deref())?;
    let path = output::place(&session, request.out.as_deref(), "samples")?;
    let stream = Stream::from_seed(request.seed);
    let n = request.n;
    output::check_grid(
        &session,
        &path,
        Side::of("-n", COLUMNS),
        Side::rows_of("-n", n),
    )?;
    let (model, params) = (&session.model, &session.params);
    let words = request
        .class
        .map(|class| class_word(model, class))
        .transpose()?;
    let options = (words.as_deref(), request.draw);
    let values = make(model, params, n, options, &stream, observer)?;
    output::write(&session, &path, &[], &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    Ok(Written::of(&session, vec![path], n, observer))
}

/// The word of a class for a model that was trained with classes.
fn class_word(model: &Model, class: usize) -> Result<Vec<u32>> {
    let refuse = |expected: String| {
        Err(Error::Option {
            name: "--class",
            expected,
            found: class.to_string(),
        })
    };
    let vocabulary = model.site().vocabulary.as_ref();
    match vocabulary.filter(|v| model.is_conditional() && v.len == 1) {
        None => {
            refuse("a model whose prior was trained with classes (conditional = true)".to_owned())
        }
        Some(v) if class >= v.n_words() => refuse(format!("a class of 0 to {}", v.n_words() - 1)),
        Some(_) => Ok(vec![class as u32]),
    }
}

/// n samples, `[n, P]`, of which these words are said; drawn from the likelihood or its means.
pub(super) fn make(
    model: &Model,
    params: &Params,
    n: usize,
    (words, draw): (Option<&[u32]>, bool),
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Vec<f32>> {
    let width = model.site().layout.n_values();
    memory::check_rows(&format!("holding {n} samples"), n, width)?;
    let mut values = Vec::with_capacity(n * width);
    for start in (0..n).step_by(BATCH) {
        let stream = stream.child("sample", start as u64);
        let rows = BATCH.min(n - start);
        values.extend(match words {
            None => generate::sample(model, params, rows, draw, &stream),
            Some(words) => {
                let condition = Condition::repeated(words, rows);
                generate::sample_given(model, params, &condition, draw, &stream)
            }
        });
        session::advance(observer, "sample", start + rows, n, "examples")?;
    }
    Ok(values)
}

/// Samples in one pass.
const BATCH: usize = 1000;

//! `interpolate`: the way from one example to another through latent space, as strips and animations.

use super::output::{self, Written};
use crate::error::{Error, Result};
use crate::memory;
use crate::pictures::{self, Side};
use crate::session::{self, Part, Session};
use jensen_nets::Params;
use jensen_report::Labels;
use jensen_rng::Stream;
use jensen_run::{Observer, file, write_atomic};
use jensen_vae::feed::Feed;
use jensen_vae::generate;
pub use jensen_vae::generate::Path;
use jensen_vae::model::Model;
use std::path::PathBuf;

/// Pairs unless examples are named.
pub const N_PAIRS: usize = 5;
/// Pictures from one end to the other.
pub const N_STEPS: usize = 11;

/// What to interpolate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// Where the ways begin: positions of examples in the part, from 0. Empty lets the verb choose.
    pub from: Vec<usize>,
    /// Where they end, as many.
    pub to: Vec<usize>,
    /// Pairs to choose where none are named.
    pub pairs: usize,
    /// Pictures of each way, both ends included.
    pub steps: usize,
    /// The kinds of way.
    pub paths: Vec<Path>,
    /// The folder for the files.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            data: None,
            part: Part::Test,
            from: Vec::new(),
            to: Vec::new(),
            pairs: N_PAIRS,
            steps: N_STEPS,
            paths: vec![Path::Linear, Path::Spherical],
            out: None,
            device: None,
        }
    }
}

/// Writes a strip (PNG) and an animation (GIF) for each kind of way; a table where data are no images.
pub fn interpolate(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    Session::check_count("--pairs", request.pairs)?;
    let fault = |name, expected: &str, found: String| Error::Option {
        name,
        expected: expected.to_owned(),
        found,
    };
    if request.steps < 2 {
        return Err(fault(
            "--steps",
            "at least 2, the ends",
            request.steps.to_string(),
        ));
    }
    if request.from.len() != request.to.len() {
        let found = format!("{} and {}", request.from.len(), request.to.len());
        return Err(fault("--from and --to", "equally many examples", found));
    }
    if let Some(out) = &request.out {
        output::check_place_of_several(out)?;
    }
    let session = Session::load(&request.run, request.device.as_deref())?;
    let opened = session.feed(request.data.as_deref(), request.part, observer)?;
    let feed = &opened.feed;
    Session::check_indices("--from", &request.from, feed.len())?;
    Session::check_indices("--to", &request.to, feed.len())?;
    let pairs = match request.from.is_empty() {
        true => choose_pairs(feed, request.pairs),
        false => (request.from.iter().copied())
            .zip(request.to.iter().copied())
            .collect(),
    };
    pictures::check_grid(
        session.model.site(),
        Side::of("--steps", request.steps),
        Side::of("--pairs", pairs.len()),
    )?;
    let stream = Stream::from_seed(session.recipe.train.seed);
    let folder = match &request.out {
        Some(folder) => folder.clone(),
        None => session.run.path(file::SAMPLES),
    };
    let is_image = pictures::shape(session.layout()).is_some();
    let extension = if is_image { "png" } else { "csv" };
    let n = pairs.len().saturating_mul(request.steps);
    output::check_size(&session, extension, n)?;
    let labels = labels(&pairs, feed, opened.label_names.as_deref());
    let mut files = Vec::new();
    for &path in &request.paths {
        let (model, params) = (&session.model, &session.params);
        let steps = request.steps;
        let values = make(model, params, feed, &pairs, steps, path, &stream, observer)?;
        let stem = format!("interpolation-{}", path.name());
        let stem = output::default_name(&stem, request.data.as_deref());
        let rows = pictures::of_rows(&values, model.site())?;
        if let Some(rows) = &rows {
            let gif = folder.join(format!("{stem}.gif"));
            write_atomic(&gif, &pictures::animation(rows, request.steps)?)?;
            files.push(gif);
        }
        let strip = folder.join(format!("{stem}.{extension}"));
        let of_rows = |key: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
            (0..n)
                .map(|row| key(row / request.steps, row % request.steps))
                .collect()
        };
        let keys = [
            ("from", of_rows(&|pair, _| pairs[pair].0 as f32)),
            ("to", of_rows(&|pair, _| pairs[pair].1 as f32)),
            (
                "share",
                of_rows(&|_, step| step as f32 / (request.steps - 1) as f32),
            ),
        ];
        output::write(&session, &strip, &keys, &[("x", &values)], |rows| {
            pictures::labelled(&rows[0], request.steps, &labels)
        })?;
        files.push(strip);
    }
    Ok(Written::of(&session, files, pairs.len(), observer))
}

/// The examples of each pair beside its row, with their classes in brackets where they are known.
pub(super) fn labels(pairs: &[(usize, usize)], feed: &Feed, names: Option<&[String]>) -> Labels {
    let classes = feed.examples().labels.as_deref();
    let example = |index: usize| match classes {
        None => index.to_string(),
        Some(classes) => format!("{index} ({})", class_name(classes[index], names)),
    };
    let label = |&(from, to): &(usize, usize)| format!("{}\nto {}", example(from), example(to));
    Labels {
        rows: pairs.iter().map(label).collect(),
        columns: Vec::new(),
    }
}

/// A class by its name, cut to what fits beside a picture, else by its number.
fn class_name(class: u32, names: Option<&[String]>) -> String {
    /// Signs of a name that are shown.
    const LONGEST: usize = 14;
    match names.and_then(|names| names.get(class as usize)) {
        None => class.to_string(),
        Some(name) if name.chars().count() <= LONGEST => name.clone(),
        Some(name) => name.chars().take(LONGEST - 1).collect::<String>() + ".",
    }
}

/// The ways between pairs of examples, `[pairs, steps, P]`.
pub(super) fn make(
    model: &Model,
    params: &Params,
    feed: &Feed,
    pairs: &[(usize, usize)],
    steps: usize,
    path: Path,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Vec<f32>> {
    let n = pairs.len().saturating_mul(steps);
    memory::check_rows(
        &format!("holding {n} pictures"),
        n,
        model.site().layout.n_values(),
    )?;
    let ends: Vec<usize> = pairs.iter().flat_map(|&(from, to)| [from, to]).collect();
    let x = feed.batch(&ends, &stream.child("interpolate", 0)).x;
    let advance = &mut session::advancing(observer, "interpolate", n, "pictures");
    generate::interpolate(model, params, x, steps, path, advance).ok_or(Error::Stopped)
}

/// Pairs of examples that differ in their label where there are labels: 0 to 1, 2 to 3, and so on.
pub(super) fn choose_pairs(feed: &Feed, n: usize) -> Vec<(usize, usize)> {
    let n_examples = feed.len();
    let mut ends: Vec<usize> = Vec::new();
    if let Some(labels) = &feed.examples().labels {
        let n_classes = labels.iter().max().map_or(0, |most| most + 1);
        let of_class = |class| labels.iter().position(|&label| label == class);
        ends.extend((0..n_classes).filter_map(of_class));
    }
    // Then the examples in their order.
    let others: Vec<usize> = (0..n_examples)
        .filter(|i| !ends.contains(i))
        .take(2 * n)
        .collect();
    ends.extend(others);
    let pairs: Vec<(usize, usize)> = ends
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    match pairs.is_empty() {
        true => vec![(0, 0)],
        false => pairs.into_iter().take(n).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_names_that_fit() {
        let names = ["cat", "n02085620-chihuahua"].map(str::to_owned);
        let name = |class| class_name(class, Some(&names));
        assert_eq!(name(0), "cat");
        assert_eq!(name(1), "n02085620-chi.");
        assert_eq!(name(2), "2");
        assert_eq!(class_name(7, None), "7");
    }
}

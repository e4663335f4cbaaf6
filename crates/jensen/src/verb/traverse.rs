//! `traverse`: what each latent dimension does, one row a dimension.

use super::output::{self, Written};
use crate::error::{Error, Result};
use crate::memory;
use crate::pictures::{self, Side};
use crate::session::{self, Part, Session};
use jensen_nets::Params;
use jensen_report::Labels;
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::feed::Feed;
use jensen_vae::generate;
use jensen_vae::latent::CodeBook;
use jensen_vae::metric::aggregate::{self, ACTIVE_VARIANCE};
use jensen_vae::model::Model;
use std::path::PathBuf;

/// Examples whose codes say which dimensions are used most.
const N_EXAMPLES: usize = 1000;
/// Dimensions at most unless a number is asked for.
pub const N_ROWS: usize = 10;

/// Which dimensions, around which code, how far.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Position of the latent.
    pub latent: usize,
    /// Position of the example whose code is the middle; `None` takes the origin.
    pub example: Option<usize>,
    /// The dimensions, from 0; empty takes those in use, the most used first.
    pub dims: Vec<usize>,
    /// How many of the most used ones, whether in use or not; `None` takes those in use, at least one and at
    /// most [`N_ROWS`].
    pub n_dims: Option<usize>,
    /// The values run from minus this to this, in units of the code.
    pub range: f64,
    /// Pictures in a row.
    pub steps: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            latent: 0,
            example: Some(0),
            dims: Vec::new(),
            n_dims: None,
            range: 3.0,
            steps: 11,
        }
    }
}

/// What to traverse.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// Name of the latent; `None` takes the first.
    pub latent: Option<String>,
    /// The rest.
    pub options: Options,
    /// The file, `.png`, `.npz` or `.csv`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

/// Moves one latent dimension at a time.
pub fn traverse(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    let session = Session::load(&request.run, request.device.as_deref())?;
    let name = output::default_name("traversal", request.data.as_deref());
    let path = output::place(&session, request.out.as_deref(), &name)?;
    let feed = session
        .feed(request.data.as_deref(), request.part, observer)?
        .feed;
    let options = Options {
        latent: session.latent(request.latent.as_deref())?,
        ..request.options.clone()
    };
    let stream = Stream::from_seed(session.recipe.train.seed);
    let (model, params) = (&session.model, &session.params);
    let rows = match options.dims.len() {
        0 => Side::of(
            "--rows",
            (options.n_dims.unwrap_or(N_ROWS)).min(model.n_units()[options.latent]),
        ),
        n => Side::of("--dims", n),
    };
    output::check_grid(&session, &path, Side::of("--steps", options.steps), rows)?;
    // Whether a dimension is in use is a matter of the run; few of other examples would say little of it.
    let own = match request.data {
        None => None,
        Some(_) => session.feed(None, Part::Test, observer).ok(),
    };
    let usual = own.as_ref().map_or(&feed, |own| &own.feed);
    let made = make(model, params, &feed, usual, &options, &stream, observer)?;
    let width = session.layout().n_values();
    output::check_finite(&made.values, width, "--range", |row| {
        format!("dimension {}", made.dims[row / options.steps])
    })?;
    let labels = made.labels(model, &options);
    let each = |row: usize| (row / options.steps, row % options.steps);
    let of_rows = |key: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..made.dims.len() * options.steps).map(key).collect()
    };
    let values = options.values(model);
    let keys = [
        ("dim", of_rows(&|row| made.dims[each(row).0] as f32)),
        ("value", of_rows(&|row| values[each(row).1] as f32)),
    ];
    output::write(&session, &path, &keys, &[("x", &made.values)], |rows| {
        pictures::labelled(&rows[0], options.steps, &labels)
    })?;
    Ok(Written::of(&session, vec![path], made.dims.len(), observer))
}

pub(super) struct Traversal {
    /// The dimensions, a row each.
    pub(super) dims: Vec<usize>,
    /// Whether each of them is in use.
    in_use: Vec<bool>,
    /// `[dims, steps, P]`.
    pub(super) values: Vec<f32>,
}

impl Options {
    /// The values of a unit in the pictures of a row: even steps over the range, or over all codes.
    fn values(&self, model: &Model) -> Vec<f64> {
        self.spread(model.code_books()[self.latent].map(CodeBook::n_codes))
    }

    fn spread(&self, n_codes: Option<usize>) -> Vec<f64> {
        let share = |step: usize| step as f64 / (self.steps - 1) as f64;
        let value = |step| match n_codes {
            Some(n_codes) => (share(step) * (n_codes - 1) as f64).round(),
            None => self.range * (2.0 * share(step) - 1.0),
        };
        (0..self.steps).map(value).collect()
    }
}

impl Traversal {
    /// The dimensions beside their rows, the values above the columns.
    pub(super) fn labels(&self, model: &Model, options: &Options) -> Labels {
        let latent = model.latent_names().nth(options.latent).unwrap_or_default();
        let row = |(dim, in_use): (&usize, &bool)| match in_use {
            true => format!("{latent}{dim}"),
            false => format!("{latent}{dim}\nunused"),
        };
        Labels {
            rows: self.dims.iter().zip(&self.in_use).map(row).collect(),
            columns: short(&options.values(model)),
        }
    }
}

/// Evenly spaced values with as many decimals as tell them apart, none where there are none; those that
/// would take too much room with a power of ten.
fn short(values: &[f64]) -> Vec<String> {
    /// From here on digits before or behind the point are too many.
    const LARGE: f64 = 1e4;
    const SMALL: f64 = 1e-3;
    let largest = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if !(SMALL..LARGE).contains(&largest) {
        let short = |x: &f64| match *x {
            0.0 => "0".to_owned(),
            x => format!("{x:.1e}").replace(".0e", "e"),
        };
        return values.iter().map(short).collect();
    }
    let step = values.get(1).map_or(largest, |second| second - values[0]);
    let decimals = (-step.log10()).ceil().clamp(0.0, 6.0) as i32;
    let rounded = |x: f64, decimals: i32| {
        let factor = 10f64.powi(decimals);
        (x * factor).round() / factor + 0.0
    };
    // One more where it makes the values exact, as quarters.
    let is_exact = |decimals| (rounded(step, decimals) - step).abs() < 1e-9 * step;
    let decimals = match !is_exact(decimals) && is_exact(decimals + 1) {
        true => decimals + 1,
        false => decimals,
    };
    let short = |x: &f64| format!("{}", rounded(*x, decimals));
    values.iter().map(short).collect()
}

/// Moves dimensions around an example of `feed`; `usual` are examples whose codes say which are in use.
pub(super) fn make(
    model: &Model,
    params: &Params,
    feed: &Feed,
    usual: &Feed,
    options: &Options,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Traversal> {
    let dim = model.n_units()[options.latent];
    Session::check_indices("--dims", &options.dims, dim)?;
    let example: Vec<usize> = options.example.into_iter().collect();
    Session::check_indices("--example", &example, feed.len())?;
    Session::check_count("--rows", options.n_dims.unwrap_or(N_ROWS))?;
    // Codes are f32, where 1e39 is infinite.
    let is_range = options.range > 0.0 && (options.range as f32).is_finite();
    if options.steps < 2 || !is_range {
        return Err(Error::Option {
            name: "--steps and --range",
            expected: "at least 2 steps over a finite range above 0".to_owned(),
            found: format!("{} steps over {:e}", options.steps, options.range),
        });
    }
    let variances = {
        let few = usual.sample(N_EXAMPLES, stream);
        let stream = stream.child("dims", 0);
        let advance = &mut session::advancing(observer, "encode", few.len(), "examples");
        let codes = aggregate::encode(model, params, &few, &stream, advance);
        codes.ok_or(Error::Stopped)?[options.latent].spread_of_units()
    };
    let in_use = |dim: usize| variances[dim] > ACTIVE_VARIANCE;
    let mut dims = match options.dims.is_empty() {
        false => options.dims.clone(),
        true => most_used(&variances, options.n_dims),
    };
    // Positions of codes are read from the upper left on; dimensions have no order of their own.
    if options.dims.is_empty() && model.code_books()[options.latent].is_some() {
        dims.sort_unstable();
    }
    let n = dims.len().saturating_mul(options.steps);
    memory::check_rows(
        &format!("holding {n} pictures"),
        n,
        model.site().layout.n_values(),
    )?;
    let values = options.values(model);
    let x = (!example.is_empty()).then(|| feed.batch(&example, &stream.child("traverse", 0)).x);
    let advance = &mut session::advancing(observer, "traverse", n, "pictures");
    let made = generate::traverse(model, params, x, options.latent, &dims, &values, advance);
    Ok(Traversal {
        values: made.ok_or(Error::Stopped)?,
        in_use: dims.iter().map(|&dim| in_use(dim)).collect(),
        dims,
    })
}

/// The dimensions whose codes differ most between examples, the most used first: n of them, or those in use.
fn most_used(variances: &[f64], n: Option<usize>) -> Vec<usize> {
    let mut dims: Vec<usize> = (0..variances.len()).collect();
    dims.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    let n_in_use = variances.iter().filter(|v| **v > ACTIVE_VARIANCE).count();
    dims.truncate(n.unwrap_or(n_in_use.clamp(1, N_ROWS)));
    dims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_in_use_are_taken_unless_a_number_is_named() {
        let variances = [0.001, 0.9, 0.0, 0.5];
        assert_eq!(most_used(&variances, None), [1, 3]);
        assert_eq!(most_used(&variances, Some(3)), [1, 3, 0]);
        assert_eq!(most_used(&variances, Some(9)), [1, 3, 0, 2]);
        assert_eq!(most_used(&[0.0, 0.001], None), [1]);
        assert_eq!(most_used(&[1.0; 30], None).len(), N_ROWS);
    }

    #[test]
    fn values_are_told_apart_in_few_signs() {
        let short = |range: f64, steps: usize| {
            let options = Options {
                range,
                steps,
                ..Options::default()
            };
            super::short(&options.spread(None))
        };
        assert_eq!(short(3.0, 7), ["-3", "-2", "-1", "0", "1", "2", "3"]);
        assert_eq!(short(3.0, 11)[..3], ["-3", "-2.4", "-1.8"]);
        assert_eq!(short(0.01, 5), ["-0.01", "-0.005", "0", "0.005", "0.01"]);
        assert_eq!(short(0.5, 5), ["-0.5", "-0.25", "0", "0.25", "0.5"]);
        assert_eq!(short(1e36, 3), ["-1e36", "0", "1e36"]);
        for range in [1e-9, 0.003, 0.7, 3.0, 70.0, 5e3, 1e5, 3e38] {
            for steps in [2, 3, 8, 11, 31] {
                let values = short(range, steps);
                assert!(values.iter().all(|text| text.len() <= 8), "{values:?}");
                assert!(
                    values.windows(2).all(|pair| pair[0] != pair[1]),
                    "{values:?}"
                );
            }
        }
    }
}

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
use jensen_vae::metric::aggregate::{self, Codes};
use jensen_vae::model::Model;
use std::path::PathBuf;

/// Examples whose codes say which dimensions are used most.
const N_EXAMPLES: usize = 1000;

/// Which dimensions, around which code, how far.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Position of the latent.
    pub latent: usize,
    /// Position of the example whose code is the middle; `None` takes the origin.
    pub example: Option<usize>,
    /// The dimensions, from 0; empty takes the most used ones.
    pub dims: Vec<usize>,
    /// How many of those.
    pub n_dims: usize,
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
            n_dims: 10,
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
    let path = output::place(&session, request.out.as_deref(), "traversal")?;
    let (feed, _) = session.feed(request.data.as_deref(), request.part, observer)?;
    let options = Options {
        latent: session.latent(request.latent.as_deref())?,
        ..request.options.clone()
    };
    let stream = Stream::from_seed(session.recipe.train.seed);
    let (model, params) = (&session.model, &session.params);
    let rows = match options.dims.len() {
        0 => Side::of(
            "--rows",
            options.n_dims.min(model.latent_dims()[options.latent]),
        ),
        n => Side::of("--dims", n),
    };
    output::check_grid(&session, &path, Side::of("--steps", options.steps), rows)?;
    let made = make(model, params, &feed, &options, &stream, observer)?;
    let width = session.layout().n_values();
    output::check_finite(&made.values, width, "--range", |row| {
        format!("dimension {}", made.dims[row / options.steps])
    })?;
    let labels = made.labels(model, &options);
    let each = |row: usize| (row / options.steps, row % options.steps);
    let of_rows = |key: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..made.dims.len() * options.steps).map(key).collect()
    };
    let keys = [
        ("dim", of_rows(&|row| made.dims[each(row).0] as f32)),
        ("value", of_rows(&|row| options.value(each(row).1) as f32)),
    ];
    output::write(
        &session,
        &path,
        &keys,
        &[("x", &made.values)],
        observer,
        |rows| pictures::labelled(&rows[0], options.steps, &labels),
    )?;
    Ok(Written {
        run: session.run.root().to_path_buf(),
        files: vec![path],
        n: made.dims.len(),
        ..Written::default()
    })
}

pub(super) struct Traversal {
    /// The dimensions, a row each.
    pub(super) dims: Vec<usize>,
    /// `[dims, steps, P]`.
    pub(super) values: Vec<f32>,
}

impl Options {
    /// The value of the dimension in a picture of a row.
    fn value(&self, step: usize) -> f64 {
        self.range * (2.0 * step as f64 / (self.steps - 1) as f64 - 1.0)
    }
}

impl Traversal {
    /// The dimensions beside their rows, the values above the columns.
    pub(super) fn labels(&self, model: &Model, options: &Options) -> Labels {
        let latent = model.latent_names().nth(options.latent).unwrap_or_default();
        // Two digits, and none behind the point where there are none.
        let short = |x: f64| format!("{}", (x * 10.0).round() / 10.0 + 0.0);
        Labels {
            rows: self
                .dims
                .iter()
                .map(|dim| format!("{latent}{dim}"))
                .collect(),
            columns: (0..options.steps)
                .map(|step| short(options.value(step)))
                .collect(),
        }
    }
}

pub(super) fn make(
    model: &Model,
    params: &Params,
    feed: &Feed,
    options: &Options,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Traversal> {
    let dim = model.latent_dims()[options.latent];
    Session::check_indices("--dims", &options.dims, dim)?;
    let example: Vec<usize> = options.example.into_iter().collect();
    Session::check_indices("--example", &example, feed.len())?;
    Session::check_count("--rows", options.n_dims)?;
    // Codes are f32, where 1e39 is infinite.
    let is_range = options.range > 0.0 && (options.range as f32).is_finite();
    if options.steps < 2 || !is_range {
        return Err(Error::Option {
            name: "--steps and --range",
            expected: "at least 2 steps over a finite range above 0".to_owned(),
            found: format!("{} steps over {:e}", options.steps, options.range),
        });
    }
    let dims = match options.dims.is_empty() {
        false => options.dims.clone(),
        true => {
            let few = feed.sample(N_EXAMPLES, stream);
            let stream = stream.child("dims", 0);
            let advance = &mut session::advancing(observer, "encode", few.len(), "examples");
            let codes = aggregate::encode(model, params, &few, &stream, advance);
            most_used(
                &codes.ok_or(Error::Stopped)?[options.latent],
                options.n_dims,
            )
        }
    };
    let n = dims.len().saturating_mul(options.steps);
    memory::check_rows(
        &format!("holding {n} pictures"),
        n,
        model.site().layout.n_values(),
    )?;
    let values: Vec<f64> = (0..options.steps).map(|step| options.value(step)).collect();
    let x = (!example.is_empty()).then(|| feed.batch(&example, &stream.child("traverse", 0)));
    let advance = &mut session::advancing(observer, "traverse", n, "pictures");
    let made = generate::traverse(model, params, x, options.latent, &dims, &values, advance);
    Ok(Traversal {
        values: made.ok_or(Error::Stopped)?,
        dims,
    })
}

/// The dimensions whose codes differ most between examples, the most used first.
fn most_used(codes: &Codes, n: usize) -> Vec<usize> {
    let variances = codes.variance_of_means();
    let mut dims: Vec<usize> = (0..codes.dim).collect();
    dims.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    dims.truncate(n);
    dims
}

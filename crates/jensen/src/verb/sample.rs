//! `sample`: new examples from the prior.

use super::output::{self, Written};
use crate::error::Result;
use crate::memory;
use crate::pictures::{self, COLUMNS, Side};
use crate::session::{self, Session};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::Observer;
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
    let values = make(model, params, n, request.draw, &stream, observer)?;
    output::write(&session, &path, &[], &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    Ok(Written::of(&session, vec![path], n, observer))
}

pub(super) fn make(
    model: &Model,
    params: &Params,
    n: usize,
    draw: bool,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Vec<f32>> {
    let width = model.site().layout.n_values();
    memory::check_rows(&format!("holding {n} samples"), n, width)?;
    let mut values = Vec::with_capacity(n * width);
    for start in (0..n).step_by(BATCH) {
        let stream = stream.child("sample", start as u64);
        let rows = BATCH.min(n - start);
        values.extend(generate::sample(model, params, rows, draw, &stream));
        session::advance(observer, "sample", start + rows, n, "examples")?;
    }
    Ok(values)
}

/// Samples in one pass.
const BATCH: usize = 1000;

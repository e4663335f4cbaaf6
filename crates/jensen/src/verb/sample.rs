//! `sample`: new examples from the prior.

use super::output::{self, Written};
use crate::error::Result;
use crate::pictures::{self, COLUMNS};
use crate::session::Session;
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
pub fn sample(request: &Request, _: &mut dyn Observer) -> Result<Written> {
    let session = Session::load(&request.run, request.device.as_deref())?;
    let stream = Stream::from_seed(request.seed);
    let n = request.n.max(1);
    let values = make(&session.model, &session.params, n, request.draw, &stream);
    let path = output::place(&session, request.out.as_deref(), "samples");
    output::write(&session, &path, &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    Ok(Written {
        run: session.run.root().to_path_buf(),
        files: vec![path],
        n,
        ..Written::default()
    })
}

pub(super) fn make(
    model: &Model,
    params: &Params,
    n: usize,
    draw: bool,
    stream: &Stream,
) -> Vec<f32> {
    generate::sample(model, params, n, draw, &stream.child("sample", 0))
}

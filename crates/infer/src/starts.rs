//! Starting positions: uniform on (-2, 2) in every unconstrained coordinate, as in Stan, until one is taken.

use crate::InferError;
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;

/// Half-width of the cube from which starts are drawn, as in Stan.
const RADIUS: f64 = 2.0;
/// Starts tried with each radius, and radii: every next one is half as wide, down to almost zero.
const N_TRIES: u64 = 25;
const N_RADII: u64 = 8;

/// A random position `[d]`, unconstrained, that the density accepts: uniform on (-2, 2) in every coordinate, and on half
/// of that after every 25 refusals.
///
/// # Errors
/// [`InferError::RefusedEverywhere`] after two hundred refusals, [`InferError::Empty`] without coordinates.
pub fn random(target: &dyn LogDensity, stream: &Stream) -> Result<Vec<f64>, InferError> {
    accepted(&mut Evaluator::new(target), stream)
}

/// [`random`] by an evaluator, which counts.
pub(crate) fn accepted(
    evaluator: &mut Evaluator<'_>,
    stream: &Stream,
) -> Result<Vec<f64>, InferError> {
    if evaluator.dim() == 0 {
        return Err(InferError::Empty);
    }
    let radius = |attempt: u64| RADIUS * 0.5f64.powi((attempt / N_TRIES) as i32);
    uniform(evaluator, stream, N_TRIES * N_RADII, radius)
}

/// The first position that the density accepts of some that are uniform within a radius by attempt.
pub(crate) fn uniform(
    evaluator: &mut Evaluator<'_>,
    stream: &Stream,
    n_attempts: u64,
    radius: impl Fn(u64) -> f64,
) -> Result<Vec<f64>, InferError> {
    let d = evaluator.dim();
    first_accepted(evaluator, stream, n_attempts, |draws, attempt| {
        let radius = radius(attempt);
        (0..d)
            .map(|_| radius * (2.0 * draws.uniform() - 1.0))
            .collect()
    })
}

/// The first position that the density accepts of some that `propose` draws by attempt.
pub(crate) fn first_accepted(
    evaluator: &mut Evaluator<'_>,
    stream: &Stream,
    n_attempts: u64,
    propose: impl Fn(&mut Stream, u64) -> Vec<f64>,
) -> Result<Vec<f64>, InferError> {
    let mut grad = vec![0.0; evaluator.dim()];
    let mut last = None;
    for attempt in 0..n_attempts {
        let position = propose(&mut stream.child("start", attempt), attempt);
        match evaluator.log_density_and_grad(&position, &mut grad) {
            Ok(_) => return Ok(position),
            Err(reject) => last = Some(reject),
        }
    }
    Err(InferError::RefusedEverywhere {
        tried: n_attempts as usize,
        last: last.expect("internal error: no start was tried"),
    })
}

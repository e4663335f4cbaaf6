//! The Gaussian from which methods begin that walk badly from far away: what an ascent from a start finds.

use crate::laplace;
use crate::pathfinder::{self, PathGaussian, Pathfinder};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;

/// Draws by which two Gaussians are compared.
const N_BOUND_DRAWS: u64 = 25;

/// A Gaussian that was found.
pub(crate) enum Found {
    /// The best of a path of Pathfinder.
    Path(PathGaussian),
    /// Laplace's at the end of the path.
    Laplace(Gaussian),
}

impl Found {
    /// It as an approximation.
    pub(crate) fn approximation(&self) -> &dyn Approximation {
        match self {
            Self::Path(gaussian) => gaussian,
            Self::Laplace(gaussian) => gaussian,
        }
    }

    /// Its mean `[d]` and the lower factor of its covariance, row after row `[d, d]`; that of its variances alone
    /// where rounding has made the covariance indefinite.
    pub(crate) fn factored(&self) -> (Vec<f64>, Vec<f64>) {
        let (mean, covariance) = match self {
            Self::Path(gaussian) => (&gaussian.mean, gaussian.covariance()),
            Self::Laplace(gaussian) => {
                let d = gaussian.mean.len();
                let covariance = (0..d * d).map(|k| gaussian.covariance(k / d, k % d));
                (&gaussian.mean, covariance.collect())
            }
        };
        let d = mean.len();
        let lower = match Scale::from_covariance(&covariance, d) {
            Ok(Scale::Lower(lower)) => lower,
            _ => diagonal((0..d).map(|i| covariance[i * d + i].sqrt())),
        };
        (mean.clone(), lower)
    }
}

/// A diagonal matrix, row after row `[d, d]`.
pub(crate) fn diagonal(values: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
    let d = values.len();
    let mut rows = vec![0.0; d * d];
    for (i, value) in values.enumerate() {
        rows[i * d + i] = value;
    }
    rows
}

/// That of a path of Pathfinder from the start, or Laplace's at its end, whichever has the better bound; none where
/// the path has none. And the gradients used.
pub(crate) fn gaussian_from(
    target: &dyn LogDensity,
    start: &[f64],
    stream: &Stream,
) -> (Option<Found>, u64) {
    let path_stream = stream.child("path", 0);
    let (found, n_gradients) =
        pathfinder::counted(target, start, &Pathfinder::default(), &path_stream);
    let Ok(path) = found else {
        return (None, n_gradients);
    };
    let mut evaluator = Evaluator::new(target);
    let laplace = laplace::around(&mut evaluator, &path.optimum.place);
    let mut bound = |q: &dyn Approximation| -> f64 {
        let mut position = vec![0.0; start.len()];
        (0..N_BOUND_DRAWS)
            .map(|i| {
                let ln_q = q.sample(&mut stream.child("bound", i), &mut position);
                (evaluator.log_density(&position) - ln_q) / N_BOUND_DRAWS as f64
            })
            .sum()
    };
    let chosen = match laplace {
        Ok((gaussian, _)) if bound(&gaussian) > bound(&path.gaussian) => Found::Laplace(gaussian),
        _ => Found::Path(path.gaussian),
    };
    (Some(chosen), n_gradients + evaluator.n_gradients())
}

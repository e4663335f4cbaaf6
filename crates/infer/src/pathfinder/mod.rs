//! Pathfinder: Gaussians along a quasi-Newton path, of which the one with the best bound is kept.
//!
//! An ascent by L-BFGS leaves positions, gradients and an inverse Hessian H_l at each of them; each is a
//! Gaussian N(x_l + H_l g_l, H_l), and a few draws estimate its ELBO ([zhang-2022], Alg. 1 to 4). One path
//! is cheap and crude; several from different starts, pooled as a mixture and reweighted ([`multi_path`]), are
//! the first rung of the ladder. Gradients: those of the ascent and `n_elbo_draws` for each position on the path.
//!
//! # Differences from the paper
//! The bound of every position is estimated with the same noise, so that their comparison is not a lottery.
//! Draws of several paths are weighted against the mixture of the paths, not each against its own.

mod inverse_hessian;
mod multi_path;

pub use inverse_hessian::PathGaussian;
pub use multi_path::{MultiPath, multi_path};

use crate::check::at_least_one;
use crate::dense::dot;
use crate::optimize::lbfgs::{Lbfgs, State};
use crate::optimize::{Optimum, maximize_watched};
use crate::{InferError, starts};
use inverse_hessian::Pairs;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::Approximation;
use jensen_rng::Stream;
use rayon::prelude::*;

/// Options of Pathfinder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pathfinder {
    /// Pairs remembered, at least 1. Default 6, that of the paper.
    pub history: usize,
    /// Draws by which the bound of a position is estimated, at least 2. Default 10; the paper takes 5, Stan 25.
    pub n_elbo_draws: usize,
    /// Most steps of the ascent, at least 1. Default 1000; it mostly ends before by itself.
    pub max_steps: u64,
}

impl Default for Pathfinder {
    fn default() -> Self {
        Self {
            history: 6,
            n_elbo_draws: 10,
            max_steps: 1000,
        }
    }
}

/// One path and what it found.
#[derive(Clone, Debug)]
pub struct Path {
    /// The Gaussian with the best bound.
    pub gaussian: PathGaussian,
    /// Its estimated ELBO, nats.
    pub elbo: f64,
    /// Standard error of that estimate, nats.
    pub elbo_se: f64,
    /// The standard deviations of the Gaussian, `[d]`.
    pub sd: Vec<f64>,
    /// The end of the ascent.
    pub optimum: Optimum,
    /// Gradients used, those of the ascent included.
    pub n_gradients: u64,
}

/// What several paths found.
#[derive(Debug)]
pub struct Paths {
    /// Those that ended in a Gaussian.
    pub found: Vec<Path>,
    /// Why the others did not.
    pub failed: Vec<InferError>,
    /// Gradients used, those of paths that failed and of the search for starts included.
    pub n_gradients: u64,
}

/// A position on the path with what makes a Gaussian of it.
struct Candidate {
    position: Vec<f64>,
    grad: Vec<f64>,
    diagonal: Vec<f64>,
    pairs: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Runs one path from a start `[d]`. It judges nothing:
/// [`judge_approximation`](crate::referee::judge_approximation) does.
///
/// # Errors
/// [`InferError`] for options or a start that do not fit, or if no position gave a usable Gaussian.
pub fn pathfinder(
    target: &dyn LogDensity,
    start: &[f64],
    options: &Pathfinder,
    stream: &Stream,
) -> Result<Path, InferError> {
    counted(target, start, options, stream).0
}

/// [`pathfinder`] with the gradients that it used, whether it found something or not.
pub(crate) fn counted(
    target: &dyn LogDensity,
    start: &[f64],
    options: &Pathfinder,
    stream: &Stream,
) -> (Result<Path, InferError>, u64) {
    let mut n_gradients = 0;
    let found = search(target, start, options, stream, &mut n_gradients);
    (found, n_gradients)
}

fn search(
    target: &dyn LogDensity,
    start: &[f64],
    options: &Pathfinder,
    stream: &Stream,
    n_gradients: &mut u64,
) -> Result<Path, InferError> {
    if options.n_elbo_draws < 2 {
        return Err(InferError::Option {
            option: "n_elbo_draws",
            expected: "at least 2 draws".to_owned(),
            found: options.n_elbo_draws.to_string(),
        });
    }
    at_least_one("history", options.history as u64)?;
    at_least_one("max_steps", options.max_steps)?;
    let method = Lbfgs {
        history: options.history,
    };
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut diagonal = vec![1.0; target.dim()];
    let optimum = maximize_watched(
        &method,
        target,
        start,
        options.max_steps,
        &mut |state, _| {
            candidates.extend(candidate(state, &mut diagonal));
        },
    )
    // A refused start was one evaluation.
    .inspect_err(|error| *n_gradients += u64::from(matches!(error, InferError::StartRefused(_))))?;
    let mut evaluator = Evaluator::new(target);
    let noise = stream.child("elbo", 0);
    let mut best: Option<(PathGaussian, f64, f64)> = None;
    for candidate in &candidates {
        let pairs = Pairs {
            diagonal: &candidate.diagonal,
            newest: &candidate.pairs,
        };
        let Some(q) = PathGaussian::new(&candidate.position, &candidate.grad, &pairs) else {
            continue;
        };
        let (elbo, se) = elbo(&mut evaluator, &q, options.n_elbo_draws, &noise);
        if elbo.is_finite() && best.as_ref().is_none_or(|(_, known, _)| elbo > *known) {
            best = Some((q, elbo, se));
        }
    }
    *n_gradients = optimum.n_gradients + evaluator.n_gradients();
    let Some((gaussian, elbo, elbo_se)) = best else {
        return Err(InferError::Failed {
            method: "pathfinder",
            reason: format!(
                "none of the {} positions on the path gave a Gaussian with a finite bound; the ascent \
                 ended ({:?}) at a log density of {:.6} after {} steps",
                candidates.len(),
                optimum.stop,
                optimum.place.log_density,
                optimum.n_steps
            ),
        });
    };
    Ok(Path {
        sd: gaussian.sd(),
        gaussian,
        elbo,
        elbo_se,
        n_gradients: *n_gradients,
        optimum,
    })
}

/// Runs several paths from random starts, in parallel; path i draws from the child `path`, i.
///
/// # Errors
/// That of the first path if all fail.
pub fn paths(
    target: &dyn LogDensity,
    n_paths: usize,
    options: &Pathfinder,
    stream: &Stream,
) -> Result<Paths, InferError> {
    let mut paths = tried(target, n_paths, options, stream)?;
    match paths.found.is_empty() {
        false => Ok(paths),
        true => Err(paths.failed.remove(0)),
    }
}

/// [`paths`], of which all may have failed.
pub(crate) fn tried(
    target: &dyn LogDensity,
    n_paths: usize,
    options: &Pathfinder,
    stream: &Stream,
) -> Result<Paths, InferError> {
    if n_paths == 0 {
        return Err(InferError::Option {
            option: "n_paths",
            expected: "at least 1 path".to_owned(),
            found: "0".to_owned(),
        });
    }
    let results: Vec<(Result<Path, InferError>, u64)> = (0..n_paths as u64)
        .into_par_iter()
        .map(|index| {
            let stream = stream.child("path", index);
            let mut evaluator = Evaluator::new(target);
            match starts::accepted(&mut evaluator, &stream) {
                Ok(start) => {
                    let (path, used) = counted(target, &start, options, &stream);
                    (path, evaluator.n_gradients() + used)
                }
                Err(error) => (Err(error), evaluator.n_gradients()),
            }
        })
        .collect();
    let (mut found, mut failed, mut n_gradients) = (Vec::new(), Vec::new(), 0);
    for (result, used) in results {
        n_gradients += used;
        match result {
            Ok(path) => found.push(path),
            Err(error) => failed.push(error),
        }
    }
    Ok(Paths {
        found,
        failed,
        n_gradients,
    })
}

/// The candidate of a state, once there is a pair; the diagonal follows every new pair.
fn candidate(state: &State, diagonal: &mut [f64]) -> Option<Candidate> {
    let (s, y) = state.pairs.back()?;
    update_diagonal(diagonal, s, y);
    Some(Candidate {
        position: state.place.position.clone(),
        grad: state.place.grad.clone(),
        diagonal: diagonal.to_vec(),
        pairs: state.pairs.iter().cloned().collect(),
    })
}

/// The diagonal of the inverse Hessian after a pair ([zhang-2022], Alg. 3; [gilbert-1989], eq. 4.9).
fn update_diagonal(diagonal: &mut [f64], s: &[f64], y: &[f64]) {
    let a: f64 = y.iter().zip(diagonal.iter()).map(|(y, d)| y * y * d).sum();
    let b = dot(y, s);
    let c: f64 = s.iter().zip(diagonal.iter()).map(|(s, d)| s * s / d).sum();
    let updated: Vec<f64> = (diagonal.iter().zip(s).zip(y))
        .map(|((d, s), y)| 1.0 / (a / (b * d) + y * y / b - a * s * s / (b * c * d * d)))
        .collect();
    // Rounding can spoil a badly scaled pair: then the diagonal stays.
    if updated.iter().all(|d| *d > 0.0 && d.is_finite()) {
        diagonal.copy_from_slice(&updated);
    }
}

/// The mean of ln p - ln q over draws and its standard error; minus infinity if a draw is refused.
fn elbo(
    evaluator: &mut Evaluator<'_>,
    q: &PathGaussian,
    n_draws: usize,
    noise: &Stream,
) -> (f64, f64) {
    let mut stream = noise.clone();
    let mut position = vec![0.0; q.dim()];
    let mut terms = Vec::with_capacity(n_draws);
    for _ in 0..n_draws {
        let ln_q = q.sample(&mut stream, &mut position);
        let ln_p = evaluator.log_density(&position);
        if ln_p == f64::NEG_INFINITY {
            return (ln_p, 0.0);
        }
        terms.push(ln_p - ln_q);
    }
    let n = n_draws as f64;
    let mean = terms.iter().sum::<f64>() / n;
    let variance = terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Quadratic;
    use jensen_density::{Layout, Variable, from_fn};
    use std::f64::consts::TAU;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Of bounds of some nats.
    const ROUNDING: f64 = 1e-9;
    /// Nats that an inverse Hessian of few pairs may lose, in four coordinates: variances off by a third of themselves
    /// lose 0.05 nats each.
    const GAP: f64 = 0.2;

    #[test]
    fn a_gaussian_is_found_with_its_evidence() {
        let target = Quadratic::new(&[0.1, 1.0, 10.0, 0.5], &[1.0, -2.0, 5.0, 0.0]);
        let exact = 2.0 * TAU.ln() + target.sd.iter().map(|s| s.ln()).sum::<f64>();
        let stream = Stream::from_seed(1);
        let found = paths(&target, 4, &Pathfinder::default(), &stream)
            .unwrap()
            .found;
        assert_eq!(found.len(), 4);
        for path in &found {
            assert!(path.elbo <= exact + 3.0 * path.elbo_se + ROUNDING);
            assert!(exact - path.elbo < GAP, "{} of {exact}", path.elbo);
        }
        let again = paths(&target, 4, &Pathfinder::default(), &stream).unwrap();
        assert_eq!(again.found[3].elbo, found[3].elbo);
    }

    /// Whose path of a straight ascent has no curvature, so that no Gaussian comes of it.
    #[test]
    fn gradients_of_paths_that_fail_are_counted() {
        let n_evaluations = AtomicU64::new(0);
        let slope = from_fn(Layout::new(vec![Variable::real("x")]), |x, grad| {
            n_evaluations.fetch_add(1, Ordering::Relaxed);
            grad[0] = 1.0;
            x[0]
        });
        let stream = Stream::from_seed(1);
        let none = tried(&slope, 3, &Pathfinder::default(), &stream).unwrap();
        assert_eq!((none.found.len(), none.failed.len()), (0, 3));
        assert_eq!(none.n_gradients, n_evaluations.load(Ordering::Relaxed));
        assert!(none.n_gradients > 3, "{}", none.n_gradients);
    }
}

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
    /// Pairs remembered; default of the paper.
    pub history: usize,
    /// Draws by which the bound of a position is estimated; the paper takes 5, Stan 25.
    pub n_elbo_draws: usize,
    /// Steps of the ascent.
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
    /// The end of the ascent.
    pub optimum: Optimum,
    /// Gradients used, those of the ascent included.
    pub n_gradients: u64,
}

/// A position on the path with what makes a Gaussian of it.
struct Candidate {
    position: Vec<f64>,
    grad: Vec<f64>,
    diagonal: Vec<f64>,
    pairs: Vec<(Vec<f64>, Vec<f64>)>,
}

/// Runs one path from a start `[d]`.
///
/// # Errors
/// [`InferError`] for options or a start that do not fit, or if no position gave a usable Gaussian.
pub fn pathfinder(
    target: &dyn LogDensity,
    start: &[f64],
    options: &Pathfinder,
    stream: &Stream,
) -> Result<Path, InferError> {
    if options.n_elbo_draws < 2 {
        return Err(InferError::Option {
            option: "n_elbo_draws",
            expected: "at least 2 draws".to_owned(),
            found: options.n_elbo_draws.to_string(),
        });
    }
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
    )?;
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
        gaussian,
        elbo,
        elbo_se,
        n_gradients: optimum.n_gradients + evaluator.n_gradients(),
        optimum,
    })
}

/// Runs several paths from random starts, in parallel; path i draws from the child `path`, i. Paths that
/// fail are left out.
///
/// # Errors
/// That of the first path if all fail.
pub fn paths(
    target: &dyn LogDensity,
    n_paths: usize,
    options: &Pathfinder,
    stream: &Stream,
) -> Result<Vec<Path>, InferError> {
    if n_paths == 0 {
        return Err(InferError::Option {
            option: "n_paths",
            expected: "at least 1 path".to_owned(),
            found: "0".to_owned(),
        });
    }
    let results: Vec<Result<Path, InferError>> = (0..n_paths as u64)
        .into_par_iter()
        .map(|index| {
            let stream = stream.child("path", index);
            let start = starts::random(target, &stream)?;
            pathfinder(target, &start, options, &stream)
        })
        .collect();
    let mut paths = Vec::new();
    let mut failed = Vec::new();
    for result in results {
        match result {
            Ok(path) => paths.push(path),
            Err(error) => failed.push(error),
        }
    }
    match paths.is_empty() {
        false => Ok(paths),
        true => Err(failed.remove(0)),
    }
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
    use std::f64::consts::TAU;

    #[test]
    fn a_gaussian_is_found_with_its_evidence() {
        let target = Quadratic::new(&[0.1, 1.0, 10.0, 0.5], &[1.0, -2.0, 5.0, 0.0]);
        let exact = 2.0 * TAU.ln() + target.sd.iter().map(|s| s.ln()).sum::<f64>();
        let stream = Stream::from_seed(1);
        let found = paths(&target, 4, &Pathfinder::default(), &stream).unwrap();
        assert_eq!(found.len(), 4);
        for path in &found {
            assert!(path.elbo <= exact + 3.0 * path.elbo_se + 1e-9);
            assert!(exact - path.elbo < 0.2, "{} of {exact}", path.elbo);
        }
        let again = paths(&target, 4, &Pathfinder::default(), &stream).unwrap();
        assert_eq!(again[3].elbo, found[3].elbo);
    }
}

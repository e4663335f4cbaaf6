//! Multi-path Pathfinder: draws of several paths pooled, weighted against their mixture and resampled.
//!
//! Paths from random starts give Gaussians q_1..q_K ([zhang-2022], Alg. 2). Draws of all of them get the weights
//!
//! w_i = p(z_i) / (1/K) sum_k q_k(z_i)
//!
//! smoothed (PSIS, [vehtari-2024]), and draws are taken from them in proportion to their weight. The shape k-hat
//! of the weights says whether to trust that; their mean estimates the evidence. Gradients: those of the paths, and
//! one for each draw.
//!
//! For a quick first answer, and where a few modes are likely: paths that end in different modes each keep the
//! share that their mass deserves.
//!
//! # Differences from the paper
//! The paper divides by the density of the path that made the draw. Against the mixture no weight is larger
//! than K times that of its best path, so a path that ended on a worthless hill costs draws and nothing else.

use super::{Path, PathGaussian, Pathfinder, Paths, paths};
use crate::InferError;
use crate::importance::{Sample, pool};
use jensen_density::LogDensity;
use jensen_posterior::evidence::Estimate;
use jensen_posterior::{Approximation, Mixture, resample};
use jensen_rng::Stream;

/// What several paths found together.
#[derive(Clone, Debug)]
pub struct MultiPath {
    /// The mixture of the paths' Gaussians with equal shares, against which draws were weighted.
    pub mixture: Mixture<PathGaussian>,
    /// The pooled draws with their smoothed weights; `sample.psis.k_hat` says whether to trust them.
    pub sample: Sample,
    /// Draws in proportion to the weights, `[n, d]`, with repetitions.
    pub resampled: Vec<f64>,
    /// The log evidence by the mean weight, nats; it contains the free constant of the density.
    pub log_evidence: Estimate,
    /// The paths that ended in a Gaussian.
    pub paths: Vec<Path>,
    /// Gradients used, those of all paths and of the search for their starts included.
    pub n_gradients: u64,
}

impl MultiPath {
    /// The resampled draws, row after row, `[n, d]`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + Clone {
        self.resampled.chunks_exact(self.mixture.dim())
    }
}

/// Runs `n_paths` paths from random starts and pools `n_draws` draws of them, at least 100; as many are resampled.
/// Two runs are judged by [`judge_importance`](crate::referee::judge_importance).
///
/// # Errors
/// [`InferError`] for options that do not fit, a density without coordinates or one that refuses every start or
/// every draw, or if no path gave a Gaussian.
pub fn multi_path(
    target: &dyn LogDensity,
    n_paths: usize,
    n_draws: usize,
    options: &Pathfinder,
    stream: &Stream,
) -> Result<MultiPath, InferError> {
    if n_draws < LEAST_DRAWS {
        return Err(InferError::Option {
            option: "n_draws",
            expected: format!("at least {LEAST_DRAWS} draws: fewer have no tail to judge"),
            found: n_draws.to_string(),
        });
    }
    let Paths {
        found, n_gradients, ..
    } = paths(target, n_paths, options, stream)?;
    let proposals: Vec<&dyn Approximation> = (found.iter())
        .map(|path| &path.gaussian as &dyn Approximation)
        .collect();
    let sample = pool(target, &proposals, n_draws, &stream.child("pool", 0))?;
    let mut draws = stream.child("resample", 0);
    let chosen = resample::with_replacement(&sample.psis.ln_weights, n_draws, &mut draws)
        .expect("internal error: smoothed weights cannot be drawn from");
    let resampled = (chosen.iter())
        .flat_map(|&i| &sample.positions[i * sample.dim..(i + 1) * sample.dim])
        .copied()
        .collect();
    let gaussians: Vec<PathGaussian> = found.iter().map(|path| path.gaussian.clone()).collect();
    let mixture = Mixture::new(&vec![1.0; gaussians.len()], gaussians)
        .expect("internal error: paths of one density do not mix");
    Ok(MultiPath {
        mixture,
        log_evidence: sample.psis.log_evidence(),
        resampled,
        paths: found,
        n_gradients: n_gradients + sample.n_gradients,
        sample,
    })
}

/// The fewest draws whose weights have a tail that can be fitted.
const LEAST_DRAWS: usize = 100;

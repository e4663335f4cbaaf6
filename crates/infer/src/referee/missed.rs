//! Missed modes: whether mass lies where an answer has none.
//!
//! Chains that all sit in one mode of two mix well, and nothing they measure tells of the other. So paths from
//! random starts and scouts from boxes around the answer (file `scouts`, with how far) look for modes at which no
//! draw ever was. What such modes are worth, r = Z_far / (Z + Z_far), says how the answer would change with them:
//!
//! - **far_shift**: |mean - mean with the far modes| in standard deviations with them,
//! - **far_spread**: |ln (sd / sd with the far modes)|.
//!
//! Z_far comes from importance weights of the paths' Gaussians, Z from a bridge between the draws and the Gaussian
//! with their moments ([gronau-2017]), which is taken only where there is a mode to be weighed. Modes without
//! weight, as local maxima of a likelihood often are, do not matter.
//!
//! It costs three paths, two dozen scouts, a few ascents from the draws and, where a mode was found, a thousand
//! draws and twice half the draws of the answer.

use super::compare::{Moments, SPREAD, SPREAD_FAR};
use super::drift::moments;
use super::importance::{values_of, weighted_moments};
use super::{Check, Sense};
use crate::importance::pool;
use crate::optimize::{lbfgs::Lbfgs, maximize};
use crate::pathfinder::{self, Path, Pathfinder};
use crate::scouts::{near, scout};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::bridge::bridge;
use jensen_posterior::{Approximation, Draws};
use jensen_rng::Stream;
use rayon::prelude::*;

/// Paths from random starts.
const N_PATHS: usize = 3;
/// Rounds of scouts.
const N_ROUNDS: u64 = 2;
/// Draws from which ascents tell what the answer knows.
const N_ASCENTS: usize = 8;
/// Steps of such an ascent.
const MAX_STEPS: u64 = 200;
/// Draws by which a path's Gaussian tells where half of its mass lies.
const N_INSIDE: u64 = 200;
/// Draws by which far modes are weighed.
const N_WEIGHED: usize = 1000;
/// Far modes with less than this share of the mass move no mean that exists.
const LEAST_SHARE: f64 = 1e-6;
/// Means may shift by this many standard deviations: with two errors of a mean of 400 effective draws, a tenth,
/// it stays within the quarter that a good answer promises.
const SHIFT: f64 = 0.15;
const SHIFT_FAR: f64 = 1.0;

/// The checks of unconstrained draws `[c, s, d]` whose values have these moments, and the gradients used.
pub(crate) fn missed(
    target: &dyn LogDensity,
    draws: &Draws,
    of_values: &Moments<'_>,
    stream: &Stream,
) -> (Vec<Check>, u64) {
    let names = target.layout().value_names();
    let (far, mut n_gradients) = far_modes(target, draws, stream);
    let with = match far.is_empty() {
        true => None,
        false => {
            let (with, used) = with_far(target, draws, of_values, &far, stream);
            n_gradients += used;
            with
        }
    };
    let (shift, spread) = match &with {
        None => (vec![0.0; names.len()], vec![0.0; names.len()]),
        Some((mean, sd)) => {
            let with = Moments { mean, sd };
            (of_values.shifts(&with), of_values.spreads(&with))
        }
    };
    let most = Sense::AtMost;
    let (limit, worst) = (SPREAD.ln(), SPREAD_FAR.ln());
    let checks = vec![
        Check::each("far_shift", &shift, &names, most, SHIFT, SHIFT_FAR),
        Check::each("far_spread", &spread, &names, most, limit, worst),
    ];
    (checks, n_gradients)
}

/// Paths to modes where no draw is, and the gradients used.
fn far_modes(target: &dyn LogDensity, draws: &Draws, stream: &Stream) -> (Vec<Path>, u64) {
    let d = draws.dim();
    let rows: Vec<&[f64]> = draws.rows().collect();
    let (center, sd) = moments(rows.iter(), d, rows.len() as f64);
    // Draws at equal distances are of every chain.
    let ascents: Vec<_> = (0..N_ASCENTS.min(rows.len()))
        .into_par_iter()
        .filter_map(|i| {
            let start = rows[(2 * i + 1) * rows.len() / (2 * N_ASCENTS.min(rows.len()))];
            maximize(&Lbfgs::default(), target, start, MAX_STEPS).ok()
        })
        .collect();
    let mut n_gradients: u64 = ascents.iter().map(|optimum| optimum.n_gradients).sum();
    let is_known = |end: &[f64]| {
        let mut modes = ascents.iter().map(|optimum| &optimum.place.position);
        modes.any(|mode| near(mode, &sd, end))
    };
    let mut found = Vec::new();
    // Starts that the density refuses everywhere lead nowhere.
    if let Ok(begun) = pathfinder::tried(target, N_PATHS, &Pathfinder::default(), stream) {
        n_gradients += begun.n_gradients;
        found.extend(begun.found);
    }
    found.retain(|path| !is_known(&path.optimum.place.position));
    for round in 0..N_ROUNDS {
        let round = stream.child("round", round);
        let scouted = scout(target, (&center, &sd), &is_known, &round);
        n_gradients += scouted.n_gradients;
        found.extend(scouted.paths);
    }
    found.retain(|path| !is_visited(path, &rows, stream));
    (found, n_gradients)
}

/// Whether a draw lies where the denser half of a path's Gaussian is.
fn is_visited(path: &Path, rows: &[&[f64]], stream: &Stream) -> bool {
    let q = &path.gaussian;
    let mut position = vec![0.0; q.dim()];
    let mut heights: Vec<f64> = (0..N_INSIDE)
        .map(|i| q.sample(&mut stream.child("inside", i), &mut position))
        .collect();
    heights.sort_by(f64::total_cmp);
    let middle = heights[heights.len() / 2];
    rows.par_iter().any(|row| q.ln_density(row) >= middle)
}

/// Means and standard deviations, `[n_values]` each.
type MeanSd = (Vec<f64>, Vec<f64>);

/// The moments of the values with far modes, none where these have no weight; and the gradients
/// used.
fn with_far(
    target: &dyn LogDensity,
    draws: &Draws,
    of_values: &Moments<'_>,
    far: &[Path],
    stream: &Stream,
) -> (Option<MeanSd>, u64) {
    let proposals: Vec<&dyn Approximation> = (far.iter())
        .map(|path| &path.gaussian as &dyn Approximation)
        .collect();
    let Ok(sample) = pool(target, &proposals, N_WEIGHED, &stream.child("weigh", 0)) else {
        return (None, N_WEIGHED as u64);
    };
    let mut evaluator = Evaluator::new(target);
    let ln_p = |position: &[f64]| evaluator.log_density(position);
    let known = bridge(draws, ln_p, &stream.child("bridge", 0));
    // Where the draws cannot be weighed, nothing says that they are worth more than the far modes.
    let ln_odds = known.map_or(0.0, |known| sample.psis.ln_mean_weight - known.ln_evidence);
    let share = 1.0 / (1.0 + (-ln_odds).exp());
    let n_gradients = sample.n_gradients + evaluator.n_gradients();
    if share < LEAST_SHARE {
        return (None, n_gradients);
    }
    let width = of_values.mean.len();
    let (far_mean, far_sd) = weighted_moments(&sample, &values_of(target, &sample), width);
    let mean: Vec<f64> = (of_values.mean.iter().zip(&far_mean))
        .map(|(m, far)| m + share * (far - m))
        .collect();
    let sd = (0..width)
        .map(|j| {
            let second = |m: f64, s: f64| s * s + (m - mean[j]).powi(2);
            let known = second(of_values.mean[j], of_values.sd[j]);
            let far = second(far_mean[j], far_sd[j]);
            ((1.0 - share) * known + share * far).sqrt()
        })
        .collect();
    (Some((mean, sd)), n_gradients)
}

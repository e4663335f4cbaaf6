//! Scouts: ascents from far away, for the modes that starts near the origin never reach.
//!
//! A scout starts uniformly in a box around the best path's Gaussian, some standard deviations wide in every
//! coordinate, and climbs by L-BFGS without asking for Gaussians on its way: about fifty gradients. Only where
//! it ends on a new mode is its path searched as others are. What lies farther than [`REACH`] standard
//! deviations from the modes that are known, or has a basin that a dozen starts miss, stays unknown to any
//! method that looks at a density point by point.

use crate::optimize::{Optimum, lbfgs::Lbfgs, maximize};
use crate::pathfinder::{Path, Pathfinder, pathfinder};
use crate::starts;
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;
use rayon::prelude::*;

/// Half-widths of the boxes in standard deviations, taken in turn, and the largest of them.
const RADII: [f64; 4] = [4.0, 8.0, 16.0, REACH];
/// How far scouts look for modes, in standard deviations of the best mode known.
pub const REACH: f64 = 32.0;
/// Scouts of a restart.
const N_SCOUTS: u64 = 12;
/// Starts tried by a scout: far away a density often refuses.
const N_TRIES: u64 = 10;
/// Steps of a scout's ascent; one that has not arrived by then is on no mode.
const MAX_STEPS: u64 = 200;
/// New modes taken from the scouts of a restart.
const MOST_NEW: usize = 3;

/// Where a scout started, and where it came.
type Climb = (Vec<f64>, Optimum);

/// Paths to modes that are not among the known ones, and the gradients used.
pub(crate) fn scout(target: &dyn LogDensity, known: &[Path], stream: &Stream) -> (Vec<Path>, u64) {
    let best = known.iter().max_by(|a, b| a.elbo.total_cmp(&b.elbo));
    let Some(base) = best else {
        return (Vec::new(), 0);
    };
    let sd = base.gaussian.sd();
    let outcomes: Vec<(Option<Climb>, u64)> = (0..N_SCOUTS)
        .into_par_iter()
        .map(|index| {
            let stream = stream.child("scout", index);
            let radius = RADII[index as usize % RADII.len()];
            let around = |draws: &mut Stream, _| -> Vec<f64> {
                (base.gaussian.mean.iter().zip(&sd))
                    .map(|(m, s)| m + radius * s * (2.0 * draws.uniform() - 1.0))
                    .collect()
            };
            let mut evaluator = Evaluator::new(target);
            let start = starts::first_accepted(&mut evaluator, &stream, N_TRIES, around);
            let climbed = start.and_then(|start| {
                let optimum = maximize(&Lbfgs::default(), target, &start, MAX_STEPS)?;
                Ok((start, optimum))
            });
            let climbed = climbed.ok();
            let used = climbed
                .as_ref()
                .map_or(0, |(_, optimum)| optimum.n_gradients);
            (climbed, evaluator.n_gradients() + used)
        })
        .collect();
    let mut n_gradients = 0;
    let mut new: Vec<Path> = Vec::new();
    for (index, (climbed, used)) in outcomes.into_iter().enumerate() {
        n_gradients += used;
        let Some((start, optimum)) = climbed else {
            continue;
        };
        let end = &optimum.place.position;
        let is_known = known.iter().chain(&new).any(|path| same_mode(path, end));
        if is_known || new.len() == MOST_NEW {
            continue;
        }
        let stream = stream.child("path", index as u64);
        if let Ok(path) = pathfinder(target, &start, &Pathfinder::default(), &stream) {
            n_gradients += path.n_gradients;
            new.push(path);
        }
    }
    (new, n_gradients)
}

/// Whether a position is the mode at the end of a path, to half a standard deviation on average.
pub(crate) fn same_mode(path: &Path, position: &[f64]) -> bool {
    let sd = path.gaussian.sd();
    let mode = &path.optimum.place.position;
    let distance: f64 = (position.iter().zip(mode).zip(&sd))
        .map(|((x, m), s)| ((x - m) / s).powi(2))
        .sum();
    distance < 0.25 * position.len() as f64
}

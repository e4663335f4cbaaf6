//! Scouts: ascents from far away, for the modes that starts near the origin never reach.
//!
//! A scout starts uniformly in a box around what is known, as the best path's Gaussian, some standard deviations wide in
//! every coordinate, and climbs by L-BFGS without asking for Gaussians on its way: about fifty gradients. Only where
//! it ends on a new mode is its path searched as others are. Modes come in crowds, so that who finds one goes on
//! from there until a round of scouts finds nothing new. What lies farther than [`REACH`] standard
//! deviations from the modes that are known, or has a basin that a dozen starts miss, stays unknown to any
//! method that looks at a density point by point.

use crate::optimize::{Optimum, lbfgs::Lbfgs, maximize};
use crate::pathfinder::{self, Path, Pathfinder};
use crate::{InferError, starts};
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
/// Ends of ascents that are nearer than this in standard deviations, in every coordinate, are the same mode.
const SAME: f64 = 0.5;
/// New modes taken from a round of scouts.
const MOST_NEW: usize = 6;
/// Rounds of scouts of a restart; after them some modes are unknown for sure.
const MOST_ROUNDS: u64 = 8;
/// A path whose bound lies this many nats below the best has ended on a hill that does not matter.
pub(crate) const HOPELESS: f64 = 15.0;

/// Where a scout started, and where it came.
type Climb = (Vec<f64>, Optimum);

/// Paths and the gradients used, those of failures included.
#[derive(Default)]
pub(crate) struct Explored {
    pub(crate) paths: Vec<Path>,
    pub(crate) n_gradients: u64,
    /// Whether the last round of scouts found no mode that matters.
    pub(crate) is_settled: bool,
    /// Why the first path gave no Gaussian, where none did.
    pub(crate) failed: Option<InferError>,
}

/// Paths from random starts, and those to modes far from the best of them.
///
/// # Errors
/// [`InferError`] for a density without coordinates, or one that refuses every start; paths that end without a
/// Gaussian are no error.
pub(crate) fn explore(
    target: &dyn LogDensity,
    n_paths: usize,
    stream: &Stream,
) -> Result<Explored, InferError> {
    let begun = pathfinder::tried(target, n_paths, &Pathfinder::default(), stream)?;
    let mut explored = Explored {
        paths: begun.found,
        n_gradients: begun.n_gradients,
        is_settled: false,
        failed: None,
    };
    if explored.paths.is_empty() {
        explored.failed = match begun.failed.into_iter().next() {
            Some(error) if !matches!(error, InferError::Failed { .. }) => return Err(error),
            failed => failed,
        };
        return Ok(explored);
    }
    explored.scout_on(target, &[], stream);
    Ok(explored)
}

impl Explored {
    /// Sends scouts until a round of them finds no new mode that matters: around the best mode first, then around
    /// those that were found. Modes of `others` are known too. Says whether anything new was found.
    pub(crate) fn scout_on(
        &mut self,
        target: &dyn LogDensity,
        others: &[Path],
        stream: &Stream,
    ) -> bool {
        let mut has_found = false;
        self.is_settled = false;
        for round in 0..MOST_ROUNDS {
            let by_elbo = |a: &&Path, b: &&Path| a.elbo.total_cmp(&b.elbo);
            let Some(best) = self.paths.iter().max_by(by_elbo) else {
                return has_found;
            };
            let around = match round {
                0 => best,
                _ => self.paths.last().unwrap_or(best),
            };
            let least = best.elbo - HOPELESS;
            let known = |end: &[f64]| {
                let mut known = self.paths.iter().chain(others);
                known.any(|path| same_mode(path, end))
            };
            let stream = match round {
                0 => stream.clone(),
                _ => stream.child("round", round),
            };
            let around = (&around.gaussian.mean[..], &around.sd[..]);
            let far = scout(target, around, &known, &stream);
            self.n_gradients += far.n_gradients;
            let is_new = far.paths.iter().any(|path| path.elbo > least);
            self.paths.extend(far.paths);
            if !is_new {
                self.is_settled = true;
                return has_found;
            }
            has_found = true;
        }
        has_found
    }
}

/// Paths to modes that are not known, from boxes around a center with standard deviations, `[d]` each.
pub(crate) fn scout(
    target: &dyn LogDensity,
    (center, sd): (&[f64], &[f64]),
    is_known: &dyn Fn(&[f64]) -> bool,
    stream: &Stream,
) -> Explored {
    let outcomes: Vec<(Option<Climb>, u64)> = (0..N_SCOUTS)
        .into_par_iter()
        .map(|index| {
            let stream = stream.child("scout", index);
            let radius = RADII[index as usize % RADII.len()];
            let around = |draws: &mut Stream, _| -> Vec<f64> {
                (center.iter().zip(sd))
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
    let mut new = Explored::default();
    for (index, (climbed, used)) in outcomes.into_iter().enumerate() {
        new.n_gradients += used;
        let Some((start, optimum)) = climbed else {
            continue;
        };
        let end = &optimum.place.position;
        let is_known = is_known(end) || new.paths.iter().any(|path| same_mode(path, end));
        if is_known || new.paths.len() == MOST_NEW {
            continue;
        }
        // Not `path`: that is the label of the paths that began before scouts were sent, from the same stream.
        let stream = stream.child("scouted", index as u64);
        let (path, used) = pathfinder::counted(target, &start, &Pathfinder::default(), &stream);
        new.n_gradients += used;
        new.paths.extend(path);
    }
    new
}

/// Whether a position is the mode at the end of a path.
pub(crate) fn same_mode(path: &Path, position: &[f64]) -> bool {
    near(&path.optimum.place.position, &path.sd, position)
}

/// Whether a position is a mode, to half a standard deviation in every coordinate: on average over many coordinates,
/// modes that lie far apart along one of them would be the same.
pub(crate) fn near(mode: &[f64], sd: &[f64], position: &[f64]) -> bool {
    let mut gaps = position.iter().zip(mode).zip(sd);
    gaps.all(|((x, m), s)| (x - m).abs() < SAME * s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_apart_along_one_coordinate_of_many_are_two() {
        for d in [1, 10, 100, 1000] {
            let (mode, sd) = (vec![1.0; d], vec![0.1; d]);
            let mut end = mode.clone();
            assert!(near(&mode, &sd, &end));
            end[d - 1] += 0.06;
            assert!(!near(&mode, &sd, &end), "{d}");
            // An ascent that ends a little off in every coordinate is at the mode.
            let end = vec![1.04; d];
            assert!(near(&mode, &sd, &end), "{d}");
        }
    }
}

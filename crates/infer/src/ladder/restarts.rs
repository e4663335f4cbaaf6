//! The first three rungs: two restarts with nothing in common but the target, and what they find.

use super::{Answer, Ladder, Outcome, Rung};
use crate::importance::{
    AdaptiveImportance, Sample, adaptive_importance, heavier, pool, squared_distance,
};
use crate::modes::{is_same, modes};
use crate::optimize::{maximize, newton::Newton};
use crate::pathfinder::Path;
use crate::referee::importance::weighted_moments;
use crate::referee::{Check, Report, Sense};
use crate::scouts::{Explored, HOPELESS, explore};
use crate::{InferError, check_gradient, laplace};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, StudentT, resample};
use jensen_rng::Stream;

/// Newton steps that polish a mode.
const MAX_POLISH: u64 = 30;
/// An end of a path that lies nearer to a polished mode than this, in standard deviations, is that mode.
const POLISHED: f64 = 0.5;
/// How often restarts that know different modes go on scouting from what both know.
const MOST_MEETINGS: u64 = 4;
/// Positions drawn from a restart for chains to start from.
const N_STARTS: usize = 100;
/// How far a mode may stand above draws beyond d / 2 nats: in units of (d / 2)^1/2, the standard deviation of a
/// draw's own distance, and a few nats that skewed densities take.
const HEIGHT_SDS: f64 = 3.0;
const HEIGHT_BEYOND: f64 = 3.0;

/// Coordinates are named that have at least this share of the largest number.
const SHARE: f64 = 0.5;

/// The two restarts and what they have found so far.
pub(super) struct Restarts {
    found: [Vec<Path>; 2],
    /// Whether their scouts had come to find nothing new.
    is_settled: bool,
    /// One for each mode that a restart knows.
    refined: [Vec<StudentT>; 2],
    /// Why paths gave no Gaussian, where none of a restart did.
    failed: Option<String>,
    /// Positions for chains to start from, by weight.
    pub(super) starts: [Vec<Vec<f64>>; 2],
    /// Gradients of the paths, charged to the first rung.
    pub(super) n_gradients: u64,
}

impl Restarts {
    pub(super) fn begin(
        target: &dyn LogDensity,
        options: &Ladder,
        stream: &Stream,
    ) -> Result<Self, InferError> {
        let n_checked = check_gradient(target, &stream.child("gradient", 0))?;
        let run = |index: u64| explore(target, options.n_paths, &stream.child("restart", index));
        let mut explored: [Explored; 2] = [run(0)?, run(1)?];
        let mut is_new = false;
        for meeting in 0..MOST_MEETINGS {
            // What one of them missed says that both may have missed more.
            let [a, b] = &mut explored;
            is_new = misses(target, a, b) || misses(target, b, a);
            if !is_new {
                break;
            }
            let stream = stream.child("meeting", meeting);
            let found = [
                a.scout_on(target, &b.paths, &stream.child("restart", 0)),
                b.scout_on(target, &a.paths, &stream.child("restart", 1)),
            ];
            is_new = found.contains(&true);
            if !is_new {
                break;
            }
        }
        let is_settled = !is_new && explored.iter().all(|restart| restart.is_settled);
        let n_explored: u64 = explored.iter().map(|restart| restart.n_gradients).sum();
        let failed = explored.iter().find_map(|restart| restart.failed.as_ref());
        let failed = failed.map(ToString::to_string);
        Ok(Self {
            failed,
            found: explored.map(|restart| restart.paths),
            is_settled,
            refined: [Vec::new(), Vec::new()],
            starts: [Vec::new(), Vec::new()],
            n_gradients: n_checked + n_explored,
        })
    }

    /// The paths of a restart that matter, and those of the other that end on modes it has not found.
    fn shared(&self, index: usize) -> Vec<&Path> {
        let mut shared = hopeful(&self.found[index], self.best_elbo());
        for path in hopeful(&self.found[1 - index], self.best_elbo()) {
            if !shared.iter().any(|known| is_same(known, &path.optimum)) {
                shared.push(path);
            }
        }
        shared
    }

    /// The check that fails where scouts still found modes: how many there are, at most none of them too many.
    fn modes_check(&self, target: &dyn LogDensity) -> Check {
        let modes: Vec<&Path> = (0..2)
            .flat_map(|index| hopeful(&self.found[index], self.best_elbo()))
            .collect();
        let n_modes = modes.len() as f64;
        let check = Check::whole("unknown_modes", n_modes, Sense::AtMost, 0.0, f64::INFINITY);
        check.blaming(|| {
            let spread = |i: usize| -> f64 {
                let places = modes.iter().map(|path| path.optimum.place.position[i]);
                let (low, high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
                    (l.min(x), h.max(x))
                });
                let sd = modes.iter().map(|path| path.sd[i]).fold(0.0, f64::max);
                (high - low) / sd
            };
            let spreads: Vec<f64> = (0..target.dim()).map(spread).collect();
            let most = spreads.iter().copied().fold(0.0, f64::max);
            (0..target.dim())
                .filter(|&i| spreads[i] >= SHARE * most)
                .map(|i| target.layout().coordinate(i))
                .collect()
        })
    }

    /// The check that fails where, in one of the restarts, a mode stands higher above its draws than that of a
    /// Gaussian, d / 2 nats on average of them: a narrow peak on a wide hill, to which paths climb and which no draw of
    /// theirs hits. It names the coordinates in which that mode is most unlike the draws.
    fn peak_check(&self, target: &dyn LogDensity, samples: [&Sample; 2]) -> Check {
        let highest = [0, 1].map(|index| {
            let modes = hopeful(&self.found[index], best_elbo(&self.found[index])).into_iter();
            let height = |path: &Path| path.optimum.place.log_density - typical(samples[index]);
            modes
                .map(|path| (height(path), path, samples[index]))
                .max_by(|a, b| a.0.total_cmp(&b.0))
        });
        let highest = highest.into_iter().flatten();
        let highest = highest.max_by(|a, b| a.0.total_cmp(&b.0));
        let height = highest.map_or(f64::NAN, |(height, ..)| height);
        let half = 0.5 * target.dim() as f64;
        let limit = half + HEIGHT_SDS * half.sqrt() + HEIGHT_BEYOND;
        let check = Check::whole("peak", height, Sense::AtMost, limit, f64::INFINITY);
        check.blaming(|| highest.map_or(Vec::new(), |(_, path, of)| unlike(target, path, of)))
    }

    /// The best bound of both restarts, nats.
    fn best_elbo(&self) -> f64 {
        best_elbo(self.found.iter().flatten())
    }

    /// Climbs one of the first three rungs.
    pub(super) fn climb(
        &mut self,
        target: &dyn LogDensity,
        rung: Rung,
        options: &Ladder,
        stream: &Stream,
    ) -> Outcome {
        let mut n_gradients = std::mem::take(&mut self.n_gradients);
        if rung == Rung::Refined {
            self.refined = [0, 1].map(|index| {
                let (refined, used) = refine(target, &self.shared(index));
                n_gradients += used;
                refined
            });
        }
        let sample = |index: usize| -> Result<Sample, InferError> {
            let mut first: Vec<&dyn Approximation> = Vec::new();
            let known = match rung {
                Rung::Paths => {
                    let own = &self.found[index];
                    hopeful(own, best_elbo(own))
                }
                _ => self.shared(index),
            };
            let refined = &self.refined[index];
            if rung != Rung::Refined || refined.is_empty() {
                let gaussians = known
                    .iter()
                    .map(|path| &path.gaussian as &dyn Approximation);
                first.extend(gaussians);
            }
            first.extend(refined.iter().map(|q| q as &dyn Approximation));
            if first.is_empty() {
                let n_paths = options.n_paths;
                let failed = self.failed.as_deref().unwrap_or("no path was found");
                return Err(InferError::Failed {
                    method: rung.name(),
                    reason: format!(
                        "expected a Gaussian from one of {n_paths} quasi-Newton paths, found none: {failed}; check \
                         that the density has a maximum and that its gradient is right"
                    ),
                });
            }
            let stream = stream.child("restart", index as u64);
            if rung < Rung::Mixture {
                return pool(target, &first, options.n_draws, &stream);
            }
            let sampling = AdaptiveImportance {
                n_draws: options.n_draws,
                ..AdaptiveImportance::default()
            };
            adaptive_importance(target, &first, &sampling, &stream)
        };
        let (a, b) = match (sample(0), sample(1)) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(error), _) | (_, Err(error)) => return (Err(error), n_gradients),
        };
        n_gradients += a.n_gradients + b.n_gradients;
        let (mut answer, used) =
            Answer::of_samples(target, rung, [&a, &b], &stream.child("judge", 0));
        if rung == Rung::Paths {
            // The curvature at the modes, which the next rung knows, would tell what such a peak is worth.
            let mut checks = answer.report.checks;
            checks.push(self.peak_check(target, [&a, &b]));
            answer.report = Report::of(checks);
        }
        if !self.is_settled {
            // Weights say what known modes are worth, and nothing of those that are still unknown.
            let mut checks = answer.report.checks;
            checks.push(self.modes_check(target));
            answer.report = Report::of(checks);
        }
        let starts =
            |index: usize, sample| positions(sample, &mut stream.child("starts", index as u64));
        self.starts = [starts(0, &a), starts(1, &b)];
        (Ok(answer), n_gradients + used)
    }
}

/// The weighted mean of the log density of draws, nats.
fn typical(sample: &Sample) -> f64 {
    let each = sample.weights().into_iter().zip(&sample.ln_p);
    let with_weight = each.filter(|(w, _)| *w > 0.0);
    with_weight.map(|(w, ln_p)| w * ln_p).sum()
}

/// Names of the coordinates in which a mode is most unlike draws: by its place in their standard deviations, or by the
/// logarithm of its width over theirs; of all where none stands out.
fn unlike(target: &dyn LogDensity, path: &Path, sample: &Sample) -> Vec<String> {
    let d = sample.dim;
    let (mean, sd) = weighted_moments(sample, &sample.positions, d);
    let sizes: Vec<f64> = (0..d)
        .map(|i| {
            let off = (path.optimum.place.position[i] - mean[i]) / sd[i];
            off.abs().max((path.sd[i] / sd[i]).ln().abs())
        })
        .collect();
    let most = sizes.iter().copied().fold(0.0, f64::max);
    // Where no coordinate is unlike by as much as half of a standard deviation the peak is on top of the draws.
    let least = if most < SHARE { 0.0 } else { SHARE * most };
    let named = (0..d).filter(|&i| sizes[i] >= least);
    named.map(|i| target.layout().coordinate(i)).collect()
}

/// Whether a restart has missed a mode that matters and that the other found; what it takes is charged to the restart.
fn misses(target: &dyn LogDensity, restart: &mut Explored, other: &Explored) -> bool {
    let best = best_elbo(restart.paths.iter().chain(&other.paths));
    let n_known = restart.paths.len();
    let matter = hopeful(&other.paths, best);
    let all: Vec<&Path> = restart.paths.iter().chain(matter).collect();
    let mut evaluator = Evaluator::new(target);
    let modes = modes(&mut evaluator, &all);
    restart.n_gradients += evaluator.n_gradients();
    modes.iter().any(|mode| *mode >= n_known)
}

/// Positions of a sample drawn by weight.
fn positions(sample: &Sample, draws: &mut Stream) -> Vec<Vec<f64>> {
    let rows: Vec<&[f64]> = sample.rows().collect();
    let chosen = resample::with_replacement(&sample.psis.ln_weights, N_STARTS, draws);
    let chosen = chosen.unwrap_or_default();
    chosen.into_iter().map(|k| rows[k].to_vec()).collect()
}

/// The best bound of paths, nats.
fn best_elbo<'a>(paths: impl IntoIterator<Item = &'a Path>) -> f64 {
    let elbos = paths.into_iter().map(|path| path.elbo);
    elbos.fold(f64::NEG_INFINITY, f64::max)
}

/// The paths whose bound is near the best.
fn hopeful(found: &[Path], best: f64) -> Vec<&Path> {
    found.iter().filter(|p| p.elbo > best - HOPELESS).collect()
}

/// Student-t laws with the curvature at the polished modes of the paths, one for each mode.
fn refine(target: &dyn LogDensity, hopeful: &[&Path]) -> (Vec<StudentT>, u64) {
    let mut refined: Vec<StudentT> = Vec::new();
    let mut n_gradients = 0;
    for path in hopeful {
        let start = &path.optimum.place.position;
        // A mode that is known already needs no second polish.
        let is_known = |q: &StudentT| squared_distance(q, start) < POLISHED * POLISHED;
        if refined.iter().any(is_known) {
            continue;
        }
        let Ok(optimum) = maximize(&Newton, target, start, MAX_POLISH) else {
            continue;
        };
        let mut evaluator = Evaluator::new(target);
        let around = laplace::around(&mut evaluator, &optimum.place);
        n_gradients += optimum.n_gradients + evaluator.n_gradients();
        if let Ok((gaussian, _)) = around {
            refined.push(heavier(&gaussian, AdaptiveImportance::default().dof));
        }
    }
    (refined, n_gradients)
}

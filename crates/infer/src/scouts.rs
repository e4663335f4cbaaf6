//! Scouts: ascents from far away, for the modes that starts near the origin never reach.
//!
//! A scout starts uniformly in a box and climbs by L-BFGS without asking for Gaussians on its way: about fifty
//! gradients. Only where it ends on a new mode is its path searched as others are. Most boxes lie around one mode, as
//! the best path's Gaussian, some of its standard deviations wide in every coordinate. The others, the wide ones, lie
//! around all modes that matter, some times as wide as these are apart, as those that exchanged names of components
//! make; where only one is known, around the origin, as first starts do.
//!
//! Modes come in crowds, so that who finds one goes on from there until a round of scouts finds nothing new, and few
//! are left: of n ascents from wide boxes that came to modes which matter, those to modes where no other came are about
//! as many as the next n would bring to modes that are still unknown ([good-1953]). What lies farther than [`REACH`]
//! standard deviations from the modes that are known, or has a basin that a dozen starts miss, stays unknown to any
//! method that looks at a density point by point.

use crate::modes::{is_same, mode_of, modes};
use crate::optimize::{Optimum, Stop, lbfgs::Lbfgs, maximize};
use crate::pathfinder::{self, Path, Pathfinder};
use crate::referee::drift::moments;
use crate::{InferError, starts};
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;
use rayon::prelude::*;

/// Half-widths of the boxes in standard deviations, taken in turn, and the largest of them.
const RADII: [f64; 4] = [4.0, 8.0, 16.0, REACH];
/// How far scouts look for modes, in standard deviations of the best mode known.
pub const REACH: f64 = 32.0;
/// Scouts of a round around one mode.
const N_SCOUTS: usize = 12;
/// Half-widths of the wide boxes: in standard deviations of the places of known modes, and in units of the
/// coordinates where only one is known.
const SPREADS: [f64; 6] = [1.0, 2.0, 4.0, 1.0, 2.0, 4.0];
const FIRST: [f64; 6] = [2.0, 2.0, 2.0, 4.0, 4.0, 8.0];
/// Starts tried by a scout: far away a density often refuses.
const N_TRIES: u64 = 10;
/// Steps of a scout's ascent; one that has not arrived by then is on no mode.
const MAX_STEPS: u64 = 200;
/// New modes taken from a round of scouts.
const MOST_NEW: usize = 6;
/// Rounds of scouts of a restart; after them some modes are unknown for sure.
const MOST_ROUNDS: u64 = 16;
/// The share of ascents that may be expected to end on unknown modes: they hold as little, if basins are worth what
/// they hold.
const UNSEEN: f64 = 0.05;
/// A path whose bound lies this many nats below the best has ended on a hill that does not matter.
pub(crate) const HOPELESS: f64 = 15.0;

/// Where a scout started, and where it came.
type Climb = (Vec<f64>, Optimum);

/// Paths and the gradients used, those of failures included.
#[derive(Default)]
pub(crate) struct Explored {
    pub(crate) paths: Vec<Path>,
    pub(crate) n_gradients: u64,
    /// Where first paths and ascents from wide boxes have arrived.
    ends: Vec<Optimum>,
    /// Whether the last round of scouts found no mode that matters, and hardly any may be left.
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
    let ends = begun.found.iter().map(|path| &path.optimum);
    let mut explored = Explored {
        ends: ends.filter(|end| has_arrived(end)).cloned().collect(),
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
            let stream = match round {
                0 => stream.clone(),
                _ => stream.child("round", round),
            };
            let mut boxes = StartBox::around(&around.gaussian.mean, &around.sd);
            boxes.extend(self.wide_boxes(target, others, least));
            let known = |optimum: &Optimum| {
                let mut known = self.paths.iter().chain(others);
                known.any(|path| is_same(path, optimum))
            };
            let far = scout(target, &boxes, &known, &stream);
            self.n_gradients += far.n_gradients;
            let wide = far.optima.into_iter().skip(N_SCOUTS).flatten();
            self.ends.extend(wide.filter(has_arrived));
            let is_new = self.add(target, others, far.paths, least);
            has_found |= is_new;
            if !is_new && self.unseen(target, others, least) <= UNSEEN {
                self.is_settled = true;
                return has_found;
            }
        }
        has_found
    }

    /// Adds paths, and says whether one of them has come to a mode that matters and was not known.
    fn add(
        &mut self,
        target: &dyn LogDensity,
        others: &[Path],
        paths: Vec<Path>,
        least: f64,
    ) -> bool {
        let n_known = self.paths.len() + others.len();
        let known = self.paths.iter().chain(others);
        let all: Vec<&Path> = known.chain(&paths).collect();
        let mut evaluator = Evaluator::new(target);
        let modes = modes(&mut evaluator, &all);
        self.n_gradients += evaluator.n_gradients();
        let mut new = modes.iter().zip(&all);
        let is_new = new.any(|(mode, path)| *mode >= n_known && path.elbo > least);
        self.paths.extend(paths);
        is_new
    }

    /// Boxes around all modes that matter.
    fn wide_boxes(
        &mut self,
        target: &dyn LogDensity,
        others: &[Path],
        least: f64,
    ) -> Vec<StartBox> {
        let known = self.paths.iter().chain(others);
        let known: Vec<&Path> = known.filter(|path| path.elbo > least).collect();
        let mut evaluator = Evaluator::new(target);
        let modes = modes(&mut evaluator, &known);
        let first = (known.iter().enumerate()).filter(|(i, _)| modes[*i] == *i);
        let places: Vec<&Vec<f64>> = first
            .map(|(_, path)| &path.optimum.place.position)
            .collect();
        let d = target.dim();
        let (center, apart) = moments(places.iter(), d, places.len() as f64);
        let boxes = (0..SPREADS.len()).map(|k| match places.len() > 1 {
            true => StartBox {
                half_width: apart.iter().map(|s| SPREADS[k] * s).collect(),
                center: center.clone(),
            },
            false => StartBox {
                half_width: vec![FIRST[k]; d],
                center: vec![0.0; d],
            },
        });
        self.n_gradients += evaluator.n_gradients();
        boxes.collect()
    }

    /// The share of ascents that are expected to end on a mode that matters and is still unknown.
    fn unseen(&mut self, target: &dyn LogDensity, others: &[Path], least: f64) -> f64 {
        let known: Vec<&Path> = self.paths.iter().chain(others).collect();
        let mut evaluator = Evaluator::new(target);
        let modes = modes(&mut evaluator, &known);
        let mut n_arrived = vec![0u32; known.len()];
        for end in &self.ends {
            if let Some(mode) = mode_of(&mut evaluator, &known, &modes, end) {
                n_arrived[mode] += 1;
            }
        }
        self.n_gradients += evaluator.n_gradients();
        // A mode matters by its best path.
        let matters = |mode: usize| {
            let mut paths = known.iter().zip(&modes);
            paths.any(|(path, of)| *of == mode && path.elbo > least)
        };
        let arrived = (0..known.len()).filter(|&mode| n_arrived[mode] > 0 && matters(mode));
        let counts: Vec<u32> = arrived.map(|mode| n_arrived[mode]).collect();
        let n_alone = counts.iter().filter(|&&n| n == 1).count();
        n_alone as f64 / f64::from(counts.iter().sum::<u32>().max(1))
    }
}

/// Whether an ascent has come to an end.
fn has_arrived(optimum: &Optimum) -> bool {
    optimum.stop == Stop::Converged
}

/// Where a scout starts, uniformly.
pub(crate) struct StartBox {
    center: Vec<f64>,
    half_width: Vec<f64>,
}

impl StartBox {
    /// Boxes around a center with standard deviations, `[d]` each.
    pub(crate) fn around(center: &[f64], sd: &[f64]) -> Vec<Self> {
        let boxes = (0..N_SCOUTS).map(|k| Self {
            center: center.to_vec(),
            half_width: sd.iter().map(|s| RADII[k % RADII.len()] * s).collect(),
        });
        boxes.collect()
    }

    fn draw(&self, draws: &mut Stream) -> Vec<f64> {
        let sides = self.center.iter().zip(&self.half_width);
        sides
            .map(|(m, half)| m + half * (2.0 * draws.uniform() - 1.0))
            .collect()
    }
}

/// What scouts have found.
#[derive(Default)]
pub(crate) struct Scouted {
    /// Paths to modes that were not known.
    pub(crate) paths: Vec<Path>,
    /// Where each scout came, if it found a start.
    optima: Vec<Option<Optimum>>,
    /// Gradients used.
    pub(crate) n_gradients: u64,
}

/// Sends a scout from each box.
pub(crate) fn scout(
    target: &dyn LogDensity,
    boxes: &[StartBox],
    is_known: &dyn Fn(&Optimum) -> bool,
    stream: &Stream,
) -> Scouted {
    let outcomes: Vec<(Option<Climb>, u64)> = (boxes.par_iter().enumerate())
        .map(|(index, within)| {
            let stream = stream.child("scout", index as u64);
            let mut evaluator = Evaluator::new(target);
            let propose = |draws: &mut Stream, _| within.draw(draws);
            let start = starts::first_accepted(&mut evaluator, &stream, N_TRIES, propose);
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
    let mut new = Scouted::default();
    for (index, (climbed, used)) in outcomes.into_iter().enumerate() {
        new.n_gradients += used;
        let Some((start, optimum)) = climbed else {
            new.optima.push(None);
            continue;
        };
        let is_known = is_known(&optimum) || new.paths.iter().any(|path| is_same(path, &optimum));
        new.optima.push(Some(optimum));
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

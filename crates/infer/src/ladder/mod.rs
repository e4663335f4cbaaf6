//! The ladder: what `fit` does when no method is named.
//!
//! Rungs, cheap ones first; it stops at the first whose answer the referee calls good:
//!
//! 1. **paths**: Pathfinder from random starts, its Gaussians pooled and reweighted (PSIS);
//! 2. **refined**: Newton's method polishes the best modes, Gaussians with the exact curvature join;
//! 3. **mixture**: Student-t mixtures that learn from the weights;
//! 4. **nuts**: Markov chains from the draws of the rungs below, longer where they have not mixed, with
//!    smaller steps where they diverge.
//!
//! The first rung runs twice with nothing in common but the target, so that restarts can be compared; scouts
//! look for modes far from both (file `scouts`, with how far). Where restarts disagree, one of them may have
//! missed a mode: both then go on scouting from what they know until they agree, from the second rung on each adds
//! to its modes those that only the other found, and importance weights say what every mode is worth. Where scouts
//! still find modes in the end no weights are called good. The chains start from both. No step size, no tolerance and
//! no number of iterations is asked of the user.
//! If no rung is good the best answer is given with the referee's doubts. All in nats; gradients are counted
//! for each rung.
//!
//! # Stop and resume
//!
//! A stop is heard within an evaluation of the density on any rung. With a place to keep things, chains that
//! were finished are not run again; the rungs below them, a small part of the work, are climbed again from the
//! same streams, so that the answer has the bits of an unbroken fit.

mod answer;

pub use crate::scouts::REACH;
pub use answer::Answer;

use crate::drive::Keep;
use crate::importance::{
    AdaptiveImportance, Sample, adaptive_importance, heavier, pool, squared_distance,
};
use crate::mcmc::{ChainOptions, Metric, Nuts, Sampled, Starts, nuts};
use crate::optimize::{maximize, newton::Newton};
use crate::pathfinder::Path;
use crate::referee::{Check, Report, Sense, Verdict, judge_watched};
use crate::scouts::{Explored, HOPELESS, explore, same_mode};
use crate::watch::watched;
use crate::{InferError, laplace};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Approximation, StudentT, resample};
use jensen_rng::Stream;
use jensen_run::{Event, Observer};
use serde::Serialize;

/// Options of the ladder; none is a step size.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// The last rung that may be climbed.
    pub top: Rung,
    /// Paths of each of the two restarts, at least 1.
    pub n_paths: usize,
    /// Draws of a round of importance sampling in each restart.
    pub n_draws: usize,
    /// Chains of the last rung, at least 2.
    pub n_chains: usize,
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            top: Rung::Nuts,
            n_paths: 3,
            n_draws: 1000,
            n_chains: 4,
        }
    }
}

/// A rung of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Quasi-Newton paths, pooled and reweighted.
    Paths,
    /// Gaussians with exact curvature at polished modes.
    Refined,
    /// Adaptive mixtures.
    Mixture,
    /// Markov chains.
    Nuts,
}

impl Rung {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Paths => "paths",
            Self::Refined => "refined",
            Self::Mixture => "mixture",
            Self::Nuts => "nuts",
        }
    }
}

/// What a rung cost and what the referee said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Climbed {
    /// The rung.
    pub rung: Rung,
    /// Gradients used on it, those of its judgement included.
    pub n_gradients: u64,
    /// The judgement; none where the rung gave nothing to judge.
    pub report: Option<Report>,
    /// Why it gave nothing to judge.
    pub failed: Option<String>,
}

/// Newton steps that polish a mode.
const MAX_POLISH: u64 = 30;
/// An end of a path that lies nearer to a polished mode than this, in standard deviations, is that mode.
const POLISHED: f64 = 0.5;
/// How often restarts that know different modes go on scouting from what both know.
const MOST_MEETINGS: u64 = 4;
/// Draws and warmup of a chain at first, and how often both are doubled.
const N_CHAIN_DRAWS: usize = 1000;
const N_WARMUP: u64 = 600;
const MAX_TRIES: u64 = 3;
/// Positions drawn from a restart for chains to start from.
const N_STARTS: usize = 100;
/// A mixture is fitted in at most this many coordinates: beyond, its covariances cost more draws than chains do.
const WIDEST_MIXTURE: usize = 100;
/// Acceptance targets, nearer to 1 where chains diverge or are stuck.
const TARGET_ACCEPT: [f64; 3] = [0.9, 0.98, 0.995];

/// What a rung gave: an answer or why there is none, and the gradients used.
type Outcome = (Result<Answer, InferError>, u64);

/// Fits a density; with `keep`, chains that were finished are not run again.
///
/// # Errors
/// [`InferError`] for options that do not fit, a density without coordinates, one that refuses every start,
/// a request to stop, or a file that cannot be read or written.
pub fn fit(
    target: &dyn LogDensity,
    options: &Ladder,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Answer, InferError> {
    options.check()?;
    let mut climbed: Vec<Climbed> = Vec::new();
    let mut best: Option<Answer> = None;
    let mut restarts = watched(target, observer, |target| {
        Restarts::begin(target, options, stream)
    })??;
    for rung in [Rung::Paths, Rung::Refined, Rung::Mixture, Rung::Nuts] {
        if rung > options.top || best.as_ref().is_some_and(Answer::is_good) {
            break;
        }
        if rung == Rung::Mixture && target.dim() > WIDEST_MIXTURE {
            continue;
        }
        let stream = stream.child(rung.name(), 0);
        let (outcome, n_gradients): Outcome = match rung {
            Rung::Nuts => chains(target, options, &restarts, &stream, keep, observer),
            rung => watched(target, observer, |target| {
                restarts.climb(target, rung, options, &stream)
            })?,
        };
        let answer = match outcome {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_of_the_run() => return Err(error),
            // A rung that fails takes nothing from those below.
            Err(error) => Err(error.to_string()),
        };
        let text = match &answer {
            Ok(answer) => format!("{}: {}", rung.name(), answer.report),
            Err(reason) => format!("{}: no usable answer, {reason}", rung.name()),
        };
        observer.on(&Event::Note { text: &text });
        climbed.push(Climbed {
            rung,
            n_gradients,
            report: answer.as_ref().ok().map(|a| a.report.clone()),
            failed: answer.as_ref().err().cloned(),
        });
        if let Ok(answer) = answer {
            best = Some(better(best, answer));
        }
    }
    let Some(mut answer) = best else {
        let reasons: Vec<String> = (climbed.into_iter())
            .filter_map(|c| Some(format!("{}: {}", c.rung.name(), c.failed?)))
            .collect();
        return Err(InferError::Failed {
            method: "ladder",
            reason: format!("no rung gave an answer ({})", reasons.join("; ")),
        });
    };
    answer.climbed = climbed;
    Ok(answer)
}

/// The answer with the better verdict; of equals the later, which knows what the earlier ones found.
fn better(earlier: Option<Answer>, later: Answer) -> Answer {
    match earlier {
        Some(earlier) if earlier.report.verdict < later.report.verdict => earlier,
        _ => later,
    }
}

impl Ladder {
    fn check(&self) -> Result<(), InferError> {
        let refuse = |option, expected: &str, found: usize| {
            Err(InferError::Option {
                option,
                expected: expected.to_owned(),
                found: found.to_string(),
            })
        };
        if self.n_paths == 0 {
            return refuse("n_paths", "at least 1 path", 0);
        }
        if self.n_draws < 100 {
            return refuse("n_draws", "at least 100 draws", self.n_draws);
        }
        if self.n_chains < 2 {
            return refuse(
                "n_chains",
                "at least 2 chains, to compare them",
                self.n_chains,
            );
        }
        Ok(())
    }
}

/// The two restarts and what they have found so far.
struct Restarts {
    found: [Vec<Path>; 2],
    /// Whether their scouts had come to find nothing new.
    is_settled: bool,
    /// One for each mode that a restart knows.
    refined: [Vec<StudentT>; 2],
    /// Positions for chains to start from, by weight.
    starts: [Vec<Vec<f64>>; 2],
    /// Gradients of the paths, charged to the first rung.
    n_gradients: u64,
}

impl Restarts {
    fn begin(
        target: &dyn LogDensity,
        options: &Ladder,
        stream: &Stream,
    ) -> Result<Self, InferError> {
        let run = |index: u64| explore(target, options.n_paths, &stream.child("restart", index));
        let mut explored: [Explored; 2] = [run(0)?, run(1)?];
        let mut is_new = false;
        for meeting in 0..MOST_MEETINGS {
            // What one of them missed says that both may have missed more.
            is_new = misses(&explored[0], &explored[1]) || misses(&explored[1], &explored[0]);
            if !is_new {
                break;
            }
            let stream = stream.child("meeting", meeting);
            let [a, b] = &mut explored;
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
        let n_gradients = explored.iter().map(|restart| restart.n_gradients).sum();
        Ok(Self {
            found: explored.map(|restart| restart.paths),
            is_settled,
            refined: [Vec::new(), Vec::new()],
            starts: [Vec::new(), Vec::new()],
            n_gradients,
        })
    }

    /// The paths of a restart that matter, and those of the other that end on modes it has not found.
    fn shared(&self, index: usize) -> Vec<&Path> {
        let mut shared = hopeful(&self.found[index], self.best_elbo());
        for path in hopeful(&self.found[1 - index], self.best_elbo()) {
            let end = &path.optimum.place.position;
            if !shared.iter().any(|known| same_mode(known, end)) {
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
                .filter(|&i| spreads[i] >= 0.5 * most)
                .map(|i| target.layout().coordinate(i))
                .collect()
        })
    }

    /// The best bound of both restarts, nats.
    fn best_elbo(&self) -> f64 {
        best_elbo(self.found.iter().flatten())
    }

    /// Climbs one of the first three rungs.
    fn climb(
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
        if !self.is_settled {
            // Weights say what known modes are worth, and nothing of those that are still unknown.
            let mut checks = answer.report.checks;
            checks.push(self.modes_check(target));
            answer.report = Report::of(checks);
        }
        self.starts = [&a, &b].map(|sample| positions(sample, &mut stream.child("starts", 0)));
        (Ok(answer), n_gradients + used)
    }
}

/// Whether a restart has missed a mode that matters and that the other found.
fn misses(restart: &Explored, other: &Explored) -> bool {
    let best = best_elbo(restart.paths.iter().chain(&other.paths));
    let is_known = |end: &[f64]| restart.paths.iter().any(|path| same_mode(path, end));
    let mut matter = hopeful(&other.paths, best).into_iter();
    matter.any(|path| !is_known(&path.optimum.place.position))
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

/// Markov chains from the draws of the restarts, until the referee is content or tries run out.
fn chains(
    target: &dyn LogDensity,
    options: &Ladder,
    restarts: &Restarts,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Outcome {
    let mut n_gradients = 0;
    let mut factor = 1;
    let mut accept = 0;
    let mut attempt = 0;
    let mut best: Option<Answer> = None;
    loop {
        let stream = stream.child("try", attempt);
        let keep = keep.map(|keep| Keep {
            checkpoints: keep.checkpoints.within(&format!("chains-{}", attempt + 1)),
            every: keep.every,
        });
        let sampler = Nuts {
            n_warmup: N_WARMUP * factor,
            target_accept: TARGET_ACCEPT[accept],
            metric: Metric::LowRank,
            ..Nuts::default()
        };
        let chain_options = ChainOptions {
            n_chains: options.n_chains,
            n_draws: N_CHAIN_DRAWS * factor as usize,
            starts: starts(&restarts.starts, options.n_chains, attempt),
        };
        let sampled = nuts::sample(
            target,
            &sampler,
            &chain_options,
            &stream,
            keep.as_ref(),
            observer,
        );
        let judged = sampled.and_then(|sampled| {
            n_gradients += sampled.n_gradients();
            let judge = stream.child("judge", 0);
            let (report, used) = judge_watched(target, &sampled, "nuts", &judge, observer)?;
            n_gradients += used;
            Ok((sampled, report))
        });
        let (sampled, report): (Sampled, Report) = match (judged, &best) {
            (Ok(judged), _) => judged,
            (Err(error), Some(_)) if !error.is_of_the_run() => {
                return (best.ok_or(error), n_gradients);
            }
            (Err(error), _) => return (Err(error), n_gradients),
        };
        attempt += 1;
        let answer = better(best, Answer::of_chains(target, &sampled, report.clone()));
        if report.verdict == Verdict::Good || attempt == MAX_TRIES {
            return (Ok(answer), n_gradients);
        }
        best = Some(answer);
        let missed = |name: &str| {
            let mut checks = report.checks.iter();
            checks.any(|c| c.name == name && c.verdict() != Verdict::Good)
        };
        // Divergences call for smaller steps, and so do chains that are stuck in a narrow place.
        if missed("divergent") || missed("r_hat") {
            accept = (accept + 1).min(TARGET_ACCEPT.len() - 1);
        }
        if missed("r_hat") || missed("ess") {
            factor *= 2;
        }
    }
}

/// Starts for the chains of a try: draws of both restarts in turn, or random ones where there are none.
fn starts(drawn: &[Vec<Vec<f64>>; 2], n_chains: usize, attempt: u64) -> Starts {
    let at = |chain: usize| {
        let drawn = &drawn[chain % 2];
        let index = attempt as usize * n_chains + chain / 2;
        drawn.get(index % drawn.len().max(1)).cloned()
    };
    match (0..n_chains).map(at).collect() {
        Some(positions) => Starts::At(positions),
        None => ChainOptions::default().starts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referee::{Check, Sense};
    use crate::targets::Quadratic;
    use jensen_posterior::Draws;

    /// Whose chains of the second try are judged worse than those of the first.
    #[test]
    fn a_later_answer_that_is_worse_does_not_replace_an_earlier_one() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let answer = |r_hat: f64, mean: f64| {
            let rows = |n| Draws::new(vec!["x[1]".to_owned()], 1, n, vec![mean; n]);
            let sampled = Sampled {
                draws: rows(4),
                sampler: rows(0),
                divergences: Vec::new(),
                chains: Vec::new(),
            };
            let check = Check::whole("r_hat", r_hat, Sense::AtMost, 1.01, 1.2);
            Answer::of_chains(&target, &sampled, Report::of(vec![check]))
        };
        for (first, second, kept) in [
            (1.1, 1.3, 1.0),
            (1.1, 1.15, 2.0),
            (1.3, 1.1, 2.0),
            (1.0, 1.1, 1.0),
        ] {
            let best = better(Some(answer(first, 1.0)), answer(second, 2.0));
            assert_eq!(best.mean, [kept], "{first} and {second}");
        }
        assert_eq!(better(None, answer(2.0, 3.0)).mean, [3.0]);
    }
}

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
//! The first rung runs twice with nothing in common but the target, so that restarts can be compared. Where
//! they disagree, one of them may have missed a mode: from the second rung on each gets the modes of both, and
//! importance weights say what every mode is worth. The chains start from both. No step size, no tolerance and no number of iterations is asked of the user.
//! If no rung is good the best answer is given with the referee's doubts. All in nats; gradients are counted
//! for each rung.

mod answer;

pub use answer::Answer;

use crate::importance::{
    AdaptiveImportance, Sample, adaptive_importance, heavier, squared_distance,
};
use crate::mcmc::{ChainOptions, Metric, Nuts, Sampled, Starts, nuts};
use crate::optimize::{maximize, newton::Newton};
use crate::pathfinder::{Path, Pathfinder, paths};
use crate::referee::{Report, Verdict, judge_chains};
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
}

/// Newton steps that polish a mode.
const MAX_POLISH: u64 = 30;
/// A path whose bound lies this many nats below the best has ended on a hill that does not matter.
const HOPELESS: f64 = 15.0;
/// Draws and warmup of a chain at first, and how often both are doubled.
const N_CHAIN_DRAWS: usize = 1000;
const N_WARMUP: u64 = 600;
const MAX_TRIES: u32 = 3;
/// Acceptance targets, nearer to 1 where chains diverge or are stuck.
const TARGET_ACCEPT: [f64; 3] = [0.9, 0.98, 0.995];

/// Fits a density.
///
/// # Errors
/// [`InferError`] for options that do not fit, a density without coordinates, one that refuses every start,
/// or a request to stop.
pub fn fit(
    target: &dyn LogDensity,
    options: &Ladder,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Answer, InferError> {
    options.check()?;
    let mut climbed = Vec::new();
    let mut best: Option<Answer> = None;
    let consider = |answer: Answer, best: &mut Option<Answer>| {
        let better = match best {
            None => true,
            // Of equals the higher rung, which knows what the lower ones found.
            Some(known) => answer.report.verdict <= known.report.verdict,
        };
        if better {
            *best = Some(answer);
        }
    };
    let mut restarts = Restarts::begin(target, options, stream)?;
    for rung in [Rung::Paths, Rung::Refined, Rung::Mixture, Rung::Nuts] {
        if rung > options.top || best.as_ref().is_some_and(Answer::is_good) {
            break;
        }
        if observer.stop_requested() {
            return Err(InferError::Stopped);
        }
        let stream = stream.child(rung.name(), 0);
        let (answer, n_gradients) = match rung {
            Rung::Nuts => {
                let (sampled, report, n_gradients) =
                    chains(target, options, &restarts, &stream, observer)?;
                let answer = report.map(|report| Answer::of_chains(target, &sampled, report));
                (answer, n_gradients)
            }
            rung => restarts.climb(target, rung, options, &stream),
        };
        let text = match &answer {
            Some(answer) => format!("{}: {}", rung.name(), answer.report),
            None => format!("{}: no usable answer", rung.name()),
        };
        observer.on(&Event::Note { text: &text });
        climbed.push(Climbed {
            rung,
            n_gradients,
            report: answer.as_ref().map(|a| a.report.clone()),
        });
        if let Some(answer) = answer {
            consider(answer, &mut best);
        }
    }
    let mut answer = best.ok_or_else(|| InferError::Failed {
        method: "ladder",
        reason: "no rung gave an answer".to_owned(),
    })?;
    answer.climbed = climbed;
    Ok(answer)
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
    /// One for each mode of both restarts.
    refined: Vec<StudentT>,
    samples: Option<[Sample; 2]>,
    /// Gradients of the paths, charged to the first rung.
    n_gradients: u64,
}

impl Restarts {
    fn begin(
        target: &dyn LogDensity,
        options: &Ladder,
        stream: &Stream,
    ) -> Result<Self, InferError> {
        let run = |index: u64| {
            let stream = stream.child("restart", index);
            paths(target, options.n_paths, &Pathfinder::default(), &stream)
        };
        // A restart none of whose paths gave a Gaussian has nothing to pool; that is no error of the request.
        let keep = |found: Result<Vec<Path>, InferError>| match found {
            Err(InferError::Failed { .. }) => Ok(Vec::new()),
            other => other,
        };
        let found = [keep(run(0))?, keep(run(1))?];
        let n_gradients = found.iter().flatten().map(|path| path.n_gradients).sum();
        Ok(Self {
            found,
            refined: Vec::new(),
            samples: None,
            n_gradients,
        })
    }

    /// Climbs one of the first three rungs: the answer, if there is one, and the gradients used.
    fn climb(
        &mut self,
        target: &dyn LogDensity,
        rung: Rung,
        options: &Ladder,
        stream: &Stream,
    ) -> (Option<Answer>, u64) {
        let mut n_gradients = std::mem::take(&mut self.n_gradients);
        if rung == Rung::Refined {
            let (refined, used) = refine(target, &hopeful(self.found.iter().flatten()));
            n_gradients += used;
            self.refined = refined;
        }
        let sample = |index: usize| -> Option<Sample> {
            let mut first: Vec<&dyn Approximation> = Vec::new();
            let hopeful = match rung {
                Rung::Paths => hopeful(&self.found[index]),
                _ => hopeful(self.found.iter().flatten()),
            };
            if rung != Rung::Refined || self.refined.is_empty() {
                let gaussians = hopeful
                    .iter()
                    .map(|path| &path.gaussian as &dyn Approximation);
                first.extend(gaussians);
            }
            first.extend(self.refined.iter().map(|q| q as &dyn Approximation));
            if first.is_empty() {
                return None;
            }
            let sampling = AdaptiveImportance {
                n_draws: options.n_draws,
                max_rounds: if rung == Rung::Mixture { 8 } else { 1 },
                ..AdaptiveImportance::default()
            };
            let stream = stream.child("restart", index as u64);
            adaptive_importance(target, &first, &sampling, &stream).ok()
        };
        let (Some(a), Some(b)) = (sample(0), sample(1)) else {
            return (None, n_gradients);
        };
        n_gradients += a.n_gradients + b.n_gradients;
        let (answer, used) = Answer::of_samples(target, rung, [&a, &b], &stream.child("judge", 0));
        self.samples = Some([a, b]);
        (Some(answer), n_gradients + used)
    }
}

/// The paths whose bound is near the best.
fn hopeful<'a>(found: impl IntoIterator<Item = &'a Path>) -> Vec<&'a Path> {
    let found: Vec<&Path> = found.into_iter().collect();
    let elbos = found.iter().map(|path| path.elbo);
    let best = elbos.fold(f64::NEG_INFINITY, f64::max);
    let is_near = |path: &&Path| path.elbo > best - HOPELESS;
    found.into_iter().filter(is_near).collect()
}

/// Student-t laws with the curvature at the polished modes of the hopeful paths, one for each mode.
fn refine(target: &dyn LogDensity, hopeful: &[&Path]) -> (Vec<StudentT>, u64) {
    let mut refined: Vec<StudentT> = Vec::new();
    let mut n_gradients = 0;
    for path in hopeful {
        let start = &path.optimum.place.position;
        // A mode that is known already needs no second polish.
        let is_known = |q: &StudentT| squared_distance(q, start) < 0.1 * start.len() as f64;
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
    observer: &mut dyn Observer,
) -> Result<(Sampled, Option<Report>, u64), InferError> {
    let mut n_gradients = 0;
    let mut factor = 1;
    let mut accept = 0;
    let mut attempt = 0;
    loop {
        let stream = stream.child("try", attempt);
        let sampler = Nuts {
            n_warmup: N_WARMUP * factor,
            target_accept: TARGET_ACCEPT[accept],
            metric: Metric::LowRank,
            ..Nuts::default()
        };
        let chain_options = ChainOptions {
            n_chains: options.n_chains,
            n_draws: N_CHAIN_DRAWS * factor as usize,
            starts: starts(target, restarts, options.n_chains, &stream),
        };
        let sampled = nuts::sample(target, &sampler, &chain_options, &stream, None, observer)?;
        n_gradients += sampled.n_gradients();
        let report = judge_chains(target, &sampled).ok();
        attempt += 1;
        let good = report.as_ref().is_some_and(|r| r.verdict == Verdict::Good);
        if good || attempt == u64::from(MAX_TRIES) {
            return Ok((sampled, report, n_gradients));
        }
        let missed = |name: &str| {
            let checks = report.iter().flat_map(|r| &r.checks);
            checks
                .into_iter()
                .any(|c| c.name == name && c.verdict() != Verdict::Good)
        };
        // Divergences call for smaller steps, and so do chains that are stuck in a narrow place.
        if missed("divergent") || missed("r_hat") {
            accept = (accept + 1).min(TARGET_ACCEPT.len() - 1);
        }
        if missed("r_hat") || missed("scarcity") {
            factor *= 2;
        }
    }
}

/// Starts for chains: draws of both restarts in turn, or random ones where there are none.
fn starts(
    target: &dyn LogDensity,
    restarts: &Restarts,
    n_chains: usize,
    stream: &Stream,
) -> Starts {
    let positions: Option<Vec<Vec<f64>>> = restarts.samples.as_ref().and_then(|samples| {
        (0..n_chains)
            .map(|chain| {
                let sample = &samples[chain % 2];
                let mut draws = stream.child("start", chain as u64);
                let chosen = resample::with_replacement(&sample.psis.ln_weights, 1, &mut draws);
                let index = *chosen.ok()?.first()?;
                Some(sample.positions[index * target.dim()..(index + 1) * target.dim()].to_vec())
            })
            .collect()
    });
    match positions {
        Some(positions) => Starts::At(positions),
        None => ChainOptions::default().starts,
    }
}

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
mod chains;
mod restarts;

pub use crate::scouts::REACH;
pub use answer::Answer;

use crate::InferError;
use crate::budget::{Budget, Paid, Payer};
use crate::drive::Keep;
use crate::referee::{Check, Report, Sense};
use crate::watch::watched;
use jensen_density::LogDensity;
use jensen_rng::Stream;
use jensen_run::{Event, Observer};
use restarts::Restarts;
use serde::Serialize;

/// Options of the ladder; none is a step size.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// The last rung that may be climbed.
    pub top: Rung,
    /// Paths of each of the two restarts, at least 1. Default 3, our choice.
    pub n_paths: usize,
    /// Draws of a round of importance sampling in each restart, at least 100. Default 1000, our choice: weights worth a
    /// tenth of them still carry a mean.
    pub n_draws: usize,
    /// Chains of the last rung, at least 2. Default 4, the least with which chains can be compared well.
    pub n_chains: usize,
    /// Most gradients, those of judgements included, at least 1; none is no bound. Default 20 million, beyond what any
    /// of 36 posteriors of posteriordb took. Once they are spent the answer is that of the rungs and chains that
    /// were done by then, and is not called good.
    pub max_gradients: Option<u64>,
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            top: Rung::Nuts,
            n_paths: 3,
            n_draws: 1000,
            n_chains: 4,
            max_gradients: Some(20_000_000),
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

/// A mixture is fitted in at most this many coordinates: beyond, its covariances cost more draws than chains do.
const WIDEST_MIXTURE: usize = 100;

/// What a rung gave: an answer or why there is none, and the gradients used.
type Outcome = (Result<Answer, InferError>, u64);

/// Fits a density; with `keep`, chains that were finished are not run again.
///
/// # Errors
/// [`InferError`] for options that do not fit, a density without coordinates, one that refuses every start,
/// gradients that are spent before the first rung is done, a request to stop, or a file that cannot be read or written.
pub fn fit(
    target: &dyn LogDensity,
    options: &Ladder,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Answer, InferError> {
    options.check()?;
    let budget = Budget::new(options.max_gradients);
    let target = &Paid {
        target,
        gate: &budget,
    } as &dyn LogDensity;
    let mut payer = Payer {
        observer,
        budget: &budget,
    };
    let fitted = climb(target, options, stream, keep, &budget, &mut payer);
    match fitted {
        Err(error) if payer.explains(&error) => Err(budget.error("ladder")),
        other => other,
    }
}

/// Climbs until a rung is good, the last one is done, or the budget is spent.
fn climb(
    target: &dyn LogDensity,
    options: &Ladder,
    stream: &Stream,
    keep: Option<&Keep>,
    budget: &Budget,
    observer: &mut Payer<'_>,
) -> Result<Answer, InferError> {
    let mut climbed: Vec<Climbed> = Vec::new();
    let mut best: Option<Answer> = None;
    let mut restarts = watched(target, observer, |target| {
        Restarts::begin(target, options, stream)
    })??;
    if budget.is_spent() {
        return Err(InferError::Stopped);
    }
    let rungs = [Rung::Paths, Rung::Refined, Rung::Mixture, Rung::Nuts].into_iter();
    let is_climbed = |rung: &Rung| {
        *rung <= options.top && (*rung != Rung::Mixture || target.dim() <= WIDEST_MIXTURE)
    };
    let rungs: Vec<Rung> = rungs.filter(is_climbed).collect();
    let mut n_unfinished = 0;
    for (i, &rung) in rungs.iter().enumerate() {
        if best.as_ref().is_some_and(Answer::is_good) {
            break;
        }
        let stream = stream.child(rung.name(), 0);
        let (outcome, n_gradients): Outcome = match rung {
            Rung::Nuts => chains::chains(
                target,
                options,
                &restarts.starts,
                &stream,
                keep,
                budget,
                observer,
            ),
            rung => {
                let climb =
                    |target: &dyn LogDensity| restarts.climb(target, rung, options, &stream);
                let (outcome, used) = match watched(target, observer, climb) {
                    Ok(outcome) => outcome,
                    Err(error) => (Err(error), 0),
                };
                match budget.is_spent() {
                    true => (Err(InferError::Stopped), used),
                    false => (outcome, used),
                }
            }
        };
        let spent_before: u64 = climbed.iter().map(|c| c.n_gradients).sum();
        // Of a rung that was broken off threads have counted in any order.
        let n_gradients = n_gradients.min(budget.most().saturating_sub(spent_before));
        let answer = match outcome {
            Ok(answer) => Ok(answer),
            Err(error) if observer.explains(&error) => {
                Err(format!("the {} gradients are spent", budget.most()))
            }
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
        if budget.is_spent() {
            n_unfinished = rungs.len() - i;
            break;
        }
    }
    if let Some(answer) = best.as_mut().filter(|_| n_unfinished > 0) {
        // What the answer has not got right yet, as far as its checks name quantities.
        let unfinished = answer.report.failing();
        let unfinished: Vec<String> = unfinished.into_iter().map(str::to_owned).collect();
        let n_unfinished = n_unfinished as f64;
        let check = Check::whole(
            "unfinished_rungs",
            n_unfinished,
            Sense::AtMost,
            0.0,
            f64::INFINITY,
        );
        let mut checks = std::mem::take(&mut answer.report.checks);
        checks.push(check.blaming(|| unfinished));
        answer.report = Report::of(checks);
    }
    let Some(mut answer) = best else {
        if budget.is_spent() {
            return Err(budget.error("ladder"));
        }
        let mut reasons: Vec<String> = climbed.into_iter().filter_map(|c| c.failed).collect();
        // Rungs that fail for want of the same tell it once.
        let mut told = Vec::new();
        reasons.retain(|reason| {
            let (_, what) = reason.split_once(": ").unwrap_or(("", reason));
            let is_new = !told.contains(&what.to_owned());
            told.push(what.to_owned());
            is_new
        });
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
        if self.max_gradients == Some(0) {
            return refuse("max_gradients", "at least 1 gradient", 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcmc::Sampled;
    use crate::targets::{Correlated, Quadratic};
    use jensen_posterior::Draws;
    use jensen_run::Silent;
    use jensen_testkit::targets::Counted;

    #[test]
    fn rungs_say_what_the_density_was_asked_for() {
        for has_products in [false, true] {
            let correlated = Correlated::new(0.5);
            let target = Counted::new(&correlated, has_products);
            let stream = Stream::from_seed(1);
            let answer = fit(&target, &Ladder::default(), &stream, None, &mut Silent).unwrap();
            assert_eq!(answer.n_gradients(), target.n(), "{has_products}");
            // The second rung polishes with products.
            let restarts = Restarts::begin(&target, &Ladder::default(), &stream);
            let mut restarts = restarts.unwrap();
            let before = target.n();
            restarts.n_gradients = 0;
            let (outcome, n_gradients) =
                restarts.climb(&target, Rung::Refined, &Ladder::default(), &stream);
            assert!(outcome.is_ok());
            assert_eq!(n_gradients, target.n() - before, "{has_products}");
        }
    }

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

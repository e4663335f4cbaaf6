//! The last rung: Markov chains from the draws of the rungs below, tried again where that can help.
//!
//! Longer chains mix, and smaller steps pass narrow places. What a density has no moments of, or has beyond its draws,
//! no chain cures: there is no other try, in which luck would draw nothing from a heavy tail. And what chains that
//! agreed once said of tails stands against later ones that saw less of them.

use super::{Answer, Ladder, Outcome, better};
use crate::InferError;
use crate::budget::{Budget, Payer};
use crate::drive::{Keep, spent};
use crate::mcmc::{ChainOptions, Metric, Nuts, Sampled, Starts, nuts};
use crate::referee::{Check, Report, Verdict, judge_watched};
use jensen_density::LogDensity;
use jensen_rng::Stream;

/// Draws and warmup of a chain at first, and how often both are doubled.
const N_CHAIN_DRAWS: usize = 1000;
const N_WARMUP: u64 = 600;
const MAX_TRIES: u64 = 3;
/// Acceptance targets, nearer to 1 where chains diverge or are stuck.
const TARGET_ACCEPT: [f64; 3] = [0.9, 0.98, 0.995];
/// Checks that longer chains or smaller steps may pass.
const CURABLE: [&str; 6] = [
    "r_hat",
    "ess",
    "divergent",
    "e_bfmi",
    "far_shift",
    "far_spread",
];
/// Checks of the density itself, which no draws pass.
const INCURABLE: [&str; 3] = ["tail", "tail_unseen", "moments"];

/// Markov chains from the draws of the restarts, until the referee is content or tries run out.
pub(super) fn chains(
    target: &dyn LogDensity,
    options: &Ladder,
    drawn: &[Vec<Vec<f64>>; 2],
    stream: &Stream,
    keep: Option<&Keep>,
    budget: &Budget,
    observer: &mut Payer<'_>,
) -> Outcome {
    let mut n_gradients = 0;
    let mut effort = Effort::default();
    let mut attempt = 0;
    let mut best: Option<Answer> = None;
    let mut tails: Option<Check> = None;
    loop {
        let stream = stream.child("try", attempt);
        let keep = keep.map(|keep| Keep {
            checkpoints: keep.checkpoints.within(&format!("chains-{}", attempt + 1)),
            every: keep.every,
        });
        let sampler = effort.sampler();
        let chain_options = ChainOptions {
            n_chains: options.n_chains,
            n_draws: effort.n_draws(),
            starts: starts(drawn, options.n_chains, attempt),
        };
        // Chains from a checkpoint cost what they did when they were run.
        let sampled = spent(keep.as_ref()).and_then(|n_before| {
            budget.charge(n_before);
            nuts::sample(
                target,
                &sampler,
                &chain_options,
                &stream,
                keep.as_ref(),
                observer,
            )
        });
        let judged = sampled.and_then(|sampled| {
            n_gradients += sampled.n_gradients();
            let judge = stream.child("judge", 0);
            let (report, used) = judge_watched(target, &sampled, "nuts", &judge, observer)?;
            n_gradients += used;
            match budget.is_spent() {
                true => Err(InferError::Stopped),
                false => Ok((sampled, report)),
            }
        });
        let (sampled, report): (Sampled, Report) = match (judged, &best) {
            (Ok(judged), _) => judged,
            (Err(error), Some(_)) if !error.is_of_the_run() || observer.is_broke() => {
                return (best.ok_or(error), n_gradients);
            }
            (Err(error), _) => return (Err(error), n_gradients),
        };
        let report = standing(&mut tails, report);
        attempt += 1;
        let answer = better(best, Answer::of_chains(target, &sampled, report.clone()));
        match effort.after(&report).filter(|_| attempt < MAX_TRIES) {
            None => return (Ok(answer), n_gradients),
            Some(next) => (effort, best) = (next, Some(answer)),
        }
    }
}

/// What a try takes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Effort {
    /// How many times the draws and the warmup of the first try.
    factor: u64,
    /// Index of the acceptance target.
    accept: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            factor: 1,
            accept: 0,
        }
    }
}

impl Effort {
    fn sampler(self) -> Nuts {
        Nuts {
            n_warmup: N_WARMUP * self.factor,
            target_accept: TARGET_ACCEPT[self.accept],
            metric: Metric::LowRank,
            ..Nuts::default()
        }
    }

    /// Draws of a chain.
    fn n_draws(self) -> usize {
        N_CHAIN_DRAWS * self.factor as usize
    }

    /// What the try after this report takes; none where another one is no cure.
    fn after(mut self, report: &Report) -> Option<Self> {
        let missed = |name: &str| {
            let mut checks = report.checks.iter();
            checks.any(|c| c.name == name && c.verdict() != Verdict::Good)
        };
        if INCURABLE.into_iter().any(missed) || !CURABLE.into_iter().any(missed) {
            return None;
        }
        // Divergences call for smaller steps, and so do chains that are stuck in a narrow place.
        if missed("divergent") || missed("r_hat") {
            self.accept = (self.accept + 1).min(TARGET_ACCEPT.len() - 1);
        }
        if missed("r_hat") || missed("ess") {
            self.factor *= 2;
        }
        Some(self)
    }
}

/// A report in which the tails are the worst of those that chains have shown so far, if they agreed.
fn standing(tails: &mut Option<Check>, mut report: Report) -> Report {
    let find = |name: &str| report.checks.iter().position(|check| check.name == name);
    let (Some(own), Some(mixed)) = (find("moment_k_hat"), find("r_hat")) else {
        return report;
    };
    let agreed = report.checks[mixed].verdict() != Verdict::Wrong;
    match tails {
        Some(worse) if worse.value > report.checks[own].value => {
            report.checks[own] = worse.clone();
            Report::of(report.checks)
        }
        _ => {
            if agreed {
                *tails = Some(report.checks[own].clone());
            }
            report
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
    use crate::referee::Sense;
    use crate::targets::Target;
    use jensen_run::Silent;

    /// A report in which these checks fail, and others pass.
    fn missing(names: &[&'static str]) -> Report {
        let all = CURABLE.into_iter().chain(INCURABLE).chain(["n_chains"]);
        let checks = all.map(|name| {
            let value = f64::from(u8::from(names.contains(&name)));
            Check::whole(name, value, Sense::AtMost, 0.5, 2.0)
        });
        Report::of(checks.collect())
    }

    /// Draws of a chain, warmup and acceptance target of the next try.
    fn next(effort: Effort, names: &[&'static str]) -> Option<(usize, u64, f64)> {
        let next = effort.after(&missing(names))?;
        let sampler = next.sampler();
        Some((next.n_draws(), sampler.n_warmup, sampler.target_accept))
    }

    #[test]
    fn what_was_missed_decides_what_the_next_try_takes() {
        let first = Effort::default();
        let sampler = first.sampler();
        let begun = (first.n_draws(), sampler.n_warmup, sampler.target_accept);
        assert_eq!(begun, (1000, 600, 0.9));
        for (names, expected) in [
            // Too few draws call for more.
            (&["ess"][..], (2000, 1200, 0.9)),
            // Divergences call for smaller steps alone.
            (&["divergent"], (1000, 600, 0.98)),
            // Chains that do not agree may be short or stuck.
            (&["r_hat"], (2000, 1200, 0.98)),
            (&["divergent", "ess"], (2000, 1200, 0.98)),
            // Luck may differ.
            (&["e_bfmi"], (1000, 600, 0.9)),
            (&["far_shift"], (1000, 600, 0.9)),
            (&["far_spread"], (1000, 600, 0.9)),
        ] {
            assert_eq!(next(first, names), Some(expected), "{names:?}");
        }
        // Acceptance goes on towards one, and stays at its nearest.
        let second = first.after(&missing(&["r_hat"])).unwrap();
        assert_eq!(next(second, &["r_hat"]), Some((4000, 2400, 0.995)));
        let third = second.after(&missing(&["divergent"])).unwrap();
        assert_eq!(next(third, &["divergent"]), Some((2000, 1200, 0.995)));
    }

    #[test]
    fn where_another_try_is_no_cure_there_is_none() {
        let first = Effort::default();
        assert_eq!(next(first, &[]), None);
        // A check that no draws pass, alone or beside others.
        assert_eq!(next(first, &["n_chains"]), None);
        for name in INCURABLE {
            assert_eq!(next(first, &[name]), None, "{name}");
            assert_eq!(next(first, &[name, "r_hat", "ess"]), None, "{name}");
        }
    }

    /// Draws of each chain of the answer.
    fn n_draws_of(target: &dyn LogDensity) -> (usize, Report) {
        let (options, budget) = (Ladder::default(), Budget::new(None));
        let mut silent = Silent;
        let mut payer = Payer {
            observer: &mut silent,
            budget: &budget,
        };
        let none = [Vec::new(), Vec::new()];
        let stream = Stream::from_seed(1);
        let (answer, _) = chains(target, &options, &none, &stream, None, &budget, &mut payer);
        let answer = answer.unwrap();
        (answer.draws.n_draws(), answer.report)
    }

    #[test]
    fn chains_are_tried_again_as_the_report_says() {
        let normal = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -x[0];
            -0.5 * x[0] * x[0]
        });
        let (n_draws, report) = n_draws_of(&normal);
        assert_eq!((n_draws, report.verdict), (1000, Verdict::Good), "{report}");
        // Two modes that no chain leaves: R-hat is far off, so that all tries are made and each doubles the draws.
        let modes = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            let off = x[0].abs() - 30.0;
            grad[0] = -off * x[0].signum();
            -0.5 * off * off
        });
        let (n_draws, report) = n_draws_of(&modes);
        assert!(report.to_string().contains("r_hat"), "{report}");
        assert_eq!(n_draws, 4000, "{report}");
        // Cauchy's law mixes badly and has no mean, which no draws give it.
        let cauchy = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -2.0 * x[0] / (1.0 + x[0] * x[0]);
            -(x[0] * x[0]).ln_1p()
        });
        let (n_draws, report) = n_draws_of(&cauchy);
        assert!(report.to_string().contains("moments"), "{report}");
        assert_eq!(n_draws, 1000, "{report}");
    }
}

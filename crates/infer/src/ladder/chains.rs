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
    let mut factor = 1;
    let mut accept = 0;
    let mut attempt = 0;
    let mut best: Option<Answer> = None;
    let mut tails: Option<Check> = None;
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
        let missed = |name: &str| {
            let mut checks = report.checks.iter();
            checks.any(|c| c.name == name && c.verdict() != Verdict::Good)
        };
        if INCURABLE.into_iter().any(missed)
            || !CURABLE.into_iter().any(missed)
            || attempt == MAX_TRIES
        {
            return (Ok(answer), n_gradients);
        }
        best = Some(answer);
        // Divergences call for smaller steps, and so do chains that are stuck in a narrow place.
        if missed("divergent") || missed("r_hat") {
            accept = (accept + 1).min(TARGET_ACCEPT.len() - 1);
        }
        if missed("r_hat") || missed("ess") {
            factor *= 2;
        }
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

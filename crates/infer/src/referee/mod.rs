//! The referee: whether an answer may be trusted, and if not, why.
//!
//! Every check is a number beside its limit, with the quantities that miss it. An answer that passes all is
//! `good`; one that misses some is `doubtful`; one that misses a limit by far is `wrong`. The limits aim at
//! one statement: a good answer has every posterior mean within a quarter of a standard deviation.
//!
//! [`fit_with`](crate::fit_with) and [`ladder::fit`](crate::ladder::fit) judge their answers. What functions of single
//! methods return is judged in one call, which gives the report and the gradients that it took:
//!
//! | result | of | call |
//! |---|---|---|
//! | approximation | `laplace`, `pathfinder`, `dadvi`, `vi::fit`, `Advi`, `Bam` | [`judge_approximation`] |
//! | chains | `nuts::sample`, `sample_chains` | [`judge_chains`] |
//! | two weighted samples | `multi_path`, `adaptive_importance` | [`judge_importance`] |
//!
//! ```
//! use jensen_density::{Layout, Variable, from_fn};
//! use jensen_infer::mcmc::{ChainOptions, Nuts, nuts};
//! use jensen_infer::referee::{Verdict, judge_approximation, judge_chains};
//! use jensen_infer::{family::MeanField, vi};
//! use jensen_rng::Stream;
//! use jensen_run::Silent;
//!
//! // Two coordinates with correlation 0.8, which independent Gaussians cannot have.
//! let target = from_fn(Layout::new(vec![Variable::new("x", &[2])]), |x, grad| {
//!     grad[0] = -(x[0] - 0.8 * x[1]) / 0.36;
//!     grad[1] = -(x[1] - 0.8 * x[0]) / 0.36;
//!     0.5 * (x[0] * grad[0] + x[1] * grad[1])
//! });
//! let stream = Stream::from_seed(1);
//! let judge = stream.child("judge", 0);
//!
//! let fit = vi::fit(&target, &MeanField { dim: 2 }, &[0.5, 0.5], 10_000, &stream, &mut Silent)?;
//! let (report, _) = judge_approximation(&target, fit.approximation.as_ref(), &judge)?;
//! assert!(report.verdict > Verdict::Good, "{report}");
//!
//! let (sampler, chains) = (Nuts::default(), ChainOptions::default());
//! let sampled = nuts::sample(&target, &sampler, &chains, &stream, None, &mut Silent)?;
//! let (report, _) = judge_chains(&target, &sampled, &judge).expect("draws are finite");
//! assert_eq!(report.verdict, Verdict::Good, "{report}");
//! # Ok::<(), jensen_infer::InferError>(())
//! ```

mod approximation;
mod beyond;
mod blame;
mod chains;
pub(crate) mod compare;
pub(crate) mod confirm;
pub(crate) mod drift;
pub(crate) mod importance;
mod missed;
mod region;
mod stein;

pub use approximation::judge_approximation;
pub use chains::judge_chains;
pub use drift::drift;
pub use importance::judge_importance;
pub use stein::{stein, stein_of};

pub(crate) use approximation::{Own, judge_own};
pub(crate) use chains::judge_watched;
pub(crate) use compare::Moments;
pub(crate) use missed::missed;

use jensen_posterior::Psis;
use serde::Serialize;
use std::fmt;

/// The referee's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every check passed.
    Good,
    /// A check failed: look before you use it.
    Doubtful,
    /// A check failed by far: do not use it.
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Wrong => "wrong",
        })
    }
}

/// Which side of its limits a value has to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sense {
    /// The smaller the better.
    AtMost,
    /// The larger the better.
    AtLeast,
}

/// One check: a number beside its limits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Its name: `k_hat`, `r_hat`, `agreement`.
    pub name: &'static str,
    /// What was measured, at its worst.
    pub value: f64,
    /// Which side of the limits is good.
    pub sense: Sense,
    /// The last value that passes.
    pub limit: f64,
    /// The last value that is doubtful rather than wrong.
    pub far: f64,
    /// Every quantity that misses the limit, the worst first; for a check of the whole that fails, the
    /// quantities to look at, as far as they are known.
    pub failing: Vec<String>,
    /// Whether it says of the standard deviations alone how far to trust them, and nothing of means: it is told, and
    /// no part of the verdict.
    pub qualifies: bool,
}

impl Check {
    /// A check of the whole answer.
    pub fn whole(name: &'static str, value: f64, sense: Sense, limit: f64, far: f64) -> Self {
        Self {
            name,
            value,
            sense,
            limit,
            far,
            failing: Vec::new(),
            qualifies: false,
        }
    }

    /// A check of each quantity, `[n]` values with their names.
    pub fn each(
        name: &'static str,
        values: &[f64],
        names: &[String],
        sense: Sense,
        limit: f64,
        far: f64,
    ) -> Self {
        // NaN misses every limit and is the worst of all.
        let badness = |value: f64| match sense {
            _ if value.is_nan() => f64::INFINITY,
            Sense::AtMost => value,
            Sense::AtLeast => -value,
        };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| badness(values[j]).total_cmp(&badness(values[i])));
        let mut check = Self::whole(name, limit, sense, limit, far);
        if let Some(&worst) = order.first() {
            check.value = values[worst];
        }
        let missed = |i: &&usize| badness(values[**i]) > badness(limit);
        check.failing = (order.iter().filter(missed))
            .map(|&i| names[i].clone())
            .collect();
        check
    }

    /// The same with the quantities to look at if it fails.
    pub fn blaming(mut self, quantities: impl FnOnce() -> Vec<String>) -> Self {
        if self.verdict() != Verdict::Good {
            self.failing = quantities();
        }
        self
    }

    /// The same as a remark on standard deviations.
    pub fn qualifying(mut self) -> Self {
        self.qualifies = true;
        self
    }

    /// What it says of the answer; a value that is not a number is wrong.
    pub fn verdict(&self) -> Verdict {
        match self.qualifies {
            true => Verdict::Good,
            false => self.said(),
        }
    }

    /// The word for its value.
    fn said(&self) -> Verdict {
        let passes = |limit: f64| match self.sense {
            Sense::AtMost => self.value <= limit,
            Sense::AtLeast => self.value >= limit,
        };
        if passes(self.limit) {
            Verdict::Good
        } else if passes(self.far) {
            Verdict::Doubtful
        } else {
            Verdict::Wrong
        }
    }
}

/// All checks of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The worst word of all checks.
    pub verdict: Verdict,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// The report of some checks; without any, nothing speaks for the answer.
    pub fn of(checks: Vec<Check>) -> Self {
        let verdict = checks.iter().map(Check::verdict).max();
        Self {
            verdict: verdict.unwrap_or(Verdict::Wrong),
            checks,
        }
    }

    /// The quantities that miss a limit, each once, the worst of the first check first.
    pub fn failing(&self) -> Vec<&str> {
        let mut failing: Vec<&str> = Vec::new();
        for name in self.checks.iter().flat_map(|check| &check.failing) {
            if !failing.contains(&name.as_str()) {
                failing.push(name);
            }
        }
        failing
    }
}

impl fmt::Display for Report {
    /// One line: the word, and what missed its limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        let missed = self.checks.iter().filter(|c| c.said() != Verdict::Good);
        for (i, check) in missed.enumerate() {
            let sign = if i == 0 { ": " } else { "; " };
            let side = match check.sense {
                Sense::AtMost => "above",
                Sense::AtLeast => "below",
            };
            let (value, limit) = (number(check.value), number(check.limit));
            write!(f, "{sign}{} {value} {side} {limit}", check.name)?;
            if let Some(worst) = check.failing.first() {
                write!(f, " ({worst}")?;
                if check.failing.len() > 1 {
                    write!(f, " and {} more", check.failing.len() - 1)?;
                }
                write!(f, ")")?;
            }
            if let Some((_, hint)) = HINTS.iter().find(|(name, _)| *name == check.name) {
                write!(f, ", {hint}")?;
            }
        }
        Ok(())
    }
}

/// What to do about checks of which more draws are no cure.
const HINTS: [(&str, &str); 7] = [
    (
        "sd_k_hat",
        "such standard deviations are not to be trusted: read quantiles",
    ),
    (
        "sd_moments",
        "tails so heavy leave standard deviations to chance: read quantiles",
    ),
    (
        "outside_support",
        "the density is zero beyond a wall: declare the bounds of its variables",
    ),
    (
        "tail",
        "the density does not fall far out: give its variables a proper prior",
    ),
    (
        "tail_unseen",
        "numbers of the density end before its tail: look for overflow in the model",
    ),
    (
        "moments",
        "mean or standard deviation does not exist: read quantiles",
    ),
    (
        "unfinished_rungs",
        "the gradients are spent: raise `max_gradients`, or check the gradient of the density",
    ),
];

/// Three decimals, or two digits of what they would round to nothing.
fn number(x: f64) -> String {
    match x != 0.0 && x.abs() < 5e-4 {
        true => format!("{x:.1e}"),
        false => format!("{x:.3}"),
    }
}

/// k-hat of |value - mean| times the weight for one quantity `[n]`, with log weights that sum to one or are all
/// equal: from 1 on its mean does not exist, or is not to be had from these draws. Draws of a chain have an
/// efficiency below 1. Infinite where there is no tail to look at.
fn tail_shape(ln_weights: &[f64], values: &[f64], efficiency: f64) -> f64 {
    let weights: Vec<f64> = ln_weights.iter().map(|w| w.exp()).collect();
    let total: f64 = weights.iter().sum();
    // Values of refused positions mean nothing.
    let weighted = || weights.iter().zip(values).filter(|(w, _)| **w > 0.0);
    let mean: f64 = weighted().map(|(w, x)| w / total * x).sum();
    let deviations: Vec<f64> = (ln_weights.iter().zip(values))
        .map(|(w, x)| match *w == f64::NEG_INFINITY {
            true => f64::NEG_INFINITY,
            false => w + (x - mean).abs().ln(),
        })
        .collect();
    // A constant has no deviations at all.
    if deviations.iter().all(|x| *x == f64::NEG_INFINITY) {
        return 0.0;
    }
    Psis::smooth_chain(&deviations, efficiency).map_or(f64::INFINITY, |psis| psis.k_hat)
}

/// k-hat of squared deviations from this on says that there is no second moment, or none to be had from these draws.
const NO_SECOND_MOMENT: f64 = 1.0;

/// The remark on standard deviations by the k-hat of squared deviations, of each value.
fn sd_check(shapes: &[f64], names: &[String]) -> Check {
    let (most, limit) = (Sense::AtMost, NO_SECOND_MOMENT);
    Check::each("sd_k_hat", shapes, names, most, limit, limit).qualifying()
}

/// Squared deviations of values `[n]` from a place.
fn squares(values: &[f64], from: f64) -> Vec<f64> {
    values.iter().map(|x| (x - from).powi(2)).collect()
}

#[cfg(test)]
mod tests {
    use super::Sense::{AtLeast, AtMost};
    use super::*;

    #[test]
    fn the_worst_check_decides_and_names_quantities() {
        let names = ["mu", "tau", "eta"].map(str::to_owned);
        let check = Check::each("r_hat", &[1.0, 1.2, f64::NAN], &names, AtMost, 1.01, 1.1);
        assert_eq!(check.failing, ["eta", "tau"]);
        assert_eq!(check.verdict(), Verdict::Wrong);
        let fine = Check::whole("k_hat", 0.3, AtMost, 0.7, 1.0);
        let doubtful = Check::each("agreement", &[0.1, 0.3, 0.2], &names, AtMost, 0.15, 1.0);
        let report = Report::of(vec![fine, doubtful]);
        assert_eq!(report.verdict, Verdict::Doubtful);
        assert_eq!(report.failing(), ["tau", "eta"]);
        assert_eq!(
            report.to_string(),
            "doubtful: agreement 0.300 above 0.150 (tau and 1 more)"
        );
    }

    #[test]
    fn a_check_may_ask_for_much() {
        let names = ["mu", "tau"].map(str::to_owned);
        let check = Check::each("ess", &[500.0, 30.0], &names, AtLeast, 400.0, 40.0);
        assert_eq!((check.value, check.verdict()), (30.0, Verdict::Wrong));
        assert_eq!(check.failing, ["tau"]);
        let report = Report::of(vec![check]);
        assert_eq!(report.to_string(), "wrong: ess 30.000 below 400.000 (tau)");
        let rare = Check::whole("divergent", 0.00025, AtMost, 0.0, 0.1);
        assert_eq!(
            Report::of(vec![rare]).to_string(),
            "doubtful: divergent 2.5e-4 above 0.000"
        );
        let unknown = Check::whole("ess", f64::NAN, AtLeast, 400.0, 40.0);
        assert_eq!(unknown.verdict(), Verdict::Wrong);
        assert_eq!(unknown.blaming(|| vec!["tau".to_owned()]).failing, ["tau"]);
        assert_eq!(Report::of(Vec::new()).verdict, Verdict::Wrong);
    }
}

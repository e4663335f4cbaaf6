//! The referee: whether an answer may be trusted, and if not, why.
//!
//! Every check is a number beside its limit, with the quantity that is worst. An answer that passes all is
//! `good`; one that misses some is `doubtful`; one that misses a limit by far is `wrong`. The limits aim at
//! one statement: a good answer has every posterior mean within a quarter of a standard deviation.

mod chains;
pub(crate) mod drift;
pub(crate) mod importance;
mod stein;

pub use chains::judge_chains;
pub use drift::drift;
pub use importance::judge_importance;
pub use stein::stein;

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

/// One check: passed if the value is at most the limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Its name: `k_hat`, `r_hat`, `agreement`.
    pub name: &'static str,
    /// What was measured, at its worst.
    pub value: f64,
    /// The largest value that passes.
    pub limit: f64,
    /// The largest value that is doubtful rather than wrong.
    pub far: f64,
    /// Every quantity that misses the limit, the worst first; empty where the check is about the whole.
    pub failing: Vec<String>,
}

impl Check {
    /// A check of the whole answer.
    pub fn whole(name: &'static str, value: f64, limit: f64, far: f64) -> Self {
        Self {
            name,
            value,
            limit,
            far,
            failing: Vec::new(),
        }
    }

    /// A check of each quantity, `[n]` values with their names.
    pub fn each(
        name: &'static str,
        values: &[f64],
        names: &[String],
        limit: f64,
        far: f64,
    ) -> Self {
        // NaN misses every limit and is the worst of all.
        let rank = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| rank(values[j]).total_cmp(&rank(values[i])));
        Self {
            name,
            value: order.first().map_or(0.0, |&i| rank(values[i])),
            limit,
            far,
            failing: (order.iter())
                .filter(|&&i| rank(values[i]) > limit)
                .map(|&i| names[i].clone())
                .collect(),
        }
    }

    /// What it says.
    pub fn verdict(&self) -> Verdict {
        if self.value <= self.limit {
            Verdict::Good
        } else if self.value <= self.far {
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
    /// The report of some checks.
    pub fn of(checks: Vec<Check>) -> Self {
        let verdict = checks.iter().map(Check::verdict).max();
        Self {
            verdict: verdict.unwrap_or(Verdict::Good),
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
        let missed = self.checks.iter().filter(|c| c.verdict() != Verdict::Good);
        for (i, check) in missed.enumerate() {
            let sign = if i == 0 { ": " } else { "; " };
            write!(
                f,
                "{sign}{} {:.3} above {:.3}",
                check.name, check.value, check.limit
            )?;
            if let Some(worst) = check.failing.first() {
                write!(f, " ({worst}")?;
                if check.failing.len() > 1 {
                    write!(f, " and {} more", check.failing.len() - 1)?;
                }
                write!(f, ")")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_decides_and_names_quantities() {
        let names = ["mu", "tau", "eta"].map(str::to_owned);
        let check = Check::each("r_hat", &[1.0, 1.2, f64::NAN], &names, 1.01, 1.1);
        assert_eq!(check.failing, ["eta", "tau"]);
        assert_eq!(check.verdict(), Verdict::Wrong);
        let fine = Check::whole("k_hat", 0.3, 0.7, 1.0);
        let doubtful = Check::each("agreement", &[0.1, 0.3, 0.2], &names, 0.15, 1.0);
        let report = Report::of(vec![fine, doubtful]);
        assert_eq!(report.verdict, Verdict::Doubtful);
        assert_eq!(report.failing(), ["tau", "eta"]);
        assert_eq!(
            report.to_string(),
            "doubtful: agreement 0.300 above 0.150 (tau and 1 more)"
        );
    }
}

//! Gradients by the score function: E[f score] with score = grad_lambda ln q(z) ([ranganath-2014], Sect. 2).
//!
//! For a group of K draws with objective L and weights v_k (`vi/objective/mod.rs`)
//!
//! g = sum_k (L - b - (v_k - 1/K)) score_k
//!
//! where b is a baseline that does not depend on the group, so that E[b score] = 0. For the ELBO this is
//! (ln w - b) score. Baselines: none; the running mean of earlier steps; leave-one-out, the mean of the other
//! groups of the batch ([kool-2019], equation (8); [mnih-2016] for groups of draws).
//!
//! Rao-Blackwellization, [ranganath-2014], section 3.2: for q = prod q_i the part of ln w that does not
//! involve z_i is replaced by its mean, which drops out against the score of q_i:
//!
//! g_i = (sum_{a touches i} ln f_a - ln q_i - b_i) score_i
//!
//! Needs no gradient of ln p. To be preferred only where there is none; its variance grows with d.

use super::Problem;
use crate::InferError;
use crate::family::{Family, Product};
use crate::vi::batch::row;
use crate::vi::{Batch, Objective};
use jensen_density::{Factored, Reject};

/// Options of the score function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// What is subtracted from the objective.
    pub baseline: Baseline,
    /// Whether each coordinate is scored only by the factors that touch it; needs a product family, the
    /// ELBO, and a density with known factors.
    pub rao_blackwell: bool,
}

/// A constant subtracted from the objective to lower the variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// None.
    None,
    /// The running mean of the objective in earlier steps.
    RunningMean,
    /// The mean over the other groups of the step.
    LeaveOneOut,
}

impl Score {
    pub(super) fn gradients(
        &self,
        problem: Problem<'_>,
        batch: &Batch,
    ) -> Result<Vec<f64>, Reject> {
        match (
            self.rao_blackwell,
            problem.factored,
            problem.family.as_product(),
        ) {
            (true, Some(factored), Some(product)) => {
                self.by_coordinate(problem, factored, product, batch)
            }
            _ => Ok(self.by_group(problem, batch)),
        }
    }

    fn by_group(&self, problem: Problem<'_>, batch: &Batch) -> Vec<f64> {
        let (n_params, k) = (problem.family.n_params(), problem.objective.n_samples());
        let groups: Vec<&[f64]> = batch.ln_w.chunks_exact(k).collect();
        let mut signals: Vec<f64> = groups.iter().map(|g| problem.objective.value(g)).collect();
        self.subtract_baseline(problem.baseline, &mut signals);
        let mut gradients = vec![0.0; groups.len() * n_params];
        let mut v = vec![0.0; k];
        for (group, gradient) in gradients.chunks_exact_mut(n_params).enumerate() {
            problem.objective.weights(groups[group], &mut v);
            for (m, v) in (group * k..).zip(&v) {
                let factor = signals[group] - (v - 1.0 / k as f64);
                for (g, s) in gradient.iter_mut().zip(row(&batch.scores, m, n_params)) {
                    *g += factor * s;
                }
            }
        }
        gradients
    }

    fn by_coordinate(
        &self,
        problem: Problem<'_>,
        factored: &dyn Factored,
        product: &dyn Product,
        batch: &Batch,
    ) -> Result<Vec<f64>, Reject> {
        let (d, n_params) = (problem.family.dim(), problem.family.n_params());
        let mut ln_factors = vec![0.0; factored.n_factors()];
        let mut scratch = vec![0.0; factored.scratch_len()];
        // The signal of every coordinate, `[d, M]`.
        let mut signals = vec![vec![0.0; batch.len()]; d];
        let mut ln_q = vec![0.0; d];
        for m in 0..batch.len() {
            let z = row(&batch.positions, m, d);
            product.ln_marginals(problem.params, z, &mut ln_q);
            for (signal, ln_q) in signals.iter_mut().zip(&ln_q) {
                signal[m] = -ln_q;
            }
            factored.ln_factors(z, &mut ln_factors, &mut scratch)?;
            for (a, ln_f) in ln_factors.iter().enumerate() {
                for &i in factored.coordinates(a) {
                    signals[i][m] += ln_f;
                }
            }
        }
        for signal in &mut signals {
            // The running mean is that of the whole objective and says nothing about a coordinate.
            self.subtract_baseline(None, signal);
        }
        let mut gradients = batch.scores.clone();
        for (m, gradient) in gradients.chunks_exact_mut(n_params).enumerate() {
            for (param, g) in gradient.iter_mut().enumerate() {
                *g *= signals[product.coordinate_of(param)][m];
            }
        }
        Ok(gradients)
    }

    fn subtract_baseline(&self, running: Option<f64>, signals: &mut [f64]) {
        let n = signals.len() as f64;
        match self.baseline {
            Baseline::None => {}
            Baseline::RunningMean => {
                for s in signals {
                    *s -= running.unwrap_or(0.0);
                }
            }
            Baseline::LeaveOneOut if signals.len() > 1 => {
                // s - mean of the others = n / (n - 1) (s - mean).
                let mean = signals.iter().sum::<f64>() / n;
                for s in signals {
                    *s = (*s - mean) * n / (n - 1.0);
                }
            }
            // With a single group left there are no others.
            Baseline::LeaveOneOut => {}
        }
    }

    pub(super) fn check(
        &self,
        family: &dyn Family,
        objective: Objective,
        factored: Option<&dyn Factored>,
        n_draws: usize,
    ) -> Result<(), InferError> {
        let contradiction = |first, second, reason: String| {
            Err(InferError::Contradiction {
                first,
                second,
                reason,
            })
        };
        if self.baseline == Baseline::LeaveOneOut && n_draws < 2 * objective.n_samples() {
            return contradiction(
                "estimator.baseline = LeaveOneOut",
                "n_draws",
                format!(
                    "one group of {} draws leaves no others",
                    objective.n_samples()
                ),
            );
        }
        if !self.rao_blackwell {
            return Ok(());
        }
        if factored.is_none() {
            return contradiction(
                "estimator.rao_blackwell",
                "factored",
                "the factors of the density are not given".to_owned(),
            );
        }
        if family.as_product().is_none() {
            return contradiction(
                "estimator.rao_blackwell",
                "family",
                format!("{} is not a product over coordinates", family.name()),
            );
        }
        if objective != Objective::Kl {
            return contradiction(
                "estimator.rao_blackwell",
                "objective",
                "only the ELBO is a sum over factors".to_owned(),
            );
        }
        if self.baseline == Baseline::RunningMean {
            return contradiction(
                "estimator.rao_blackwell",
                "estimator.baseline = RunningMean",
                "every coordinate has a signal of its own; take LeaveOneOut".to_owned(),
            );
        }
        Ok(())
    }
}

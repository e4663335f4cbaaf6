//! Gradients by the path of each draw, z = T_lambda(e): [kingma-2014], equations (4) and (5); without the score
//! terms for the ELBO [roeder-2017], the path derivative, for groups of draws [tucker-2019], equation (8).
//!
//! With P(g) = (dT/dlambda)^T g and the weights v_k, a_k of the objective (`vi/objective/mod.rs`):
//!
//! - plain: sum_k v_k (P(grad ln w_k) - score_k); for the ELBO with a closed entropy
//!   P(grad ln p) + grad entropy, which leaves out the noise of ln q
//! - sticking the landing: sum_k a_k P(grad ln w_k). The score terms, of mean zero for the ELBO and
//!   reparameterized once more for groups of draws, are gone; where q = p the gradient of ln w vanishes at
//!   every draw, and with it the variance.
//!
//! Needs the gradient of ln p; the variance is usually lower than the score function's by a factor of d or more.

use super::Problem;
use crate::vi::batch::row;
use crate::vi::{Batch, Objective};

/// Which path gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reparameterization {
    /// The total derivative, with the entropy in closed form where there is one.
    Plain,
    /// The path derivative alone.
    StickingTheLanding,
}

impl Reparameterization {
    pub(super) fn gradients(&self, problem: Problem<'_>, batch: &Batch) -> Vec<f64> {
        let Problem {
            family,
            params,
            objective,
            ..
        } = problem;
        let (d, n_params, k) = (family.dim(), family.n_params(), objective.n_samples());
        let n_groups = batch.len() / k;
        let mut gradients = vec![0.0; n_groups * n_params];
        let mut entropy = vec![0.0; n_params];
        let closed = *self == Self::Plain
            && objective == Objective::Kl
            && family.entropy(params, 1.0, &mut entropy).is_some();
        let mut v = vec![0.0; k];
        let mut by_z = vec![0.0; d];
        for (group, gradient) in gradients.chunks_exact_mut(n_params).enumerate() {
            objective.weights(row(&batch.ln_w, group, k), &mut v);
            if *self == Self::StickingTheLanding {
                objective.path_weights(&mut v);
            }
            for (m, v) in (group * k..).zip(&v) {
                let (p, q) = (row(&batch.grad_p, m, d), row(&batch.grad_q, m, d));
                for i in 0..d {
                    by_z[i] = v * if closed { p[i] } else { p[i] - q[i] };
                }
                let noise = row(&batch.noise, m, family.n_noise());
                family.pullback(params, noise, &by_z, gradient);
                if *self == Self::Plain && !closed {
                    for (g, s) in gradient.iter_mut().zip(row(&batch.scores, m, n_params)) {
                        *g -= v * s;
                    }
                }
            }
            if closed {
                for (g, e) in gradient.iter_mut().zip(&entropy) {
                    *g += e;
                }
            }
        }
        gradients
    }
}

//! What stochastic-gradient VI maximizes: bounds on the log evidence from groups of K draws.
//!
//! With ln w_k = ln p(z_k) - ln q(z_k) every objective here is a function L(ln w_1, ..., ln w_K), and the two
//! kinds of gradient need only derivatives of it:
//!
//! - v_k = dL / d ln w_k at fixed draws: the score function and the plain reparameterized gradient
//! - a_k, the weight of the path derivative of ln w_k when the score terms have been reparameterized once
//!   more ([tucker-2019], Sect. 3): E[v_k score_k] = E[(d v_k / d ln w_k) path_k], hence a_k = v_k - d v_k / d ln w_k
//!
//! | objective | v_k | a_k |
//! |---|---|---|
//! | KL(q, p), K = 1 | 1 | 1 (sticking the landing) |
//! | importance-weighted | w_k / sum w | v_k^2 |
//! | Renyi alpha | w_k^(1-alpha) / sum | alpha v_k + (1 - alpha) v_k^2 |

mod importance_weighted;
mod kl;
mod renyi;

use crate::InferError;

/// An objective that rises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The ELBO: log evidence - KL(q || p).
    Kl,
    /// The importance-weighted bound with this many draws.
    ImportanceWeighted {
        /// Draws K in a group.
        n_samples: usize,
    },
    /// The Renyi bound of order alpha with this many draws.
    Renyi {
        /// Order alpha, finite, not 1: below 1 it covers more than the ELBO, above 1 it seeks the mode.
        alpha: f64,
        /// Draws K in a group.
        n_samples: usize,
    },
}

impl Objective {
    /// Draws K in a group.
    pub fn n_samples(&self) -> usize {
        match *self {
            Self::Kl => 1,
            Self::ImportanceWeighted { n_samples } | Self::Renyi { n_samples, .. } => n_samples,
        }
    }

    /// L of one group, `[K]` to nats.
    pub fn value(&self, ln_w: &[f64]) -> f64 {
        match *self {
            Self::Kl => kl::value(ln_w),
            Self::ImportanceWeighted { .. } => importance_weighted::value(ln_w),
            Self::Renyi { alpha, .. } => renyi::value(alpha, ln_w),
        }
    }

    /// Writes v_k = dL / d ln w_k, `[K]`; they sum to one.
    pub fn weights(&self, ln_w: &[f64], v: &mut [f64]) {
        match *self {
            Self::Kl => kl::weights(v),
            Self::ImportanceWeighted { .. } => importance_weighted::weights(ln_w, v),
            Self::Renyi { alpha, .. } => renyi::weights(alpha, ln_w, v),
        }
    }

    /// Turns v_k into a_k, the weights of the paths in the doubly reparameterized gradient.
    pub fn path_weights(&self, v: &mut [f64]) {
        match *self {
            Self::Kl => {}
            Self::ImportanceWeighted { .. } => importance_weighted::path_weights(v),
            Self::Renyi { alpha, .. } => renyi::path_weights(alpha, v),
        }
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`InferError::Option`] with what would fit.
    pub(crate) fn check(&self) -> Result<(), InferError> {
        if self.n_samples() == 0 {
            return Err(InferError::Option {
                option: "objective.n_samples",
                expected: "at least 1".to_owned(),
                found: "0".to_owned(),
            });
        }
        match *self {
            Self::Renyi { alpha, .. } if !alpha.is_finite() || alpha == 1.0 => {
                Err(InferError::Option {
                    option: "objective.alpha",
                    expected: "a finite number other than 1 (for 1 take the objective Kl)"
                        .to_owned(),
                    found: alpha.to_string(),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_testkit::gradient;

    #[test]
    fn weights_are_derivatives_and_the_bounds_are_ordered() {
        let ln_w = [-3.0, -1.5, -2.2, -6.0];
        let iw = Objective::ImportanceWeighted { n_samples: 4 };
        let renyi = |alpha| Objective::Renyi {
            alpha,
            n_samples: 4,
        };
        for objective in [iw, renyi(0.5), renyi(-1.0), renyi(2.0)] {
            let mut v = [0.0; 4];
            objective.weights(&ln_w, &mut v);
            let expected = gradient(|x| objective.value(x), &ln_w, 1e-2);
            for k in 0..4 {
                assert!((v[k] - expected[k]).abs() < 1e-8, "{objective:?}");
                // a_k = v_k - d v_k / d ln w_k.
                let own = |x: &[f64]| {
                    let mut v = [0.0; 4];
                    objective.weights(x, &mut v);
                    v[k]
                };
                let mut a = v;
                objective.path_weights(&mut a);
                assert!((a[k] - (v[k] - gradient(own, &ln_w, 1e-2)[k])).abs() < 1e-8);
            }
        }
        // It falls in alpha; alpha = 0 is the importance-weighted bound, alpha to 1 the mean.
        let values = [-1.0, 0.0, 0.5, 1.0 - 1e-7, 2.0].map(|alpha| renyi(alpha).value(&ln_w));
        assert!(
            values.windows(2).all(|pair| pair[0] > pair[1]),
            "{values:?}"
        );
        assert!((values[1] - iw.value(&ln_w)).abs() < 1e-14);
        let mean = ln_w.iter().sum::<f64>() / 4.0;
        assert!((values[3] - mean).abs() < 1e-6);
        // One draw is the ELBO for all of them.
        for objective in [iw, renyi(0.5)] {
            assert!((objective.value(&ln_w[..1]) + 3.0).abs() < 1e-14);
        }
    }
}

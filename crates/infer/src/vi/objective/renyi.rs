//! The variational Renyi bound: L_alpha = 1/(1 - alpha) ln (1/K) sum_k w_k^(1 - alpha).
//!
//! [li-2016], equations (5) and (6). alpha to 1 gives the ELBO, alpha = 0 the importance-weighted bound;
//! for finite K it is biased downwards for alpha < 1. v_k = w_k^(1-alpha) / sum; from
//! d v_k / d ln w_k = (1 - alpha) v_k (1 - v_k) the paths are weighted by alpha v_k + (1 - alpha) v_k^2.

use jensen_special::logspace::{log_sum_exp, softmax};

/// L of one group.
pub(super) fn value(alpha: f64, ln_w: &[f64]) -> f64 {
    (log_sum_exp(&powered(alpha, ln_w)) - (ln_w.len() as f64).ln()) / (1.0 - alpha)
}

/// v_k = w_k^(1 - alpha) / sum.
pub(super) fn weights(alpha: f64, ln_w: &[f64], v: &mut [f64]) {
    softmax(&powered(alpha, ln_w), v);
}

/// a_k = alpha v_k + (1 - alpha) v_k^2.
pub(super) fn path_weights(alpha: f64, v: &mut [f64]) {
    for v in v {
        *v *= alpha + (1.0 - alpha) * *v;
    }
}

/// ln w_k^(1 - alpha).
fn powered(alpha: f64, ln_w: &[f64]) -> Vec<f64> {
    ln_w.iter().map(|w| (1.0 - alpha) * w).collect()
}

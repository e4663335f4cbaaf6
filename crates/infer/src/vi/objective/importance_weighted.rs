//! The importance-weighted bound: L_K = ln (1/K) sum_k w_k.
//!
//! ELBO = L_1 <= L_2 <= ... <= log evidence, [burda-2016], Theorem 1. v_k is the normalized weight; the
//! doubly reparameterized gradient, whose signal does not drown in noise as K grows, weights the path of
//! draw k by v_k^2, [tucker-2019], equation (8).

use jensen_special::logspace::{log_sum_exp, softmax};

/// L of one group.
pub(super) fn value(ln_w: &[f64]) -> f64 {
    log_sum_exp(ln_w) - (ln_w.len() as f64).ln()
}

/// v_k = w_k / sum w.
pub(super) fn weights(ln_w: &[f64], v: &mut [f64]) {
    softmax(ln_w, v);
}

/// a_k = v_k^2.
pub(super) fn path_weights(v: &mut [f64]) {
    for v in v {
        *v *= *v;
    }
}

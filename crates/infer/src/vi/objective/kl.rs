//! KL(q || p): the ELBO, L = ln w of a single draw, in mean log evidence - KL(q || p).
//!
//! It seeks a member of the family that lies within the target. [ranganath-2014], equation (1).

/// L of one draw.
pub(super) fn value(ln_w: &[f64]) -> f64 {
    ln_w[0]
}

/// v = 1.
pub(super) fn weights(v: &mut [f64]) {
    v.fill(1.0);
}

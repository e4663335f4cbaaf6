//! The logistic function and its logarithm, which several targets share.

/// 1 / (1 + exp(-x)).
pub(super) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 / (1 + exp(-x))), without overflow on either side.
pub(super) fn log_logistic(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

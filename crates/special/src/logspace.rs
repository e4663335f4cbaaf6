//! Sums and complements of numbers that are kept as logarithms. Standard.

/// ln(1 + e^x), to 1 ulp; the softplus function.
pub fn log1p_exp(x: f64) -> f64 {
    // Beyond 37 the one is below the last place.
    if x > 37.0 { x + (-x).exp() } else { x.exp().ln_1p() }
}

/// ln(1 - e^x) for x <= 0, accurate near both ends ([maechler-2012]); minus infinity at 0.
pub fn log1m_exp(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 {
        (-x.exp_m1()).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

/// ln sum_i e^(x_i), without overflow; minus infinity for no terms.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top.is_infinite() {
        return top;
    }
    top + x.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

/// ln(e^a + e^b).
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    match high.is_infinite() {
        true => high,
        false => high + log1p_exp(low - high),
    }
}

/// ln(e^a - e^b) for a >= b; NaN for a < b.
pub fn log_diff_exp(a: f64, b: f64) -> f64 {
    if b == f64::NEG_INFINITY {
        return a;
    }
    if a < b {
        return f64::NAN;
    }
    a + log1m_exp(b - a)
}

//! Sums, complements and products of numbers that are kept as logarithms. Standard.
//!
//! The derivative of `log1p_exp` is `inv_logit`, that of `log_sum_exp` is `softmax`.

use std::f64::consts::LN_2;

/// ln(1 + e^x), to 2 ulp; the softplus function.
pub fn log1p_exp(x: f64) -> f64 {
    // Beyond 37 the one is below the last place.
    if x > 37.0 {
        x + (-x).exp()
    } else {
        x.exp().ln_1p()
    }
}

/// ln(1 - e^x) for x <= 0, to 2 ulp ([maechler-2012], eq. 7); minus infinity at 0.
pub fn log1m_exp(x: f64) -> f64 {
    if x > -LN_2 {
        (-x.exp_m1()).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

/// ln sum_i e^(x_i), without overflow, to 2 ulp of max(1, |value|) for few terms; minus infinity for none.
pub fn log_sum_exp(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, larger);
    if !top.is_finite() {
        return top;
    }
    top + x.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

/// Writes e^(x_i) / sum_j e^(x_j), `[n]`, and returns ln sum_j e^(x_j); for finite x. Weights to 3 ulp and half a
/// ulp for each unit of the distance from the largest x.
pub fn softmax(x: &[f64], weights: &mut [f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, larger);
    for (weight, x) in weights.iter_mut().zip(x) {
        *weight = (x - top).exp();
    }
    let sum: f64 = weights.iter().sum();
    for weight in weights.iter_mut() {
        *weight /= sum;
    }
    top + sum.ln()
}

/// The larger of two; a NaN wins over every number, which `f64::max` does not let it.
fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

/// ln(e^a + e^b), to 2 ulp of max(1, |value|).
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    match high.is_infinite() {
        true => high,
        false => high + log1p_exp(low - high),
    }
}

/// ln(e^a - e^b) for a >= b, to 4 ulp of max(1, |value|); NaN for a < b.
pub fn log_diff_exp(a: f64, b: f64) -> f64 {
    if b == f64::NEG_INFINITY {
        return a;
    }
    a + log1m_exp(b - a)
}

/// 1 / (1 + e^(-x)), to 3 ulp, without overflow.
pub fn inv_logit(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// ln(p / (1 - p)) for 0 <= p <= 1, to 3 ulp.
pub fn logit(p: f64) -> f64 {
    // Near one half the quotient is near one, and its logarithm wants the difference, which is exact.
    if (0.25..=0.75).contains(&p) {
        ((2.0 * p - 1.0) / (1.0 - p)).ln_1p()
    } else {
        p.ln() - (-p).ln_1p()
    }
}

/// a ln x, to 2 ulp, and 0 where a = 0: the logarithm of x^a.
pub fn xlogy(a: f64, x: f64) -> f64 {
    if a == 0.0 && !x.is_nan() {
        0.0
    } else {
        a * x.ln()
    }
}

/// a ln(1 + x), to 2 ulp, and 0 where a = 0: the logarithm of (1 + x)^a.
pub fn xlog1py(a: f64, x: f64) -> f64 {
    if a == 0.0 && !x.is_nan() {
        0.0
    } else {
        a * x.ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn ends_and_infinities() {
        assert_eq!(log_sum_exp(&[]), -INF);
        assert_eq!(log_sum_exp(&[-INF, -INF]), -INF);
        assert_eq!(log_sum_exp(&[1.0, INF]), INF);
        assert!(log_sum_exp(&[f64::NAN]).is_nan());
        assert!(log_sum_exp(&[INF, f64::NAN, 0.0]).is_nan());
        assert_eq!(log_sum_exp(&[-1000.0, -1000.0]), -1000.0 + LN_2);
        assert_eq!(log_add_exp(-INF, -INF), -INF);
        assert!(log_add_exp(INF, f64::NAN).is_nan());
        assert_eq!(log1m_exp(0.0), -INF);
        assert!(log1m_exp(0.1).is_nan());
        assert_eq!(log_diff_exp(3.0, 3.0), -INF);
        assert_eq!(log_diff_exp(3.0, -INF), 3.0);
        assert!(log_diff_exp(2.0, 3.0).is_nan());
        assert_eq!((inv_logit(-800.0), inv_logit(800.0)), (0.0, 1.0));
        assert_eq!((logit(0.0), logit(0.5), logit(1.0)), (-INF, 0.0, INF));
        assert_eq!((xlogy(0.0, 0.0), xlogy(2.0, 0.0)), (0.0, -INF));
        assert_eq!(xlog1py(0.0, -1.0), 0.0);
    }

    #[test]
    fn softmax_sums_to_one_far_out() {
        let mut weights = [0.0; 3];
        let total = softmax(&[1000.0, 1000.0, -1000.0], &mut weights);
        assert_eq!(total, 1000.0 + LN_2);
        assert_eq!(weights, [0.5, 0.5, 0.0]);
    }
}

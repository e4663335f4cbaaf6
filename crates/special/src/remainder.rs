//! What remains of exponential and logarithm after their tangents: numbers of at least zero that are small
//! next to their terms, from which divergences are made. Standard.
//!
//! Near zero by their series: with r = u / (2 + u)
//!     ln(1 + u) - u = 2 (r^3/3 + r^5/5 + ...) - r u,      e^x - 1 - x = x^2/2 (1 + x/3 (1 + x/4 (1 + ...))).

/// ln(1 + u) - u for u >= -1, to 5 ulp; at most zero. Its derivative is -u / (1 + u).
pub fn log1pmx(u: f64) -> f64 {
    if u == f64::INFINITY {
        return -u;
    }
    if NEAR.contains(&u) {
        log1pmx_near(u)
    } else {
        u.ln_1p() - u
    }
}

/// e^x - 1 - x, to 4 ulp; at least zero. Its derivative is e^x - 1.
pub fn expm1mx(x: f64) -> f64 {
    /// Twenty terms of the series reach the last place at one.
    const N_TERMS: i32 = 20;
    if x == f64::INFINITY {
        return x;
    }
    if x.abs() > 1.0 {
        return x.exp_m1() - x;
    }
    let tail = (3..N_TERMS)
        .rev()
        .fold(1.0, |sum, k| 1.0 + sum * x / f64::from(k));
    0.5 * x * x * tail
}

/// y/x - 1 - ln(y/x) for x > 0 and y >= 0, to 8 ulp of itself also for neighbors; at least zero, and zero
/// only for y = x. Its derivative by y is 1/x - 1/y.
pub fn excess(y: f64, x: f64) -> f64 {
    excess_by(y - x, y, x)
}

/// The same where the caller knows the difference y - x better than by subtraction, to 8 ulp of itself, too.
pub fn excess_by(difference: f64, y: f64, x: f64) -> f64 {
    let u = difference / x;
    if NEAR.contains(&u) {
        // Not its negative, which would be a negative zero.
        return 0.0 - log1pmx_near(u);
    }
    let ratio = y / x;
    if ratio == f64::INFINITY {
        return ratio;
    }
    // A quotient out of range still has a logarithm.
    let ln_ratio = match ratio.is_normal() {
        true => ratio.ln(),
        false => y.ln() - x.ln(),
    };
    (ratio - 1.0) - ln_ratio
}

/// ln y - u for y = 1 + u, where the caller knows both, each to its last place.
pub(crate) fn ln_minus(y: f64, u: f64) -> f64 {
    if NEAR.contains(&u) {
        log1pmx_near(u)
    } else {
        y.ln() - u
    }
}

/// Where the logarithm is taken from its series.
const NEAR: std::ops::RangeInclusive<f64> = -0.4..=0.5;

/// The series. Here r^2 is at most 1/16, and twelve terms reach the last place.
fn log1pmx_near(u: f64) -> f64 {
    let r = u / (2.0 + u);
    let square = r * r;
    let tail = (0..12)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 3));
    2.0 * r * square * tail - r * u
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn ends_and_outside() {
        assert_eq!(
            (log1pmx(0.0), log1pmx(-1.0), log1pmx(INF)),
            (0.0, -INF, -INF)
        );
        assert!(log1pmx(-1.5).is_nan() && log1pmx(f64::NAN).is_nan());
        assert_eq!((expm1mx(0.0), expm1mx(INF), expm1mx(-INF)), (0.0, INF, INF));
        assert_eq!(
            (excess(2.0, 2.0), excess(0.0, 2.0), excess(INF, 2.0)),
            (0.0, INF, INF)
        );
        // A ratio of 1e-400 has the logarithm -400 ln 10.
        let expected = 400.0 * 10f64.ln() - 1.0;
        assert!((excess(1e-200, 1e200) - expected).abs() < 1e-12 * expected);
    }
}

//! Regularized incomplete beta function I_x(a, b): the distribution function of the beta law, its
//! logarithm, and the derivatives of this by a, b and x.
//!
//! I_x = x^a (1-x)^b / (a B(a, b)) / (1 + d_1/(1 + d_2/(1 + ...))),
//! d_2m = m (b-m) x / ((a+2m-1)(a+2m)),  d_2m+1 = -(a+m)(a+b+m) x / ((a+2m)(a+2m+1))  ([nist-2010], 8.17.22),
//! for x below (a+1)/(a+b+2), else as 1 - I_(1-x)(b, a). Derivatives come from the same fraction over
//! dual numbers. Cost: of the order of sqrt(max(a, b)) levels.

use crate::dual::Dual;
use crate::gamma::{digamma, ln_beta, stirling};
use crate::logspace::{log1m_exp, xlogy};
use crate::remainder::ln_minus;
use std::f64::consts::TAU;

/// Where the fraction would take more than about a million levels.
const LARGEST_SHAPE: f64 = 1e10;
/// From here on Stirling's series takes the large terms of the leading power together.
const LARGE: f64 = 10.0;

/// From this share on the complement is not used: it would lose more than two bits.
const MOST: f64 = 0.75;

/// The function, its logarithm, and the partials of the logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IncompleteBeta {
    /// I_x(a, b), to 32 ulp times max(1, |ln I|).
    pub value: f64,
    /// Its logarithm, which stays finite where the function underflows.
    pub ln: f64,
    /// The partial of the logarithm by a.
    pub ln_by_a: f64,
    /// The partial of the logarithm by b.
    pub ln_by_b: f64,
    /// The partial of the logarithm by x, to 256 ulp: the exponential of a difference of logarithms.
    pub ln_by_x: f64,
}

/// I_x(a, b) for 0 < a, b <= 1e10 and 0 <= x <= 1; NaN elsewhere. The logarithm to 32 ulp of
/// max(1, |ln I|), its partials by a and b to 32 ulp of max(1, |partial|).
pub fn beta_inc(a: f64, b: f64, x: f64) -> IncompleteBeta {
    let shapes = 0.0..=LARGEST_SHAPE;
    let of = |ln: Dual<2>, ln_by_x: f64| IncompleteBeta {
        value: ln.value.exp(),
        ln: ln.value,
        ln_by_a: ln.by[0],
        ln_by_b: ln.by[1],
        ln_by_x,
    };
    if !(shapes.contains(&a) && shapes.contains(&b) && a * b > 0.0 && (0.0..=1.0).contains(&x)) {
        return of(Dual::constant(f64::NAN), f64::NAN);
    }
    if x == 0.0 {
        return of(Dual::constant(f64::NEG_INFINITY), f64::NAN);
    }
    if x == 1.0 {
        return of(Dual::constant(0.0), 0.0);
    }
    let (left, right) = (Dual::parameter(a, 0), Dual::parameter(b, 1));
    // ln of x^a (1-x)^b / B(a, b), which both sides share.
    let common = Dual {
        value: ln_power(a, b, x, 1.0 - x),
        by: [
            x.ln() - digamma(a) + digamma(a + b),
            (-x).ln_1p() - digamma(b) + digamma(a + b),
        ],
    };
    let direct = || common - left.ln() - fraction(left, right, x).ln();
    let ln = if x < (a + 1.0) / (a + b + 2.0) {
        direct()
    } else {
        let other = common - right.ln() - fraction(right, left, 1.0 - x).ln();
        // The complement of nearly everything has lost its digits; the slower fraction has not.
        match other.value > MOST.ln() {
            true => direct(),
            false => other.chain(log1m_exp(other.value), -1.0 / (-other.value).exp_m1()),
        }
    };
    let ln_by_x = (common.value - x.ln() - (-x).ln_1p() - ln.value).exp();
    of(ln, ln_by_x)
}

/// ln of x^a y^b / B(a, b) for a, b > 0 and y = 1 - x, where the caller knows both; the large terms are taken
/// together before they cancel, so that around the mode the error is some ulp of the square root of the shapes.
pub fn ln_power(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if a < LARGE || b < LARGE {
        return ln_share(a, x, y) + ln_share(b, y, x) - ln_beta(a, b);
    }
    // Around the mode a/(a+b) the large terms cancel; what remains is ln(1 + u) - u on both sides.
    let (part, other) = (a / (a + b), b / (a + b));
    // The smaller of the two has the digits of the difference.
    let shift = if x <= y { x - part } else { other - y };
    let curve = a * ln_minus(x / part, shift / part) + b * ln_minus(y / other, -shift / other);
    let ends = 0.5 * (a / TAU).ln() - 0.5 * (a / b).ln_1p();
    curve + ends + (stirling(a + b) - stirling(a) - stirling(b))
}

/// a ln x from the smaller of x and y = 1 - x.
fn ln_share(a: f64, x: f64, y: f64) -> f64 {
    if y < 0.5 {
        a * (-y).ln_1p()
    } else {
        xlogy(a, x)
    }
}

/// 1 + d_1/(1 + d_2/(1 + ...)) by the modified Lentz rule ([lentz-1976]).
fn fraction(a: Dual<2>, b: Dual<2>, x: f64) -> Dual<2> {
    let one = Dual::constant(1.0);
    let (mut c, mut d, mut h) = (one, Dual::constant(0.0), one);
    for n in 1..20_000_000 {
        let m = f64::from(n / 2);
        let level = if n % 2 == 0 {
            (b + -m) * (m * x) / ((a + (2.0 * m - 1.0)) * (a + 2.0 * m))
        } else {
            -((a + m) * (a + b + m) * x) / ((a + 2.0 * m) * (a + (2.0 * m + 1.0)))
        };
        // Left of the mean no partial denominator is zero, so the rule needs no guard.
        d = one / (level * d + 1.0);
        c = level / c + 1.0;
        let factor = c * d;
        h = h * factor;
        let slope = factor.by[0].abs().max(factor.by[1].abs());
        let size = 1.0 + h.by[0].abs().max(h.by[1].abs());
        if (factor.value - 1.0).abs() <= f64::EPSILON && slope <= f64::EPSILON * size {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_outside() {
        assert_eq!(
            (beta_inc(2.0, 3.0, 0.0).value, beta_inc(2.0, 3.0, 1.0).value),
            (0.0, 1.0)
        );
        for (a, b, x) in [
            (0.0, 1.0, 0.5),
            (1.0, -1.0, 0.5),
            (1.0, 1.0, 1.5),
            (1.0, f64::NAN, 0.5),
        ] {
            assert!(beta_inc(a, b, x).ln.is_nan(), "{a} {b} {x}");
        }
    }

    /// I_x(a, 1) = x^a, so the partials of its logarithm are ln x by a and a / x by x.
    #[test]
    fn partials_are_those_of_a_power() {
        for x in [0.1, 0.5, 0.9] {
            let found = beta_inc(2.5, 1.0, x);
            assert!((found.ln_by_a - x.ln()).abs() < 1e-14, "{found:?}");
            assert!((found.ln_by_x * x / 2.5 - 1.0).abs() < 1e-14, "{found:?}");
        }
    }
}

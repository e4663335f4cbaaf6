//! Regularized incomplete gamma functions P and Q = 1 - P: the distribution function of the gamma law
//! and its complement, their logarithms, and the derivatives of these by the shape.
//!
//! With D = x^a e^(-x) / Gamma(a + 1): for x below a + 1
//!     P = D (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...)          ([nist-2010], 8.11.4),
//! above it Legendre's continued fraction for Q              ([nist-2010], 8.9.2),
//! and for Q at small a and x the alternating series         ([nist-2010], 8.7.1).
//! Derivatives by the shape come from the same sums over dual numbers. Cost: of the order of sqrt(a) terms.

use crate::dual::Dual;
use crate::gamma::{digamma, ln_gamma, ln_gamma_1p, stirling};
use crate::logspace::xlogy;
use crate::remainder::ln_minus;
use std::f64::consts::TAU;

/// Where the sums would take more than about a million terms.
const LARGEST_SHAPE: f64 = 1e10;
/// From here on Stirling's series takes the large terms of ln D together.
const LARGE: f64 = 10.0;
/// Terms below this share of the sum no longer change it.
const NEGLIGIBLE: f64 = f64::EPSILON / 8.0;

/// A function of shape a and x, its logarithm, and the partials of the logarithm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incomplete {
    /// The function, to 32 ulp times max(1, |ln|).
    pub value: f64,
    /// Its logarithm, which stays finite where the function underflows.
    pub ln: f64,
    /// The partial of the logarithm by the shape.
    pub ln_by_shape: f64,
    /// The partial of the logarithm by x, to 256 ulp: the exponential of a difference of logarithms.
    pub ln_by_x: f64,
}

/// P(a, x) for 0 < a <= 1e10 and x >= 0; NaN elsewhere. The logarithm to 32 ulp of max(1, |ln P|), its
/// partial by the shape to 32 ulp of max(1, |partial|); the large terms of ln D cancel.
pub fn gamma_p(a: f64, x: f64) -> Incomplete {
    both(a, x)[0]
}

/// Q(a, x) = 1 - P(a, x), likewise.
pub fn gamma_q(a: f64, x: f64) -> Incomplete {
    both(a, x)[1]
}

fn both(a: f64, x: f64) -> [Incomplete; 2] {
    let of = |ln: Dual<1>, ln_by_x: f64| Incomplete {
        value: ln.value.exp(),
        ln: ln.value,
        ln_by_shape: ln.by[0],
        ln_by_x,
    };
    let fixed = |value: f64| Dual::<1>::constant(value);
    if !(a > 0.0 && a <= LARGEST_SHAPE && x >= 0.0) {
        return [of(fixed(f64::NAN), f64::NAN); 2];
    }
    if x == 0.0 || x == f64::INFINITY {
        let ends = [of(fixed(f64::NEG_INFINITY), f64::NAN), of(fixed(0.0), 0.0)];
        return if x == 0.0 { ends } else { [ends[1], ends[0]] };
    }
    let shape = Dual::parameter(a, 0);
    let ln_d = ln_prefix(a, x);
    let [ln_p, ln_q] = if x >= 1.5 && (a < 1.0 || x > a + 1.0) {
        let ln_q = ln_d + shape.ln() + fraction(shape, x).ln();
        [complement(ln_q), ln_q]
    } else {
        let ln_p = ln_d + series(shape, x).ln();
        // At small shapes P is near one, and its complement wants its own series.
        let ln_q = if a < 1.0 {
            small_complement(shape, x).ln()
        } else {
            complement(ln_p)
        };
        [ln_p, ln_q]
    };
    // P increases in x at the rate D a / x.
    let ln_rate = ln_d.value + a.ln() - x.ln();
    [
        of(ln_p, (ln_rate - ln_p.value).exp()),
        of(ln_q, -(ln_rate - ln_q.value).exp()),
    ]
}

/// ln(1 - e^y).
fn complement(y: Dual<1>) -> Dual<1> {
    y.chain(
        crate::logspace::log1m_exp(y.value),
        -1.0 / (-y.value).exp_m1(),
    )
}

/// ln D and its derivative ln x - psi(a + 1).
fn ln_prefix(a: f64, x: f64) -> Dual<1> {
    let by = [x.ln() - digamma(a + 1.0)];
    Dual {
        value: ln_power(a, x),
        by,
    }
}

/// ln of x^a e^(-x) / Gamma(a + 1) for a >= 0 and x > 0: the log mass of a Poisson law of rate x at a. The
/// large terms are taken together before they cancel, so that around a = x the error is some ulp of sqrt(a).
pub fn ln_power(a: f64, x: f64) -> f64 {
    // A ratio out of range leaves one term that is larger than the others together.
    if a >= LARGE && (x / a).is_normal() {
        a * ln_minus(x / a, (x - a) / a) - 0.5 * TAU.ln() - 0.5 * a.ln() - stirling(a)
    } else {
        xlogy(a, x) - x - ln_gamma(a + 1.0)
    }
}

/// 1 + x/(a+1) + x^2/((a+1)(a+2)) + ..., whose terms are positive.
fn series(a: Dual<1>, x: f64) -> Dual<1> {
    let (mut term, mut sum, mut n) = (Dual::constant(1.0), Dual::constant(1.0), 0.0);
    while term.value > NEGLIGIBLE * sum.value || term.by[0].abs() > NEGLIGIBLE * sum.by[0].abs() {
        n += 1.0;
        term = term * (Dual::constant(x) / (a + n));
        sum = sum + term;
    }
    sum
}

/// 1/(x+1-a - 1(1-a)/(x+3-a - 2(2-a)/(x+5-a - ...))) by the modified Lentz rule ([lentz-1976]).
fn fraction(a: Dual<1>, x: f64) -> Dual<1> {
    let one = Dual::constant(1.0);
    let mut b = -a + (x + 1.0);
    // No level is zero for x above a, so the rule needs no guard.
    let mut d = one / b;
    let mut h = d;
    let mut c = None;
    for n in 1.. {
        let n = f64::from(n);
        let level = (a + -n) * n;
        b = b + 2.0;
        d = one / (level * d + b);
        // The first c is infinite.
        let next = c.map_or(b, |c| b + level / c);
        c = Some(next);
        let factor = next * d;
        h = h * factor;
        let change = (factor.value - 1.0)
            .abs()
            .max(factor.by[0].abs() / (1.0 + h.by[0].abs()));
        if change <= f64::EPSILON || n > 1e7 {
            break;
        }
    }
    h
}

/// Q for a < 1 and x < 1.5 as 1 - e^w - e^w a sum_{n>=1} (-x)^n / (n! (a + n)), w = a ln x - ln Gamma(1 + a).
fn small_complement(a: Dual<1>, x: f64) -> Dual<1> {
    let slope = x.ln() - digamma(1.0 + a.value);
    let w = Dual {
        value: a.value * x.ln() - ln_gamma_1p(a.value),
        by: [slope],
    };
    let (mut power, mut sum) = (1.0, Dual::constant(0.0));
    // Thirty terms of (3/2)^n / n! reach the last place.
    for n in 1..=30 {
        power *= -x / f64::from(n);
        sum = sum + Dual::constant(power) / (a + f64::from(n));
    }
    let expm1 = w.chain(w.value.exp_m1(), w.value.exp());
    -(expm1 + w.exp() * a * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_outside() {
        assert_eq!(
            (gamma_p(2.0, 0.0).value, gamma_q(2.0, 0.0).value),
            (0.0, 1.0)
        );
        assert_eq!(
            (
                gamma_p(2.0, f64::INFINITY).ln,
                gamma_q(2.0, f64::INFINITY).ln
            ),
            (0.0, f64::NEG_INFINITY)
        );
        for (a, x) in [
            (0.0, 1.0),
            (-1.0, 1.0),
            (1.0, -1.0),
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (1e11, 1.0),
        ] {
            assert!(gamma_p(a, x).ln.is_nan(), "{a} {x}");
        }
    }

    /// P(1, x) = 1 - e^(-x), so d ln P / dx = 1 / (e^x - 1) and d ln Q / dx = -1.
    #[test]
    fn partials_by_x_are_those_of_the_exponential_law() {
        for x in [0.3, 1.0, 7.0] {
            assert!((gamma_p(1.0, x).ln_by_x * x.exp_m1() - 1.0).abs() < 1e-14);
            assert!((gamma_q(1.0, x).ln_by_x + 1.0).abs() < 1e-14);
        }
    }
}

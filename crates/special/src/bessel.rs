//! Modified Bessel functions I0 and I1 as the von Mises law needs them.
//!
//! Below 20 the power series I0(x) = sum_k (x^2/4)^k / k!^2 ([nist-2010], 10.25.2), whose terms are
//! positive, and the continued fraction I1/I0 = 1/(2/x + 1/(4/x + 1/(6/x + ...))) ([nist-2010], 10.33.1),
//! which forgets its rounding errors; above, Hankel's expansion
//! I_n(x) = e^x / sqrt(2 pi x) (1 - (4n^2 - 1)/(8x) + (4n^2 - 1)(4n^2 - 9)/(2! (8x)^2) - ...)
//! ([nist-2010], 10.40.1).

use std::f64::consts::TAU;

/// From here on the smallest term of Hankel's expansion, e^(-2x), is below the last place.
const LARGE: f64 = 20.0;

/// Levels of the continued fraction and terms of the power series, enough for the last place at [`LARGE`].
const N_LEVELS: i32 = 50;

/// Terms below this share of the sum no longer change it.
const NEGLIGIBLE: f64 = f64::EPSILON / 8.0;

/// ln I0(x), to 3 ulp; even in x. Its derivative is [`i1_over_i0`].
pub fn ln_i0(x: f64) -> f64 {
    let x = x.abs();
    if x < LARGE {
        return series(x).ln_1p();
    }
    x + ln_i0_scaled(x)
}

/// ln(e^(-|x|) I0(x)), to 4 ulp; the part of ln I0 that stays small.
pub fn ln_i0_scaled(x: f64) -> f64 {
    let x = x.abs();
    if x >= LARGE {
        return hankel(x, 0.0).ln_1p() - 0.5 * (TAU * x).ln();
    }
    if x < 1.0 {
        return series(x).ln_1p() - x;
    }
    // The logarithm of the product, since the difference of logarithms would cancel.
    ((1.0 + series(x)) * (-x).exp()).ln()
}

/// A(x) = I1(x) / I0(x), to 5 ulp; odd in x. Its derivative is 1 - A/x - A^2, and 1/2 at 0.
pub fn i1_over_i0(x: f64) -> f64 {
    let size = x.abs();
    if size >= LARGE {
        return ((1.0 + hankel(size, 1.0)) / (1.0 + hankel(size, 0.0))).copysign(x);
    }
    (1..=N_LEVELS)
        .rev()
        .fold(0.0, |ratio, k| x / (f64::from(2 * k) + x * ratio))
}

/// The power series of I0 without its first term, from its end, so that rounding errors shrink on the way.
fn series(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    (1..=N_LEVELS)
        .rev()
        .fold(0.0, |rest, k| (1.0 + rest) * quarter / f64::from(k * k))
}

/// Hankel's sum of order n without its first term, for x at least [`LARGE`].
fn hankel(x: f64, order: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0f64, 0.0, 0.0);
    while term.abs() > NEGLIGIBLE {
        k += 1.0;
        let odd = 2.0 * k - 1.0;
        term *= (odd * odd - 4.0 * order * order) / (8.0 * k * x);
        sum += term;
    }
    sum
}

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

/// 1 - I1(x) / I0(x) for x >= 0, up to 20 to 5 ulp of one, beyond to 8 ulp of itself, where it falls as 1/(2x).
pub fn i1_over_i0_complement(x: f64) -> f64 {
    if x >= LARGE {
        let below = hankel(x, 0.0);
        return (below - hankel(x, 1.0)) / (1.0 + below);
    }
    1.0 - i1_over_i0(x)
}

/// The derivative of I1/I0 for x >= 0, 1 - A/x - A^2, to 10 ulp up to 1 and to 20 x^2 ulp up to 20, to 40 x
/// ulp beyond, where it falls as 1/(2x^2).
pub fn i1_over_i0_slope(x: f64) -> f64 {
    let gap = i1_over_i0_complement(x);
    let share = match x {
        // A/x at zero is one half.
        0.0 => 0.5,
        // The same number in both places, whose error then cancels in part.
        x if x >= LARGE => (1.0 - gap) / x,
        x => i1_over_i0(x) / x,
    };
    gap * (2.0 - gap) - share
}

/// ln I0(b) - ln I0(a) - (I1/I0)(a) (b - a) for a, b >= 0, at least zero: the divergence of ln I0. Neighbors by
/// the integral of (b - x) times [`i1_over_i0_slope`], whose relative accuracy it has; others lose what their terms do,
/// [`ln_i0_scaled`] of both and (b - a) times [`i1_over_i0_complement`].
pub fn ln_i0_divergence(a: f64, b: f64) -> f64 {
    /// Nodes and weights of the Gauss-Legendre rule of eight points on (-1, 1), the positive half.
    const RULE: [[f64; 2]; 4] = [
        [0.183_434_642_495_649_8, 0.362_683_783_378_362],
        [0.525_532_409_916_329, 0.313_706_645_877_887_3],
        [0.796_666_477_413_626_7, 0.222_381_034_453_374_5],
        [0.960_289_856_497_536_2, 0.101_228_536_290_376_26],
    ];
    let step = b - a;
    if step.abs() > 0.25 * a.max(1.0) {
        let moved = ln_i0_scaled(b) - ln_i0_scaled(a);
        return (moved + i1_over_i0_complement(a) * step).max(0.0);
    }
    let at = |v: f64| (1.0 - v) * i1_over_i0_slope(a + step * v);
    let sum: f64 = (RULE.iter())
        .map(|[node, weight]| 0.5 * weight * (at(0.5 + 0.5 * node) + at(0.5 - 0.5 * node)))
        .sum();
    step * step * sum
}

/// The power series of I0 without its first term, from its end, so that rounding errors shrink on the way.
fn series(x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    (1..=N_LEVELS)
        .rev()
        .fold(0.0, |rest, k| (1.0 + rest) * quarter / f64::from(k * k))
}

/// Hankel's sum of order n without its first term, for x at least [`LARGE`], up to its smallest term or to where
/// terms no longer change the sum itself, which the complement of I1/I0 is made of.
fn hankel(x: f64, order: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0f64, 0.0f64, 0.0);
    loop {
        k += 1.0;
        let odd = 2.0 * k - 1.0;
        let factor = (odd * odd - 4.0 * order * order) / (8.0 * k * x);
        if factor.abs() >= 1.0 || term.abs() <= NEGLIGIBLE * sum.abs() {
            return sum;
        }
        term *= factor;
        sum += term;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far out A = 1 - 1/(2x) - 1/(8x^2) - 1/(8x^3) - ..., and A' = 1/(2x^2) + 1/(4x^3) + ...
    #[test]
    fn complement_and_slope_keep_their_digits_far_out() {
        for x in [1e8, 1e15, 1e100] {
            let expected = 0.5 / x + 0.125 / x / x + 0.125 / x / x / x;
            let found = i1_over_i0_complement(x);
            assert!((found / expected - 1.0).abs() < 1e-14, "{x}: {found}");
        }
        let (x, expected) = (1e6, 0.5e-12 + 0.25e-18);
        assert!((i1_over_i0_slope(x) / expected - 1.0).abs() < 1e-8);
        assert_eq!(i1_over_i0_slope(0.0), 0.5);
    }
}

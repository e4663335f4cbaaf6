//! How far ln Gamma lies above its tangent: ln Gamma(b) - ln Gamma(a) - psi(a) (b - a), the Bregman divergence
//! of ln Gamma, of which the divergences of gamma, beta, Dirichlet and Wishart laws are made.
//!
//! Nothing cancels for neighbors a and b. With e(y, x) = y/x - 1 - ln(y/x) >= 0 the recurrence of Gamma gives
//!     D(a, b) = D(a + 1, b + 1) + e(b, a),
//! and Stirling's series ln Gamma(x) = (x - 1/2) ln x - x + c + S(x) ([nist-2010], 5.11.1)
//!     D(a, b) = b e(a, b) + e(b, a) / 2 + D_S(a, b),
//! where a power x^-m in S contributes a^-m (e^(-m l) - 1 + m l + m (u - l)), u = b/a - 1, l = ln(1 + u).

use crate::gamma::{STIRLING, stirling};
use crate::remainder::{excess_by, expm1mx, log1pmx};

/// From here on Stirling's series reaches the last place.
const LARGE: f64 = 10.0;

/// ln Gamma(b) - ln Gamma(a) - psi(a) (b - a) for a, b > 0, at least zero, to 16 ulp of itself; the caller
/// knows the difference b - a, perhaps better than by subtraction. Its derivative by b is psi(b) - psi(a).
pub fn ln_gamma_divergence(a: f64, b: f64, difference: f64) -> f64 {
    let (beyond, [low, high]) = beyond(a, b, difference);
    beyond + x_ln_x_divergence(low, high, difference)
}

/// What the divergence has beyond that of x ln x - x, at least zero, to 300 ulp of itself for arguments
/// within a factor of 1e3 of each other; it remains bounded where both grow in proportion.
pub fn ln_gamma_divergence_beyond(a: f64, b: f64, difference: f64) -> f64 {
    let (beyond, [low, high]) = beyond(a, b, difference);
    match low == a {
        true => beyond,
        // The parts of x ln x - x above and at the arguments differ; below LARGE both are moderate.
        false => (beyond + x_ln_x_divergence(low, high, difference)
            - x_ln_x_divergence(a, b, difference))
        .max(0.0),
    }
}

/// b ln(b/a) - (b - a) for a > 0 and b >= 0: the divergence of x ln x - x, at least zero, to 10 ulp.
pub fn x_ln_x_divergence(a: f64, b: f64, difference: f64) -> f64 {
    if b == 0.0 {
        return a;
    }
    // Far below a the ratio may be too large a number.
    let ratio = b / a;
    match ratio < 0.5 {
        true if ratio.is_normal() => -difference + b * ratio.ln(),
        true => -difference + b * (b.ln() - a.ln()),
        false => b * excess_by(-difference, a, b),
    }
}

/// The divergence without that of x ln x - x at the arguments reached by the recurrence, and these.
fn beyond(mut a: f64, mut b: f64, difference: f64) -> (f64, [f64; 2]) {
    let mut sum = 0.0;
    while a.min(b) < LARGE {
        sum += excess_by(difference, b, a);
        (a, b) = (a + 1.0, b + 1.0);
    }
    let u = difference / a;
    let series = if u.abs() <= 0.5 {
        let (rest, l) = (-log1pmx(u), u.ln_1p());
        let power = |k: usize| {
            let m = (2 * k + 1) as f64;
            STIRLING[k] * (expm1mx(-m * l) + m * rest)
        };
        let square = 1.0 / (a * a);
        (0..STIRLING.len())
            .rev()
            .fold(0.0, |sum, k| sum * square + power(k))
            / a
    } else {
        let square = 1.0 / (a * a);
        let slope = (0..STIRLING.len()).rev().fold(0.0, |sum, k| {
            sum * square - (2 * k + 1) as f64 * STIRLING[k]
        });
        stirling(b) - stirling(a) - slope * square * difference
    };
    (sum + 0.5 * excess_by(difference, b, a) + series, [a, b])
}

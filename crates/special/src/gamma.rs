//! The logarithm of the gamma function, its derivatives, and what is made of it.
//!
//! From 10 on Stirling's series with Bernoulli numbers ([nist-2010], 5.11.1); near 2 the Taylor series
//!     ln Gamma(2 + t) = (1 - g) t + sum_{k>=2} (-1)^k (zeta(k) - 1) t^k / k,   |t| <= 1/2
//! ([nist-2010], 5.7.3 shifted by one), between by the recurrence. The derivatives differentiate the
//! same two series. Arguments are above zero.

use std::f64::consts::{PI, TAU};

/// Euler's constant g.
pub const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// From here on ten terms of Stirling's series reach the last place, also of its second derivative.
const LARGE: f64 = 10.0;

/// B_2k / (2k (2k - 1)) for k = 1, 2, ...
pub(crate) const STIRLING: [f64; 10] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
    1.0 / 156.0,
    -3617.0 / 122_400.0,
    43_867.0 / 244_188.0,
    -174_611.0 / 125_400.0,
];

/// Taylor coefficients of ln Gamma at 2: first 1 - g, then (-1)^k (zeta(k) - 1) / k.
const AT_TWO: [f64; 27] = [
    0.42278433509846713,
    0.3224670334241132,
    -0.0673523010531981,
    0.020580808427784546,
    -0.007385551028673986,
    0.0028905103307415234,
    -0.001192753911703261,
    0.0005096695247430425,
    -0.00022315475845357939,
    9.945751278180853e-05,
    -4.492623673813314e-05,
    2.050721277567069e-05,
    -9.439488275268397e-06,
    4.374866789907488e-06,
    -2.039215753801366e-06,
    9.55141213040742e-07,
    -4.492469198764566e-07,
    2.1207184805554665e-07,
    -1.0043224823968099e-07,
    4.7698101693639804e-08,
    -2.2711094608943164e-08,
    1.0838659214896955e-08,
    -5.183475041970047e-09,
    2.4836745438024785e-09,
    -1.1921401405860912e-09,
    5.731367241678862e-10,
    -2.7595228851242334e-10,
];

/// ln Gamma(x) for x > 0, to 6 ulp of itself, also next to its zeros at 1 and 2. Its derivative is
/// [`digamma`].
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == f64::INFINITY {
        return x;
    }
    if x >= LARGE {
        return (x - 0.5) * (x.ln() - 1.0) + (0.5 * TAU.ln() - 0.5) + stirling(x);
    }
    let (t, above, below) = reduce(x);
    // One of the two is one.
    at_two(t) + above.ln() - below.ln()
}

/// psi(x), the derivative of ln Gamma, for x > 0, to 3 ulp of max(1, |psi(x)|). Its derivative is
/// [`trigamma`].
pub fn digamma(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x >= LARGE {
        let w = 1.0 / (x * x);
        let tail = polynomial(w, |k| STIRLING[k] * (2 * k + 1) as f64, STIRLING.len());
        return x.ln() - 0.5 / x - w * tail;
    }
    let taylor = |t: f64| polynomial(t, |k| AT_TWO[k] * (k + 1) as f64, AT_TWO.len());
    if x >= 1.5 {
        let (rest, sum) = down(x, 0.0, |sum, factor| sum + 1.0 / factor);
        return sum + taylor(rest - 2.0);
    }
    if x >= 0.5 {
        return taylor(x - 1.0) - 1.0 / x;
    }
    taylor(x) - 1.0 / (x + 1.0) - 1.0 / x
}

/// psi'(x), the second derivative of ln Gamma, for x > 0, to 5 ulp.
pub fn trigamma(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < LARGE {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let w = 1.0 / (x * x);
    let bernoulli = |k: usize| STIRLING[k] * ((2 * k + 1) * (2 * k + 2)) as f64;
    sum + 1.0 / x + 0.5 * w + w / x * polynomial(w, bernoulli, STIRLING.len())
}

/// psi(x + 1/2) - psi(x) - 1/(2x) for x > 0, at least zero, to 5 ulp of itself also far out, where it falls
/// as 1/(8 x^2): below 10 by the recurrence, whose terms are positive, above by the series of the
/// difference, whose coefficients are those of Stirling's times 2 - 2^(-2k-1).
pub fn digamma_half_step(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < LARGE {
        sum += 1.0 / x / (2.0 * (x + 1.0) * (2.0 * x + 1.0));
        x += 1.0;
    }
    let w = 1.0 / (x * x);
    let coefficient =
        |k: usize| STIRLING[k] * (2 * k + 1) as f64 * (2.0 - 0.5f64.powi(2 * k as i32 + 1));
    sum + w * polynomial(w, coefficient, STIRLING.len())
}

/// ln Gamma(x) - x (psi(x) - 1) for x > 0, of which entropies are made, to 32 ulp of max(1, |value|): from 10 on by
/// Stirling's series, in which the terms of the size of x cancel before they are summed and (1 + ln(2 pi / x)) / 2
/// remains. Its derivative is 1 - x psi'(x).
pub fn ln_gamma_intercept(x: f64) -> f64 {
    if x < LARGE || x.is_nan() {
        return ln_gamma(x) - x * (digamma(x) - 1.0);
    }
    // S of ln Gamma, less x times its slope: the power -m of S comes 1 + m times.
    let power = |k: usize| STIRLING[k] * (2 * k + 2) as f64;
    let series = polynomial(1.0 / (x * x), power, STIRLING.len()) / x;
    0.5 * (1.0 + TAU.ln() - x.ln()) + series
}

/// ln B(a, b) = ln Gamma(a) + ln Gamma(b) - ln Gamma(a + b) for a, b > 0, to 4 ulp of max(1, |ln B|).
/// Its derivative by a is psi(a) - psi(a + b).
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (a, b) = if a <= b { (a, b) } else { (b, a) };
    // The order also moves a NaN of either place to where the next line sees it.
    if a.is_nan() || b.is_nan() || a < 0.0 {
        return f64::NAN;
    }
    if a == 0.0 {
        return f64::INFINITY;
    }
    if b == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    if a < f64::MIN_POSITIVE / f64::EPSILON {
        // Here B = 1/a + 1/b to the last place, and 1/a may be too large a number.
        return (a / b).ln_1p() - a.ln();
    }
    if b < LARGE {
        // One logarithm of a product of the three gammas, which are of very different sizes, in an order
        // that does not overflow.
        let (small, large, total) = (a, b, a + b);
        let [(s, a, per_a), (t, b, per_b), (u, per_sum, sum)] = [a, b, total].map(reduce);
        let product = (a / per_a) * (sum / per_sum) * (b / per_b);
        // What the sum of the arguments loses by rounding matters at the slope of ln Gamma.
        let lost = (small - (total - large)) * digamma(total);
        return product.ln() + (at_two(s) + at_two(t) - at_two(u) - lost);
    }
    // Stirling's series for the large ones, with the large terms taken together before they cancel.
    let tails = stirling(b) - stirling(a + b);
    let rest = (b - 0.5) * (a / b).ln_1p();
    if a < LARGE {
        return ln_gamma(a) - a * (a + b).ln() + (a - rest) + tails;
    }
    0.5 * (TAU / a).ln() - a * (b / a).ln_1p() - rest + (tails + stirling(a))
}

/// ln of n! / (k! (n - k)!) for real 0 <= k <= n, to 8 ulp of max(1, ln (n choose k)). Its derivative by n is
/// psi(n + 1) - psi(n - k + 1), by k psi(n - k + 1) - psi(k + 1).
pub fn ln_choose(n: f64, k: f64) -> f64 {
    if !(0.0..=n).contains(&k) {
        return f64::NAN;
    }
    if k == 0.0 || k == n {
        return 0.0;
    }
    -n.ln_1p() - ln_beta(n - k + 1.0, k + 1.0)
}

/// The multivariate ln Gamma_d(a) = d (d - 1) / 4 ln pi + sum_{j<d} ln Gamma(a - j/2), a > (d - 1) / 2,
/// to 4 ulp of max(1, |ln Gamma_d(a)|).
/// Its derivative is [`multivariate_digamma`].
pub fn multivariate_ln_gamma(d: usize, a: f64) -> f64 {
    let constant = 0.25 * (d * d.saturating_sub(1)) as f64 * PI.ln();
    constant + (0..d).map(|j| ln_gamma(a - 0.5 * j as f64)).sum::<f64>()
}

/// sum_{j<d} psi(a - j/2), the derivative of [`multivariate_ln_gamma`].
pub fn multivariate_digamma(d: usize, a: f64) -> f64 {
    (0..d).map(|j| digamma(a - 0.5 * j as f64)).sum()
}

/// ln Gamma(x) - (x - 1/2) ln x + x - ln(2 pi)/2 for large x.
pub(crate) fn stirling(x: f64) -> f64 {
    polynomial(1.0 / (x * x), |k| STIRLING[k], STIRLING.len()) / x
}

/// ln Gamma(1 + x) for 0 < x < 1, relative to itself also next to 0.
pub(crate) fn ln_gamma_1p(x: f64) -> f64 {
    if x < 0.5 {
        at_two(x) - x.ln_1p()
    } else {
        ln_gamma(1.0 + x)
    }
}

/// ln Gamma(2 + t) for |t| <= 1/2.
fn at_two(t: f64) -> f64 {
    t * polynomial(t, |k| AT_TWO[k], AT_TWO.len())
}

/// Numbers t, p, q with ln Gamma(x) = ln Gamma(2 + t) + ln(p / q) for 0 < x < 2 [`LARGE`]; p or q is one.
fn reduce(x: f64) -> (f64, f64, f64) {
    if x >= 1.5 {
        let (rest, product) = down(x, 1.0, |product, factor| product * factor);
        (rest - 2.0, product, 1.0)
    } else if x >= 0.5 {
        (x - 1.0, 1.0, x)
    } else {
        (x, 1.0, x * (1.0 + x))
    }
}

/// sum_k c(k) t^k for k < n, by Horner's rule.
fn polynomial(t: f64, c: impl Fn(usize) -> f64, n: usize) -> f64 {
    (0..n).rev().fold(0.0, |sum, k| sum * t + c(k))
}

/// Goes from x down to below 2.5 in steps of one, which are exact, and folds the arguments passed.
fn down(mut x: f64, start: f64, fold: impl Fn(f64, f64) -> f64) -> (f64, f64) {
    let mut folded = start;
    while x >= 2.5 {
        x -= 1.0;
        folded = fold(folded, x);
    }
    (x, folded)
}

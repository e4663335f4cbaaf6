//! The error function and the standard normal distribution function P(x).
//!
//! Below 1 the Taylor series of erf; above, erfcx(x) = e^(x^2) erfc(x) as (1 + 2x)^(-1) times a Chebyshev
//! series in (x - 3)/(x + 3), the form of [shepherd-1981], with coefficients computed afresh to the last place.
//! Exponentials take the rounding error of x^2 along, so that tails keep their relative accuracy.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

/// Taylor coefficients of erf(x) / x in x^2: 2 (-1)^n / (sqrt(pi) n! (2n + 1)).
const ERF: [f64; 20] = [
    FRAC_2_SQRT_PI,
    -0.37612638903183754,
    0.11283791670955126,
    -0.026866170645131252,
    0.005223977625442188,
    -0.0008548327023450853,
    0.00012055332981789664,
    -1.492565035840625e-05,
    1.6462114365889248e-06,
    -1.6365844691234924e-07,
    1.4807192815879218e-08,
    -1.2290555301717928e-09,
    9.422759064650411e-11,
    -6.7113668551641105e-12,
    4.4632242632864775e-13,
    -2.7835162072109215e-14,
    1.6342614095367152e-15,
    -9.063970842808673e-17,
    4.763348040515068e-18,
    -2.3784598852774293e-19,
];

/// Chebyshev coefficients of (1 + 2x) erfcx(x) in (x - CENTER)/(x + CENTER).
const ERFCX: [f64; 25] = [
    1.17756257419656,
    0.005353904539615676,
    -0.09377550342284209,
    0.05436652555744322,
    -0.018976596707845208,
    0.004453426061462712,
    -0.0006335531710553147,
    1.7661719523171593e-05,
    1.2841532864056671e-05,
    -2.0072285659059913e-06,
    -1.807522790414837e-07,
    7.549828343825093e-08,
    1.885668523838603e-09,
    -2.699519049798364e-09,
    -1.460079119939105e-11,
    1.0361607445969489e-10,
    1.475715976623473e-12,
    -4.277340064396911e-12,
    -2.07922492859799e-13,
    1.8134502003176963e-13,
    1.973425574544739e-14,
    -7.287943737592673e-15,
    -1.5169878690228116e-15,
    2.3514112258781403e-16,
    1.0006111691821667e-16,
];

/// Of those tried, the center that needs the fewest coefficients.
const CENTER: f64 = 3.0;

/// sqrt(2 / pi).
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;

/// erf(x) = 2 / sqrt(pi) int_0^x e^(-t^2) dt, to 2 ulp. Its derivative is 2 / sqrt(pi) e^(-x^2).
pub fn erf(x: f64) -> f64 {
    if x.abs() < 1.0 {
        return x * ERF.iter().rev().fold(0.0, |sum, c| sum * (x * x) + c);
    }
    (1.0 - erfc(x.abs())).copysign(x)
}

/// 1 - erf(x), to 5 ulp of itself also far out.
pub fn erfc(x: f64) -> f64 {
    if x < 0.5 {
        return if x < -1.0 {
            2.0 - erfc(-x)
        } else {
            1.0 - erf(x)
        };
    }
    exp_square(x, -1.0) * erfcx(x)
}

/// e^(x^2) erfc(x), to 4 ulp. Its derivative is 2 x erfcx(x) - 2 / sqrt(pi).
pub fn erfcx(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 * exp_square(x, 1.0) - erfcx(-x);
    }
    // At infinity the quotient is one and the product below would be 0 times infinity.
    let t = if x > 1e17 {
        1.0
    } else {
        (x - CENTER) / (x + CENTER)
    };
    let (mut above, mut here) = (0.0, 0.0);
    for c in ERFCX[1..].iter().rev() {
        (above, here) = (here, c + 2.0 * t * here - above);
    }
    (ERFCX[0] + t * here - above) / (1.0 + 2.0 * x)
}

/// P(x), the standard normal distribution function, to 5 ulp of itself also far out.
pub fn normal_cdf(x: f64) -> f64 {
    if x > 0.0 {
        return 1.0 - normal_cdf(-x);
    }
    if x > -0.5 {
        return 0.5 + 0.5 * erf(x * FRAC_1_SQRT_2);
    }
    0.5 * exp_half_square(x) * erfcx(-x * FRAC_1_SQRT_2)
}

/// ln P(x), to 5 ulp. Its derivative is [`inverse_mills`].
pub fn ln_normal_cdf(x: f64) -> f64 {
    if x > 0.0 {
        return (-normal_cdf(-x)).ln_1p();
    }
    (0.5 * erfcx(-x * FRAC_1_SQRT_2)).ln() - 0.5 * x * x
}

/// The derivative h(x) of ln P(x), density over distribution function, to 4 ulp. It tends to -x far to
/// the left; its own derivative is -h (x + h).
pub fn inverse_mills(x: f64) -> f64 {
    if x > 0.0 {
        return 0.5 * SQRT_2_OVER_PI * exp_half_square(x) / normal_cdf(x);
    }
    SQRT_2_OVER_PI / erfcx(-x * FRAC_1_SQRT_2)
}

/// The x with P(x) = p, to 5 ulp; infinite at 0 and 1. Its derivative is sqrt(2 pi) e^(x^2/2).
///
/// Halley's iteration from a guess: on P(x) - 1/2 in the middle, where p - 1/2 is exact, and on ln P(x)
/// outside, which is nearly a parabola.
pub fn normal_quantile(p: f64) -> f64 {
    /// The iteration is of third order and the guesses are good to a tenth: four steps are enough.
    const N_STEPS: usize = 4;
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        // 1 - p is exact.
        return -normal_quantile(1.0 - p);
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p > 0.25 {
        let middle = p - 0.5;
        let mut x = middle * (2.0 * PI).sqrt();
        for _ in 0..N_STEPS {
            let miss = 0.5 * erf(x * FRAC_1_SQRT_2) - middle;
            let step = miss / (0.5 * SQRT_2_OVER_PI * exp_half_square(x));
            x -= step / (1.0 + 0.5 * x * step);
        }
        return x;
    }
    let ln_p = p.ln();
    let square = -2.0 * ln_p - (2.0 * PI).ln();
    let mut x = -(square - square.max(1.0).ln()).max(0.25).sqrt();
    for _ in 0..N_STEPS {
        let slope = inverse_mills(x);
        let step = (ln_normal_cdf(x) - ln_p) / slope;
        // The second derivative over the first is -(x + slope).
        x -= step / (1.0 + 0.5 * (x + slope) * step);
    }
    x
}

/// e^(sign x^2) with the rounding error of the square in the exponent.
fn exp_square(x: f64, sign: f64) -> f64 {
    let square = x * x;
    let power = (sign * square).exp();
    // Where the power is zero or infinite the correction is none.
    if power == 0.0 || power.is_infinite() {
        return power;
    }
    power * (1.0 + sign * x.mul_add(x, -square))
}

/// e^(-x^2/2), likewise.
fn exp_half_square(x: f64) -> f64 {
    let square = x * x;
    let power = (-0.5 * square).exp();
    if power == 0.0 {
        return 0.0;
    }
    power * (1.0 - 0.5 * x.mul_add(x, -square))
}

//! Quantiles of the beta distribution, from its distribution function by a continued fraction.
//!
//! I_x(a, b) = x^a (1-x)^b / (a B(a, b)) / (1 + d_1 / (1 + d_2 / (1 + ...))),
//! d_2m = m (b - m) x / ((a + 2m - 1)(a + 2m)),
//! d_2m+1 = -(a + m)(a + b + m) x / ((a + 2m)(a + 2m + 1)) ([dlmf-2024], 8.17.22), which converges fast for
//! x < (a + 1)/(a + b + 2); beyond it I_x(a, b) = 1 - I_1-x(b, a). The quantile by bisection.
//! Cost some 50 times O(sqrt(max(a, b))).

use jensen_special::gamma::ln_beta;

/// Halvings of [0, 1] after which the interval is one of neighboring numbers.
const N_HALVINGS: usize = 60;
/// Relative change at which the continued fraction has settled.
const SETTLED: f64 = 4.0 * f64::EPSILON;
/// Stands for a denominator of zero ([lentz-1976]).
const TINY: f64 = 1e-300;

/// The x in [0, 1] with I_x(a, b) = p, for a and b of at least one.
pub(crate) fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..N_HALVINGS {
        let middle = 0.5 * (low + high);
        match beta_cdf(middle, a, b) < p {
            true => low = middle,
            false => high = middle,
        }
    }
    0.5 * (low + high)
}

/// I_x(a, b).
fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_cdf(1.0 - x, b, a);
    }
    if x <= 0.0 {
        return 0.0;
    }
    let front = (a * x.ln() + b * (-x).ln_1p() - ln_beta(a, b)).exp() / a;
    front / fraction(x, a, b)
}

/// 1 + d_1 / (1 + d_2 / ...) by the method of [lentz-1976].
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let nonzero = |y: f64| if y.abs() < TINY { TINY } else { y };
    let (mut value, mut c, mut d) = (1.0, 1.0, 0.0);
    let mut step = |coefficient: f64| {
        d = 1.0 / nonzero(1.0 + coefficient * d);
        c = nonzero(1.0 + coefficient / c);
        value *= c * d;
        ((c * d - 1.0).abs() < SETTLED, value)
    };
    let mut m = 0.0;
    loop {
        step(-(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)));
        m += 1.0;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        if let (true, value) = step(even) {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_beta_distribution() {
        // Beta(1, b) by hand: 1 - (1 - p)^(1/b); the rest by SciPy 1.17, `beta.ppf`.
        assert!((beta_quantile(0.3, 1.0, 4.0) - (1.0 - 0.7f64.powf(0.25))).abs() < 1e-14);
        for (p, a, b, x) in SCIPY {
            assert!((beta_quantile(p, a, b) / x - 1.0).abs() < 1e-11, "{a} {b}");
        }
    }

    const SCIPY: [(f64, f64, f64, f64); 4] = [
        (0.1586553, 5.3, 44.1, 0.06431166918345807),
        (0.8413447, 201.0, 201.0, 0.5249377093475641),
        (0.1586553, 20001.0, 180001.0, 0.09933317510278093),
        (0.8413447, 1.02, 1.7, 0.6658403175217955),
    ];
}

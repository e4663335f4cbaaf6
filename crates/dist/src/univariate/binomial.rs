//! Binomial distribution: ones among n trials of chance p. Standard.
//!
//! ln p(x) = ln (n choose x) + x ln p + (n - x) ln(1 - p)

use super::{
    ExponentialFamily, Param, Space, Support, Univariate, counts, divergence_of_coins, ratio,
};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_choose;
use jensen_special::incomplete_beta::ln_power;
use jensen_special::logspace::{inv_logit, log1p_exp, logit, xlogy};

/// Binomial: `trials`, `chance`.
pub struct Binomial;

impl Univariate for Binomial {
    fn name(&self) -> &'static str {
        "binomial"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("trials", Space::Count),
                Param::new("chance", Space::Unit),
            ]
        }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(0.0, theta[0])
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [n, p] = [theta[0], theta[1]];
        partials[..2].fill(0.0);
        partials[2] = match p > 0.0 && p < 1.0 {
            // The difference of count and mean with one rounding.
            true => p.mul_add(-n, x) / p / (1.0 - p),
            false => ratio(x, p) - ratio(n - x, 1.0 - p),
        };
        ln_mass(n, x, p, 1.0 - p)
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::binomial(theta[0], theta[1], stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] * theta[1]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] * theta[1] * (1.0 - theta[1])
    }

    /// By its sum, to 1e-12 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(counts::entropy(self, theta))
    }

    /// Between laws with the same number of trials; with more trials than `other` it is infinite.
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let [p, q] = [theta[1], other[1]];
        if theta[0] != other[0] {
            return (theta[0] > other[0] && p > 0.0).then_some(f64::INFINITY);
        }
        Some(times(theta[0], divergence_of_coins(p, q)))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// n times a divergence, none for no trials.
pub(super) fn times(n: f64, divergence: f64) -> f64 {
    if n == 0.0 { 0.0 } else { n * divergence }
}

/// ln of (n choose x) p^x q^(n-x), q = 1 - p, in which the large terms cancel before they are summed.
pub(super) fn ln_mass(n: f64, x: f64, p: f64, q: f64) -> f64 {
    if x == 0.0 {
        return if p < 0.5 {
            n * (-p).ln_1p()
        } else {
            xlogy(n, q)
        };
    }
    if x == n {
        return if q < 0.5 {
            n * (-q).ln_1p()
        } else {
            xlogy(n, p)
        };
    }
    if p == 0.0 || q == 0.0 {
        return f64::NEG_INFINITY;
    }
    // The beta function of the power is that of the shapes x and n - x: B(x, n - x) = n / (x (n - x)) / (n choose x).
    ln_power(x, n - x, p, q) + (n / x / (n - x)).ln()
}

/// With n known: eta = ln(p / (1 - p)), t = x, A = n ln(1 + e^eta), h = (n choose x).
impl ExponentialFamily for Binomial {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = logit(theta[1]);
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[1] = inv_logit(eta[0]);
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = theta[0] * inv_logit(eta[0]);
        theta[0] * log1p_exp(eta[0])
    }

    fn ln_base(&self, x: f64, theta: &[f64]) -> f64 {
        ln_choose(theta[0], x)
    }
}

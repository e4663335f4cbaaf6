//! Binomial distribution: ones among n trials of chance p. Standard.
//!
//! ln p(x) = ln (n choose x) + x ln p + (n - x) ln(1 - p)

use super::{ExponentialFamily, Param, Space, Support, Univariate, divergence_term, ratio};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_choose;
use jensen_special::logspace::{inv_logit, log1p_exp, logit, xlog1py, xlogy};

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
        partials[2] = ratio(x, p) - ratio(n - x, 1.0 - p);
        ln_choose(n, x) + xlogy(x, p) + xlog1py(n - x, -p)
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

    /// Between laws with the same number of trials; with more trials than `other` it is infinite.
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let [p, q] = [theta[1], other[1]];
        if theta[0] != other[0] {
            return (theta[0] > other[0] && p > 0.0).then_some(f64::INFINITY);
        }
        Some((theta[0] * (divergence_term(p, q) + divergence_term(1.0 - p, 1.0 - q))).max(0.0))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
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

//! Poisson distribution with rate r. Standard.
//!
//! ln p(x) = x ln r - r - ln x!

use super::{ExponentialFamily, Param, Space, Support, Univariate, counts};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_gamma;
use jensen_special::gamma_divergence::x_ln_x_divergence;
use jensen_special::incomplete_gamma::ln_power;

/// Poisson: `rate`.
pub struct Poisson;

impl Univariate for Poisson {
    fn name(&self) -> &'static str {
        "poisson"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("rate", Space::Positive)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Integers(0.0, f64::INFINITY)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let rate = theta[0];
        partials[0] = 0.0;
        partials[1] = x / rate - 1.0;
        ln_power(x, rate)
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::poisson(theta[0], stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    /// By its sum, to 1e-12 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(counts::entropy(self, theta))
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Some(x_ln_x_divergence(other[0], theta[0], theta[0] - other[0]))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = ln r, t = x, A = e^eta, h = 1 / x!.
impl ExponentialFamily for Poisson {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0].ln();
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0].exp();
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = eta[0].exp();
        expected[0]
    }

    fn ln_base(&self, x: f64, _: &[f64]) -> f64 {
        -ln_gamma(x + 1.0)
    }
}

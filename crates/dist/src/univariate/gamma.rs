//! Gamma distribution with shape a and rate b. Standard.
//!
//! ln p(x) = a ln b - ln Gamma(a) + (a - 1) ln x - b x

use super::{ExponentialFamily, POSITIVES, Param, Space, Support, Univariate, ratio};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma};
use jensen_special::logspace::xlogy;

/// Gamma: `shape`, `rate`.
pub struct Gamma;

impl Univariate for Gamma {
    fn name(&self) -> &'static str {
        "gamma"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("shape", Space::Positive),
                Param::new("rate", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [shape, rate] = [theta[0], theta[1]];
        partials[0] = ratio(shape - 1.0, x) - rate;
        partials[1] = rate.ln() - digamma(shape) + x.ln();
        partials[2] = shape / rate - x;
        shape * rate.ln() - ln_gamma(shape) + xlogy(shape - 1.0, x) - rate * x
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::gamma(theta[0], stream) / theta[1]
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] / theta[1]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] / theta[1] / theta[1]
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let [shape, rate] = [theta[0], theta[1]];
        Some(shape - rate.ln() + ln_gamma(shape) + (1.0 - shape) * digamma(shape))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (a - 1, -b), t = (ln x, x), A = ln Gamma(a) - a ln b, h = 1.
impl ExponentialFamily for Gamma {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0] - 1.0;
        eta[1] = -theta[1];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0] + 1.0;
        theta[1] = -eta[1];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
        t[1] = x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let [shape, rate] = [eta[0] + 1.0, -eta[1]];
        expected[0] = digamma(shape) - rate.ln();
        expected[1] = shape / rate;
        ln_gamma(shape) - shape * rate.ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

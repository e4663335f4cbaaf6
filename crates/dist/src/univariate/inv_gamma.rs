//! Inverse gamma distribution with shape a and scale b: 1/x is gamma with shape a and rate b. Standard.
//!
//! ln p(x) = a ln b - ln Gamma(a) - (a + 1) ln x - b / x

use super::{ExponentialFamily, Gamma, POSITIVES, Param, Space, Support, Univariate, nothing};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma, ln_gamma_intercept};
use jensen_special::incomplete_gamma::ln_power;

/// Inverse gamma: `shape`, `scale`.
pub struct InvGamma;

/// From this shape on the terms of the log density cancel more than its parts by x.
const CANCELS: f64 = 10.0;

impl Univariate for InvGamma {
    fn name(&self) -> &'static str {
        "inv_gamma"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("shape", Space::Positive),
                Param::new("scale", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        if x == 0.0 {
            return nothing(partials);
        }
        let [shape, scale] = [theta[0], theta[1]];
        partials[0] = (scale / x - shape - 1.0) / x;
        partials[1] = scale.ln() - digamma(shape) - x.ln();
        partials[2] = shape / scale - 1.0 / x;
        let scaled = scale / x;
        match scaled.is_normal() && shape >= CANCELS {
            true => ln_power(shape, scaled) + shape.ln() - x.ln(),
            false => shape * scale.ln() - ln_gamma(shape) - (shape + 1.0) * x.ln() - scaled,
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        1.0 / Gamma.sample(theta, stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        if theta[0] > 1.0 {
            theta[1] / (theta[0] - 1.0)
        } else {
            f64::INFINITY
        }
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        match theta[0] {
            shape if shape > 2.0 => self.mean(theta).powi(2) / (shape - 2.0),
            shape if shape > 1.0 => f64::INFINITY,
            _ => f64::NAN,
        }
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let [shape, scale] = [theta[0], theta[1]];
        Some(ln_gamma_intercept(shape) - digamma(shape) + scale.ln())
    }

    /// That of the inverses, which are gamma.
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Gamma.kl(theta, other)
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        Gamma
            .ln_moments(theta)
            .map(|[mean, variance]| [-mean, variance])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        Gamma.power_moment(theta, -c)
    }

    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let [shape, scale] = [theta[0], theta[1]];
        let by_ln = (shape + 1.0) * of.ln_moments(with)?[0];
        let inverse = of.power_moment(with, -1.0)?;
        Some(shape * scale.ln() - ln_gamma(shape) - by_ln - scale * inverse)
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (-a - 1, -b), t = (ln x, 1/x), A = ln Gamma(a) - a ln b, h = 1.
impl ExponentialFamily for InvGamma {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -theta[0] - 1.0;
        eta[1] = -theta[1];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = -eta[0] - 1.0;
        theta[1] = -eta[1];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
        t[1] = 1.0 / x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let [shape, scale] = [-eta[0] - 1.0, -eta[1]];
        expected[0] = scale.ln() - digamma(shape);
        expected[1] = shape / scale;
        ln_gamma(shape) - shape * scale.ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

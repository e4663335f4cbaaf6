//! Lognormal distribution: ln x is normal with mean m and standard deviation s. Standard.
//!
//! ln p(x) = -ln x - ln s - (1/2) ln 2 pi - (ln x - m)^2 / (2 s^2)

use super::{ExponentialFamily, Normal, POSITIVES, Param, Space, Support, Univariate, nothing};
use jensen_rng::Stream;
use std::f64::consts::TAU;

/// Lognormal: `mu`, `sigma`, the mean and standard deviation of ln x.
pub struct Lognormal;

impl Univariate for Lognormal {
    fn name(&self) -> &'static str {
        "lognormal"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mu", Space::Real),
                Param::new("sigma", Space::Positive),
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
        let value = Normal.formula(x.ln(), theta, partials);
        partials[0] = (partials[0] - 1.0) / x;
        value - x.ln()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        Normal.sample(theta, stream).exp()
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        (theta[0] + 0.5 * theta[1] * theta[1]).exp()
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        (theta[1] * theta[1]).exp_m1() * self.mean(theta).powi(2)
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Normal.entropy(theta).map(|h| h + theta[0])
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Normal.kl(theta, other)
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        Some([theta[0], theta[1] * theta[1]])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        Some((c * theta[0] + 0.5 * (c * theta[1]).powi(2)).exp())
    }

    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let [mean, variance] = of.ln_moments(with)?;
        let square = (variance + (mean - theta[0]).powi(2)) / theta[1] / theta[1];
        Some(-mean - 0.5 * square - theta[1].ln() - 0.5 * TAU.ln())
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// The normal family at ln x, with h = (2 pi)^(-1/2) / x.
impl ExponentialFamily for Lognormal {
    fn n_statistics(&self, p: usize) -> usize {
        Normal.n_statistics(p)
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        Normal.natural(theta, eta);
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        Normal.usual(eta, theta);
    }

    fn statistics(&self, x: f64, theta: &[f64], t: &mut [f64]) {
        Normal.statistics(x.ln(), theta, t);
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        Normal.log_partition(eta, theta, expected)
    }

    fn ln_base(&self, x: f64, theta: &[f64]) -> f64 {
        Normal.ln_base(x, theta) - x.ln()
    }
}

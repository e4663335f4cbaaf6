//! Poisson distribution by the logarithm a of its rate. Standard.
//!
//! ln p(x) = x a - e^a - ln x!, which is the exponential family itself.

use super::{ExponentialFamily, Param, Poisson, Space, Support, Univariate, counts};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_gamma;
use jensen_special::incomplete_gamma::ln_power;
use jensen_special::remainder::expm1mx;
use std::f64::consts::{E, TAU};

/// Poisson by its log-rate: `log_rate`.
pub struct PoissonLog;

impl Univariate for PoissonLog {
    fn name(&self) -> &'static str {
        "poisson_log"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("log_rate", Space::Real)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Integers(0.0, f64::INFINITY)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let rate = theta[0].exp();
        partials[0] = 0.0;
        partials[1] = x - rate;
        // A rate out of range still has a logarithm.
        match rate.is_normal() {
            true => ln_power(x, rate),
            false => x * theta[0] - rate - ln_gamma(x + 1.0),
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::poisson(theta[0].exp(), stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0].exp()
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0].exp()
    }

    /// By its sum, to 1e-12 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        // Beyond e^35 it is that of a normal law to the last place.
        Some(match theta[0] > 35.0 {
            true => 0.5 * ((TAU * E).ln() + theta[0]),
            false => counts::entropy(self, theta),
        })
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let shift = other[0] - theta[0];
        Some(if shift == 0.0 {
            0.0
        } else if shift < 1.0 {
            theta[0].exp() * expm1mx(shift)
        } else {
            // The first rate may be zero to the last place where the second is not.
            other[0].exp() - theta[0].exp() * (1.0 + shift)
        })
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Poisson, vec![theta[0].exp()]))
    }
}

/// eta = a, t = x, A = e^eta, h = 1 / x!.
impl ExponentialFamily for PoissonLog {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        Poisson.log_partition(eta, theta, expected)
    }

    fn ln_base(&self, x: f64, _: &[f64]) -> f64 {
        -ln_gamma(x + 1.0)
    }
}

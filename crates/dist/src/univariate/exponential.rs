//! Exponential distribution with rate r. Standard.
//!
//! ln p(x) = ln r - r x

use super::{ExponentialFamily, Gamma, POSITIVES, Param, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::remainder::excess;

/// Exponential: `rate`.
pub struct Exponential;

impl Univariate for Exponential {
    fn name(&self) -> &'static str {
        "exponential"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("rate", Space::Positive)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let rate = theta[0];
        partials[0] = -rate;
        // One rounding where the two cancel.
        partials[1] = (-rate).mul_add(x, 1.0) / rate;
        rate.ln() - rate * x
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        stream.exponential() / theta[0]
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        1.0 / theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0].powi(-2)
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(1.0 - theta[0].ln())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Some(excess(other[0], theta[0]))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Gamma, vec![1.0, theta[0]]))
    }
}

/// eta = -r, t = x, A = -ln(-eta), h = 1.
impl ExponentialFamily for Exponential {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -theta[0];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = -eta[0];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = -1.0 / eta[0];
        -(-eta[0]).ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

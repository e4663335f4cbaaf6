//! Normal distribution with mean m and standard deviation s. Standard.
//!
//! ln p(x) = -ln s - (1/2) ln 2 pi - (x - m)^2 / (2 s^2)

use super::{ExponentialFamily, Param, REALS, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::remainder::excess;
use std::f64::consts::{E, TAU};

/// Normal: `mean`, `sd`.
pub struct Normal;

impl Univariate for Normal {
    fn name(&self) -> &'static str {
        "normal"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mean", Space::Real),
                Param::new("sd", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        REALS
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [mean, sd] = [theta[0], theta[1]];
        let z = (x - mean) / sd;
        partials[0] = -z / sd;
        partials[1] = z / sd;
        partials[2] = (z * z - 1.0) / sd;
        -0.5 * z * z - sd.ln() - 0.5 * TAU.ln()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[0] + theta[1] * stream.normal()
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[1] * theta[1]
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(0.5 * (TAU * E).ln() + theta[1].ln())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        // With r = s1 / s2 the part of the scales, (r^2 - 1) / 2 - ln r, is (r - 1 - ln r) + (r - 1)^2 / 2.
        let change = (theta[1] - other[1]) / other[1];
        let shift = (theta[0] - other[0]) / other[1];
        Some(excess(theta[1], other[1]) + 0.5 * (change * change + shift * shift))
    }

    /// Mean and variance are enough.
    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let (shift, variance) = (of.mean(with) - theta[0], of.variance(with));
        if !(shift.is_finite() && variance.is_finite()) {
            return Some(f64::NEG_INFINITY);
        }
        let square = (variance + shift * shift) / theta[1] / theta[1];
        Some(-0.5 * square - theta[1].ln() - 0.5 * TAU.ln())
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (m / s^2, -1 / (2 s^2)), t = (x, x^2), A = -eta1^2 / (4 eta2) - ln(-2 eta2) / 2, h = (2 pi)^(-1/2).
impl ExponentialFamily for Normal {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        let precision = theta[1].powi(-2);
        eta[0] = theta[0] * precision;
        eta[1] = -0.5 * precision;
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = -0.5 * eta[0] / eta[1];
        theta[1] = (-0.5 / eta[1]).sqrt();
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
        t[1] = x * x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let mean = -0.5 * eta[0] / eta[1];
        expected[0] = mean;
        expected[1] = mean * mean - 0.5 / eta[1];
        0.5 * eta[0] * mean - 0.5 * (-2.0 * eta[1]).ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        -0.5 * TAU.ln()
    }
}

//! Uniform distribution between two ends. Standard.
//!
//! ln p(x) = -ln(high - low)

use super::{Param, Space, Support, Univariate};
use jensen_rng::Stream;

/// Uniform: `low` below `high`.
pub struct Uniform;

impl Univariate for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("low", Space::Real),
                Param::new("high", Space::Real),
            ]
        }
    }

    fn admits(&self, theta: &[f64]) -> bool {
        theta.len() == 2 && Space::Ordered.holds(theta)
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Interval(theta[0], theta[1])
    }

    fn formula(&self, _: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let width = theta[1] - theta[0];
        partials[0] = 0.0;
        partials[1] = 1.0 / width;
        partials[2] = -1.0 / width;
        -width.ln()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[0] + (theta[1] - theta[0]) * stream.uniform()
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        0.5 * (theta[0] + theta[1])
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        (theta[1] - theta[0]).powi(2) / 12.0
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some((theta[1] - theta[0]).ln())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta[0] < other[0] || theta[1] > other[1] {
            return Some(f64::INFINITY);
        }
        Some(((other[1] - other[0]) / (theta[1] - theta[0])).ln())
    }
}

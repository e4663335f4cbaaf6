//! Uniform distribution between two ends. Standard.
//!
//! ln p(x) = -ln(high - low)

use super::{Param, Space, Support, Univariate};
use jensen_rng::Stream;
use std::f64::consts::LN_2;

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
        let half = half_width(theta);
        partials[0] = 0.0;
        partials[1] = 0.5 / half;
        partials[2] = -0.5 / half;
        -half.ln() - LN_2
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        let [low, high, u] = [theta[0], theta[1], stream.uniform()];
        // The width may be too large a number.
        match (high - low).is_finite() {
            true => low + (high - low) * u,
            false => low * (1.0 - u) + high * u,
        }
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        0.5 * theta[0] + 0.5 * theta[1]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        half_width(theta).powi(2) / 3.0
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(half_width(theta).ln() + LN_2)
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta[0] < other[0] || theta[1] > other[1] {
            return Some(f64::INFINITY);
        }
        // What the other has more, so that neighbors keep their digits.
        let more = (0.5 * theta[0] - 0.5 * other[0]) + (0.5 * other[1] - 0.5 * theta[1]);
        Some((more / half_width(theta)).ln_1p())
    }
}

/// Half the width, which no pair of numbers makes too large.
fn half_width(theta: &[f64]) -> f64 {
    0.5 * theta[1] - 0.5 * theta[0]
}

//! Uniform distribution between two ends. Standard.
//!
//! ln p(x) = -ln(high - low)

use super::{Param, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::logspace::xlogy;
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

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        let [low, high] = [theta[0], theta[1]];
        if low < 0.0 {
            return None;
        }
        // x ln x - x and x ln^2 x - 2 (x ln x - x) integrate both.
        let mean_of = |f: &dyn Fn(f64) -> f64| (f(high) - f(low)) / (high - low);
        let mean = mean_of(&|x| xlogy(x, x)) - 1.0;
        let square = mean_of(&|x| if x == 0.0 { 0.0 } else { x * x.ln().powi(2) });
        Some([mean, square - 2.0 * mean - mean * mean])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        let [low, high] = [theta[0], theta[1]];
        Some(match c == -1.0 {
            _ if low < 0.0 => return None,
            _ if low == 0.0 && c <= -1.0 => f64::INFINITY,
            true => (high / low).ln() / (high - low),
            false => (high.powf(c + 1.0) - low.powf(c + 1.0)) / ((c + 1.0) * (high - low)),
        })
    }

    fn mean_ln_prob(&self, theta: &[f64], _: &dyn Univariate, _: &[f64]) -> Option<f64> {
        Some(-half_width(theta).ln() - LN_2)
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

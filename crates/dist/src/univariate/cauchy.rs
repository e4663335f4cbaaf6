//! Cauchy distribution with location m and scale s. Standard; the divergence is [chyzak-2019], Thm. 1.
//!
//! ln p(x) = -ln(pi s) - ln(1 + z^2),   z = (x - m) / s

use super::{Param, REALS, Space, StudentT, Support, Univariate, ln_1p_square};
use jensen_rng::Stream;
use std::f64::consts::PI;

/// Cauchy: `location`, `scale`.
pub struct Cauchy;

impl Univariate for Cauchy {
    fn name(&self) -> &'static str {
        "cauchy"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("location", Space::Real),
                Param::new("scale", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        REALS
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [location, scale] = [theta[0], theta[1]];
        let distance = x - location;
        let z = distance / scale;
        // Far out z and its square may be too large numbers.
        let pull = match z.abs() < 1.0 {
            true => 2.0 * z / (1.0 + z * z) / scale,
            false => 2.0 / distance / (1.0 + z.powi(-2)),
        };
        partials[0] = -pull;
        partials[1] = pull;
        partials[2] = (1.0 - 2.0 / (1.0 + z * z)) / scale;
        -PI.ln() - scale.ln() - ln_1p_square(x, location, scale, 1.0)
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[0] + theta[1] * (PI * (stream.uniform_open() - 0.5)).tan()
    }

    fn mean(&self, _: &[f64]) -> f64 {
        f64::NAN
    }

    fn variance(&self, _: &[f64]) -> f64 {
        f64::NAN
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some((4.0 * PI * theta[1]).ln())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let distance = 0.5 * (theta[0] - other[0]).hypot(theta[1] - other[1]);
        let ratio = distance / theta[1] * (distance / other[1]);
        Some(match ratio.is_finite() {
            true => ratio.ln_1p(),
            false => 2.0 * distance.ln() - theta[1].ln() - other[1].ln(),
        })
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&StudentT, vec![1.0, theta[0], theta[1]]))
    }
}

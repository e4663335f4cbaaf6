//! Logistic distribution with location m and scale s. Standard.
//!
//! ln p(x) = -ln s - |z| - 2 ln(1 + e^(-|z|)),   z = (x - m) / s

use super::{Param, REALS, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::logspace::logit;
use std::f64::consts::PI;

/// Logistic: `location`, `scale`.
pub struct Logistic;

impl Univariate for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
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
        let z = (x - location) / scale;
        let pull = (0.5 * z).tanh();
        partials[0] = -pull / scale;
        partials[1] = pull / scale;
        partials[2] = (z * pull - 1.0) / scale;
        -z.abs() - scale.ln() - 2.0 * (-z.abs()).exp().ln_1p()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[0] + theta[1] * logit(stream.uniform_open())
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        (PI * theta[1]).powi(2) / 3.0
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(theta[1].ln() + 2.0)
    }
}

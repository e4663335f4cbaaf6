//! Pareto distribution with minimum m and shape a. Standard.
//!
//! ln p(x) = ln a + a ln m - (a + 1) ln x,   x >= m

use super::{ExponentialFamily, Param, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::remainder::excess;

/// Pareto: `minimum`, `shape`.
pub struct Pareto;

impl Univariate for Pareto {
    fn name(&self) -> &'static str {
        "pareto"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("minimum", Space::Positive),
                Param::new("shape", Space::Positive),
            ]
        }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Interval(theta[0], f64::INFINITY)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [minimum, shape] = [theta[0], theta[1]];
        partials[0] = -(shape + 1.0) / x;
        partials[1] = shape / minimum;
        // The quotient may be too large a number.
        let ln_ratio = match (x / minimum).is_finite() {
            true => (x / minimum).ln(),
            false => x.ln() - minimum.ln(),
        };
        partials[2] = 1.0 / shape - ln_ratio;
        shape.ln() - shape * ln_ratio - x.ln()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[0] * (stream.exponential() / theta[1]).exp()
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        match theta[1] {
            shape if shape > 1.0 => theta[0] * shape / (shape - 1.0),
            _ => f64::INFINITY,
        }
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        match theta[1] {
            shape if shape > 2.0 => {
                theta[0].powi(2) * shape / ((shape - 1.0).powi(2) * (shape - 2.0))
            }
            shape if shape > 1.0 => f64::INFINITY,
            _ => f64::NAN,
        }
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some((theta[0] / theta[1]).ln() + 1.0 / theta[1] + 1.0)
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta[0] < other[0] {
            return Some(f64::INFINITY);
        }
        let rise = ((theta[0] - other[0]) / other[0]).ln_1p();
        Some(excess(other[1], theta[1]) + other[1] * rise)
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        Some([theta[0].ln() + 1.0 / theta[1], theta[1].powi(-2)])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        Some(match c < theta[1] {
            true => theta[1] / (theta[1] - c) * theta[0].powf(c),
            false => f64::INFINITY,
        })
    }

    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let [minimum, shape] = [theta[0], theta[1]];
        let mean = of.ln_moments(with)?[0];
        Some(shape.ln() + shape * minimum.ln() - (shape + 1.0) * mean)
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// With m known: eta = -a - 1, t = ln x, A = -ln a - a ln m, h = 1.
impl ExponentialFamily for Pareto {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -theta[1] - 1.0;
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[1] = -eta[0] - 1.0;
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        let shape = -eta[0] - 1.0;
        expected[0] = theta[0].ln() + 1.0 / shape;
        -shape.ln() - shape * theta[0].ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

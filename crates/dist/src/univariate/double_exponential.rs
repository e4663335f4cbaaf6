//! Double exponential (Laplace) distribution with location m and scale s. Standard.
//!
//! ln p(x) = -ln(2 s) - |x - m| / s

use super::{ExponentialFamily, Normal, Param, REALS, Space, Support, Uniform, Univariate};
use jensen_rng::Stream;
use jensen_special::error::erf;
use jensen_special::remainder::{excess, expm1mx};
use std::f64::consts::{LN_2, PI, SQRT_2};

/// Double exponential: `location`, `scale`.
pub struct DoubleExponential;

impl Univariate for DoubleExponential {
    fn name(&self) -> &'static str {
        "double_exponential"
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
        // At the kink the partial by x is the middle of its two limits.
        let sign = if z == 0.0 { 0.0 } else { z.signum() };
        partials[0] = -sign / scale;
        partials[1] = sign / scale;
        partials[2] = (z.abs() - 1.0) / scale;
        -LN_2 - scale.ln() - z.abs()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        let u = stream.uniform_open();
        let z = if u < 0.5 {
            (2.0 * u).ln()
        } else {
            -(2.0 - 2.0 * u).ln()
        };
        theta[0] + theta[1] * z
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        2.0 * theta[1] * theta[1]
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(1.0 + LN_2 + theta[1].ln())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        // E|x - m2| / s2 = (d + s1 e^(-d/s1)) / s2 for d = |m1 - m2|; u below is d / s1 and r is s1 / s2.
        let r = theta[1] / other[1];
        let distance = (theta[0] - other[0]).abs();
        let u = distance / theta[1];
        let shift = match u < 1.0 {
            true => r * expm1mx(-u),
            // The quotient may be too large a number.
            false => distance / other[1] + r * (-u).exp_m1(),
        };
        Some(shift + excess(theta[1], other[1]))
    }

    /// E|x - m| from normal and uniform laws, and infinity where there is no mean.
    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let shift = theta[0] - of.mean(with);
        let distance = match of.name() {
            _ if !shift.is_finite() => f64::INFINITY,
            name if name == Normal.name() => {
                let z = shift / with[1];
                let folded = (2.0 / PI).sqrt() * (-0.5 * z * z).exp();
                with[1] * folded + shift * erf(z / SQRT_2)
            }
            name if name == Uniform.name() => {
                let half = 0.5 * (with[1] - with[0]);
                match shift.abs() < half {
                    true => 0.5 * (half + shift * shift / half),
                    false => shift.abs(),
                }
            }
            _ => return None,
        };
        Some(-LN_2 - theta[1].ln() - distance / theta[1])
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// With m known: eta = -1 / s, t = |x - m|, A = ln 2 - ln(-eta), h = 1.
impl ExponentialFamily for DoubleExponential {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -1.0 / theta[1];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[1] = -1.0 / eta[0];
    }

    fn statistics(&self, x: f64, theta: &[f64], t: &mut [f64]) {
        t[0] = (x - theta[0]).abs();
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = -1.0 / eta[0];
        LN_2 - (-eta[0]).ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

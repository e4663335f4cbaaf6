//! Weibull distribution with shape k and scale s. Standard; the divergence is [bauckhage-2013], eq. 15.
//!
//! ln p(x) = ln(k / s) + (k - 1) ln z - z^k,   z = x / s

use super::{ExponentialFamily, POSITIVES, Param, Space, Support, Univariate, ratio};
use jensen_rng::Stream;
use jensen_special::gamma::{EULER_GAMMA, ln_gamma};
use jensen_special::gamma_divergence::ln_gamma_divergence;
use jensen_special::logspace::xlogy;
use jensen_special::remainder::expm1mx;
use std::f64::consts::PI;

/// Weibull: `shape`, `scale`.
pub struct Weibull;

impl Univariate for Weibull {
    fn name(&self) -> &'static str {
        "weibull"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("shape", Space::Positive),
                Param::new("scale", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [shape, scale] = [theta[0], theta[1]];
        let z = x / scale;
        let power = z.powf(shape);
        partials[0] = ratio(shape - 1.0, x) - shape / scale * z.powf(shape - 1.0);
        partials[1] = 1.0 / shape + z.ln() * (1.0 - power);
        partials[2] = shape * (power - 1.0) / scale;
        (shape / scale).ln() + xlogy(shape - 1.0, z) - power
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        theta[1] * stream.exponential().powf(1.0 / theta[0])
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[1] * ln_gamma(1.0 + 1.0 / theta[0]).exp()
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        // ln Gamma(1 + 2u) - 2 ln Gamma(1 + u) for u = 1/k: what ln Gamma has at 1 + 2u and at 1 above its tangent
        // at 1 + u, two numbers of at least zero.
        let u = 1.0 / theta[0];
        let middle = 1.0 + u;
        let ln_ratio =
            ln_gamma_divergence(middle, 1.0 + 2.0 * u, u) + ln_gamma_divergence(middle, 1.0, -u);
        (ln_ratio.exp_m1().sqrt() * self.mean(theta)).powi(2)
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let [shape, scale] = [theta[0], theta[1]];
        Some(EULER_GAMMA * (1.0 - 1.0 / shape) + (scale / shape).ln() + 1.0)
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        // E ln(x/s1) = -gamma / k1 and E (x/s2)^k2 = (s1/s2)^k2 Gamma(1 + k2/k1) = e^w. With r = k2/k1 it is
        // (e^w - 1 - w) + ln Gamma(r) + gamma (r - 1), and -gamma = psi(1) makes the rest a divergence.
        let change = (other[0] - theta[0]) / theta[0];
        let rest = ln_gamma_divergence(1.0, other[0] / theta[0], change);
        let ln_scales = match (theta[1] / other[1]).is_normal() {
            true => ((theta[1] - other[1]) / other[1]).ln_1p(),
            false => theta[1].ln() - other[1].ln(),
        };
        let w = other[0] * ln_scales + ln_gamma_1p(other[0] / theta[0], change);
        Some(expm1mx(w) + rest)
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        let spread = PI / theta[0];
        Some([
            theta[1].ln() - EULER_GAMMA / theta[0],
            spread * spread / 6.0,
        ])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        let order = 1.0 + c / theta[0];
        Some(match order > 0.0 {
            true => (c * theta[1].ln() + ln_gamma(order)).exp(),
            false => f64::INFINITY,
        })
    }

    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let [shape, scale] = [theta[0], theta[1]];
        let by_ln = (shape - 1.0) * (of.ln_moments(with)?[0] - scale.ln());
        let power = of.power_moment(with, shape)? * scale.powf(-shape);
        Some((shape / scale).ln() + by_ln - power)
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// ln Gamma(1 + r) for r = 1 + u, exact in u near its zero at r = 1: the tangent at 2 and what lies above it.
fn ln_gamma_1p(r: f64, u: f64) -> f64 {
    match u.abs() < 0.5 {
        true => (1.0 - EULER_GAMMA) * u + ln_gamma_divergence(2.0, 1.0 + r, u),
        false => ln_gamma(1.0 + r),
    }
}

/// With k known: eta = -s^(-k), t = x^k, A = -ln(-eta), h = k x^(k-1).
impl ExponentialFamily for Weibull {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -theta[1].powf(-theta[0]);
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[1] = (-eta[0]).powf(-1.0 / theta[0]);
    }

    fn statistics(&self, x: f64, theta: &[f64], t: &mut [f64]) {
        t[0] = x.powf(theta[0]);
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = -1.0 / eta[0];
        -(-eta[0]).ln()
    }

    fn ln_base(&self, x: f64, theta: &[f64]) -> f64 {
        theta[0].ln() + xlogy(theta[0] - 1.0, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by mpmath 1.3 at 700 digits.
    #[test]
    fn the_variance_keeps_its_digits_at_large_shapes() {
        /// What the divergence of ln Gamma is good for.
        const ROUNDING: f64 = 1e-14;
        for (shape, expected) in [
            (0.7, 3.426_835_553_653_154),
            (3.0, 0.105_332_884_868_478_73),
            (1e3, 1.640_642_681_484_991e-6),
            (1e8, 1.644_934_023_817_455_4e-16),
            (1e16, 1.644_934_066_848_226e-32),
        ] {
            let found = Weibull.variance(&[shape, 1.0]);
            assert!(
                (found / expected - 1.0).abs() < ROUNDING,
                "{shape}: {found} {expected}"
            );
        }
    }
}

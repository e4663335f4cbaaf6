//! Von Mises distribution on the circle with direction m and concentration k. Standard; the sampler is
//! [best-1979].
//!
//! ln p(x) = k (cos(x - m) - 1) - ln 2 pi - ln(e^(-k) I0(k)), in which nothing overflows.

use super::{ExponentialFamily, Param, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::bessel::{
    i1_over_i0, i1_over_i0_complement, ln_i0, ln_i0_divergence, ln_i0_scaled,
};
use std::f64::consts::{PI, TAU};

/// Von Mises: `direction`, `concentration`.
pub struct VonMises;

impl Univariate for VonMises {
    fn name(&self) -> &'static str {
        "von_mises"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("direction", Space::Real),
                Param::new("concentration", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Circle
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [direction, concentration] = [theta[0], theta[1]];
        let sin = (x - direction).sin();
        let half = (0.5 * (x - direction)).sin();
        partials[0] = -concentration * sin;
        partials[1] = concentration * sin;
        partials[2] = i1_over_i0_complement(concentration) - 2.0 * half * half;
        -2.0 * concentration * half * half - TAU.ln() - ln_i0_scaled(concentration)
    }

    /// Rejection from a wrapped Cauchy law; the draw lies within pi of the direction. The paper's r is 1 + s
    /// here, and cosines are one less a square, so that draws near the direction keep their digits.
    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        /// Beyond this the law is a point to the last place, and its square root is no number to fear.
        const LARGEST: f64 = 1e300;
        let [direction, concentration] = [theta[0], theta[1].min(LARGEST)];
        // Below this the density is flat to the last place.
        if concentration < f64::EPSILON {
            return direction + PI * (2.0 * stream.uniform_open() - 1.0);
        }
        // The paper's (tau - sqrt(2 tau)) / (2 k) without its cancellation at small k.
        let long = 1.0f64.hypot(2.0 * concentration);
        let tau = 1.0 + long;
        let rest = (2.0 * tau).sqrt();
        let rho = 2.0 * concentration / (tau + rest);
        // 1 - rho, in which 2 k cancels.
        let gap = (1.0 + 1.0 / (long + 2.0 * concentration) + rest) / (tau + rest);
        let s = gap * gap / (2.0 * rho);
        loop {
            let (sin, cos) = (0.5 * PI * stream.uniform()).sin_cos();
            let below = s + 2.0 * cos * cos;
            let c = concentration * s * ((2.0 + s) / below);
            let u = stream.uniform_open();
            if c * (2.0 - c) > u || (c / u).ln() + 1.0 >= c {
                let sign = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
                // 1 - cos of the angle is s (1 - z) / (r + z) with z = cos of the proposal.
                let half = (s * sin * sin / below).sqrt().min(1.0).asin();
                return direction + sign * 2.0 * half;
            }
        }
    }

    /// The mean direction.
    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        i1_over_i0_complement(theta[1])
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let k = theta[1];
        Some(TAU.ln() + ln_i0_scaled(k) + k * i1_over_i0_complement(k))
    }

    /// The divergence of ln I0 by the concentration, and k2 I1/I0(k1) (1 - cos of the angle between).
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let half = (0.5 * (theta[0] - other[0])).sin();
        let pull = 2.0 * i1_over_i0(theta[1]) * other[1] * half * half;
        Some(ln_i0_divergence(theta[1], other[1]) + pull)
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = k (cos m, sin m), t = (cos x, sin x), A = ln I0(|eta|), h = 1 / (2 pi).
impl ExponentialFamily for VonMises {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        let (sin, cos) = theta[0].sin_cos();
        eta[0] = theta[1] * cos;
        eta[1] = theta[1] * sin;
    }

    /// The direction comes out between -pi and pi.
    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[1].atan2(eta[0]);
        theta[1] = eta[0].hypot(eta[1]);
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        (t[1], t[0]) = x.sin_cos();
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let k = eta[0].hypot(eta[1]);
        // A grows from zero as k^2 / 4.
        let slope = if k == 0.0 { 0.5 } else { i1_over_i0(k) / k };
        expected[0] = slope * eta[0];
        expected[1] = slope * eta[1];
        ln_i0(k)
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        -TAU.ln()
    }
}

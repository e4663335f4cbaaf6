//! Student's t distribution with degrees of freedom n, location m and scale s. Standard.
//!
//! ln p(x) = -ln B(1/2, n/2) - (1/2) ln n - ln s - ((n+1)/2) ln(1 + z^2/n),   z = (x - m) / s

use super::{Param, REALS, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_beta};

/// Student's t: `dof`, `location`, `scale`.
pub struct StudentT;

impl Univariate for StudentT {
    fn name(&self) -> &'static str {
        "student_t"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("dof", Space::Positive),
                Param::new("location", Space::Real),
                Param::new("scale", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        REALS
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [dof, location, scale] = [theta[0], theta[1], theta[2]];
        let z = (x - location) / scale;
        let square = z * z;
        let tail = (square / dof).ln_1p();
        let weight = (dof + 1.0) / (dof + square);
        partials[0] = -weight * z / scale;
        partials[2] = weight * z / scale;
        partials[1] = 0.5
            * (digamma(0.5 * dof + 0.5) - digamma(0.5 * dof) - tail
                + (weight * square - 1.0) / dof);
        partials[3] = (weight * square - 1.0) / scale;
        -ln_beta(0.5, 0.5 * dof) - 0.5 * dof.ln() - scale.ln() - 0.5 * (dof + 1.0) * tail
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        // Half of the smallest number would be none.
        let half = (0.5 * theta[0]).max(f64::from_bits(1));
        let normal = stream.normal();
        // Few degrees of freedom make gammas below the smallest number; their logarithm is safe.
        let ln_ratio = stream.gamma_ln(half) - half.ln();
        theta[1] + theta[2] * (normal * (-0.5 * ln_ratio).exp())
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        if theta[0] > 1.0 { theta[1] } else { f64::NAN }
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        match theta[0] {
            dof if dof > 2.0 => theta[2] * theta[2] * dof / (dof - 2.0),
            dof if dof > 1.0 => f64::INFINITY,
            _ => f64::NAN,
        }
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let half = 0.5 * theta[0];
        let slope = digamma(half + 0.5) - digamma(half);
        Some((half + 0.5) * slope + 0.5 * theta[0].ln() + ln_beta(half, 0.5) + theta[2].ln())
    }
}

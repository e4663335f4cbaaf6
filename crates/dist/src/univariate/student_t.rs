//! Student's t distribution with degrees of freedom n, location m and scale s. Standard.
//!
//! ln p(x) = -ln B(1/2, n/2) - (1/2) ln n - ln s - ((n+1)/2) ln(1 + z^2/n),   z = (x - m) / s

use super::{Param, REALS, Space, Support, Uniform, Univariate, ln_1p_square};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma_half_step, ln_beta};
use jensen_special::remainder::log1pmx;

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
        let distance = x - location;
        let z = distance / scale;
        let tail = ln_1p_square(x, location, scale, dof);
        // With q = z^2 / n: the share q / (1 + q) and its complement, also where q is too large a number.
        let ratio = z * (z / dof);
        let (share, rest) = match ratio < 1.0 {
            true => (ratio / (1.0 + ratio), 1.0 / (1.0 + ratio)),
            false => (1.0 / (1.0 + 1.0 / ratio), 1.0 / ratio / (1.0 + 1.0 / ratio)),
        };
        let pull = match z.abs() < 1.0 {
            true => (dof + 1.0) / (dof + z * z) * z / scale,
            false => (dof + 1.0) / distance * share,
        };
        partials[0] = -pull;
        partials[2] = pull;
        // Of psi(n/2 + 1/2) - psi(n/2) - ln(1 + q) + (n q - 1) / (n + n q) the parts that cancel for many
        // degrees of freedom are taken together.
        let curve = match ratio < 1.0 {
            true => -log1pmx(-share),
            false => tail - share,
        };
        partials[1] = 0.5 * (digamma_half_step(0.5 * dof) + share / dof - curve);
        partials[3] = (dof * share - rest) / scale;
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

    /// From uniform laws: u ln(1 + u^2) - 2 u + 2 atan u integrates the logarithm.
    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        if of.name() != Uniform.name() {
            return None;
        }
        let [dof, location, scale] = [theta[0], theta[1], theta[2]];
        let [u, v] = [with[0], with[1]].map(|end| (end - location) / scale / dof.sqrt());
        let integral = |u: f64| u * (u * u).ln_1p() - 2.0 * u + 2.0 * u.atan();
        let tail = (integral(v) - integral(u)) / (v - u);
        let peak = -ln_beta(0.5, 0.5 * dof) - 0.5 * dof.ln() - scale.ln();
        Some(peak - 0.5 * (dof + 1.0) * tail)
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let half = 0.5 * theta[0];
        // (half + 1/2) times psi(half + 1/2) - psi(half), of which 1 / (2 half) is taken out.
        let rest = (half + 0.5) * digamma_half_step(half) + 0.25 / half;
        Some(0.5 + rest + 0.5 * theta[0].ln() + ln_beta(half, 0.5) + theta[2].ln())
    }
}

//! Beta distribution with shapes a and b. Standard.
//!
//! ln p(x) = (a - 1) ln x + (b - 1) ln(1 - x) - ln B(a, b)

use super::{ExponentialFamily, Param, Space, Support, Uniform, Univariate, ratio};
use crate::draw;
use crate::multivariate::dirichlet;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_beta, ln_gamma_intercept, trigamma};
use jensen_special::incomplete_beta::ln_power;
use jensen_special::logspace::{xlog1py, xlogy};

/// Beta: `alpha`, `beta`.
pub struct Beta;

/// From these shapes on the terms of the log density cancel more than its parts by x.
const CANCELS: f64 = 10.0;

impl Univariate for Beta {
    fn name(&self) -> &'static str {
        "beta"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("alpha", Space::Positive),
                Param::new("beta", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Interval(0.0, 1.0)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [a, b] = [theta[0], theta[1]];
        let all = digamma(a + b);
        partials[0] = match x > 0.0 && x < 1.0 {
            // One quotient, as near the mode the two parts cancel.
            true => (a + b - 2.0).mul_add(-x, a - 1.0) / x / (1.0 - x),
            false => ratio(a - 1.0, x) - ratio(b - 1.0, 1.0 - x),
        };
        partials[1] = x.ln() + all - digamma(a);
        partials[2] = (-x).ln_1p() + all - digamma(b);
        match a.min(b) >= CANCELS && x > 0.0 && x < 1.0 {
            // The large terms cancel in the power.
            true => ln_power(a, b, x, 1.0 - x) - x.ln() - (-x).ln_1p(),
            false => xlogy(a - 1.0, x) + xlog1py(b - 1.0, -x) - ln_beta(a, b),
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::beta(theta[0], theta[1], stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] / (theta[0] + theta[1])
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        let total = theta[0] + theta[1];
        theta[0] / total * (theta[1] / total) / (total + 1.0)
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        // The intercepts of ln Gamma hold the terms of the size of the shapes, which cancel.
        let [a, b, all] = [theta[0], theta[1], theta[0] + theta[1]];
        let intercepts = ln_gamma_intercept(a) + (ln_gamma_intercept(b) - ln_gamma_intercept(all));
        let slope = digamma(all);
        Some(intercepts + (digamma(a) - slope) + (digamma(b) - slope))
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Some(dirichlet::kl(theta, other))
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        let [a, all] = [theta[0], theta[0] + theta[1]];
        Some([digamma(a) - digamma(all), trigamma(a) - trigamma(all)])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        let [a, b] = [theta[0], theta[1]];
        Some(match a + c > 0.0 {
            true => (ln_beta(a + c, b) - ln_beta(a, b)).exp(),
            false => f64::INFINITY,
        })
    }

    /// From uniform laws, whose reflection is one, too.
    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        if of.name() != Uniform.name() {
            return None;
        }
        let [ln, ln_rest] = [[with[0], with[1]], [1.0 - with[1], 1.0 - with[0]]]
            .map(|ends| Uniform.ln_moments(&ends).map(|[mean, _]| mean));
        let [a, b] = [theta[0], theta[1]];
        Some((a - 1.0) * ln? + (b - 1.0) * ln_rest? - ln_beta(a, b))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (a - 1, b - 1), t = (ln x, ln(1 - x)), A = ln B(a, b), h = 1.
impl ExponentialFamily for Beta {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0] - 1.0;
        eta[1] = theta[1] - 1.0;
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0] + 1.0;
        theta[1] = eta[1] + 1.0;
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
        t[1] = (-x).ln_1p();
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let [a, b] = [eta[0] + 1.0, eta[1] + 1.0];
        let all = digamma(a + b);
        expected[0] = digamma(a) - all;
        expected[1] = digamma(b) - all;
        ln_beta(a, b)
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

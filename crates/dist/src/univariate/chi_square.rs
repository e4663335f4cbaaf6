//! Chi-square distribution with n degrees of freedom, a gamma law of shape n/2 and rate 1/2. Standard.
//!
//! ln p(x) = (n/2 - 1) ln x - x/2 - (n/2) ln 2 - ln Gamma(n/2)

use super::{ExponentialFamily, Gamma, POSITIVES, Param, Space, Support, Univariate};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma};
use jensen_special::gamma_divergence::ln_gamma_divergence;
use std::f64::consts::LN_2;

/// Chi-square: `dof`.
pub struct ChiSquare;

impl Univariate for ChiSquare {
    fn name(&self) -> &'static str {
        "chi_square"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("dof", Space::Positive)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let mut inner = [0.0; 3];
        let value = Gamma.formula(x, &[0.5 * theta[0], 0.5], &mut inner);
        partials[0] = inner[0];
        partials[1] = 0.5 * inner[1];
        value
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        2.0 * stream.gamma(0.5 * theta[0])
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        2.0 * theta[0]
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Gamma.entropy(&[0.5 * theta[0], 0.5])
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let [a, b] = [0.5 * theta[0], 0.5 * other[0]];
        Some(ln_gamma_divergence(a, b, b - a))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Gamma, vec![0.5 * theta[0], 0.5]))
    }
}

/// eta = n/2 - 1, t = ln x, A = ln Gamma(n/2) + (n/2) ln 2, h = e^(-x/2).
impl ExponentialFamily for ChiSquare {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = 0.5 * theta[0] - 1.0;
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = 2.0 * (eta[0] + 1.0);
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let half = eta[0] + 1.0;
        expected[0] = digamma(half) + LN_2;
        ln_gamma(half) + half * LN_2
    }

    fn ln_base(&self, x: f64, _: &[f64]) -> f64 {
        -0.5 * x
    }
}

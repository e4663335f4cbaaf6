//! Bernoulli distribution with chance p of a one. Standard.
//!
//! ln p(x) = x ln p + (1 - x) ln(1 - p)

use super::{Binomial, ExponentialFamily, Param, Space, Support, Univariate, divergence_of_coins};
use jensen_rng::Stream;
use jensen_special::logspace::{inv_logit, log1p_exp, logit, xlog1py, xlogy};

/// Bernoulli: `chance`.
pub struct Bernoulli;

impl Univariate for Bernoulli {
    fn name(&self) -> &'static str {
        "bernoulli"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("chance", Space::Unit)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Integers(0.0, 1.0)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let p = theta[0];
        partials[0] = 0.0;
        partials[1] = if x == 1.0 { 1.0 / p } else { -1.0 / (1.0 - p) };
        if x == 1.0 { p.ln() } else { (-p).ln_1p() }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        f64::from(u8::from(stream.uniform() < theta[0]))
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] * (1.0 - theta[0])
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let p = theta[0];
        Some(-xlogy(p, p) - xlog1py(1.0 - p, -p))
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Some(divergence_of_coins(theta[0], other[0]))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Binomial, vec![1.0, theta[0]]))
    }
}

/// eta = ln(p / (1 - p)), t = x, A = ln(1 + e^eta), h = 1.
impl ExponentialFamily for Bernoulli {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = logit(theta[0]);
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = inv_logit(eta[0]);
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = inv_logit(eta[0]);
        log1p_exp(eta[0])
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

//! Bernoulli distribution by the log-odds a of a one. Standard.
//!
//! ln p(x) = a x - ln(1 + e^a), which is the exponential family itself.

use super::{
    BinomialLogit, ExponentialFamily, Param, Space, Support, Univariate, divergence_of_odds,
};
use jensen_rng::Stream;
use jensen_special::logspace::{inv_logit, log1p_exp};

/// Bernoulli by its log-odds: `logit`.
pub struct BernoulliLogit;

impl Univariate for BernoulliLogit {
    fn name(&self) -> &'static str {
        "bernoulli_logit"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("logit", Space::Real)] }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Integers(0.0, 1.0)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        // The sign turns a zero into a one of the opposite odds, which keeps small masses accurate.
        let sign = if x == 1.0 { 1.0 } else { -1.0 };
        partials[0] = 0.0;
        partials[1] = sign * inv_logit(-sign * theta[0]);
        -log1p_exp(-sign * theta[0])
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        f64::from(u8::from(stream.uniform() < inv_logit(theta[0])))
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        inv_logit(theta[0])
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        inv_logit(theta[0]) * inv_logit(-theta[0])
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        // The entropy is even in the log-odds; for |a| nothing cancels.
        let a = theta[0].abs();
        Some(log1p_exp(-a) + a * inv_logit(-a))
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        Some(divergence_of_odds(theta[0], other[0]))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&BinomialLogit, vec![1.0, theta[0]]))
    }
}

/// eta = a, t = x, A = ln(1 + e^eta), h = 1.
impl ExponentialFamily for BernoulliLogit {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0];
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

//! Categorical distribution on 1, ..., K with the chances p. Standard.
//!
//! ln p(x) = ln p_x

use super::{
    ExponentialFamily, Param, Space, Support, Univariate, divergence_term, moments_of_categories,
};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::logspace::{log_sum_exp, xlogy};

/// Categorical: `chances` `[K]`.
pub struct Categorical;

impl Univariate for Categorical {
    fn name(&self) -> &'static str {
        "categorical"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("chances", Space::Simplex)] }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(1.0, theta.len() as f64)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let k = x as usize;
        partials.fill(0.0);
        partials[k] = 1.0 / theta[k - 1];
        theta[k - 1].ln()
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        1.0 + draw::index(theta, stream) as f64
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).0
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).1
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(-theta.iter().map(|&p| xlogy(p, p)).sum::<f64>())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta.len() != other.len() {
            return None;
        }
        let terms = theta
            .iter()
            .zip(other)
            .map(|(&p, &q)| divergence_term(p, q, p - q));
        Some(terms.sum())
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta_k = ln(p_k / p_K), t_k = 1 if x = k, A = ln(1 + sum_k e^(eta_k)), h = 1, for k below K.
impl ExponentialFamily for Categorical {
    fn n_statistics(&self, p: usize) -> usize {
        p - 1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        let last = theta[theta.len() - 1].ln();
        for (eta, p) in eta.iter_mut().zip(theta) {
            *eta = p.ln() - last;
        }
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        let (last, others) = theta.split_last_mut().expect("a simplex has an entry");
        let total = self.log_partition(eta, &[], others);
        *last = (-total).exp();
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t.fill(0.0);
        if let Some(t) = t.get_mut(x as usize - 1) {
            *t = 1.0;
        }
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let top = eta.iter().copied().fold(0.0, f64::max);
        let sum: f64 = eta.iter().map(|eta| (eta - top).exp()).sum();
        let total = log_sum_exp(&[top + sum.ln(), 0.0]);
        for (expected, eta) in expected.iter_mut().zip(eta) {
            *expected = (eta - total).exp();
        }
        total
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

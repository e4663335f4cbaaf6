//! Categorical distribution on 1, ..., K by logits b, which matter up to a common shift. Standard.
//!
//! ln p(x) = b_x - ln sum_k e^(b_k)

use super::{
    Categorical, ExponentialFamily, Param, Space, Support, Univariate, divergence_term_by_ln,
    moments_of_categories,
};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::logspace::{log_sum_exp, softmax};

/// Categorical by logits: `logits` `[K]`.
pub struct CategoricalLogit;

impl CategoricalLogit {
    fn chances(&self, theta: &[f64]) -> Vec<f64> {
        let mut chances = vec![0.0; theta.len()];
        softmax(theta, &mut chances);
        chances
    }
}

impl Univariate for CategoricalLogit {
    fn name(&self) -> &'static str {
        "categorical_logit"
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("logits", Space::Vector)] }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(1.0, theta.len() as f64)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let k = x as usize;
        let total = softmax(theta, &mut partials[1..]);
        for partial in &mut partials[1..] {
            *partial = -*partial;
        }
        partials[0] = 0.0;
        partials[k] += 1.0;
        theta[k - 1] - total
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        1.0 + draw::index(&self.chances(theta), stream) as f64
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).0
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).1
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Categorical.entropy(&self.chances(theta))
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta.len() != other.len() {
            return None;
        }
        let mut p = vec![0.0; theta.len()];
        let total = softmax(theta, &mut p);
        let changes = || other.iter().zip(theta).map(|(b, a)| b - a);
        let top = changes().fold(f64::NEG_INFINITY, f64::max);
        // ln E e^(change - top): by differences, so that neighbors keep their digits, unless most of it is lost.
        let below: f64 = (p.iter().zip(changes()))
            .map(|(p, change)| p * (change - top).exp_m1())
            .sum();
        let ln_mean = match below > -0.5 {
            true => below.ln_1p(),
            false => log_sum_exp(other) - total - top,
        };
        let terms = (theta.iter().zip(changes()))
            .map(|(a, change)| divergence_term_by_ln(a - total, (change - top) - ln_mean));
        Some(terms.sum())
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Categorical, self.chances(theta)))
    }
}

/// eta = b, t_k = 1 if x = k, A = ln sum_k e^(eta_k), h = 1. The statistics sum to one, as the logits matter up
/// to a shift: the one view here that is not minimal.
impl ExponentialFamily for CategoricalLogit {
    fn n_statistics(&self, p: usize) -> usize {
        p
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta.copy_from_slice(theta);
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta.copy_from_slice(eta);
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t.fill(0.0);
        t[x as usize - 1] = 1.0;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        softmax(eta, expected)
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

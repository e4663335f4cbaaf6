//! Categorical distribution on 1, ..., K by logits b, which matter up to a common shift. Standard.
//!
//! ln p(x) = b_x - ln sum_k e^(b_k)

use super::{Categorical, Param, Space, Support, Univariate, moments_of_categories};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::logspace::softmax;

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
        let k = theta.len();
        let (mut p, mut q) = (vec![0.0; k], vec![0.0; k]);
        let shift = softmax(other, &mut q) - softmax(theta, &mut p);
        let terms = (0..k).map(|k| p[k] * (theta[k] - other[k] + shift));
        Some(terms.sum::<f64>().max(0.0))
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Categorical, self.chances(theta)))
    }
}

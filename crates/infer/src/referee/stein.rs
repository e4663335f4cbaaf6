//! Score-based check without a normalizer: Stein's identity E_p[(z_i - m_i) d_i ln p(z)] = -1.
//!
//! It holds for every density that vanishes at infinity ([stein-1981]). Weighted draws that miss a part of
//! the mass, or have a wrong scale, do not fulfil it. The error is 1 + sum_k w_k (z_ki - m_i) g_ki less three
//! standard errors, for each coordinate; the gradients come with the draws at no cost.

use crate::importance::Sample;

/// Standard errors that are put down to chance.
const CHANCE: f64 = 3.0;

/// The error of Stein's identity for each coordinate `[d]`, beyond chance; 0 is perfect, 1 means that the
/// scale says nothing.
pub fn stein(sample: &Sample) -> Vec<f64> {
    let weights = sample.weights();
    let d = sample.dim;
    (0..d)
        .map(|i| {
            let z = |k: usize| sample.positions[k * d + i];
            let g = |k: usize| sample.grads[k * d + i];
            let weighted = |f: &dyn Fn(usize) -> f64| -> f64 {
                (weights.iter().enumerate())
                    .filter(|(_, w)| **w > 0.0)
                    .map(|(k, w)| w * f(k))
                    .sum()
            };
            let mean = weighted(&z);
            let product = |k: usize| 1.0 + (z(k) - mean) * g(k);
            let error = weighted(&product);
            let variance: f64 = (weights.iter().enumerate())
                .filter(|(_, w)| **w > 0.0)
                .map(|(k, w)| (w * (product(k) - error)).powi(2))
                .sum();
            (error.abs() - CHANCE * variance.sqrt()).max(0.0)
        })
        .collect()
}

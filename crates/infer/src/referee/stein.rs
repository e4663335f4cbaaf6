//! Score-based checks without a normalizer: with g the gradient of ln p,
//!
//! ```text
//! E_p[g_i] = 0        E_p[(z_j - m_j) g_i] = -1 if i = j, else 0
//! ```
//!
//! They hold for every density that vanishes at infinity: Stein's identity with the test functions 1 and z_j
//! ([stein-1981], Lemma 1 for the Gaussian). Draws that miss a part of the mass, are off, or have a wrong scale
//! or correlation do not fulfil them. Errors are in standard deviations of coordinates, s_i for the first and
//! s_i / s_j for the second, less three standard errors; the gradients come with the draws at no cost.
//! O(n d^2).

use crate::importance::Sample;
use rayon::prelude::*;

/// Standard errors that are put down to chance.
const CHANCE: f64 = 3.0;

/// The largest error of the identities with each g_i, `[d]`, beyond chance: 0 is perfect, 1 says that location
/// or scale mean nothing.
pub fn stein(sample: &Sample) -> Vec<f64> {
    let weights = sample.weights();
    stein_of(sample.dim, &sample.positions, &sample.grads, &weights)
}

/// The same of positions and gradients `[n, d]` with weights `[n]` that sum to one.
pub fn stein_of(d: usize, positions: &[f64], grads: &[f64], weights: &[f64]) -> Vec<f64> {
    let rows: Vec<(f64, &[f64], &[f64])> = (weights.iter())
        .zip(positions.chunks_exact(d).zip(grads.chunks_exact(d)))
        .filter(|(w, _)| **w > 0.0)
        .map(|(w, (z, g))| (*w, z, g))
        .collect();
    let mut mean = vec![0.0; d];
    let mut sd = vec![0.0; d];
    for (w, z, _) in &rows {
        (0..d).for_each(|i| mean[i] += w * z[i]);
    }
    for (w, z, _) in &rows {
        (0..d).for_each(|i| sd[i] += w * (z[i] - mean[i]).powi(2));
    }
    sd.iter_mut().for_each(|s| *s = s.sqrt());
    // The last test function is the constant.
    let test = |z: &[f64], j: usize| if j < d { (z[j] - mean[j]) / sd[j] } else { 1.0 };
    (0..d)
        .into_par_iter()
        .map(|i| {
            let mut first = vec![0.0; d + 1];
            for (w, z, g) in &rows {
                let slope = w * g[i] * sd[i];
                (0..=d).for_each(|j| first[j] += slope * test(z, j));
            }
            let mut square = vec![0.0; d + 1];
            for (w, z, g) in &rows {
                let slope = g[i] * sd[i];
                (0..=d).for_each(|j| {
                    square[j] += (w * (slope * test(z, j) - first[j])).powi(2);
                });
            }
            (0..=d)
                .map(|j| {
                    let error = first[j] + if i == j { 1.0 } else { 0.0 };
                    let beyond = error.abs() - CHANCE * square[j].sqrt();
                    // A coordinate that does not move has no scale to be measured by, and what overflows
                    // says nothing: neither is chance.
                    match beyond.is_finite() {
                        true => beyond,
                        false => f64::INFINITY,
                    }
                })
                .fold(0.0, f64::max)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    /// Draws of N(shift, scale^2 R) with correlation r held against N(0, R0) with correlation r0 in two
    /// coordinates.
    fn errors(shift: f64, scale: f64, r: f64, r0: f64) -> Vec<f64> {
        let n = 2000;
        let mut stream = Stream::from_seed(3);
        let (mut positions, mut grads) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let (a, b) = (stream.normal(), stream.normal());
            let x = shift + scale * a;
            let y = scale * (r * a + (1.0 - r * r).sqrt() * b);
            let det = 1.0 - r0 * r0;
            positions.extend([x, y]);
            grads.extend([-(x - r0 * y) / det, -(y - r0 * x) / det]);
        }
        stein_of(2, &positions, &grads, &vec![1.0 / n as f64; n])
    }

    /// Beyond what the referee allows; a quarter of a standard deviation is what it promises.
    const SEEN: f64 = 0.1;

    #[test]
    fn location_scale_and_correlation_are_seen() {
        let worst = |errors: Vec<f64>| errors.into_iter().fold(0.0, f64::max);
        assert!(worst(errors(0.0, 1.0, 0.0, 0.0)) < 0.02);
        assert!(worst(errors(0.0, 1.0, 0.9, 0.9)) < 0.02);
        assert!(worst(errors(0.25, 1.0, 0.0, 0.0)) > SEEN);
        assert!(worst(errors(0.0, 0.8, 0.0, 0.0)) > SEEN);
        assert!(worst(errors(0.0, 1.0, 0.4, 0.0)) > SEEN);
        assert!(worst(errors(0.0, 1.0, 0.0, 0.4)) > SEEN);
        // Equal positions have no scale, and gradients that overflow have no mean.
        assert_eq!(
            stein_of(1, &[2.0; 4], &[0.5; 4], &[0.25; 4]),
            [f64::INFINITY]
        );
        let huge = [1e200, -1e200, 1e200, -1e200];
        let spread = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(stein_of(1, &spread, &huge, &[0.25; 4]), [f64::INFINITY]);
    }
}

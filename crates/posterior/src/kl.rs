//! Kullback-Leibler divergence between two Gaussians, closed form.
//!
//! KL(q || p) = 1/2 (|S_p^-1 S_q|_F^2 + |S_p^-1 (m_q - m_p)|^2 - d) + ln det S_p - ln det S_q. Standard.
//! Cost O(d^3), O(d^2) for two diagonals.

use crate::Gaussian;

/// KL(q || p) in nats, at least zero; of Gaussians over the same space.
///
/// Panics if their dimensions differ.
pub fn kl_gaussian(q: &Gaussian, p: &Gaussian) -> f64 {
    let d = q.mean.len();
    assert_eq!(
        d,
        p.mean.len(),
        "internal error: Gaussians of different dimension"
    );
    let mut x: Vec<f64> = q.mean.iter().zip(&p.mean).map(|(q, p)| q - p).collect();
    p.scale.solve(&mut x);
    let shift: f64 = x.iter().map(|x| x * x).sum();
    let mut unit = vec![0.0; d];
    let mut spread = 0.0;
    for j in 0..d {
        unit[j] = 1.0;
        q.scale.times(&unit, &mut x);
        p.scale.solve(&mut x);
        spread += x.iter().map(|x| x * x).sum::<f64>() - 1.0;
        unit[j] = 0.0;
    }
    // Rounding may take two equal Gaussians below zero.
    (0.5 * (spread + shift) + p.scale.ln_det() - q.scale.ln_det()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Approximation, Scale};
    use jensen_rng::Stream;

    #[test]
    fn closed_form_is_the_mean_log_ratio() {
        let q = Gaussian {
            mean: vec![1.0, -0.5],
            scale: Scale::Lower(vec![0.7, 0.0, 0.4, 1.2]),
        };
        let p = Gaussian {
            mean: vec![0.0, 0.0],
            scale: Scale::Diagonal(vec![1.0, 2.0]),
        };
        let kl = kl_gaussian(&q, &p);
        // By hand: trace 0.49 + (0.16 + 1.44)/4, shift 1 + 0.0625, ln det 2 / 0.84.
        let by_hand = 0.5 * (0.49 + 0.4 + 1.0625 - 2.0) + (2.0f64 / 0.84).ln();
        assert!((kl - by_hand).abs() < 1e-14);
        let mut stream = Stream::from_seed(5);
        let (n, mut sum, mut squares, mut z) = (20_000, 0.0, 0.0, [0.0; 2]);
        for _ in 0..n {
            let ratio = q.sample(&mut stream, &mut z) - p.ln_density(&z);
            sum += ratio;
            squares += ratio * ratio;
        }
        let n = f64::from(n);
        let (mean, square) = (sum / n, squares / n);
        // Five Monte Carlo standard errors.
        assert!(
            (mean - kl).abs() < 5.0 * ((square - mean * mean) / n).sqrt(),
            "{mean} {kl}"
        );
        assert_eq!(kl_gaussian(&q, &q), 0.0);
        assert!((kl_gaussian(&p, &q) - kl).abs() > 0.1, "not symmetric");
    }
}

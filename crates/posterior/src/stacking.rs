//! Stacking: weights of models whose mixture predicts best.
//!
//! w maximizes (1/n) sum_i ln sum_k w_k p_ik over the simplex, p_ik the leave-one-out density of point i under
//! model k ([yao-2018], Eq. 4). The objective shifts by ln c when w is scaled by c, so the maximum over w >= 0
//! of the objective minus sum_k w_k is the same point with sum one: only signs are left as constraints.
//!
//! Primal-dual interior point, with g_k = (1/n) sum_i p_ik / sum_j w_j p_ij and
//! H = (1/n) sum_i p_i p_i^T / (sum_j w_j p_ij)^2: g + s = 1 and w_k s_k = mu, hence
//! (H + diag(s / w)) dw = g - 1 + mu / w, ds = mu / w - s - s / w dw. The objective is concave, so
//! max_k g_k - 1 bounds what it falls short by: that gap is the stopping rule.
//! Cost O(n K^2 + K^3) for each of some twenty steps.

use crate::compare::check;
use crate::{PosteriorError, Scale};

/// Largest shortfall of the log score per point, in nats, that stacking leaves.
const GAP: f64 = 1e-12;
/// Interior point needs some twenty; more means that nothing is gained any more in this precision.
const MAX_STEPS: usize = 200;
/// Share of the way to the boundary that a step may go, as usual for interior points.
const TO_BOUNDARY: f64 = 0.99;

/// Stacking weights `[k]`, which sum to one, of models with pointwise elpd `[k][n]`, nats.
///
/// # Errors
/// As [`compare`](crate::compare::compare), and no convergence.
pub fn stacking(pointwise: &[&[f64]]) -> Result<Vec<f64>, PosteriorError> {
    check(pointwise)?;
    let (k, n) = (pointwise.len(), pointwise[0].len());
    // A factor for each point changes nothing but the scale of its density.
    let densities: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let top = pointwise
                .iter()
                .map(|m| m[i])
                .fold(f64::NEG_INFINITY, f64::max);
            pointwise.iter().map(|m| (m[i] - top).exp()).collect()
        })
        .collect();
    let mut w = vec![1.0 / k as f64; k];
    let mut s = vec![1.0; k];
    let mut gap = f64::INFINITY;
    for step in 0..MAX_STEPS {
        let (g, mut h) = derivatives(&densities, &w);
        gap = g.iter().copied().fold(f64::NEG_INFINITY, f64::max) - 1.0;
        let product: f64 = w.iter().zip(&s).map(|(w, s)| w * s).sum::<f64>() / k as f64;
        if gap.max(product) < GAP {
            let total: f64 = w.iter().sum();
            return Ok(w.iter().map(|w| w / total).collect());
        }
        let mu = 0.1 * product;
        for j in 0..k {
            h[j * k + j] += s[j] / w[j];
        }
        let mut dw: Vec<f64> = (0..k).map(|j| g[j] - 1.0 + mu / w[j]).collect();
        let Ok(factor) = Scale::from_covariance(&h, k) else {
            return Err(stuck(step, gap));
        };
        factor.solve(&mut dw);
        factor.solve_transposed(&mut dw);
        let ds: Vec<f64> = (0..k)
            .map(|j| mu / w[j] - s[j] - s[j] / w[j] * dw[j])
            .collect();
        let (step_w, step_s) = (longest(&w, &dw), longest(&s, &ds));
        for j in 0..k {
            w[j] += step_w * dw[j];
            s[j] += step_s * ds[j];
        }
    }
    Err(stuck(MAX_STEPS, gap))
}

/// Gradient g `[k]` and negative Hessian H `[k, k]` of the mean log score.
fn derivatives(densities: &[Vec<f64>], w: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (k, n) = (w.len(), densities.len() as f64);
    let (mut g, mut h) = (vec![0.0; k], vec![0.0; k * k]);
    for p in densities {
        let mixed: f64 = p.iter().zip(w).map(|(p, w)| p * w).sum();
        for i in 0..k {
            let share = p[i] / mixed;
            g[i] += share / n;
            for j in 0..=i {
                h[i * k + j] += share * p[j] / mixed / n;
            }
        }
    }
    (g, h)
}

/// The longest step in (0, 1] that keeps x + step dx positive, with a margin.
fn longest(x: &[f64], dx: &[f64]) -> f64 {
    let limits = x
        .iter()
        .zip(dx)
        .filter(|(_, dx)| **dx < 0.0)
        .map(|(x, dx)| -x / dx);
    (TO_BOUNDARY * limits.fold(f64::INFINITY, f64::min)).min(1.0)
}

fn stuck(n_steps: usize, gap: f64) -> PosteriorError {
    PosteriorError::NotConverged {
        what: "stacking of models",
        n_steps,
        change: gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacking_of_two_specialists_has_a_closed_form() {
        // Model a has density 1 at n_a points and c at n_b, model b the other way around. The derivative of
        // n_a ln(w + c (1 - w)) + n_b ln(c w + 1 - w) vanishes at w = (n_a - n_b c) / (n (1 - c)).
        let (n_a, n_b, ln_c) = (7, 5, -1.5f64);
        let a: Vec<f64> = (0..n_a + n_b)
            .map(|i| if i < n_a { 0.0 } else { ln_c })
            .collect();
        let b: Vec<f64> = a.iter().map(|x| ln_c - x).collect();
        let (c, n) = (ln_c.exp(), (n_a + n_b) as f64);
        let w = (n_a as f64 - n_b as f64 * c) / (n * (1.0 - c));
        let ours = stacking(&[&a, &b]).unwrap();
        // The score is flat at its maximum: 1e-12 in it is 1e-6 in the weights at worst.
        assert!(
            (ours[0] - w).abs() < 1e-6 && (ours[0] + ours[1] - 1.0).abs() < 1e-12,
            "{ours:?} {w}"
        );
        // A third that is worse everywhere and a copy of a change nothing that can be told.
        let worse: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a.min(*b) - 1.0).collect();
        let more = stacking(&[&a, &b, &worse, &a]).unwrap();
        assert!(
            more[2] < 1e-9 && (more[0] + more[3] - w).abs() < 1e-6,
            "{more:?}"
        );
        assert_eq!(stacking(&[&a]).unwrap(), [1.0]);
    }

    #[test]
    fn a_model_far_off_at_one_point_does_not_overflow() {
        let weights = stacking(&[&[-1.0, -2.0, -2000.0], &[-1.5, -2.5, -3.0]]).unwrap();
        assert!(weights[0] > 0.1 && weights[1] > 0.3, "{weights:?}");
    }
}

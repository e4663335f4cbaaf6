//! Gaussians with any covariance: q(z) = N(z; m, S S^T), S lower triangular; z = m + S e.
//!
//! The full-rank family of [kucukelbir-2017], Sect. 2.4, lambda = (m `[d]`, ln S_ii `[d]`, S below the diagonal). With
//! u = S^-1 (z - m) and a = S^-T u:
//!
//! - ln q = -d/2 ln 2 pi - ln det S - u^T u / 2, by z: -a, by m: a, by S: a u^T - S^-T
//! - entropy d/2 ln(2 pi e) + ln det S
//! - local coordinates m + S v, S (I + B): the score is (u, u_i u_j, u_i^2 - 1) there, uncorrelated, with
//!   variances 1, 1, 2; so J J^T is the inverse Fisher information exactly.
//!
//! Cost O(d^2) a draw, O(d^3 / 3) a step. For correlated posteriors up to a few hundred coordinates.

use super::lower::{Factor, stored_len};
use super::{Family, MeanField};
use jensen_posterior::{Approximation, Gaussian, Scale};
use std::f64::consts::{E, TAU};

/// Gaussians on R^d.
#[derive(Clone, Copy, Debug)]
pub struct FullRank {
    /// Number of coordinates d.
    pub dim: usize,
}

impl FullRank {
    pub(super) fn factor<'a>(&self, params: &'a [f64]) -> Factor<'a> {
        Factor::of(self.dim, &params[self.dim..])
    }

    /// Writes a = S^-T u to `by_z` and returns u = S^-1 (z - m).
    pub(super) fn whitened(&self, params: &[f64], z: &[f64], by_z: &mut [f64]) -> Vec<f64> {
        let factor = self.factor(params);
        let mut u: Vec<f64> = z.iter().zip(params).map(|(z, m)| z - m).collect();
        factor.solve(&mut u);
        by_z.copy_from_slice(&u);
        factor.solve_transposed(by_z);
        u
    }
}

impl Family for FullRank {
    fn name(&self) -> String {
        "full-rank".to_owned()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn n_params(&self) -> usize {
        self.dim + stored_len(self.dim)
    }

    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64> {
        let mut params = MeanField { dim: self.dim }.start(mean, sd);
        params.resize(self.n_params(), 0.0);
        params
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        z.copy_from_slice(noise);
        self.factor(params).multiply(z);
        for (z, m) in z.iter_mut().zip(params) {
            *z += m;
        }
    }

    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]) {
        let (by_mean, by_stored) = by_params.split_at_mut(self.dim);
        for (g, by_z) in by_mean.iter_mut().zip(by_z) {
            *g += by_z;
        }
        self.factor(params).add_outer(by_z, noise, by_stored);
    }

    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64 {
        let d = self.dim;
        let factor = self.factor(params);
        let u = self.whitened(params, z, by_z);
        by_params.fill(0.0);
        by_params[..d].copy_from_slice(by_z);
        factor.add_outer(by_z, &u, &mut by_params[d..]);
        for i in 0..d {
            by_params[d + i] -= 1.0;
            by_z[i] = -by_z[i];
        }
        let squares: f64 = u.iter().map(|u| u * u).sum();
        -0.5 * (d as f64 * TAU.ln() + squares) - factor.ln_det()
    }

    fn entropy(&self, params: &[f64], weight: f64, by_params: &mut [f64]) -> Option<f64> {
        for g in &mut by_params[self.dim..2 * self.dim] {
            *g += weight;
        }
        Some(0.5 * self.dim as f64 * (TAU * E).ln() + self.factor(params).ln_det())
    }

    fn gradient_to_local(&self, params: &[f64], grad: &mut [f64]) {
        let (by_mean, by_stored) = grad.split_at_mut(self.dim);
        self.factor(params).multiply_transposed(by_mean);
        self.factor(params).gradient_to_local(by_stored);
    }

    fn step_from_local(&self, params: &[f64], step: &mut [f64]) {
        let (mean, stored) = step.split_at_mut(self.dim);
        self.factor(params).multiply(mean);
        self.factor(params).step_from_local(stored);
    }

    fn member(&self, params: &[f64]) -> Box<dyn Approximation> {
        Box::new(Gaussian {
            mean: params[..self.dim].to_vec(),
            scale: Scale::Lower(self.factor(params).rows()),
        })
    }
}

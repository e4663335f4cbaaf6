//! Independent Gaussians: q(z) = prod_i N(z_i; m_i, s_i^2), lambda = (m, w) with s = exp(w).
//!
//! The mean-field family of [kucukelbir-2017], Sect. 2.4. Entropy d/2 ln(2 pi e) + sum w. Fisher information
//! diag(1/s^2, 2), so that J = diag(s, 1/sqrt 2) exactly. Cost O(d) a draw.

use super::{Family, Product};
use jensen_posterior::{Approximation, Gaussian, Scale};
use std::f64::consts::{E, FRAC_1_SQRT_2, TAU};

/// Independent Gaussians on R^d.
#[derive(Clone, Copy, Debug)]
pub struct MeanField {
    /// Number of coordinates d.
    pub dim: usize,
}

impl Family for MeanField {
    fn name(&self) -> String {
        "mean-field".to_owned()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn n_params(&self) -> usize {
        2 * self.dim
    }

    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64> {
        mean.iter()
            .copied()
            .chain(sd.iter().map(|s| s.ln()))
            .collect()
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        let (mean, ln_sd) = params.split_at(self.dim);
        for i in 0..self.dim {
            z[i] = mean[i] + ln_sd[i].exp() * noise[i];
        }
    }

    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]) {
        let ln_sd = &params[self.dim..];
        let (by_mean, by_ln_sd) = by_params.split_at_mut(self.dim);
        for i in 0..self.dim {
            by_mean[i] += by_z[i];
            by_ln_sd[i] += by_z[i] * ln_sd[i].exp() * noise[i];
        }
    }

    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64 {
        let (mean, ln_sd) = params.split_at(self.dim);
        let (by_mean, by_ln_sd) = by_params.split_at_mut(self.dim);
        let mut ln_q = -0.5 * self.dim as f64 * TAU.ln();
        for i in 0..self.dim {
            let sd = ln_sd[i].exp();
            let e = (z[i] - mean[i]) / sd;
            ln_q -= 0.5 * e * e + ln_sd[i];
            by_z[i] = -e / sd;
            by_mean[i] = e / sd;
            by_ln_sd[i] = e * e - 1.0;
        }
        ln_q
    }

    fn entropy(&self, params: &[f64], weight: f64, by_params: &mut [f64]) -> Option<f64> {
        let ln_sd = &params[self.dim..];
        for g in &mut by_params[self.dim..] {
            *g += weight;
        }
        Some(0.5 * self.dim as f64 * (TAU * E).ln() + ln_sd.iter().sum::<f64>())
    }

    fn gradient_to_local(&self, params: &[f64], grad: &mut [f64]) {
        for (g, w) in grad.iter_mut().zip(&params[self.dim..]) {
            *g *= w.exp();
        }
        for g in &mut grad[self.dim..] {
            *g *= FRAC_1_SQRT_2;
        }
    }

    fn step_from_local(&self, params: &[f64], step: &mut [f64]) {
        // J is diagonal.
        self.gradient_to_local(params, step);
    }

    fn as_product(&self) -> Option<&dyn Product> {
        Some(self)
    }

    fn member(&self, params: &[f64]) -> Box<dyn Approximation> {
        let (mean, ln_sd) = params.split_at(self.dim);
        Box::new(Gaussian {
            mean: mean.to_vec(),
            scale: Scale::Diagonal(ln_sd.iter().map(|w| w.exp()).collect()),
        })
    }
}

impl Product for MeanField {
    fn coordinate_of(&self, param: usize) -> usize {
        param % self.dim
    }

    fn ln_marginals(&self, params: &[f64], z: &[f64], ln_q: &mut [f64]) {
        let (mean, ln_sd) = params.split_at(self.dim);
        for i in 0..self.dim {
            let e = (z[i] - mean[i]) / ln_sd[i].exp();
            ln_q[i] = -0.5 * (TAU.ln() + e * e) - ln_sd[i];
        }
    }
}

//! Student-t approximations with fixed degrees of freedom nu: heavier tails than the Gaussian families.
//!
//! z = m + S t with t = e sqrt(nu / c), e standard normal and c chi-square. The noise is t itself, the
//! chi-square draw included, so that z is differentiable in m and S. Two shapes:
//!
//! - [`Shape::Product`]: S diagonal, one c for each coordinate; a product of univariate t
//! - [`Shape::Full`]: S lower triangular, one c for all; the multivariate t
//!
//! Parameters, transform and pullback are those of the Gaussian family of the same shape. Density on p
//! coordinates that share c, with u = S^-1 (z - m), k = (nu + p) / (nu + u^T u):
//!
//! ln q = ln Gamma((nu+p)/2) - ln Gamma(nu/2) - p/2 ln(nu pi) - ln det S - (nu+p)/2 ln(1 + u^T u / nu);
//! its gradients are the Gaussian's with u u^T multiplied by k. Entropy: ln det S + the constant
//! (nu+p)/2 (psi((nu+p)/2) - psi(nu/2)) - the constant of ln q. [kotz-2004], (1.1) and section 1.6.
//!
//! The local coordinates are those of the Gaussian. For the product the Fisher information is
//! (nu+1)/(nu+3) of the Gaussian's for m and 2 nu/(nu+3) instead of 2 for ln s: near enough to the identity
//! for steps. Suits posteriors with heavy tails, and importance sampling, whose weights stay bounded more often.

use super::{Family, FullRank, MeanField, Member, Product};
use jensen_posterior::Approximation;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma};
use std::f64::consts::PI;

/// Student-t distributions on R^d.
#[derive(Clone, Copy, Debug)]
pub struct StudentT {
    /// Degrees of freedom nu, above 0; above 2 if variances shall exist.
    pub dof: f64,
    /// Which coordinates share a chi-square draw, and the form of S.
    pub shape: Shape,
}

/// How the coordinates of a [`StudentT`] hang together.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Independent coordinates.
    Product(MeanField),
    /// A multivariate t with a lower triangular factor.
    Full(FullRank),
}

impl StudentT {
    /// Independent t distributions on R^d with `dof` degrees of freedom.
    pub fn product(dim: usize, dof: f64) -> Self {
        Self {
            dof,
            shape: Shape::Product(MeanField { dim }),
        }
    }

    /// Multivariate t distributions on R^d with `dof` degrees of freedom.
    pub fn full(dim: usize, dof: f64) -> Self {
        Self {
            dof,
            shape: Shape::Full(FullRank { dim }),
        }
    }

    fn gaussian(&self) -> &dyn Family {
        match &self.shape {
            Shape::Product(family) => family,
            Shape::Full(family) => family,
        }
    }

    /// The part of ln q without m and S for p coordinates that share c.
    fn constant(&self, p: f64) -> f64 {
        ln_gamma(0.5 * (self.dof + p)) - ln_gamma(0.5 * self.dof) - 0.5 * p * (self.dof * PI).ln()
    }

    /// ln q of p coordinates up to ln det S, and k, from u^T u.
    fn radial(&self, p: f64, squares: f64) -> (f64, f64) {
        let ln_q = self.constant(p) - 0.5 * (self.dof + p) * (squares / self.dof).ln_1p();
        (ln_q, (self.dof + p) / (self.dof + squares))
    }
}

impl Family for StudentT {
    fn name(&self) -> String {
        match self.shape {
            Shape::Product(_) => format!("student-t/mean-field({})", self.dof),
            Shape::Full(_) => format!("student-t/full-rank({})", self.dof),
        }
    }

    fn dim(&self) -> usize {
        self.gaussian().dim()
    }

    fn n_params(&self) -> usize {
        self.gaussian().n_params()
    }

    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64> {
        // The scale that has this standard deviation, where there is one.
        let shrink = match self.dof > 2.0 {
            true => ((self.dof - 2.0) / self.dof).sqrt(),
            false => 1.0,
        };
        let scale: Vec<f64> = sd.iter().map(|s| s * shrink).collect();
        self.gaussian().start(mean, &scale)
    }

    fn draw_noise(&self, stream: &mut Stream, noise: &mut [f64]) {
        // By logarithms, since for few degrees of freedom c is often below the smallest number.
        let half = 0.5 * self.dof;
        let stretch = |stream: &mut Stream| (0.5 * (half.ln() - stream.gamma_ln(half))).exp();
        let shared = match self.shape {
            Shape::Product(_) => None,
            Shape::Full(_) => Some(stretch(stream)),
        };
        for e in noise {
            *e = stream.normal() * shared.unwrap_or_else(|| stretch(stream));
        }
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        self.gaussian().transform(params, noise, z);
    }

    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]) {
        self.gaussian().pullback(params, noise, by_z, by_params);
    }

    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64 {
        let d = self.dim();
        by_params.fill(0.0);
        match &self.shape {
            Shape::Product(_) => {
                let (mean, ln_scale) = params.split_at(d);
                let mut ln_q = 0.0;
                for i in 0..d {
                    let inverse = (-ln_scale[i]).exp();
                    let u = (z[i] - mean[i]) * inverse;
                    let (radial, k) = self.radial(1.0, u * u);
                    ln_q += radial - ln_scale[i];
                    by_z[i] = -k * u * inverse;
                    by_params[i] = k * u * inverse;
                    by_params[d + i] = k * u * u - 1.0;
                }
                ln_q
            }
            Shape::Full(family) => {
                let factor = family.factor(params);
                let u = family.whitened(params, z, by_z);
                let (radial, k) = self.radial(d as f64, u.iter().map(|u| u * u).sum());
                for a in by_z.iter_mut() {
                    *a *= k;
                }
                by_params[..d].copy_from_slice(by_z);
                factor.add_outer(by_z, &u, &mut by_params[d..]);
                for i in 0..d {
                    by_params[d + i] -= 1.0;
                    by_z[i] = -by_z[i];
                }
                radial - factor.ln_det()
            }
        }
    }

    fn entropy(&self, params: &[f64], weight: f64, by_params: &mut [f64]) -> Option<f64> {
        let d = self.dim();
        for g in &mut by_params[d..2 * d] {
            *g += weight;
        }
        let of = |p: f64| {
            let a = 0.5 * (self.dof + p);
            a * (digamma(a) - digamma(0.5 * self.dof)) - self.constant(p)
        };
        let ln_det: f64 = params[d..2 * d].iter().sum();
        Some(match self.shape {
            Shape::Product(_) => d as f64 * of(1.0) + ln_det,
            Shape::Full(_) => of(d as f64) + ln_det,
        })
    }

    fn gradient_to_local(&self, params: &[f64], grad: &mut [f64]) {
        self.gaussian().gradient_to_local(params, grad);
    }

    fn step_from_local(&self, params: &[f64], step: &mut [f64]) {
        self.gaussian().step_from_local(params, step);
    }

    fn as_product(&self) -> Option<&dyn Product> {
        match self.shape {
            Shape::Product(_) => Some(self),
            Shape::Full(_) => None,
        }
    }

    fn member(&self, params: &[f64]) -> Box<dyn Approximation> {
        Box::new(Member {
            family: *self,
            params: params.to_vec(),
        })
    }
}

/// Only of use for [`Shape::Product`].
impl Product for StudentT {
    fn coordinate_of(&self, param: usize) -> usize {
        param % self.dim()
    }

    fn ln_marginals(&self, params: &[f64], z: &[f64], ln_q: &mut [f64]) {
        let (mean, ln_scale) = params.split_at(self.dim());
        for i in 0..self.dim() {
            let u = (z[i] - mean[i]) * (-ln_scale[i]).exp();
            ln_q[i] = self.radial(1.0, u * u).0 - ln_scale[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounding of a sum of twenty logarithms that reaches forty.
    const ROUNDING: f64 = 1e-13;

    #[test]
    fn one_degree_of_freedom_is_cauchy_and_the_gammas_are_known() {
        let q = StudentT::product(1, 1.0).member(&[0.0, 0.0]);
        assert!((q.ln_density(&[2.0]) + (5.0 * PI).ln()).abs() < ROUNDING);
        // Gamma(1/2) = sqrt pi, psi(1) = -Euler's constant.
        assert!((ln_gamma(0.5) - 0.5 * PI.ln()).abs() < ROUNDING);
        assert!((digamma(1.0) + 0.577_215_664_901_532_9).abs() < ROUNDING);
        // Entropy of a Cauchy distribution: ln 4 pi.
        let entropy = StudentT::product(1, 1.0).entropy(&[0.0, 0.0], 0.0, &mut [0.0; 2]);
        assert!((entropy.unwrap() - (4.0 * PI).ln()).abs() < ROUNDING);
    }
}

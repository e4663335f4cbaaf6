//! Multivariate normal distribution by its mean m and covariance S. Standard.
//!
//! ln p(x) = -(d/2) ln 2 pi - ln|S| / 2 - (x - m)^T S^-1 (x - m) / 2,   u = S^-1 (x - m)
//! grad_x = -u, grad_m = u, grad_S = (u u^T - S^-1) / 2. Cost d^3.

use super::matrix::{factor, inverse, write};
use super::{
    ExponentialFamily, MultiNormalPrec, Multivariate, Param, Set,
    multi_normal_cholesky as by_factor,
};
use jensen_rng::Stream;
use std::f64::consts::TAU;

/// Multivariate normal: `mean` `[d]`, `covariance` `[d, d]`.
pub struct MultiNormal;

impl Multivariate for MultiNormal {
    fn name(&self) -> &'static str {
        "multi_normal"
    }

    fn set(&self) -> Set {
        Set::Vector
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mean", Set::Vector),
                Param::new("covariance", Set::Covariance),
            ]
        }
    }

    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let l = factor(d, theta[1]);
        let [z, u] = by_factor::whitened(l.as_ref(), x, theta[0]);
        write(&inverse(d, theta[1]), by_theta[1]);
        for i in 0..d {
            by_x[i] = -u[i];
            by_theta[0][i] = u[i];
            for j in 0..d {
                by_theta[1][i + d * j] = 0.5 * (u[i] * u[j] - by_theta[1][i + d * j]);
            }
        }
        let square: f64 = z.iter().map(|z| z * z).sum();
        -0.5 * square - 0.5 * d as f64 * TAU.ln() - by_factor::half_ln_det(l.as_ref())
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let mut l = vec![0.0; d * d];
        write(&factor(d, theta[1]), &mut l);
        by_factor::MultiNormalCholesky.sample(d, &[theta[0], &l], stream, x);
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        mean.copy_from_slice(theta[0]);
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        for (i, variance) in variance.iter_mut().enumerate() {
            *variance = theta[1][i + d * i];
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        Some(by_factor::entropy(factor(d, theta[1]).as_ref()))
    }

    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [l, m] = [theta, other].map(|t| factor(d, t[1]));
        Some(by_factor::kl(theta[0], l.as_ref(), other[0], m.as_ref()))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// The family of [`MultiNormalPrec`](super::MultiNormalPrec), whose natural parameters are nearest.
impl ExponentialFamily for MultiNormal {
    fn n_statistics(&self, d: usize) -> usize {
        MultiNormalPrec.n_statistics(d)
    }

    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]) {
        let mut precision = vec![0.0; d * d];
        write(&inverse(d, theta[1]), &mut precision);
        MultiNormalPrec.natural(d, &[theta[0], &precision], eta);
    }

    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        MultiNormalPrec.usual(d, eta, theta);
        let covariance = inverse(d, theta[1]);
        write(&covariance, theta[1]);
    }

    fn statistics(&self, d: usize, x: &[f64], theta: &[&[f64]], t: &mut [f64]) {
        MultiNormalPrec.statistics(d, x, theta, t);
    }

    fn log_partition(&self, d: usize, eta: &[f64], theta: &[&[f64]], expected: &mut [f64]) -> f64 {
        MultiNormalPrec.log_partition(d, eta, theta, expected)
    }

    fn ln_base(&self, d: usize, x: &[f64], theta: &[&[f64]]) -> f64 {
        MultiNormalPrec.ln_base(d, x, theta)
    }
}

//! Multivariate normal distribution by its mean m and precision Q, the inverse of its covariance. Standard.
//!
//! ln p(x) = -(d/2) ln 2 pi + ln|Q| / 2 - r^T Q r / 2,   r = x - m
//! grad_x = -Q r, grad_m = Q r, grad_Q = (Q^-1 - r r^T) / 2. Cost d^3.

use super::matrix::{factor, inverse, solve_lower_transposed, write};
use super::{MultiNormal, Multivariate, Param, Set, multi_normal_cholesky as by_factor};
use jensen_rng::Stream;
use std::f64::consts::TAU;

/// Multivariate normal: `mean` `[d]`, `precision` `[d, d]`.
pub struct MultiNormalPrec;

impl MultiNormalPrec {
    fn covariance(&self, d: usize, theta: &[&[f64]]) -> Vec<f64> {
        let mut covariance = vec![0.0; d * d];
        write(&inverse(d, theta[1]), &mut covariance);
        covariance
    }
}

impl Multivariate for MultiNormalPrec {
    fn name(&self) -> &'static str {
        "multi_normal_prec"
    }

    fn set(&self) -> Set {
        Set::Vector
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mean", Set::Vector),
                Param::new("precision", Set::Covariance),
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
        write(&inverse(d, theta[1]), by_theta[1]);
        let r: Vec<f64> = x.iter().zip(theta[0]).map(|(x, m)| x - m).collect();
        let mut square = 0.0;
        for i in 0..d {
            let pull: f64 = (0..d).map(|j| theta[1][j + d * i] * r[j]).sum();
            square += r[i] * pull;
            by_x[i] = -pull;
            by_theta[0][i] = pull;
            for j in 0..d {
                by_theta[1][i + d * j] = 0.5 * (by_theta[1][i + d * j] - r[i] * r[j]);
            }
        }
        -0.5 * square - 0.5 * d as f64 * TAU.ln() + by_factor::half_ln_det(l.as_ref())
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let z: Vec<f64> = (0..d).map(|_| stream.normal()).collect();
        // With Q = L L^T the vector L^-T z has the covariance Q^-1.
        let shift = solve_lower_transposed(factor(d, theta[1]).as_ref(), &z);
        for i in 0..d {
            x[i] = theta[0][i] + shift[i];
        }
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        mean.copy_from_slice(theta[0]);
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        MultiNormal.variance(d, &[theta[0], &self.covariance(d, theta)], variance);
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let l = factor(d, theta[1]);
        Some(d as f64 * (1.0 + TAU.ln()) - by_factor::entropy(l.as_ref()))
    }

    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [s, t] = [theta, other].map(|theta| self.covariance(d, theta));
        MultiNormal.kl(d, &[theta[0], &s], &[other[0], &t])
    }
}

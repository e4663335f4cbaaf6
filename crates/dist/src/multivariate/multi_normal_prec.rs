//! Multivariate normal distribution by its mean m and precision Q, the inverse of its covariance. Standard.
//!
//! ln p(x) = -(d/2) ln 2 pi + ln|Q| / 2 - r^T Q r / 2,   r = x - m
//! grad_x = -Q r, grad_m = Q r, grad_Q = (Q^-1 - r r^T) / 2. Cost d^3.

use super::matrix::{factor, inverse, solve_lower, solve_lower_transposed, write};
use super::{
    ExponentialFamily, MultiNormal, Multivariate, Param, Set, multi_normal_cholesky as by_factor,
};
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

    /// With the factors L, M of both precisions the covariances enter by M^T L^-T, and the means by
    /// M^T (m - k).
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [l, m] = [theta, other].map(|t| factor(d, t[1]));
        let shift = (0..d).map(|j| {
            let u: f64 = (j..d)
                .map(|i| m[(i, j)] * (theta[0][i] - other[0][i]))
                .sum();
            u * u
        });
        // L^-1 M has the singular values of M^T L^-T.
        let scales = by_factor::excess_of_factors(m.as_ref(), l.as_ref(), 0.0);
        Some(0.5 * shift.sum::<f64>() + scales)
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (Q m, -Q / 2), t = (x, x x^T), A = (h^T Q^-1 h - ln|Q|) / 2 with h = Q m, base (2 pi)^(-d/2).
impl ExponentialFamily for MultiNormalPrec {
    fn n_statistics(&self, d: usize) -> usize {
        d + d * d
    }

    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]) {
        let (pull, half) = eta.split_at_mut(d);
        for i in 0..d {
            pull[i] = (0..d).map(|j| theta[1][i + d * j] * theta[0][j]).sum();
        }
        for (half, q) in half.iter_mut().zip(theta[1]) {
            *half = -0.5 * q;
        }
    }

    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        for (q, half) in theta[1].iter_mut().zip(&eta[d..]) {
            *q = -2.0 * half;
        }
        let l = factor(d, theta[1]);
        let z = solve_lower(l.as_ref(), &eta[..d]);
        theta[0].copy_from_slice(&solve_lower_transposed(l.as_ref(), &z));
    }

    fn statistics(&self, d: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        t[..d].copy_from_slice(x);
        for (index, t) in t[d..].iter_mut().enumerate() {
            *t = x[index % d] * x[index / d];
        }
    }

    fn log_partition(&self, d: usize, eta: &[f64], _: &[&[f64]], expected: &mut [f64]) -> f64 {
        let precision: Vec<f64> = eta[d..].iter().map(|half| -2.0 * half).collect();
        let l = factor(d, &precision);
        let z = solve_lower(l.as_ref(), &eta[..d]);
        let mean = solve_lower_transposed(l.as_ref(), &z);
        let (first, second) = expected.split_at_mut(d);
        write(&inverse(d, &precision), second);
        for (index, second) in second.iter_mut().enumerate() {
            *second += mean[index % d] * mean[index / d];
        }
        first.copy_from_slice(&mean);
        0.5 * z.iter().map(|z| z * z).sum::<f64>() - by_factor::half_ln_det(l.as_ref())
    }

    fn ln_base(&self, d: usize, _: &[f64], _: &[&[f64]]) -> f64 {
        -0.5 * d as f64 * TAU.ln()
    }
}

//! Multivariate normal distribution by its mean m and the Cholesky factor L of its covariance. Standard.
//!
//! ln p(x) = -(d/2) ln 2 pi - sum_i ln L_ii - |z|^2 / 2,   z = L^-1 (x - m),   u = L^-T z
//! grad_x = -u, grad_m = u, grad_L = tril(u z^T) - diag(1 / L_ii). Cost d^2.

use super::matrix::{factor, inverse, solve_lower, solve_lower_transposed, square, view, write};
use super::{ExponentialFamily, MultiNormalPrec, Multivariate, Param, Set};
use faer::MatRef;
use jensen_rng::Stream;
use jensen_special::remainder::excess_by;
use std::f64::consts::TAU;

/// Multivariate normal: `mean` `[d]`, `factor` `[d, d]`.
pub struct MultiNormalCholesky;

impl Multivariate for MultiNormalCholesky {
    fn name(&self) -> &'static str {
        "multi_normal_cholesky"
    }

    fn set(&self) -> Set {
        Set::Vector
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mean", Set::Vector),
                Param::new("factor", Set::CholeskyFactor),
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
        let factor = view(d, theta[1]);
        let [z, u] = whitened(factor, x, theta[0]);
        for i in 0..d {
            by_x[i] = -u[i];
            by_theta[0][i] = u[i];
            for j in 0..d {
                by_theta[1][i + d * j] = if j <= i { u[i] * z[j] } else { 0.0 };
            }
            by_theta[1][i + d * i] -= 1.0 / factor[(i, i)];
        }
        -0.5 * z.iter().map(|z| z * z).sum::<f64>()
            - 0.5 * d as f64 * TAU.ln()
            - half_ln_det(factor)
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let z: Vec<f64> = (0..d).map(|_| stream.normal()).collect();
        for i in 0..d {
            x[i] = theta[0][i] + (0..=i).map(|j| theta[1][i + d * j] * z[j]).sum::<f64>();
        }
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        mean.copy_from_slice(theta[0]);
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        for (i, variance) in variance.iter_mut().enumerate() {
            *variance = (0..=i).map(|j| theta[1][i + d * j].powi(2)).sum();
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        Some(entropy(view(d, theta[1])))
    }

    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        Some(kl(theta[0], view(d, theta[1]), other[0], view(d, other[1])))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// The family of [`MultiNormalPrec`](super::MultiNormalPrec), whose natural parameters are nearest.
impl ExponentialFamily for MultiNormalCholesky {
    fn n_statistics(&self, d: usize) -> usize {
        MultiNormalPrec.n_statistics(d)
    }

    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]) {
        let mut precision = vec![0.0; d * d];
        write(&inverse(d, &square(view(d, theta[1]))), &mut precision);
        MultiNormalPrec.natural(d, &[theta[0], &precision], eta);
    }

    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        MultiNormalPrec.usual(d, eta, theta);
        let mut covariance = vec![0.0; d * d];
        write(&inverse(d, theta[1]), &mut covariance);
        write(&factor(d, &covariance), theta[1]);
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

/// z = L^-1 (x - m) and u = L^-T z.
pub(super) fn whitened(factor: MatRef<'_, f64>, x: &[f64], mean: &[f64]) -> [Vec<f64>; 2] {
    let residual: Vec<f64> = x.iter().zip(mean).map(|(x, m)| x - m).collect();
    let z = solve_lower(factor, &residual);
    let u = solve_lower_transposed(factor, &z);
    [z, u]
}

/// sum_i ln L_ii.
pub(super) fn half_ln_det(factor: MatRef<'_, f64>) -> f64 {
    (0..factor.nrows()).map(|i| factor[(i, i)].ln()).sum()
}

/// d/2 (1 + ln 2 pi) + sum_i ln L_ii.
pub(super) fn entropy(factor: MatRef<'_, f64>) -> f64 {
    0.5 * factor.nrows() as f64 * (1.0 + TAU.ln()) + half_ln_det(factor)
}

/// KL for means k, m and factors L, M, every term of which is at least zero: with u = M^-1 (k - m)
/// |u|^2 / 2 + [`excess_of_factors`].
pub(super) fn kl(
    mean: &[f64],
    factor: MatRef<'_, f64>,
    other: &[f64],
    wide: MatRef<'_, f64>,
) -> f64 {
    let [u, _] = whitened(wide, mean, other);
    0.5 * u.iter().map(|u| u * u).sum::<f64>() + excess_of_factors(factor, wide, 0.0)
}

/// (c |K|_F^2 - d - ln det(c K K^T)) / 2 for K = M^-1 L and c = 1 + `more` > 0, both factors lower triangular.
///
/// The entries below the diagonal of K enter by their squares and those on it by k - 1 - ln k, k = c K_ii^2.
/// K - 1 = M^-1 (L - M) is solved for, so that neighbors keep their digits and equal factors give zero.
pub(super) fn excess_of_factors(l: MatRef<'_, f64>, m: MatRef<'_, f64>, more: f64) -> f64 {
    let (d, c) = (l.nrows(), 1.0 + more);
    let mut sum = 0.0;
    for j in 0..d {
        let column: Vec<f64> = (0..d).map(|i| l[(i, j)] - m[(i, j)]).collect();
        let e = solve_lower(m, &column);
        let ratio = l[(j, j)] / m[(j, j)];
        // c K_jj^2 - 1.
        let change = more + c * e[j] * (2.0 + e[j]);
        sum += excess_by(change, c * ratio * ratio, 1.0);
        sum += c * e[j + 1..].iter().map(|e| e * e).sum::<f64>();
    }
    0.5 * sum
}

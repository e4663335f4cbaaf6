//! Wishart distribution of a d x d matrix W with n degrees of freedom and scale S. Standard; the sampler
//! is [bartlett-1934].
//!
//! ln p(W) = ((n - d - 1) ln|W| - tr(S^-1 W) - n d ln 2 - n ln|S|) / 2 - ln Gamma_d(n/2),   n > d - 1
//! grad_W = ((n - d - 1) W^-1 - S^-1) / 2,   grad_S = (S^-1 W S^-1 - n S^-1) / 2

use super::matrix::{factor, inverse, ln_det, trace_of_product, view, write};
use super::{Multivariate, Param, Set};
use crate::draw;
use faer::Mat;
use jensen_rng::Stream;
use jensen_special::gamma::{multivariate_digamma, multivariate_ln_gamma};
use std::f64::consts::LN_2;

/// Wishart: `dof`, `scale` `[d, d]`.
pub struct Wishart;

impl Multivariate for Wishart {
    fn name(&self) -> &'static str {
        "wishart"
    }

    fn set(&self) -> Set {
        Set::Covariance
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("dof", Set::Positive),
                Param::new("scale", Set::Covariance),
            ]
        }
    }

    fn admits(&self, d: usize, theta: &[&[f64]]) -> bool {
        admits(self, d, theta)
    }

    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let (dof, dim) = (theta[0][0], d as f64);
        let [ln_x, ln_scale] = [x, theta[1]].map(|a| ln_det(&factor(d, a)));
        let [per_x, per_scale] = [x, theta[1]].map(|a| inverse(d, a));
        write(&((&per_x * (dof - dim - 1.0) - &per_scale) * 0.5), by_x);
        by_theta[0][0] = 0.5 * (ln_x - ln_scale - dim * LN_2 - multivariate_digamma(d, 0.5 * dof));
        let middle = &per_scale * view(d, x) * &per_scale;
        write(&((middle - &per_scale * dof) * 0.5), by_theta[1]);
        0.5 * ((dof - dim - 1.0) * ln_x
            - trace_of_product(per_scale.as_ref(), view(d, x))
            - dof * (dim * LN_2 + ln_scale))
            - multivariate_ln_gamma(d, 0.5 * dof)
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        write(
            &draw_matrix(d, theta[0][0], &factor(d, theta[1]), stream),
            x,
        );
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        for (mean, scale) in mean.iter_mut().zip(theta[1]) {
            *mean = theta[0][0] * scale;
        }
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        let s = view(d, theta[1]);
        for (index, variance) in variance.iter_mut().enumerate() {
            let (i, j) = (index % d, index / d);
            *variance = theta[0][0] * (s[(i, j)].powi(2) + s[(i, i)] * s[(j, j)]);
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let (dof, dim) = (theta[0][0], d as f64);
        Some(
            0.5 * (dim + 1.0) * (ln_det(&factor(d, theta[1])) + dim * LN_2)
                + multivariate_ln_gamma(d, 0.5 * dof)
                + 0.5 * (dim + 1.0 - dof) * multivariate_digamma(d, 0.5 * dof)
                + 0.5 * dof * dim,
        )
    }

    /// With m for the other's degrees of freedom and T for its scale:
    /// (m (ln|T| - ln|S|) + n (tr(T^-1 S) - d) + (n - m) psi_d(n/2)) / 2 + ln Gamma_d(m/2) - ln Gamma_d(n/2).
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [n, m] = [theta[0][0], other[0][0]];
        let [ln_s, ln_t] = [theta[1], other[1]].map(|a| ln_det(&factor(d, a)));
        let trace = trace_of_product(inverse(d, other[1]).as_ref(), view(d, theta[1]));
        Some(kl_of_dof(d, n, m) + 0.5 * (m * (ln_t - ln_s) + n * (trace - d as f64)))
    }
}

/// Parameters in their sets, and more degrees of freedom than d - 1.
pub(super) fn admits(law: &dyn Multivariate, d: usize, theta: &[&[f64]]) -> bool {
    theta.len() == 2
        && (law.params().iter().zip(theta)).all(|(param, values)| param.set.holds(d, values))
        && theta[0][0] > d as f64 - 1.0
}

/// The part of the divergence that is due to the degrees of freedom alone.
pub(super) fn kl_of_dof(d: usize, n: f64, m: f64) -> f64 {
    multivariate_ln_gamma(d, 0.5 * m) - multivariate_ln_gamma(d, 0.5 * n)
        + 0.5 * (n - m) * multivariate_digamma(d, 0.5 * n)
}

/// L A A^T L^T with A lower triangular, normal below the diagonal and the root of a chi-square on it.
pub(super) fn draw_matrix(
    d: usize,
    dof: f64,
    scale_factor: &Mat<f64>,
    stream: &mut Stream,
) -> Mat<f64> {
    let mut a = Mat::<f64>::zeros(d, d);
    for i in 0..d {
        for j in 0..i {
            a[(i, j)] = stream.normal();
        }
        a[(i, i)] = (2.0 * draw::gamma(0.5 * (dof - i as f64), stream)).sqrt();
    }
    let root = scale_factor * &a;
    &root * root.transpose()
}

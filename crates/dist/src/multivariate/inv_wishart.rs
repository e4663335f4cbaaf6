//! Inverse Wishart distribution of a d x d matrix W: its inverse is Wishart with n degrees of freedom and
//! scale S^-1. Standard.
//!
//! ln p(W) = (n ln|S| - (n + d + 1) ln|W| - tr(S W^-1) - n d ln 2) / 2 - ln Gamma_d(n/2),   n > d - 1
//! grad_W = (W^-1 S W^-1 - (n + d + 1) W^-1) / 2,   grad_S = (n S^-1 - W^-1) / 2

use super::matrix::{factor, inverse, ln_det, trace_of_product, view, write};
use super::{Multivariate, Param, Set, wishart};
use jensen_rng::Stream;
use jensen_special::gamma::{multivariate_digamma, multivariate_ln_gamma};
use std::f64::consts::LN_2;

/// Inverse Wishart: `dof`, `scale` `[d, d]`.
pub struct InvWishart;

impl Multivariate for InvWishart {
    fn name(&self) -> &'static str {
        "inv_wishart"
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
        wishart::admits(self, d, theta)
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
        let middle = &per_x * view(d, theta[1]) * &per_x;
        write(&((middle - &per_x * (dof + dim + 1.0)) * 0.5), by_x);
        by_theta[0][0] = 0.5 * (ln_scale - ln_x - dim * LN_2 - multivariate_digamma(d, 0.5 * dof));
        write(&((&per_scale * dof - &per_x) * 0.5), by_theta[1]);
        0.5 * (dof * (ln_scale - dim * LN_2)
            - (dof + dim + 1.0) * ln_x
            - trace_of_product(per_x.as_ref(), view(d, theta[1])))
            - multivariate_ln_gamma(d, 0.5 * dof)
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let mut per_scale = vec![0.0; d * d];
        write(&inverse(d, theta[1]), &mut per_scale);
        let drawn = wishart::draw_matrix(d, theta[0][0], &factor(d, &per_scale), stream);
        write(&drawn, &mut per_scale);
        write(&inverse(d, &per_scale), x);
    }

    fn mean(&self, d: usize, theta: &[&[f64]], mean: &mut [f64]) {
        let excess = theta[0][0] - d as f64 - 1.0;
        for (mean, scale) in mean.iter_mut().zip(theta[1]) {
            *mean = if excess > 0.0 {
                scale / excess
            } else {
                f64::NAN
            };
        }
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        let s = view(d, theta[1]);
        let excess = theta[0][0] - d as f64 - 1.0;
        if excess <= 2.0 {
            return variance.fill(f64::NAN);
        }
        for (index, variance) in variance.iter_mut().enumerate() {
            let (i, j) = (index % d, index / d);
            *variance = ((excess + 2.0) * s[(i, j)].powi(2) + excess * s[(i, i)] * s[(j, j)])
                / ((excess + 1.0) * excess * excess * (excess - 2.0));
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let (dof, dim) = (theta[0][0], d as f64);
        Some(
            0.5 * (dim + 1.0) * (ln_det(&factor(d, theta[1])) - dim * LN_2)
                + multivariate_ln_gamma(d, 0.5 * dof)
                - 0.5 * (dim + 1.0 + dof) * multivariate_digamma(d, 0.5 * dof)
                + 0.5 * dof * dim,
        )
    }

    /// That of the inverses, which are Wishart matrices with inverse scales.
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [n, m] = [theta[0][0], other[0][0]];
        let [ln_s, ln_t] = [theta[1], other[1]].map(|a| ln_det(&factor(d, a)));
        let trace = trace_of_product(inverse(d, theta[1]).as_ref(), view(d, other[1]));
        Some(wishart::kl_of_dof(d, n, m) + 0.5 * (m * (ln_s - ln_t) + n * (trace - d as f64)))
    }
}

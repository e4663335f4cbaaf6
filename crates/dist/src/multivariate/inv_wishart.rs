//! Inverse Wishart distribution of a d x d matrix W: its inverse is Wishart with n degrees of freedom and
//! scale S^-1. Standard.
//!
//! ln p(W) = (n ln|S| - (n + d + 1) ln|W| - tr(S W^-1) - n d ln 2) / 2 - ln Gamma_d(n/2),   n > d - 1
//! grad_W = (W^-1 S W^-1 - (n + d + 1) W^-1) / 2,   grad_S = (n S^-1 - W^-1) / 2

use super::matrix::{factor, inverse, ln_det, solve_lower, trace_of_product, view, write};
use super::{ExponentialFamily, Multivariate, Param, Set, wishart};
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

    /// With S = C C^T and a Wishart matrix A A^T of scale one it is (C A^-T) (C A^-T)^T.
    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let (c, a) = (
            factor(d, theta[1]),
            wishart::bartlett(d, theta[0][0], stream),
        );
        // Row i of C A^-T is A^-1 times row i of C.
        let rows: Vec<Vec<f64>> = (0..d)
            .map(|i| {
                let row: Vec<f64> = (0..d).map(|j| c[(i, j)]).collect();
                solve_lower(a.as_ref(), &row)
            })
            .collect();
        for (index, x) in x.iter_mut().enumerate() {
            let (left, right) = (&rows[index % d], &rows[index / d]);
            *x = left.iter().zip(right).map(|(l, r)| l * r).sum();
        }
    }

    fn mean(&self, d: usize, theta: &[&[f64]], mean: &mut [f64]) {
        let excess = theta[0][0] - d as f64 - 1.0;
        for (index, (mean, scale)) in mean.iter_mut().zip(theta[1]).enumerate() {
            *mean = match excess > 0.0 {
                true => scale / excess,
                // Diagonal entries are positive, the others fall to either side.
                false if index % (d + 1) == 0 => f64::INFINITY,
                false => f64::NAN,
            };
        }
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        let s = view(d, theta[1]);
        let excess = theta[0][0] - d as f64 - 1.0;
        if excess <= 2.0 {
            return variance.fill(if excess > 0.0 {
                f64::INFINITY
            } else {
                f64::NAN
            });
        }
        for (index, variance) in variance.iter_mut().enumerate() {
            let (i, j) = (index % d, index / d);
            *variance = ((excess + 2.0) * s[(i, j)].powi(2) + excess * s[(i, i)] * s[(j, j)])
                / ((excess + 1.0) * excess * excess * (excess - 2.0));
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let dim = d as f64;
        let ln_scale = ln_det(&factor(d, theta[1])) - dim * LN_2;
        let slope = multivariate_digamma(d, 0.5 * theta[0][0]);
        Some(0.5 * (dim + 1.0) * (ln_scale - slope) + wishart::intercept(d, 0.5 * theta[0][0]))
    }

    /// That of the inverses, which are Wishart matrices with inverse scales: their factors change places.
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [l, m] = [theta[1], other[1]].map(|a| factor(d, a));
        Some(wishart::kl(theta[0][0], &m, other[0][0], &l))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = (-(n + d + 1) / 2, -S / 2), t = (ln|W|, W^-1), A = ln Gamma_d(n/2) - (n/2) ln|S / 2|, h = 1.
impl ExponentialFamily for InvWishart {
    fn n_statistics(&self, d: usize) -> usize {
        1 + d * d
    }

    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]) {
        eta[0] = -0.5 * (theta[0][0] + d as f64 + 1.0);
        for (eta, s) in eta[1..].iter_mut().zip(theta[1]) {
            *eta = -0.5 * s;
        }
    }

    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        theta[0][0] = -2.0 * eta[0] - d as f64 - 1.0;
        for (s, eta) in theta[1].iter_mut().zip(&eta[1..]) {
            *s = -2.0 * eta;
        }
    }

    fn statistics(&self, d: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        t[0] = ln_det(&factor(d, x));
        write(&inverse(d, x), &mut t[1..]);
    }

    fn log_partition(&self, d: usize, eta: &[f64], _: &[&[f64]], expected: &mut [f64]) -> f64 {
        let half = -eta[0] - 0.5 * (d as f64 + 1.0);
        let value = wishart::log_partition(d, half, &eta[1..], expected);
        // The logarithm of the determinant is that of the inverse with the other sign.
        expected[0] = -expected[0];
        value
    }

    fn ln_base(&self, _: usize, _: &[f64], _: &[&[f64]]) -> f64 {
        0.0
    }
}

//! Wishart distribution of a d x d matrix W with n degrees of freedom and scale S. Standard; the sampler
//! is [bartlett-1934].
//!
//! ln p(W) = ((n - d - 1) ln|W| - tr(S^-1 W) - n d ln 2 - n ln|S|) / 2 - ln Gamma_d(n/2),   n > d - 1
//! grad_W = ((n - d - 1) W^-1 - S^-1) / 2,   grad_S = (S^-1 W S^-1 - n S^-1) / 2

use super::matrix::{factor, inverse, ln_det, trace_of_product, view, write};
use super::multi_normal_cholesky::excess_of_factors;
use super::{ExponentialFamily, Multivariate, Param, Set};
use faer::Mat;
use jensen_rng::Stream;
use jensen_special::gamma::{
    digamma, ln_gamma_intercept, multivariate_digamma, multivariate_ln_gamma,
};
use jensen_special::gamma_divergence::{ln_gamma_divergence_beyond, x_ln_x_divergence};
use std::f64::consts::{LN_2, PI};

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
        let root = factor(d, theta[1]) * bartlett(d, theta[0][0], stream);
        write(&(&root * root.transpose()), x);
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
        let dim = d as f64;
        let ln_scale = ln_det(&factor(d, theta[1])) + dim * LN_2;
        let slope = multivariate_digamma(d, 0.5 * theta[0][0]);
        Some(0.5 * (dim + 1.0) * (ln_scale + slope) + intercept(d, 0.5 * theta[0][0]))
    }

    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [l, m] = [theta[1], other[1]].map(|a| factor(d, a));
        Some(kl(theta[0][0], &l, other[0][0], &m))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = ((n - d - 1) / 2, -S^-1 / 2), t = (ln|W|, W); with N = n/2 and P = S^-1 / 2
/// A = ln Gamma_d(N) - N ln|P|, E t = (psi_d(N) - ln|P|, N P^-1), h = 1.
impl ExponentialFamily for Wishart {
    fn n_statistics(&self, d: usize) -> usize {
        1 + d * d
    }

    fn natural(&self, d: usize, theta: &[&[f64]], eta: &mut [f64]) {
        eta[0] = 0.5 * (theta[0][0] - d as f64 - 1.0);
        write(&(inverse(d, theta[1]) * -0.5), &mut eta[1..]);
    }

    fn usual(&self, d: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        theta[0][0] = 2.0 * eta[0] + d as f64 + 1.0;
        let per_scale: Vec<f64> = eta[1..].iter().map(|eta| -2.0 * eta).collect();
        write(&inverse(d, &per_scale), theta[1]);
    }

    fn statistics(&self, d: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        t[0] = ln_det(&factor(d, x));
        t[1..].copy_from_slice(x);
    }

    fn log_partition(&self, d: usize, eta: &[f64], _: &[&[f64]], expected: &mut [f64]) -> f64 {
        log_partition(d, eta[0] + 0.5 * (d as f64 + 1.0), &eta[1..], expected)
    }

    fn ln_base(&self, _: usize, _: &[f64], _: &[&[f64]]) -> f64 {
        0.0
    }
}

/// A for N and -P; writes psi_d(N) - ln|P| and N P^-1.
pub(super) fn log_partition(d: usize, half: f64, minus: &[f64], expected: &mut [f64]) -> f64 {
    let p: Vec<f64> = minus.iter().map(|eta| -eta).collect();
    let ln_det = ln_det(&factor(d, &p));
    expected[0] = multivariate_digamma(d, half) - ln_det;
    write(&(inverse(d, &p) * half), &mut expected[1..]);
    multivariate_ln_gamma(d, half) - half * ln_det
}

/// Parameters in their sets, and more degrees of freedom than d - 1.
pub(super) fn admits(law: &dyn Multivariate, d: usize, theta: &[&[f64]]) -> bool {
    theta.len() == 2
        && (law.params().iter().zip(theta)).all(|(param, values)| param.set.holds(d, values))
        && theta[0][0] > d as f64 - 1.0
}

/// KL for degrees of freedom n, m and factors L, M of the scales, by terms of at least zero: with
/// K = M^-1 L the scales give m [`excess_of_factors`] for the c = n/m. For each j < d the divergence of ln Gamma
/// from (n - j)/2 to (m - j)/2 remains, less that of x ln x - x from n/2 to m/2.
pub(super) fn kl(n: f64, l: &Mat<f64>, m: f64, wide: &Mat<f64>) -> f64 {
    let (d, half) = (l.nrows(), 0.5 * (m - n));
    let all = x_ln_x_divergence(0.5 * n, 0.5 * m, half);
    let dof: f64 = (0..d)
        .map(|j| {
            let [a, b] = [n, m].map(|dof| 0.5 * (dof - j as f64));
            let power = match j {
                0 => 0.0,
                _ => (x_ln_x_divergence(a, b, half) - all).max(0.0),
            };
            power + ln_gamma_divergence_beyond(a, b, half)
        })
        .sum();
    m * excess_of_factors(l.as_ref(), wide.as_ref(), (n - m) / m) + dof
}

/// ln Gamma_d(a) - a (psi_d(a) - d), of which the entropies are made: by the arguments a - j/2 of the gamma
/// functions, whose intercepts hold the terms of the size of a, which cancel.
pub(super) fn intercept(d: usize, a: f64) -> f64 {
    let terms = (0..d).map(|j| {
        let half = 0.5 * j as f64;
        ln_gamma_intercept(a - half) - half * (digamma(a - half) - 1.0)
    });
    terms.sum::<f64>() + 0.25 * (d * d.saturating_sub(1)) as f64 * PI.ln()
}

/// The lower triangular A of a draw A A^T with scale one: normal below the diagonal, the root of a chi-square
/// on it, by its logarithm, which few degrees of freedom do not take below the smallest number.
pub(super) fn bartlett(d: usize, dof: f64, stream: &mut Stream) -> Mat<f64> {
    let mut a = Mat::<f64>::zeros(d, d);
    for i in 0..d {
        for j in 0..i {
            a[(i, j)] = stream.normal();
        }
        let ln_square = LN_2 + stream.gamma_ln(0.5 * (dof - i as f64));
        a[(i, i)] = (0.5 * ln_square).exp();
    }
    a
}

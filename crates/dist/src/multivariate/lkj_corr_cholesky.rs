//! LKJ distribution with shape e on Cholesky factors L of d x d correlation matrices: the density of
//! L L^T is proportional to its determinant to the power e - 1 ([lewandowski-2009], sec. 3).
//!
//! ln p(L) = ln c + sum_{k=2}^d (d - k + 2e - 2) ln L_kk, by the entries below the diagonal,
//! ln c = (d - 1) ln Gamma(e + (d-1)/2) - sum_{k=1}^{d-1} (k/2 ln pi + ln Gamma(e + (d-1-k)/2)).
//!
//! The first k - 1 entries of row k are a point of the unit ball: a uniform direction at a squared radius
//! that is beta with shapes (k - 1)/2 and (d - k)/2 + e, independent of the other rows. All moments follow.

use super::{ExponentialFamily, Multivariate, Param, Set};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_beta, ln_gamma};
use jensen_special::gamma_divergence::ln_gamma_divergence;
use std::f64::consts::PI;

/// LKJ on Cholesky factors: `shape`.
pub struct LkjCorrCholesky;

impl Multivariate for LkjCorrCholesky {
    fn name(&self) -> &'static str {
        "lkj_corr_cholesky"
    }

    fn set(&self) -> Set {
        Set::CholeskyCorr
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("shape", Set::Positive)] }
    }

    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let shape = theta[0][0];
        by_x.fill(0.0);
        let (mut value, mut slope) = ln_constant(d, shape);
        for k in 1..d {
            let power = (d - 1 - k) as f64 + 2.0 * shape - 2.0;
            let diagonal = x[k + d * k];
            by_x[k + d * k] = power / diagonal;
            value += power * diagonal.ln();
            slope += 2.0 * diagonal.ln();
        }
        by_theta[0][0] = slope;
        value
    }

    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        x.fill(0.0);
        x[0] = 1.0;
        for k in 1..d {
            let (a, b) = shapes(d, k, theta[0][0]);
            // Both logarithms, so that neither end of the radius loses its digits.
            let [inside, rest] = [b, a].map(|shape| stream.gamma_ln(shape));
            let whole = jensen_special::logspace::log_add_exp(inside, rest);
            let direction: Vec<f64> = (0..k).map(|_| stream.normal()).collect();
            let length = direction.iter().map(|z| z * z).sum::<f64>().sqrt();
            let radius = (0.5 * (inside - whole)).exp();
            for j in 0..k {
                x[k + d * j] = radius * direction[j] / length;
            }
            x[k + d * k] = (0.5 * (rest - whole)).exp();
        }
    }

    fn mean(&self, d: usize, theta: &[&[f64]], mean: &mut [f64]) {
        mean.fill(0.0);
        for k in 0..d {
            mean[k + d * k] = mean_diagonal(d, k, theta[0][0]);
        }
    }

    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]) {
        variance.fill(0.0);
        for k in 1..d {
            let (a, b) = shapes(d, k, theta[0][0]);
            for j in 0..k {
                variance[k + d * j] = 0.5 / (a + b);
            }
            variance[k + d * k] = a / (a + b) - mean_diagonal(d, k, theta[0][0]).powi(2);
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let shape = theta[0][0];
        let terms = (1..d)
            .map(|k| ((d - 1 - k) as f64 + 2.0 * shape - 2.0) * mean_ln_diagonal(d, k, shape));
        Some(-ln_constant(d, shape).0 - terms.sum::<f64>())
    }

    /// Row by row the divergence of ln Gamma from the shape of the diagonal entry, less that from the whole.
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let [e, f] = [theta[0][0], other[0][0]];
        let of = |a: f64, b: f64| ln_gamma_divergence(a, b, f - e);
        let terms = (1..d).map(|k| {
            let ((a, rest), (b, _)) = (shapes(d, k, e), shapes(d, k, f));
            of(a, b) - of(a + rest, b + rest)
        });
        Some(terms.sum::<f64>().max(0.0))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = e - 1, t = ln|L L^T|, A = -ln c(e), h = prod_{k=2}^d L_kk^(d-k).
impl ExponentialFamily for LkjCorrCholesky {
    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, _: usize, theta: &[&[f64]], eta: &mut [f64]) {
        eta[0] = theta[0][0] - 1.0;
    }

    fn usual(&self, _: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        theta[0][0] = eta[0] + 1.0;
    }

    fn statistics(&self, d: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        t[0] = 2.0 * (1..d).map(|k| x[k + d * k].ln()).sum::<f64>();
    }

    fn log_partition(&self, d: usize, eta: &[f64], _: &[&[f64]], expected: &mut [f64]) -> f64 {
        let (value, slope) = ln_constant(d, eta[0] + 1.0);
        expected[0] = -slope;
        -value
    }

    fn ln_base(&self, d: usize, x: &[f64], _: &[&[f64]]) -> f64 {
        (1..d).map(|k| (d - 1 - k) as f64 * x[k + d * k].ln()).sum()
    }
}

/// Shapes of the square of the diagonal entry of row k, counted from 0, whose other shape is k/2.
fn shapes(d: usize, k: usize, shape: f64) -> (f64, f64) {
    (0.5 * (d - 1 - k) as f64 + shape, 0.5 * k as f64)
}

/// E L_kk.
fn mean_diagonal(d: usize, k: usize, shape: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    let (a, b) = shapes(d, k, shape);
    (ln_beta(a + 0.5, b) - ln_beta(a, b)).exp()
}

/// E ln L_kk.
fn mean_ln_diagonal(d: usize, k: usize, shape: f64) -> f64 {
    let (a, b) = shapes(d, k, shape);
    0.5 * (digamma(a) - digamma(a + b))
}

/// ln c and its derivative by the shape.
fn ln_constant(d: usize, shape: f64) -> (f64, f64) {
    let whole = shape + 0.5 * (d as f64 - 1.0);
    (1..d).fold((0.0, 0.0), |(value, slope), k| {
        let part = whole - 0.5 * k as f64;
        (
            value + ln_gamma(whole) - ln_gamma(part) - 0.5 * k as f64 * PI.ln(),
            slope + digamma(whole) - digamma(part),
        )
    })
}

//! Dirichlet distribution on the simplex with concentrations a. Standard.
//!
//! ln p(x) = sum_k (a_k - 1) ln x_k + ln Gamma(sum_k a_k) - sum_k ln Gamma(a_k), by the first d - 1 entries.

use super::{ExponentialFamily, Multivariate, Param, Set};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma, ln_gamma_intercept};
use jensen_special::gamma_divergence::{ln_gamma_divergence_beyond, x_ln_x_divergence};
use jensen_special::logspace::{softmax, xlogy};

/// Dirichlet: `concentrations` `[d]`.
pub struct Dirichlet;

impl Multivariate for Dirichlet {
    fn name(&self) -> &'static str {
        "dirichlet"
    }

    fn set(&self) -> Set {
        Set::Simplex
    }

    fn params(&self) -> &'static [Param] {
        const { &[Param::new("concentrations", Set::PositiveVector)] }
    }

    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let a = theta[0];
        let total: f64 = a.iter().sum();
        let slope = digamma(total);
        let mut value = -ln_beta(a);
        for k in 0..d {
            by_x[k] = if a[k] == 1.0 {
                0.0
            } else {
                (a[k] - 1.0) / x[k]
            };
            by_theta[0][k] = slope - digamma(a[k]) + x[k].ln();
            value += xlogy(a[k] - 1.0, x[k]);
        }
        value
    }

    fn sample(&self, _: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let ln_gammas: Vec<f64> = theta[0].iter().map(|&a| stream.gamma_ln(a)).collect();
        if ln_gammas.iter().all(|l| l.is_infinite()) {
            // Concentrations so small that only the corners have mass, in proportion to them.
            x.fill(0.0);
            x[draw::index(theta[0], stream)] = 1.0;
            return;
        }
        softmax(&ln_gammas, x);
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        let total: f64 = theta[0].iter().sum();
        for (mean, a) in mean.iter_mut().zip(theta[0]) {
            *mean = a / total;
        }
    }

    fn variance(&self, _: usize, theta: &[&[f64]], variance: &mut [f64]) {
        let total: f64 = theta[0].iter().sum();
        for (variance, a) in variance.iter_mut().zip(theta[0]) {
            *variance = a / total * ((total - a) / total) / (total + 1.0);
        }
    }

    fn entropy(&self, d: usize, theta: &[&[f64]]) -> Option<f64> {
        let a = theta[0];
        let total: f64 = a.iter().sum();
        // The intercepts of ln Gamma hold the terms of the size of the concentrations, which cancel.
        let terms = a.iter().map(|&a| ln_gamma_intercept(a) + digamma(a));
        Some(terms.sum::<f64>() - ln_gamma_intercept(total) - d as f64 * digamma(total))
    }

    fn kl(&self, _: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        Some(kl(theta[0], other[0]))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// eta = a - 1, t = ln x, A = sum_k ln Gamma(a_k) - ln Gamma(sum_k a_k), h = 1.
impl ExponentialFamily for Dirichlet {
    fn n_statistics(&self, d: usize) -> usize {
        d
    }

    fn natural(&self, _: usize, theta: &[&[f64]], eta: &mut [f64]) {
        for (eta, a) in eta.iter_mut().zip(theta[0]) {
            *eta = a - 1.0;
        }
    }

    fn usual(&self, _: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        for (a, eta) in theta[0].iter_mut().zip(eta) {
            *a = eta + 1.0;
        }
    }

    fn statistics(&self, _: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        for (t, x) in t.iter_mut().zip(x) {
            *t = x.ln();
        }
    }

    fn log_partition(&self, _: usize, eta: &[f64], _: &[&[f64]], expected: &mut [f64]) -> f64 {
        let a: Vec<f64> = eta.iter().map(|eta| eta + 1.0).collect();
        let slope = digamma(a.iter().sum());
        for (expected, a) in expected.iter_mut().zip(&a) {
            *expected = digamma(*a) - slope;
        }
        ln_beta(&a)
    }

    fn ln_base(&self, _: usize, _: &[f64], _: &[&[f64]]) -> f64 {
        0.0
    }
}

/// KL between Dirichlet laws with the concentrations a and b, by which beta laws are meant, too.
///
/// With A and B for the sums it is sum_k D(a_k, b_k) - D(A, B) for the divergence D of ln Gamma. Of the part of
/// x ln x - x in D there remains B times the divergence of b/B from a/A; both differences are at least zero.
pub(crate) fn kl(a: &[f64], b: &[f64]) -> f64 {
    let [all_a, all_b]: [f64; 2] = [a, b].map(|v| v.iter().sum());
    // By the changes, so that their sum is exact where the sums are not.
    let change: f64 = a.iter().zip(b).map(|(a, b)| b - a).sum();
    let (mut shares, mut beyond) = (0.0, -ln_gamma_divergence_beyond(all_a, all_b, change));
    for (&a, &b) in a.iter().zip(b) {
        beyond += ln_gamma_divergence_beyond(a, b, b - a);
        let [p, q] = [a / all_a, b / all_b];
        // q - p with the numerator A b - B a = A (b - a) - a (B - A).
        let moved = (all_a * (b - a) - a * change) / all_a / all_b;
        shares += x_ln_x_divergence(p, q, moved);
    }
    all_b * shares + beyond.max(0.0)
}

/// sum_k ln Gamma(a_k) - ln Gamma(sum_k a_k).
fn ln_beta(a: &[f64]) -> f64 {
    a.iter().map(|&a| ln_gamma(a)).sum::<f64>() - ln_gamma(a.iter().sum())
}

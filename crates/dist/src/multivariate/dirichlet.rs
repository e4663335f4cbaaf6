//! Dirichlet distribution on the simplex with concentrations a. Standard.
//!
//! ln p(x) = sum_k (a_k - 1) ln x_k + ln Gamma(sum_k a_k) - sum_k ln Gamma(a_k), by the first d - 1 entries.

use super::{Multivariate, Param, Set};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma};
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
        let ln_gammas: Vec<f64> = theta[0]
            .iter()
            .map(|&a| draw::ln_gamma(a, stream))
            .collect();
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
        let terms = a.iter().map(|a| (a - 1.0) * digamma(*a));
        Some(ln_beta(a) + (total - d as f64) * digamma(total) - terms.sum::<f64>())
    }

    fn kl(&self, _: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let (a, b) = (theta[0], other[0]);
        let slope = digamma(a.iter().sum());
        let terms = a
            .iter()
            .zip(b)
            .map(|(a, b)| (a - b) * (digamma(*a) - slope));
        Some((ln_beta(b) - ln_beta(a) + terms.sum::<f64>()).max(0.0))
    }
}

/// sum_k ln Gamma(a_k) - ln Gamma(sum_k a_k).
fn ln_beta(a: &[f64]) -> f64 {
    a.iter().map(|&a| ln_gamma(a)).sum::<f64>() - ln_gamma(a.iter().sum())
}

//! Multinomial distribution: how often each of d outcomes with the chances p comes in n trials. Standard.
//! Stan reads n from x; here it is a parameter, so that a draw needs nothing else.
//!
//! ln p(x) = ln n! - sum_k ln x_k! + sum_k x_k ln p_k

use super::{Multivariate, Param, Set};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_gamma;
use jensen_special::logspace::xlogy;

/// Multinomial: `trials`, `chances` `[d]`.
pub struct Multinomial;

impl Multivariate for Multinomial {
    fn name(&self) -> &'static str {
        "multinomial"
    }

    fn set(&self) -> Set {
        Set::Counts
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("trials", Set::Count),
                Param::new("chances", Set::Simplex),
            ]
        }
    }

    fn supports(&self, d: usize, x: &[f64], theta: &[&[f64]]) -> bool {
        Set::Counts.holds(d, x) && x.iter().sum::<f64>() == theta[0][0]
    }

    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let p = theta[1];
        by_x.fill(0.0);
        by_theta[0][0] = 0.0;
        let mut value = ln_gamma(theta[0][0] + 1.0);
        for k in 0..d {
            by_theta[1][k] = if x[k] == 0.0 { 0.0 } else { x[k] / p[k] };
            value += xlogy(x[k], p[k]) - ln_gamma(x[k] + 1.0);
        }
        value
    }

    /// Outcome by outcome: given the earlier ones, each is binomial.
    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]) {
        let mut trials = theta[0][0];
        for k in 0..d {
            // The rest of the chances afresh, since a running difference would gather rounding.
            let rest: f64 = theta[1][k..].iter().sum();
            let chance = if k + 1 == d || rest == 0.0 {
                1.0
            } else {
                theta[1][k] / rest
            };
            x[k] = draw::binomial(trials, chance, stream);
            trials -= x[k];
        }
    }

    fn mean(&self, _: usize, theta: &[&[f64]], mean: &mut [f64]) {
        for (mean, p) in mean.iter_mut().zip(theta[1]) {
            *mean = theta[0][0] * p;
        }
    }

    fn variance(&self, _: usize, theta: &[&[f64]], variance: &mut [f64]) {
        for (variance, p) in variance.iter_mut().zip(theta[1]) {
            *variance = theta[0][0] * p * (1.0 - p);
        }
    }

    /// Between laws with the same number of trials.
    fn kl(&self, _: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let terms = theta[1].iter().zip(other[1]).filter(|(p, _)| **p > 0.0);
        let sum: f64 = terms.map(|(p, q)| p * (p / q).ln()).sum();
        (theta[0] == other[0]).then_some((theta[0][0] * sum).max(0.0))
    }
}

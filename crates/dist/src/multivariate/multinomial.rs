//! Multinomial distribution: how often each of d outcomes with the chances p comes in n trials. Standard.
//! Stan reads n from x; here it is a parameter, so that a draw needs nothing else.
//!
//! ln p(x) = ln n! - sum_k ln x_k! + sum_k x_k ln p_k

use super::{ExponentialFamily, Multivariate, Param, Set};
use crate::draw;
use crate::univariate::{Binomial, Categorical, ExponentialFamily as _, counts, divergence_term};
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

    /// -ln n! - n sum_k p_k ln p_k + sum_k E ln x_k!, where x_k is binomial. The terms are larger than the
    /// entropy, whose error is some ulp of n ln n.
    fn entropy(&self, _: usize, theta: &[&[f64]]) -> Option<f64> {
        let n = theta[0][0];
        let terms = theta[1].iter().map(|&p| {
            let ways = counts::expect(&Binomial, &[n, p], |x, _| ln_gamma(x + 1.0));
            ways - n * xlogy(p, p)
        });
        Some((terms.sum::<f64>() - ln_gamma(n + 1.0)).max(0.0))
    }

    /// Between laws with the same number of trials.
    fn kl(&self, _: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        let n = theta[0][0];
        let terms = (theta[1].iter().zip(other[1])).map(|(p, q)| divergence_term(*p, *q, p - q));
        (theta[0] == other[0]).then(|| {
            if n == 0.0 {
                0.0
            } else {
                n * terms.sum::<f64>()
            }
        })
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// With n known: eta_k = ln(p_k / p_d), t_k = x_k for k below d, A = n ln(1 + sum_k e^(eta_k)),
/// h = n! / prod_k x_k!.
impl ExponentialFamily for Multinomial {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, d: usize) -> usize {
        d - 1
    }

    fn natural(&self, _: usize, theta: &[&[f64]], eta: &mut [f64]) {
        Categorical.natural(theta[1], eta);
    }

    fn usual(&self, _: usize, eta: &[f64], theta: &mut [&mut [f64]]) {
        Categorical.usual(eta, theta[1]);
    }

    fn statistics(&self, d: usize, x: &[f64], _: &[&[f64]], t: &mut [f64]) {
        t.copy_from_slice(&x[..d - 1]);
    }

    fn log_partition(&self, _: usize, eta: &[f64], theta: &[&[f64]], expected: &mut [f64]) -> f64 {
        let total = Categorical.log_partition(eta, &[], expected);
        for expected in expected {
            *expected *= theta[0][0];
        }
        theta[0][0] * total
    }

    fn ln_base(&self, _: usize, x: &[f64], theta: &[&[f64]]) -> f64 {
        ln_gamma(theta[0][0] + 1.0) - x.iter().map(|x| ln_gamma(x + 1.0)).sum::<f64>()
    }
}

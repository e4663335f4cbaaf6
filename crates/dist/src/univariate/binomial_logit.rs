//! Binomial distribution by the log-odds a of one among n trials. Standard.
//!
//! ln p(x) = ln (n choose x) + x a - n ln(1 + e^a)

use super::binomial::{ln_mass, times};
use super::{
    Binomial, ExponentialFamily, Param, Space, Support, Univariate, counts, divergence_of_odds,
};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::ln_choose;
use jensen_special::logspace::{inv_logit, log1p_exp};

/// Binomial by its log-odds: `trials`, `logit`.
pub struct BinomialLogit;

impl Univariate for BinomialLogit {
    fn name(&self) -> &'static str {
        "binomial_logit"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("trials", Space::Count),
                Param::new("logit", Space::Real),
            ]
        }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(0.0, theta[0])
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [n, a] = [theta[0], theta[1]];
        partials[..2].fill(0.0);
        partials[2] = x * inv_logit(-a) - (n - x) * inv_logit(a);
        let [p, q] = [inv_logit(a), inv_logit(-a)];
        // A chance out of range still has a logarithm.
        match p.is_normal() && q.is_normal() {
            true => ln_mass(n, x, p, q),
            false => ln_choose(n, x) - x * log1p_exp(-a) - (n - x) * log1p_exp(a),
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        draw::binomial(theta[0], inv_logit(theta[1]), stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] * inv_logit(theta[1])
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] * inv_logit(theta[1]) * inv_logit(-theta[1])
    }

    /// By its sum, to 1e-12 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(counts::entropy(self, theta))
    }

    /// As for [`Binomial`].
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta[0] != other[0] {
            return (theta[0] > other[0]).then_some(f64::INFINITY);
        }
        Some(times(theta[0], divergence_of_odds(theta[1], other[1])))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }

    fn wider(&self, theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        Some((&Binomial, vec![theta[0], inv_logit(theta[1])]))
    }
}

/// With n known: eta = a, t = x, A = n ln(1 + e^eta), h = (n choose x).
impl ExponentialFamily for BinomialLogit {
    fn known(&self) -> &'static [usize] {
        &[0]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[1];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[1] = eta[0];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        Binomial.log_partition(eta, theta, expected)
    }

    fn ln_base(&self, x: f64, theta: &[f64]) -> f64 {
        ln_choose(theta[0], x)
    }
}

//! Ordered logistic distribution: the interval between rising cutpoints c into which a logistic draw
//! around e falls, numbered from 1 to K. Standard ([mccullagh-1980]).
//!
//! With l = e - c_(x-1) and u = e - c_x (infinite at the ends) and s the logistic function,
//! p(x) = s(l) - s(u) = s(l) s(-u) (1 - e^(u-l)), whose logarithm is a sum without cancellation.

use super::{Param, Space, Support, Univariate, divergence_term_by_ln, moments_of_categories};
use jensen_rng::Stream;
use jensen_special::logspace::{inv_logit, log1m_exp, log1p_exp, logit};

/// Ordered logistic: `location`, `cutpoints` `[K-1]`.
pub struct OrderedLogistic;

impl Univariate for OrderedLogistic {
    fn name(&self) -> &'static str {
        "ordered_logistic"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("location", Space::Real),
                Param::new("cutpoints", Space::Ordered),
            ]
        }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(1.0, theta.len() as f64)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let (k, n) = (x as usize, theta.len());
        partials.fill(0.0);
        let mut value = 0.0;
        // The cutpoint below category k is theta[k - 1], the one above it theta[k].
        let lower = (k > 1).then(|| theta[0] - theta[k - 1]);
        let upper = (k < n).then(|| theta[0] - theta[k]);
        let gap = match (lower, upper) {
            (Some(_), Some(_)) => {
                // By the cutpoints themselves, since near ones lose their difference in l and u.
                let width = theta[k] - theta[k - 1];
                value += log1m_exp(-width);
                1.0 / width.exp_m1()
            }
            _ => 0.0,
        };
        if let Some(l) = lower {
            value -= log1p_exp(-l);
            partials[1] += inv_logit(-l);
            partials[k] = -inv_logit(-l) - gap;
        }
        if let Some(u) = upper {
            value -= log1p_exp(u);
            partials[1] -= inv_logit(u);
            partials[k + 1] = inv_logit(u) + gap;
        }
        value
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        let draw = theta[0] + logit(stream.uniform_open());
        1.0 + theta[1..].iter().filter(|&&cut| cut < draw).count() as f64
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).0
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        moments_of_categories(self, theta, theta.len()).1
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let terms = (1..=theta.len()).map(|k| self.ln_prob(k as f64, theta));
        Some(-terms.map(|ln_p| ln_p.exp() * ln_p).sum::<f64>())
    }

    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        if theta.len() != other.len() {
            return None;
        }
        let terms = (1..=theta.len()).map(|k| {
            let ln_p = self.ln_prob(k as f64, theta);
            // The masses of both sum to one, so their difference may join each term, which makes it positive.
            divergence_term_by_ln(ln_p, self.ln_prob(k as f64, other) - ln_p)
        });
        Some(terms.sum())
    }
}

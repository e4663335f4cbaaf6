//! Mixtures of normal laws: modes side by side, narrow ones on wide ones, and crowds of them.
//!
//! ```text
//! joint:    p(x) = sum_k w_k normal(x; m_k e_1, s_k^2 I)
//! product:  p(x) = prod_i sum_k w_k normal(x_i; m_k, s_k^2)
//! ```
//!
//! Both are normalized, ln normalizer = 0. A coordinate whose law is the mixture has the mean sum_k w_k m_k and the
//! variance sum_k w_k (s_k^2 + (m_k - mean)^2); the others of a joint mixture have the mean 0 and the variance
//! sum_k w_k s_k^2. A product of n components in d coordinates has n^d modes where they lie apart.

use std::f64::consts::TAU;

use jensen_density::{Layout, Variable, from_fn};

use super::Target;

/// A component: its share w, its mean m and its standard deviation s.
#[derive(Clone, Copy, Debug)]
struct Part {
    share: f64,
    mean: f64,
    sd: f64,
}

/// A mixture of normal laws.
#[derive(Clone, Debug)]
pub struct NormalMixture {
    parts: Vec<Part>,
}

impl NormalMixture {
    /// Components with (share, mean, standard deviation); the shares are divided by their sum.
    pub fn new(parts: &[(f64, f64, f64)]) -> Self {
        let total: f64 = parts.iter().map(|part| part.0).sum();
        let parts = parts.iter().map(|&(share, mean, sd)| Part {
            share: share / total,
            mean,
            sd,
        });
        Self {
            parts: parts.collect(),
        }
    }

    /// Unit normal laws with equal shares at these places.
    pub fn at(places: &[f64]) -> Self {
        let parts: Vec<_> = places.iter().map(|m| (1.0, *m, 1.0)).collect();
        Self::new(&parts)
    }

    /// In d coordinates, components that differ in the mean of the first one and in the standard deviation of all.
    pub fn joint(self, d: usize) -> Target {
        let (mean, sd) = self.moments();
        let others: f64 = self.parts.iter().map(|p| p.share * p.sd * p.sd).sum();
        let layout = Layout::new(vec![Variable::new("x", &[d])]);
        let density = from_fn(layout, move |x, grad| {
            grad.fill(0.0);
            let square = |m: f64| {
                let rest: f64 = x[1..].iter().map(|x| x * x).sum();
                (x[0] - m).powi(2) + rest
            };
            self.value(d, square, |share, part| {
                let pull = share / (part.sd * part.sd);
                grad.iter_mut().zip(x).for_each(|(g, x)| *g -= pull * x);
                grad[0] += pull * part.mean;
            })
        });
        let (mut means, mut sds) = (vec![0.0; d], vec![others.sqrt(); d]);
        (means[0], sds[0]) = (mean, sd);
        Target::exact(format!("mixture-{d}"), density, means, sds, Some(0.0))
    }

    /// In d independent coordinates that each have this law.
    pub fn product(self, d: usize) -> Target {
        let (mean, sd) = self.moments();
        let layout = Layout::new(vec![Variable::new("x", &[d])]);
        let density = from_fn(layout, move |x, grad| {
            let each = x.iter().zip(grad).map(|(x, g)| {
                *g = 0.0;
                let square = |m: f64| (x - m).powi(2);
                self.value(1, square, |share, part| {
                    *g -= share * (x - part.mean) / (part.sd * part.sd);
                })
            });
            each.sum::<f64>()
        });
        let (means, sds) = (vec![mean; d], vec![sd; d]);
        Target::exact(format!("mixtures-{d}"), density, means, sds, Some(0.0))
    }

    /// The log density in d coordinates by squared distances to (m, 0, ..), nats; tells what every component has of it.
    fn value(&self, d: usize, square: impl Fn(f64) -> f64, mut has: impl FnMut(f64, &Part)) -> f64 {
        let terms = self.parts.iter().map(|part| {
            let normalizer = d as f64 * (part.sd.ln() + 0.5 * TAU.ln());
            part.share.ln() - normalizer - 0.5 * square(part.mean) / (part.sd * part.sd)
        });
        let terms: Vec<f64> = terms.collect();
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms.iter().map(|term| (term - most).exp()).sum();
        for (term, part) in terms.iter().zip(&self.parts) {
            has((term - most).exp() / sum, part);
        }
        most + sum.ln()
    }

    /// Mean and standard deviation of a coordinate with this law.
    fn moments(&self) -> (f64, f64) {
        let mean: f64 = self.parts.iter().map(|p| p.share * p.mean).sum();
        let spread = |p: &Part| p.share * (p.sd * p.sd + (p.mean - mean).powi(2));
        (mean, self.parts.iter().map(spread).sum::<f64>().sqrt())
    }
}

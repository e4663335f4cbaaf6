//! Mixture of approximations: q(z) = sum_k w_k q_k(z). Standard.
//!
//! ln q by log-sum-exp over the components; a draw picks a component by its weight. Cost of a density: that
//! of all K components, also for a draw, which returns its density. For several paths to several modes.

use crate::{Approximation, PosteriorError};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;

/// A mixture of K approximations of one kind; `Box<dyn Approximation>` mixes kinds.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture<A> {
    ln_weights: Vec<f64>,
    components: Vec<A>,
}

impl<A: Approximation> Mixture<A> {
    /// From weights `[k]`, which are brought to sum one, and components `[k]` over the same space.
    ///
    /// # Errors
    /// No component; lengths or dimensions that differ; a weight that is negative or not finite; no weight
    /// above zero.
    pub fn new(weights: &[f64], components: Vec<A>) -> Result<Self, PosteriorError> {
        let what = "weights of a mixture";
        let Some(first) = components.first() else {
            return Err(PosteriorError::NoWeight { what });
        };
        if weights.len() != components.len() {
            return Err(PosteriorError::Length {
                what,
                expected: components.len(),
                found: weights.len(),
            });
        }
        if let Some(other) = components.iter().find(|c| c.dim() != first.dim()) {
            return Err(PosteriorError::Length {
                what: "coordinates of the components of a mixture",
                expected: first.dim(),
                found: other.dim(),
            });
        }
        for (index, &value) in weights.iter().enumerate() {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(PosteriorError::Entry { what, index, value });
            }
        }
        let total: f64 = weights.iter().sum();
        if total == 0.0 {
            return Err(PosteriorError::NoWeight { what });
        }
        Ok(Self {
            ln_weights: weights.iter().map(|w| (w / total).ln()).collect(),
            components,
        })
    }

    /// Log weights `[k]`; the weights sum to one.
    pub fn ln_weights(&self) -> &[f64] {
        &self.ln_weights
    }

    /// The components `[k]`.
    pub fn components(&self) -> &[A] {
        &self.components
    }
}

impl<A: Approximation> Approximation for Mixture<A> {
    fn dim(&self) -> usize {
        self.components[0].dim()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let mut left = stream.uniform();
        // The last component with weight takes what rounding leaves over.
        let mut chosen = 0;
        for (k, ln_w) in self.ln_weights.iter().enumerate() {
            if *ln_w == f64::NEG_INFINITY {
                continue;
            }
            chosen = k;
            left -= ln_w.exp();
            if left < 0.0 {
                break;
            }
        }
        self.components[chosen].sample(stream, position);
        self.ln_density(position)
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let terms: Vec<f64> = (self.ln_weights.iter().zip(&self.components))
            .map(|(ln_w, q)| ln_w + q.ln_density(position))
            .collect();
        log_sum_exp(&terms)
    }

    fn describe(&self) -> String {
        format!(
            "mixture({} x {})",
            self.components.len(),
            self.components[0].describe()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gaussian, Scale};

    fn at(mean: f64) -> Gaussian {
        Gaussian {
            mean: vec![mean],
            scale: Scale::Diagonal(vec![1.0]),
        }
    }

    #[test]
    fn a_component_without_weight_is_never_drawn() {
        let q = Mixture::new(&[0.0, 2.0, 0.0], vec![at(-50.0), at(0.0), at(50.0)]).unwrap();
        let mut stream = Stream::from_seed(3);
        let mut z = [0.0];
        for _ in 0..1000 {
            let ln_q = q.sample(&mut stream, &mut z);
            assert!(z[0].abs() < 10.0);
            assert_eq!(ln_q, at(0.0).ln_density(&z));
        }
        assert_eq!(q.describe(), "mixture(3 x gaussian/diagonal)");
    }

    #[test]
    fn what_is_no_mixture_is_refused() {
        let new = |w: &[f64]| Mixture::new(w, vec![at(0.0), at(1.0)]);
        assert!(matches!(
            new(&[1.0]),
            Err(PosteriorError::Length {
                expected: 2,
                found: 1,
                ..
            })
        ));
        assert!(matches!(
            new(&[1.0, -0.1]),
            Err(PosteriorError::Entry { index: 1, .. })
        ));
        assert!(matches!(
            new(&[0.0, 0.0]),
            Err(PosteriorError::NoWeight { .. })
        ));
        assert!(Mixture::<Gaussian>::new(&[], Vec::new()).is_err());
    }
}

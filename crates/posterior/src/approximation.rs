//! Contract: a distribution that stands for a posterior, normalized, easy to draw from and to evaluate.

use crate::Gaussian;
use jensen_rng::Stream;

/// An approximation q of a posterior on R^d.
pub trait Approximation: Send + Sync {
    /// Number of coordinates d.
    fn dim(&self) -> usize;

    /// Draws a position `[d]` and returns ln q there, nats, normalized.
    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64;

    /// ln q at a position `[d]`, nats, normalized.
    fn ln_density(&self, position: &[f64]) -> f64;

    /// What it is, for tables: `gaussian/full`, `low-rank(4)`.
    fn describe(&self) -> String;

    /// The Gaussian that it is, where it is one: its mean and covariance can then be read off.
    fn as_gaussian(&self) -> Option<&Gaussian> {
        None
    }
}

impl<A: Approximation + ?Sized> Approximation for Box<A> {
    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        (**self).sample(stream, position)
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        (**self).ln_density(position)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn as_gaussian(&self) -> Option<&Gaussian> {
        (**self).as_gaussian()
    }
}

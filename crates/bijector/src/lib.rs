//! Constraint transforms: from unconstrained positions to constrained values, with log-determinants and
//! adjoints, one per file.

use std::fmt;

/// A smooth one-to-one map from R^n onto a constrained set of m numbers.
pub trait Bijector: Sync + fmt::Debug {
    /// What it makes, as Stan writes it: `lower=0`, `simplex[3]`.
    fn describe(&self) -> String;

    /// Number of unconstrained coordinates n.
    fn n_coordinates(&self) -> usize;

    /// Number of constrained values m.
    fn n_values(&self) -> usize;

    /// Writes the value `[m]` of a position `[n]`; returns the log-determinant of the Jacobian, nats.
    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64;

    /// Writes the position `[n]` of a value `[m]`.
    ///
    /// # Errors
    /// [`Misfit`] for a value outside the set.
    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit>;

    /// Adds to `grad` `[n]` the gradient by the position of f(value(position)) + log-determinant, where
    /// `by_value` `[m]` is the gradient of f by the value.
    fn adjoint(&self, position: &[f64], value: &[f64], by_value: &[f64], grad: &mut [f64]);
}

/// A value outside the constrained set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("expected {expected}, found {found} at position {index}")]
pub struct Misfit {
    /// The constraint in words.
    pub expected: String,
    /// The offending number.
    pub found: f64,
    /// Its index in the value, from 0.
    pub index: usize,
}

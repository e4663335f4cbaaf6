//! Constraint transforms: from unconstrained positions to constrained values, with log-determinants and
//! adjoints, one per file.
//!
//! Maps, orders of coordinates and log-determinants are Stan's, so that a log density written with them equals
//! Stan's up to a constant. Matrices are stored with the row index fastest. A set of lower dimension than its
//! numbers (a simplex, a correlation matrix) has the log-determinant of the numbers that its file names.
//!
//! ```
//! use jensen_bijector::{Bijector, Lower};
//!
//! let positive = Lower::new(0.0, 1)?;
//! let mut value = [0.0];
//! let log_det = positive.forward(&[2.0], &mut value);
//! assert_eq!((value[0], log_det), (2f64.exp(), 2.0));
//! assert_eq!(positive.inverse(&[-1.0], &mut [0.0]).unwrap_err().expected, "a number above 0");
//! # Ok::<(), jensen_bijector::BadConstraint>(())
//! ```
//!
//! [`Transformed`] joins constraints of named variables with a density of their values.

mod cholesky_factor_corr;
mod cholesky_factor_cov;
mod corr_matrix;
mod cov_matrix;
mod declared;
mod elementwise;
mod identity;
mod interval;
mod lower;
mod offset_multiplier;
mod ordered;
mod partial_correlations;
mod positive_ordered;
mod simplex;
mod sum_to_zero;
mod transformed;
mod triangular;
mod unit_vector;
mod upper;

use std::fmt;

pub use cholesky_factor_corr::CholeskyFactorCorr;
pub use cholesky_factor_cov::CholeskyFactorCov;
pub use corr_matrix::CorrMatrix;
pub use cov_matrix::CovMatrix;
pub use declared::{Argument, BadDeclaration, Declared};
pub use identity::Identity;
pub use interval::Interval;
pub use lower::Lower;
pub use offset_multiplier::OffsetMultiplier;
pub use ordered::Ordered;
pub use positive_ordered::PositiveOrdered;
pub use simplex::Simplex;
pub use sum_to_zero::SumToZero;
pub use transformed::{Transformed, Unreachable};
pub use unit_vector::UnitVector;
pub use upper::Upper;

/// A smooth one-to-one map from R^n onto a constrained set of m numbers.
///
/// One map only is not one to one: [`UnitVector`] has a coordinate too many, with a law of its own.
pub trait Bijector: Send + Sync + fmt::Debug {
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
    /// [`Misfit`] for a value outside the set, or so near its border that no position reaches it.
    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit>;

    /// Adds to `grad` `[n]` the gradient by the position of f(value(position)) + log-determinant, where
    /// `by_value` `[m]` is the gradient of f by the value, each number moving alone.
    fn adjoint(&self, position: &[f64], value: &[f64], by_value: &[f64], grad: &mut [f64]);

    /// The same without the log-determinant: adds to `grad` `[n]` the gradient of f(value(position)) alone. The
    /// adjoint is affine in `by_value`, so that a difference of two gives it.
    fn pullback(&self, position: &[f64], value: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let mut parts = vec![0.0; 2 * self.n_coordinates()];
        let (both, log_det) = parts.split_at_mut(self.n_coordinates());
        self.adjoint(position, value, by_value, both);
        self.adjoint(position, value, &vec![0.0; by_value.len()], log_det);
        for ((g, both), log_det) in grad.iter_mut().zip(both).zip(log_det) {
            *g += *both - *log_det;
        }
    }
}

/// A constraint that nothing satisfies, or that no map is for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{constraint}: expected {expected}, found {found:?}")]
pub struct BadConstraint {
    /// Name of the constraint.
    pub constraint: &'static str,
    /// What its arguments or sizes have to be, in words.
    pub expected: &'static str,
    /// What they are.
    pub found: Vec<f64>,
}

/// Refuses a size of zero.
fn check_size(
    constraint: &'static str,
    expected: &'static str,
    size: usize,
) -> Result<(), BadConstraint> {
    match size {
        0 => Err(BadConstraint {
            constraint,
            expected,
            found: vec![0.0],
        }),
        _ => Ok(()),
    }
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

impl Misfit {
    fn new(expected: impl Into<String>, found: f64, index: usize) -> Self {
        Self {
            expected: expected.into(),
            found,
            index,
        }
    }
}

/// How far a sum, a norm or a symmetric entry may be from what it should be: values are often read from text with
/// eight digits.
const CONSTRAINT_TOLERANCE: f64 = 1e-8;

/// Whether a number is near enough to what it should be; one that is not a number is not.
fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= CONSTRAINT_TOLERANCE * (1.0 + expected.abs())
}

/// One line of the catalogue.
pub struct Entry {
    /// Name of the constraint in Stan.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Some of the kind, for the laws.
    pub examples: fn() -> Vec<Box<dyn Bijector>>,
}

/// Examples of a kind, all of them legal.
fn examples<B: Bijector + 'static>(
    made: impl IntoIterator<Item = Result<B, BadConstraint>>,
) -> Vec<Box<dyn Bijector>> {
    let boxed = |made: Result<B, BadConstraint>| -> Box<dyn Bijector> {
        Box::new(made.expect("internal error: an example is no constraint"))
    };
    made.into_iter().map(boxed).collect()
}

/// Every transform.
pub const CATALOGUE: &[Entry] = &[
    cholesky_factor_corr::ENTRY,
    cholesky_factor_cov::ENTRY,
    corr_matrix::ENTRY,
    cov_matrix::ENTRY,
    identity::ENTRY,
    interval::ENTRY,
    lower::ENTRY,
    offset_multiplier::ENTRY,
    ordered::ENTRY,
    positive_ordered::ENTRY,
    simplex::ENTRY,
    sum_to_zero::ENTRY,
    unit_vector::ENTRY,
    upper::ENTRY,
];

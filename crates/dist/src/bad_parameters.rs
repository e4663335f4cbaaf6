//! Parameters that a law refuses, with the place and what was expected: for whoever takes them from a user,
//! once. Densities take it that they are right, and answer NaN where they are not.

/// Why a law refuses its parameters.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadParameters {
    /// Too few or too many numbers, or parameters.
    #[error("{law}: expected {expected} {what}, found {found}")]
    Length {
        /// Name of the law.
        law: &'static str,
        /// What is counted: `numbers`, `parameters`, or `numbers in` a parameter.
        what: String,
        /// How many there should be; the fewest where the last parameter is a vector.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A parameter outside its space.
    #[error("{law}: {parameter} has to be {expected}, found {found:?}")]
    Outside {
        /// Name of the law.
        law: &'static str,
        /// Name of the parameter.
        parameter: &'static str,
        /// Its space in words.
        expected: &'static str,
        /// Its numbers.
        found: Vec<f64>,
    },
    /// Each in its space, but not together: ends of an interval that cross, too few degrees of freedom.
    #[error("{law}: the parameters do not go together: {found:?}")]
    Together {
        /// Name of the law.
        law: &'static str,
        /// All numbers.
        found: Vec<f64>,
    },
}

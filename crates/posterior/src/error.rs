//! What can be wrong with draws, weights and densities that come from outside.

use thiserror::Error;

/// Input that a posterior, a diagnostic or a comparison cannot be made from.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PosteriorError {
    /// Not enough draws for an answer.
    #[error("{what} needs at least {needed} draws, found {found}; draw more")]
    TooFewDraws {
        /// What was asked for.
        what: &'static str,
        /// The smallest number that will do.
        needed: usize,
        /// What there is.
        found: usize,
    },
    /// A draw that is NaN or infinite.
    #[error(
        "`{quantity}` is {value} in draw {draw} of chain {chain} (counted from 0); a diagnostic of it would mean nothing"
    )]
    NotFinite {
        /// Name of the quantity.
        quantity: String,
        /// Index of the chain.
        chain: usize,
        /// Index of the draw in its chain.
        draw: usize,
        /// The value found.
        value: f64,
    },
    /// An entry of a list of log weights, log likelihoods or log densities that is NaN or has the wrong infinity.
    #[error("{what}: entry {index} (counted from 0) is {value}")]
    Entry {
        /// Which list.
        what: &'static str,
        /// Index in the list.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// Every weight is zero.
    #[error(
        "{what}: every weight is zero; no draw lies where the target has density, so widen or move the approximation"
    )]
    NoWeight {
        /// Which list.
        what: &'static str,
    },
    /// Lengths that do not fit together.
    #[error("{what}: expected length {expected}, found {found}")]
    Length {
        /// What has the length.
        what: &'static str,
        /// The length that fits.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// A number outside its range.
    #[error("{what} is {value}; expected {expected}")]
    Range {
        /// Which number.
        what: &'static str,
        /// The range in words.
        expected: &'static str,
        /// The value found.
        value: f64,
    },
    /// A matrix that has to be a covariance and is none.
    #[error(
        "{what} is not positive definite; its coordinates are dependent or there are too few draws"
    )]
    NotPositiveDefinite {
        /// Which matrix.
        what: &'static str,
    },
    /// An iteration that did not settle.
    #[error("{what} did not converge in {n_steps} steps; the last relative change was {change:e}")]
    NotConverged {
        /// Which iteration.
        what: &'static str,
        /// Steps taken.
        n_steps: usize,
        /// The last relative change.
        change: f64,
    },
}

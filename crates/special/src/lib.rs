//! Special functions in f64 with their derivatives, one family per file.
//!
//! Accuracy is stated at each function in units in the last place and tested against tables of 50-digit
//! values in `crates/special/tests/tables`. Outside its domain a function is NaN; at a pole it is the
//! limit with its sign.

pub mod bessel;
mod dual;
pub mod error;
pub mod gamma;
pub mod gamma_divergence;
pub mod incomplete_beta;
pub mod incomplete_gamma;
pub mod logspace;
pub mod remainder;

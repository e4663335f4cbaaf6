//! Distributions, one per file: density, partials, sampling, moments, exponential-family view, KL pairs.
//!
//! The author of a distribution writes the formulas for one point; the law suite over the catalogues tests
//! them: the density integrates to one, every partial agrees with finite differences, the sampler with the
//! moments, the entropy and the closed-form KL with Monte Carlo.

mod draw;
pub mod multivariate;
pub mod univariate;

pub use multivariate::Multivariate;
pub use univariate::{ExponentialFamily, Univariate};

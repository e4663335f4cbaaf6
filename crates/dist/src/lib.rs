//! Distributions, one per file: density, partials, sampling, moments, exponential-family view, KL pairs.
//!
//! The author of a distribution writes the formulas for one point; the law suite over the catalogues tests
//! them: the density integrates to one, every partial agrees with finite differences, the sampler with the
//! moments, the entropy and the closed-form KL with Monte Carlo.
//!
//! Densities, samplers and the rest do not check what they are given beyond a NaN for wrong parameters, because
//! they run in inner loops; `check` does it once, with an error that names the place.
//!
//! ```
//! use jensen_dist::{Univariate as _, univariate::Normal};
//!
//! assert!(Normal.check(&[0.0, 2.0]).is_ok());
//! let error = Normal.check(&[0.0, -2.0]).unwrap_err();
//! assert_eq!(error.to_string(), "normal: sd has to be a number above zero, found [-2.0]");
//! assert!(Normal.check(&[0.0]).is_err());
//! ```

mod bad_parameters;
mod draw;
pub mod multivariate;
pub mod univariate;

pub use bad_parameters::BadParameters;
pub use multivariate::Multivariate;
pub use univariate::{ExponentialFamily, Univariate};

//! What a fit leaves behind, as data: draws, approximations, and what they are worth.
//!
//! - **Draws**: [`Draws`] of chains, [`Weighted`] ones, [`Chains`] of one quantity, checked.
//! - **Approximations**: [`Gaussian`], [`LowRankGaussian`], [`StudentT`], [`Mixture`].
//! - **Diagnostics**: [`ess`], [`rhat`], [`mcse`], [`interval`], [`summarize`]; [`Psis`] and [`resample`] for
//!   weights.
//! - **Comparison**: [`evidence`], [`mod@bridge`], [`mod@loo`], [`mod@waic`], [`mod@compare`], [`stacking()`],
//!   [`pseudo_bma_plus`]; [`kl_gaussian`].
//!
//! Sums run in the order of the draws, so the same draws give the same bits for any number of threads.

mod approximation;
mod average;
mod beta_quantile;
pub mod bridge;
mod chains;
pub mod compare;
mod draws;
mod error;
pub mod ess;
pub mod evidence;
mod gaussian;
pub mod gpd;
pub mod interval;
mod kl;
pub mod loo;
mod low_rank;
pub mod mcse;
mod mixture;
mod pseudo_bma;
pub mod psis;
mod rank;
pub mod resample;
pub mod rhat;
mod stacking;
mod student_t;
mod summary;
pub mod waic;
mod weighted;

pub use approximation::Approximation;
pub use chains::Chains;
pub use draws::Draws;
pub use error::PosteriorError;
pub use gaussian::{Gaussian, Scale};
pub use kl::kl_gaussian;
pub use low_rank::LowRankGaussian;
pub use mixture::Mixture;
pub use pseudo_bma::pseudo_bma_plus;
pub use psis::Psis;
pub use stacking::stacking;
pub use student_t::StudentT;
pub use summary::{QUANTILES, Summary, summarize};
pub use weighted::Weighted;

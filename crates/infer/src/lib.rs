//! Algorithms over log densities, one per file; one driver loop; the referee.
//!
//! Every algorithm asks a target only through [`jensen_density::Evaluator`] and draws randomness only from
//! the [`jensen_rng::Stream`] it is given, children by label, so the same seed gives the same bits for any
//! number of threads. Two forms:
//!
//! - an **iterative** method implements [`Algorithm`]: options are the type, `init` makes a state, `step`
//!   advances it and tells everything it measured. The loop stands in [`drive`], not in the method.
//! - a method that is **done in one go** is a function that returns its approximation and what it
//!   measured.
//!
//! [`fit_with`] runs any [`Method`] by name and gives one form of answer with the referee's verdict;
//! [`ladder::fit`] is for when no method is named.
//!
//! Signs: `elbo` rises, `loss` falls, `kl` is at least zero; everything is in nats.

mod algorithm;
mod budget;
mod check;
pub mod dadvi;
mod dense;
pub mod drive;
mod error;
pub mod family;
mod found;
mod gradient;
mod guard;
mod identity;
pub mod importance;
pub mod ladder;
pub mod laplace;
pub mod mcmc;
pub mod method;
mod modes;
pub mod optimize;
pub mod pathfinder;
pub mod referee;
mod scouts;
pub mod starts;
pub mod svgd;
pub mod vi;
mod watch;

#[cfg(test)]
mod targets;

pub use algorithm::Algorithm;
pub use error::InferError;
pub use gradient::check_gradient;
pub use method::{FitOptions, Fitted, Method, fit_with};

//! The library's face: every verb as a typed function, request in, result out.
//!
//! A verb takes a request (plain data with defaults) and an [`Observer`], does its work in a run folder,
//! and gives a result that serializes to the JSON of the command line. Nothing here prints.
//!
//! ```no_run
//! use jensen::{FitRequest, Silent, fit, verb::sample};
//!
//! let fitted = fit(&FitRequest::of("vae"), &mut Silent)?;
//! println!("test -ELBO {:.1} nats", fitted.metrics["test_neg_elbo"]);
//! let request = sample::Request { run: fitted.run.clone(), ..sample::Request::default() };
//! let written = sample::sample(&request, &mut Silent)?;
//! # Ok::<(), jensen::Error>(())
//! ```
//!
//! - [`recipes`]: the built-in recipes, and recipes from files.
//! - [`verb`]: one file a verb.
//! - [`session`]: data, model and run folder brought together, shared by the verbs.
//!
//! Inference over log densities of your own has no verb yet; its crates are here under short names:
//! [`density`] (the contract), [`infer`] (algorithms and the ladder), [`posterior`] (answers and what they
//! are worth), [`dist`] and [`bijector`] (what densities are made of), [`rng`] (streams of randomness),
//! [`report`] (charts). The files under `examples/` show them at work.

pub mod config;
pub mod device;
mod error;
mod memory;
pub mod pictures;
pub mod recipes;
pub mod session;
pub mod verb;

pub use error::{Error, Result};
pub use jensen_bijector as bijector;
pub use jensen_density as density;
pub use jensen_dist as dist;
pub use jensen_infer as infer;
pub use jensen_kernels::CachingAllocator;
pub use jensen_posterior as posterior;
pub use jensen_report as report;
pub use jensen_rng as rng;
pub use jensen_run::{Event, Observer, Outcome, Recording, Silent, shell_word};
pub use verb::fit::{FitRequest, Fitted, fit};

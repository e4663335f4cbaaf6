//! The network family: parts, ledger, assembly, one trainer, metrics.
//!
//! A member of the family is a [`recipe::Recipe`]: an encoder, latents at ports, their priors, a
//! decoder, a likelihood, a bound and terms of the objective. [`model::Model::assemble`] puts them
//! together, [`train::train`] trains any of them, and all numbers come from the one
//! [`ledger::Ledger`] of named per-example terms in nats.

pub mod bits_back;
pub mod bound;
pub mod condition;
pub mod decoder;
pub mod draw;
pub mod encoder;
pub mod features;
pub mod feed;
pub mod generate;
pub mod interchange;
pub mod latent;
pub mod ledger;
pub mod likelihood;
pub mod metric;
pub mod model;
pub mod noise;
pub mod objective;
pub mod optimizer;
pub mod part;
pub mod prior;
pub mod recipe;
mod rows;
pub mod schedule;
pub mod store;
pub mod train;

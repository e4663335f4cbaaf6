//! Bounds on log p(x): how they are estimated from samples and how their gradient is taken.

pub mod elbo;
pub mod importance;

use crate::condition::Batch;
use crate::draw::Draw;
use crate::ledger::{Ledger, Role};
use crate::model::Model;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use jensen_nets::Params;
use jensen_rng::Stream;
use toml::Table;

/// A bound on log p(x).
pub trait Bound: Send + Sync {
    /// Draws for the batch, writes the bound's terms into the ledger, and returns the draw
    /// for the terms of the objective.
    fn add(
        &self,
        model: &Model,
        params: &Params,
        batch: Batch,
        stream: &Stream,
        ledger: &mut Ledger,
    ) -> Draw;

    /// Whether the rate is inside the bound, so that no separate rate term is trained.
    fn includes_rate(&self) -> bool;

    /// Whether its gradient leaves out that q depends on its parameters.
    fn detaches_posterior(&self) -> bool {
        false
    }
}

/// Builds a bound from its options.
pub type Build = fn(&Table) -> Result<Box<dyn Bound>, RecipeError>;

/// The known bounds.
pub const CATALOGUE: &[Entry<Build>] = &[elbo::ENTRY, importance::ENTRY];

/// Name of the log-likelihood in the ledger.
pub const LOG_LIKELIHOOD: &str = "log_likelihood";

/// Writes the parts of a pass's ELBO into the ledger, measured and not trained.
pub(crate) fn measure_elbo(model: &Model, draw: &Draw, ledger: &mut Ledger) {
    let log_likelihood = rows::mean_of_samples(draw.log_likelihood.clone(), draw.n_samples);
    ledger.push(
        LOG_LIKELIHOOD,
        log_likelihood.detach(),
        Role::LogLikelihood,
        0.0,
    );
    for (name, latent) in model.latent_names().zip(&draw.latents) {
        let rate = latent.rate().detach();
        ledger.push(format!("kl.{name}"), rate, Role::Rate, 0.0);
    }
}

pub(crate) fn build(table: &Table) -> Result<Box<dyn Bound>, RecipeError> {
    (part::find(CATALOGUE, part::kind(table), "bound")?.build)(table)
}

pub(crate) fn includes_rate(table: &Table) -> Result<bool, RecipeError> {
    Ok(build(table)?.includes_rate())
}

fn check_samples(samples: usize) -> Result<usize, RecipeError> {
    match samples {
        0 => Err(RecipeError::value(
            "bound",
            "samples = 0: a bound needs a sample",
        )),
        n => Ok(n),
    }
}

//! Terms of the objective besides the likelihood: how much each latent's rate weighs, and penalties.
//!
//! A term belongs to one latent, reads the batch's draw and writes named terms into the ledger.

pub mod mmd;
pub mod rate;
pub mod tc;

use crate::draw::LatentDraw;
use crate::ledger::Ledger;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_rng::Stream;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Resolved term options by kind, then by latent.
pub type TermTable = BTreeMap<String, BTreeMap<String, Table>>;

/// What a term sees of a step.
pub struct TermContext<'a> {
    /// The latent of this term: posterior, samples, rate.
    pub draw: &'a LatentDraw,
    /// Draws n codes of the latent's prior, `[n, d]`.
    pub prior_sample: &'a dyn Fn(usize, &mut Stream) -> Tensor<2>,
    /// Fraction of the training steps done, in [0, 1].
    pub progress: f64,
    /// Number of training examples N.
    pub n_train: usize,
    /// Randomness of this step.
    pub stream: &'a Stream,
}

/// One term of one latent.
pub trait ObjectiveTerm: Send + Sync {
    /// Whether the term counts on the rate being a term of its own; the answer is the reason.
    fn needs_rate(&self) -> Option<&'static str> {
        None
    }

    /// The smallest batch in which the term measures anything.
    fn least_batch(&self) -> usize {
        1
    }

    /// Whether the term can work on draws like this one of the latent.
    fn check(&self, _draw: &LatentDraw, _latent: &str) -> Result<(), RecipeError> {
        Ok(())
    }

    /// Adds the term to the ledger; `latent` is the latent's name.
    fn add(&self, context: &TermContext<'_>, latent: &str, ledger: &mut Ledger);
}

/// Builds a term from its options.
pub type Build = fn(&Table, &str) -> Result<Box<dyn ObjectiveTerm>, RecipeError>;

/// The known terms.
pub const CATALOGUE: &[Entry<Build>] = &[mmd::ENTRY, rate::ENTRY, tc::ENTRY];

/// The term that every latent has unless the bound carries the rate itself.
pub const RATE: &str = "rate";

/// Fills in defaults: every latent has a rate term, unless the bound already includes the rate.
/// Terms are refused that do not fit the bound, or batches of `batch` examples.
pub fn resolve<'a>(
    user: Table,
    latents: impl Iterator<Item = &'a String> + Clone,
    bound: &Table,
    batch: usize,
) -> Result<TermTable, RecipeError> {
    let includes_rate = crate::bound::includes_rate(bound)?;
    let known: Vec<String> = CATALOGUE
        .iter()
        .map(|entry| entry.kind.to_owned())
        .collect();
    let mut resolved = TermTable::new();
    for (kind, tables) in &user {
        let entry = CATALOGUE
            .iter()
            .find(|entry| entry.kind == kind)
            .ok_or_else(|| RecipeError::unknown_key("objective", kind, known.iter()))?;
        let Value::Table(tables) = tables else {
            return Err(RecipeError::value(
                "objective",
                format!("[objective.{kind}] holds one table a latent: [objective.{kind}.z]"),
            ));
        };
        for (latent, options) in tables {
            let place = format!("objective.{kind}.{latent}");
            if !latents.clone().any(|name| name == latent) {
                let place = format!("objective.{kind}");
                return Err(RecipeError::unknown_key(&place, latent, latents.clone()));
            }
            let Value::Table(options) = options else {
                return Err(RecipeError::value(&place, "expected a table"));
            };
            let mut complete = (entry.defaults)();
            part::overlay(&mut complete, options, &place)?;
            let term = (entry.build)(&complete, &place)?;
            if let Some(reason) = term.needs_rate().filter(|_| includes_rate) {
                return Err(RecipeError::value(
                    &place,
                    format!("the bound includes the rate in its importance weights: {reason}"),
                ));
            }
            if batch < term.least_batch() {
                return Err(RecipeError::value(
                    &place,
                    format!(
                        "this term compares the examples of a batch: expected data.batch of at least \
                         {}, found {batch}",
                        term.least_batch()
                    ),
                ));
            }
            resolved
                .entry(kind.clone())
                .or_default()
                .insert(latent.clone(), complete);
        }
    }
    if !includes_rate {
        let entry = part::find(CATALOGUE, RATE, "objective")?;
        let rates = resolved.entry(RATE.to_owned()).or_default();
        for latent in latents {
            rates.entry(latent.clone()).or_insert_with(entry.defaults);
        }
    }
    Ok(resolved)
}

/// A per-batch number as a per-example term: the same value for each of B examples.
fn spread(value: Tensor<1>, batch: usize) -> Tensor<1> {
    value.expand([batch])
}

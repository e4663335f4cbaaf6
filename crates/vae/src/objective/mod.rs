//! Terms of the objective besides the likelihood: how much each latent's rate weighs, and penalties.
//!
//! A term of a latent reads the batch's draw of it and writes named terms into the ledger; `[objective.KIND.LATENT]`
//! holds its options. A term of the decoder's outputs ([`output`]) looks at reconstructions and samples, one of the
//! network ([`network`]) at the parameters; their options are `[objective.KIND]`.

pub mod adversary;
pub mod likelihood;
pub mod mmd;
pub mod network;
pub mod output;
pub mod perceptual;
pub mod rate;
pub mod spectral;
pub mod tc;

use crate::draw::LatentDraw;
use crate::ledger::Ledger;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_rng::Stream;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Resolved options by kind: of terms of latents a table for each latent, of the others the options.
pub type TermTable = BTreeMap<String, Table>;

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

/// The known terms of latents.
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
    let known: Vec<String> = (CATALOGUE.iter().map(|entry| entry.kind))
        .chain(output::CATALOGUE.iter().map(|entry| entry.kind))
        .chain(network::CATALOGUE.iter().map(|entry| entry.kind))
        .map(str::to_owned)
        .collect();
    let mut resolved = TermTable::new();
    for (kind, tables) in &user {
        if let Some(entry) = output::CATALOGUE.iter().find(|entry| entry.kind == kind) {
            let complete = resolve_output(entry, tables, includes_rate)?;
            resolved.insert(kind.clone(), complete);
            continue;
        }
        if let Some(entry) = network::CATALOGUE.iter().find(|entry| entry.kind == kind) {
            let place = format!("objective.{kind}");
            let complete = with_defaults(entry, tables, &place)?;
            (entry.build)(&complete, &place)?;
            resolved.insert(kind.clone(), complete);
            continue;
        }
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
                .insert(latent.clone(), Value::Table(complete));
        }
    }
    if !includes_rate {
        let entry = part::find(CATALOGUE, RATE, "objective")?;
        let rates = resolved.entry(RATE.to_owned()).or_default();
        for latent in latents {
            rates
                .entry(latent.clone())
                .or_insert_with(|| Value::Table((entry.defaults)()));
        }
    }
    Ok(resolved)
}

/// The options of a term of the outputs with their defaults.
fn resolve_output(
    entry: &Entry<output::Kind>,
    user: &Value,
    includes_rate: bool,
) -> Result<Table, RecipeError> {
    let place = format!("objective.{}", entry.kind);
    let complete = with_defaults(entry, user, &place)?;
    if includes_rate {
        return Err(RecipeError::value(
            &place,
            "the bound weighs samples of z by their importance, and this term looks at what each gives; use \
             bound = \"elbo\"",
        ));
    }
    Ok(complete)
}

/// The user's options over the defaults.
fn with_defaults<B>(entry: &Entry<B>, user: &Value, place: &str) -> Result<Table, RecipeError> {
    let Value::Table(user) = user else {
        return Err(RecipeError::value(place, "expected a table"));
    };
    let mut complete = (entry.defaults)();
    part::overlay(&mut complete, user, place)?;
    Ok(complete)
}

/// The terms of latents of resolved options: kind, latent, options.
pub(crate) fn of_latents(terms: &TermTable) -> impl Iterator<Item = (&str, &str, &Table)> {
    let is_of_latents = |kind: &str| CATALOGUE.iter().any(|entry| entry.kind == kind);
    let kinds = terms.iter().filter(move |(kind, _)| is_of_latents(kind));
    kinds.flat_map(|(kind, tables)| {
        let tables = tables.iter();
        tables.filter_map(move |(name, table)| {
            Some((kind.as_str(), name.as_str(), table.as_table()?))
        })
    })
}

/// Every term with what it is of, such as `rate of z` or `adversary`, and its options.
pub fn each(terms: &TermTable) -> Vec<(String, &Table)> {
    let of_latents =
        of_latents(terms).map(|(kind, name, table)| (format!("{kind} of {name}"), table));
    let whole = (output::CATALOGUE.iter().map(|entry| entry.kind))
        .chain(network::CATALOGUE.iter().map(|entry| entry.kind));
    let whole = whole.filter_map(|kind| Some((kind.to_owned(), terms.get(kind)?)));
    of_latents.chain(whole).collect()
}

/// Whether anything in the options of a term changes with the progress of training.
pub fn is_moving(options: &Table) -> bool {
    let begins = |key: &str| ["start", "warmup"].contains(&key);
    let mut options = options.iter();
    options.any(|(key, value)| value.is_table() || begins(key) && value.as_float() != Some(0.0))
}

/// Places, groups and optimizers of the parameters that terms of the outputs train.
pub(crate) fn own_optimizers(terms: &TermTable) -> impl Iterator<Item = (&'static str, Table)> {
    let entries = output::CATALOGUE
        .iter()
        .filter(|entry| terms.contains_key(entry.kind));
    entries.filter_map(|entry| Some((entry.kind, entry.build.optimizer?())))
}

/// A per-batch number as a per-example term: the same value for each of B examples.
fn spread(value: Tensor<1>, batch: usize) -> Tensor<1> {
    value.expand([batch])
}

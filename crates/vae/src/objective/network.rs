//! Terms of the objective that look at the parameters alone, whatever the data are.

use crate::ledger::Ledger;
use crate::part::Entry;
use crate::recipe::RecipeError;
use jensen_nets::Params;
use jensen_rng::Stream;
use toml::Table;

/// What a term sees of a step.
pub struct NetworkContext<'a> {
    /// The parameters in training.
    pub params: &'a Params,
    /// Examples of the batch, to each of which the term adds.
    pub n_examples: usize,
    /// Fraction of the training steps done, in [0, 1].
    pub progress: f64,
    /// Randomness of this step.
    pub stream: &'a Stream,
}

/// One term.
pub trait NetworkTerm: Send + Sync {
    /// Adds the term to the ledger.
    fn add(&self, context: &NetworkContext<'_>, ledger: &mut Ledger);
}

/// Builds a term from its options.
pub type Build = fn(&Table, &str) -> Result<Box<dyn NetworkTerm>, RecipeError>;

/// The known terms.
pub const CATALOGUE: &[Entry<Build>] = &[super::spectral::ENTRY];

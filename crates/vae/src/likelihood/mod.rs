//! Likelihoods: what the decoder's outputs mean as a normalized density of the data.
//!
//! A likelihood takes `n_params` numbers per data value, in planes: the outputs `[R, n P]` are n blocks
//! of P values. Rows belong to examples in groups: row r of R = B K is a sample for example r / K.

pub mod bernoulli;
pub mod categorical;
pub mod continuous_bernoulli;
pub mod gaussian;
pub mod laplace;
pub mod logistic_mixture;
pub mod logit_laplace;
mod scale;

use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::{Tensor, TensorData};
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use std::fmt;
use toml::Table;

/// Path of a likelihood's own parameters.
pub(crate) const PATH: &str = "likelihood";

/// What is known of the data when a likelihood is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFacts {
    /// Smallest value after the recipe's transformation.
    pub min: f32,
    /// Largest value after the recipe's transformation.
    pub max: f32,
    /// Number of equally spaced values, if the data are discrete.
    pub levels: Option<u32>,
}

impl fmt::Display for DataFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.levels {
            Some(levels) => write!(f, "{levels} levels")?,
            None => write!(f, "real numbers")?,
        }
        write!(f, " in [{}, {}]", self.min, self.max)
    }
}

/// What kind of values a likelihood gives probabilities to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Zeros and ones; values between them are taken as their means.
    Binary,
    /// Levels, each with a probability: -log p is a code length.
    Levels,
    /// Real numbers, with a density: -log p depends on the unit of the data.
    Real,
}

/// A density p(x | outputs) that factorizes over the values of x.
pub trait Likelihood: Send + Sync {
    /// Decoder outputs per data value.
    fn n_params(&self) -> usize;

    /// What it gives probabilities to.
    fn support(&self) -> Support {
        Support::Real
    }

    /// Whether data like these can come from this density; the error says why not and what to take.
    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError>;

    /// log p(x | outputs) `[R]` in nats, summed over the P values; outputs `[R, n P]`, x `[B, P]`.
    fn log_prob(&self, params: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1>;

    /// E[x | outputs] `[R, P]`.
    fn mean(&self, params: &Params, outputs: Tensor<2>) -> Tensor<2>;

    /// p(level | outputs) of every value, `[R, L, P]`, where it gives probabilities to levels.
    fn level_probs(&self, _params: &Params, _outputs: Tensor<2>) -> Option<Tensor<3>> {
        None
    }

    /// A draw x ~ p(x | outputs), `[R, P]`.
    fn sample(&self, params: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2>;
}

/// Builds a likelihood from its options for data of P values.
pub type Build = fn(&Table, &DataFacts, &mut Builder) -> Result<Box<dyn Likelihood>, RecipeError>;

/// The known likelihoods.
pub const CATALOGUE: &[Entry<Build>] = &[
    bernoulli::ENTRY,
    categorical::ENTRY,
    continuous_bernoulli::ENTRY,
    gaussian::ENTRY,
    laplace::ENTRY,
    logistic_mixture::ENTRY,
    logit_laplace::ENTRY,
];

/// The blocks of outputs `[R, n P]` as n tensors `[R, P]`.
fn planes(outputs: Tensor<2>, n: usize) -> Vec<Tensor<2>> {
    let [_, width] = outputs.dims();
    outputs.split(width / n, 1)
}

/// Draws every value on the host from its n parameters.
fn sample_on_host(outputs: Tensor<2>, n: usize, mut draw: impl FnMut(&[f64]) -> f64) -> Tensor<2> {
    let device = outputs.device().inner();
    let [rows, width] = outputs.dims();
    let n_values = width / n;
    let host = crate::ledger::to_f64(outputs);
    let mut at = vec![0.0; n];
    let mut drawn = Vec::with_capacity(rows * n_values);
    for row in host.chunks_exact(width) {
        for value in 0..n_values {
            for (plane, slot) in at.iter_mut().enumerate() {
                *slot = row[plane * n_values + value];
            }
            drawn.push(draw(&at) as f32);
        }
    }
    Tensor::from_data(TensorData::new(drawn, [rows, n_values]), &device)
}

/// Refuses data outside [low, high], with the reason and what to do.
fn within(
    name: &str,
    facts: &DataFacts,
    low: f32,
    high: f32,
    reason: &str,
) -> Result<(), RecipeError> {
    if facts.min >= low && facts.max <= high {
        return Ok(());
    }
    // Levels can be mapped by an option, and numbers from 0 on be divided by the largest of them.
    let gaussian = "`--set likelihood=gaussian`";
    let ways = match facts.levels {
        Some(_) => {
            format!("use {gaussian}, or map the levels to [0, 1] with `--set data.range=unit`")
        }
        None if facts.min >= 0.0 => format!(
            "divide the values by their largest with `--set data.max_value={}`, or use {gaussian}",
            in_short(facts.max)
        ),
        None => format!("use {gaussian}, or scale the values in the file to [0, 1]"),
    };
    Err(RecipeError::LikelihoodRange {
        likelihood: name.to_owned(),
        low,
        high,
        min: facts.min,
        max: facts.max,
        hint: format!("{reason}; {ways}"),
    })
}

/// A number as TOML reads it, with a power of ten where there are many digits.
fn in_short(x: f32) -> String {
    match x < 1e9 {
        true => x.to_string(),
        false => format!("{x:e}"),
    }
}

/// The levels that a likelihood over levels is made for.
struct Grid {
    n_levels: u32,
    min: f64,
    max: f64,
}

impl Grid {
    /// That of the data, or an error that says what to take instead.
    fn of(name: &str, facts: &DataFacts) -> Result<Self, RecipeError> {
        let n_levels = facts.levels.ok_or_else(|| {
            RecipeError::value(
                "likelihood",
                format!(
                    "`{name}` needs data with a known number of levels, such as 8-bit images; \
                     these are real numbers: use `gaussian` or `laplace`"
                ),
            )
        })?;
        Ok(Self {
            n_levels,
            min: f64::from(facts.min),
            max: f64::from(facts.max),
        })
    }

    /// Refuses data with values between the levels; every second level, say, is accepted.
    fn accepts(&self, name: &str, facts: &DataFacts) -> Result<(), RecipeError> {
        let is_part = |levels: u32| levels > 1 && (self.n_levels - 1).is_multiple_of(levels - 1);
        let range = (f64::from(facts.min), f64::from(facts.max));
        if range == (self.min, self.max) && facts.levels.is_some_and(is_part) {
            return Ok(());
        }
        Err(RecipeError::LikelihoodLevels {
            likelihood: name.to_owned(),
            expected: DataFacts {
                min: self.min as f32,
                max: self.max as f32,
                levels: Some(self.n_levels),
            },
            found: facts.clone(),
        })
    }
}

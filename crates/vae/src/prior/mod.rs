//! Priors p(z): fixed, trained with the network, or fitted to the codes after training.

mod choice;
pub mod conditional;
pub mod diffusion;
pub mod flow;
pub mod maf;
pub mod mixture;
pub mod normal;
mod normalizing;
pub mod pixelcnn;
pub mod staged;
pub mod transformer;
pub mod uniform;
pub mod vamp;

use crate::condition::{Condition, Vocabulary};
use crate::encoder::Port;
use crate::latent::{CodeBook, Diagonal, Posterior};
use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use staged::Staged;
use toml::Table;

/// What a prior may ask of the model around it.
pub struct PriorContext<'a> {
    /// The parameters in use.
    pub params: &'a Params,
    /// q(z|u) of this prior's latent for inputs u `[K, P]`.
    pub posterior: &'a dyn Fn(Tensor<2>) -> Box<dyn Posterior>,
    /// The codes of this prior's latent, where it is discrete.
    pub code_book: Option<&'a dyn CodeBook>,
    /// What is said of each row, where something is; a prior that takes no condition does not look.
    pub condition: Option<&'a Condition>,
    /// What a top-down decoder makes of the latents before this one, `[R, F]` for R rows of z.
    pub context: Option<Tensor<2>>,
}

/// The codes of a latent that was checked to have some.
fn code_book<'a>(context: &PriorContext<'a>) -> &'a dyn CodeBook {
    context
        .code_book
        .expect("internal error: a prior over codes for a latent without any")
}

/// Positions and codes of the latent; refuses a prior over codes for a latent that has none.
fn expect_codes(kind: &str, place: &str, site: &PriorSite) -> Result<[usize; 2], RecipeError> {
    match site.book {
        Some(book) => Ok(book),
        None => Err(RecipeError::value(
            place,
            format!(
                "kind = \"{kind}\" is a prior over codes, and this latent is continuous; take kind = \"normal\""
            ),
        )),
    }
}

/// Refuses a density of numbers for a latent of codes.
fn expect_numbers(kind: &str, place: &str, site: &PriorSite) -> Result<(), RecipeError> {
    match site.book {
        None => Ok(()),
        Some(_) => Err(RecipeError::value(
            place,
            format!(
                "kind = \"{kind}\" is a density of numbers, and this latent has codes; take kind = \"uniform\""
            ),
        )),
    }
}

/// The words of a condition and of the vocabulary for a prior that wants a condition; refuses data of which nothing is
/// said.
fn condition_size(
    wanted: bool,
    place: &str,
    site: &PriorSite,
) -> Result<Option<[usize; 2]>, RecipeError> {
    match (&site.vocabulary, wanted) {
        (_, false) => Ok(None),
        (Some(vocabulary), true) => Ok(Some([vocabulary.len, vocabulary.n_words()])),
        (None, true) => Err(RecipeError::value(
            place,
            "conditional = true: expected data with classes or captions, found none; take conditional = false",
        )),
    }
}

/// A normalized density on latents of dimension d.
pub trait Prior: Send + Sync {
    /// KL(q || p) in closed form, `[B, d]` or `[B, 1]` nats, where there is one.
    fn kl(&self, _context: &PriorContext<'_>, _posterior: &dyn Posterior) -> Option<Tensor<2>> {
        None
    }

    /// The Gaussian, row by row, that this is given its context; then KL and density are those of it.
    fn gaussian(&self, _context: &PriorContext<'_>) -> Option<Diagonal> {
        None
    }

    /// Whether this is N(0, I).
    fn is_standard_normal(&self) -> bool {
        false
    }

    /// log p(z) `[R]` in nats for z `[R, d]`.
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1>;

    /// n draws `[n, d]`.
    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2>;

    /// Whether `log_prob` is an estimate of a lower bound, which no importance weight may be made of.
    fn is_bound(&self) -> bool {
        false
    }

    /// Whether a condition changes anything.
    fn is_conditional(&self) -> bool {
        false
    }

    /// What the trainer needs, if this prior is trained when the rest is done.
    fn staged(&self) -> Option<&dyn Staged> {
        None
    }

    /// Fits a post-hoc prior to codes drawn from the aggregated posterior, row-major `[n, d]`.
    /// Returns whether there was anything to fit. The fit ends early once `go_on` says no.
    fn fit(
        &self,
        _params: &mut Params,
        _codes: &[f64],
        _stream: &mut Stream,
        _go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        false
    }
}

/// What a prior is built for.
pub struct PriorSite {
    /// Dimension of the latent.
    pub dim: usize,
    /// `[channels, height, width]` of a latent that is a map.
    pub map: Option<[usize; 3]>,
    /// Positions and codes at each, of a latent that has codes.
    pub book: Option<[usize; 2]>,
    /// What is said of examples, where something is.
    pub vocabulary: Option<Vocabulary>,
    /// What the prior may depend on, where a decoder goes top-down.
    pub context: Option<Port>,
    /// Number of data values P, for priors made of pseudo-inputs.
    pub n_values: usize,
    /// Mean of the training data, `[P]`, where pseudo-inputs start.
    pub data_mean: Vec<f32>,
}

/// Builds a prior from its options.
pub type Build = fn(&Table, &str, &PriorSite, &mut Builder) -> Result<Box<dyn Prior>, RecipeError>;

/// The known priors.
pub const CATALOGUE: &[Entry<Build>] = &[
    conditional::ENTRY,
    diffusion::ENTRY,
    flow::ENTRY,
    maf::ENTRY,
    mixture::ENTRY,
    normal::ENTRY,
    pixelcnn::ENTRY,
    transformer::ENTRY,
    uniform::ENTRY,
    vamp::ENTRY,
];

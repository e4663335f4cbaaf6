//! Latents: the approximate posterior q(z|x) at a port of the network.
//!
//! A latent turns the features of its port into a [`Posterior`], a normalized density that can be drawn
//! from with gradients. Noise comes from outside, `[B K, d]`: row r is a sample for example r / K.
//! A posterior is a Gaussian, or it puts all its mass on a code of a [`CodeBook`].

mod book;
pub mod discrete;
pub mod fsq;
pub mod gaussian;
pub mod gaussian_full;
pub mod gaussian_residual;
pub mod identity;
pub mod lfq;
pub mod rvq;
pub mod vq;

pub use gaussian::Diagonal;

use crate::encoder::Port;
use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::{Builder, Graph, Params, Value};
use jensen_rng::Stream;
use toml::Table;

/// Where latents of this family take their parameters from.
pub trait Latent: Send + Sync {
    /// Dimension d of z.
    fn dim(&self) -> usize;

    /// `[channels, height, width]` where z is a map, in this order.
    fn map(&self) -> Option<[usize; 3]> {
        None
    }

    /// q(z|x) from the features of the port `[B, F]`.
    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior>;

    /// q(z|x) of a latent that says how it differs from this prior, row by row; others do not look at it.
    fn posterior_from(
        &self,
        params: &Params,
        features: Tensor<2>,
        _prior: Option<&Diagonal>,
    ) -> Box<dyn Posterior> {
        self.posterior(params, features)
    }

    /// The codes, where z is discrete.
    fn code_book(&self) -> Option<&dyn CodeBook> {
        None
    }

    /// Adds what q(z|x) is to a graph, each `[N, d]`, by name; `None` where it has no form there.
    fn emit(
        &self,
        _params: &Params,
        _graph: &mut Graph,
        _features: &Value,
    ) -> Option<Vec<(&'static str, Value)>> {
        None
    }

    /// Changes what no gradient trains, after a step that saw these vectors.
    fn adapt(&self, _params: &mut Params, _seen: &Seen, _stream: &mut Stream) {}
}

/// The codes of a discrete latent: K vectors at each of n positions, every combination of which is a z.
pub trait CodeBook: Send + Sync {
    /// Positions n.
    fn n_positions(&self) -> usize;

    /// Codes K at each of them.
    fn n_codes(&self) -> usize;

    /// z `[R, d]` of codes `[R, n]`, each in 0..K.
    fn embed(&self, params: &Params, codes: Tensor<2, Int>) -> Tensor<2>;

    /// The codes `[R, n]` nearest to z `[R, d]`; those of [`CodeBook::embed`] are found again.
    fn codes(&self, params: &Params, z: Tensor<2>) -> Tensor<2, Int>;

    /// What is worth watching beside the ledger, by name.
    fn measures(&self, _params: &Params, _steps_per_epoch: u64) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// What a discrete latent saw in a batch, on the host.
pub struct Seen {
    /// The vectors before they were replaced by codes, row-major `[B n, D]`.
    pub vectors: Vec<f32>,
    /// The codes that replaced them, `[B n]`.
    pub codes: Vec<u32>,
}

/// A penalty that comes with a latent.
pub struct Penalty {
    /// Name in the ledger, before that of the latent.
    pub name: &'static str,
    /// Per example, `[B]`.
    pub value: Tensor<1>,
    /// Its factor in the loss.
    pub weight: f64,
}

/// q(z|x) for a batch of B examples.
pub trait Posterior {
    /// E[z|x] `[B, d]`.
    fn mean(&self) -> Tensor<2>;

    /// z as a differentiable function of standard normal noise `[B K, d]`.
    fn sample(&self, noise: Tensor<2>) -> Tensor<2>;

    /// log q(z|x) `[B K]` in nats for z `[B K, d]`; a density of a Gaussian, a probability of a code.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1>;

    /// The same density with parameters that pass no gradient.
    fn detached(&self) -> Box<dyn Posterior>;

    /// The Gaussian that this is, if it is one.
    fn gaussian(&self) -> Option<&dyn GaussianPosterior> {
        None
    }

    /// The code that has all the mass, `[B, n]`, where z is discrete.
    fn codes(&self) -> Option<Tensor<2, Int>> {
        None
    }

    /// What [`Latent::adapt`] learns from.
    fn seen(&self) -> Option<Seen> {
        None
    }

    /// Penalties that belong to this latent.
    fn penalties(&self) -> Vec<Penalty> {
        Vec::new()
    }
}

/// A Gaussian q(z|x) for a batch of B examples.
pub trait GaussianPosterior {
    /// log of the marginal variance of each coordinate, `[B, d]`.
    fn log_var(&self) -> Tensor<2>;

    /// KL(q(z|x) || N(0, I)) in nats, `[B, d]` if it splits over coordinates, else `[B, 1]`.
    fn kl_standard_normal(&self) -> Tensor<2>;

    /// L^-T `[B, d, d]` of the covariance L L^T, upper triangular, so that (z - mean) L^-T is standard
    /// normal; `None` where the coordinates are independent and the variances say it all.
    fn whitening(&self) -> Option<Tensor<3>>;

    /// Whether the coordinates of z are independent given x.
    fn is_factorized(&self) -> bool;
}

/// What the catalogue keeps of a kind of latent.
pub struct Kind {
    /// The prior that it has where a recipe names none.
    pub prior: &'static str,
    /// Builds it from its options and its port.
    pub build: Build,
}

/// Builds a latent from its options, its place in the recipe and its port.
pub type Build = fn(&Table, &str, &Port, &mut Builder) -> Result<Box<dyn Latent>, RecipeError>;

/// The known latents.
pub const CATALOGUE: &[Entry<Kind>] = &[
    fsq::ENTRY,
    gaussian::ENTRY,
    gaussian_full::ENTRY,
    gaussian_residual::ENTRY,
    identity::ENTRY,
    lfq::ENTRY,
    rvq::ENTRY,
    vq::ENTRY,
];

/// The prior of a resolved latent for which a recipe names none.
pub(crate) fn usual_prior(table: &Table) -> &'static str {
    let mut entries = CATALOGUE.iter();
    let entry = entries.find(|entry| entry.kind == crate::part::kind(table));
    entry.map_or("normal", |entry| entry.build.prior)
}

/// log(2 pi).
pub(crate) const LN_TAU: f64 = 1.837_877_066_409_345_3;

/// Keeps log variances inside +-bound smoothly: bound tanh(raw / bound).
///
/// Without a bound a variance can overflow, a known source of NaN in VAEs.
pub(crate) fn bounded(raw: Tensor<2>, bound: f64) -> Tensor<2> {
    (raw * (1.0 / bound)).tanh() * bound
}

/// Refuses options that no Gaussian can have.
pub(crate) fn check(place: &str, dim: usize, bound: f64) -> Result<(), RecipeError> {
    if dim == 0 {
        return Err(RecipeError::value(
            place,
            "dim = 0: a latent needs a dimension".to_owned(),
        ));
    }
    if !(bound > 0.0 && bound <= 60.0) {
        return Err(RecipeError::value(
            place,
            format!("log_var_bound = {bound} is not in (0, 60]"),
        ));
    }
    Ok(())
}

/// The common default: variances between 4.5e-5 and 2.2e4.
pub(crate) fn default_bound() -> f64 {
    10.0
}

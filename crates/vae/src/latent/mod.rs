//! Latents: the approximate posterior q(z|x) at a port of the network.
//!
//! A latent turns the features of its port into a [`Posterior`], a normalized density that can be drawn
//! from with gradients. Noise comes from outside, `[B K, d]`: row r is a sample for example r / K.

pub mod gaussian;
pub mod gaussian_full;

use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_nets::{Builder, Params};
use toml::Table;

/// Where latents of this family take their parameters from.
pub trait Latent: Send + Sync {
    /// Dimension d of z.
    fn dim(&self) -> usize;

    /// q(z|x) from the features of the port `[B, F]`.
    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior>;
}

/// q(z|x) for a batch of B examples.
pub trait Posterior {
    /// E[z|x] `[B, d]`.
    fn mean(&self) -> Tensor<2>;

    /// log of the marginal variance of each coordinate, `[B, d]`.
    fn log_var(&self) -> Tensor<2>;

    /// z as a differentiable function of standard normal noise `[B K, d]`.
    fn sample(&self, noise: Tensor<2>) -> Tensor<2>;

    /// log q(z|x) `[B K]` in nats for z `[B K, d]`.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1>;

    /// KL(q(z|x) || N(0, I)) in nats, `[B, d]` if it splits over coordinates, else `[B, 1]`.
    fn kl_standard_normal(&self) -> Tensor<2>;

    /// The same density with parameters that pass no gradient.
    fn detached(&self) -> Box<dyn Posterior>;

    /// L^-T `[B, d, d]` of the covariance L L^T, upper triangular, so that (z - mean) L^-T is standard
    /// normal; `None` where the coordinates are independent and the variances say it all.
    fn whitening(&self) -> Option<Tensor<3>>;

    /// Whether the coordinates of z are independent given x.
    fn is_factorized(&self) -> bool;
}

/// Builds a latent from its options and the width of its port's features.
pub type Build = fn(&Table, &str, usize, &mut Builder) -> Result<Box<dyn Latent>, RecipeError>;

/// The known latents.
pub const CATALOGUE: &[Entry<Build>] = &[gaussian::ENTRY, gaussian_full::ENTRY];

/// log(2 pi).
pub(crate) const LN_TAU: f64 = 1.837_877_066_409_345_3;

/// Keeps log variances inside +-bound smoothly: bound tanh(raw / bound).
///
/// Without a bound a variance can overflow, a known source of NaN in VAEs.
fn bounded(raw: Tensor<2>, bound: f64) -> Tensor<2> {
    (raw * (1.0 / bound)).tanh() * bound
}

/// Refuses options that no Gaussian can have.
fn check(place: &str, dim: usize, bound: f64) -> Result<(), RecipeError> {
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
fn default_bound() -> f64 {
    10.0
}

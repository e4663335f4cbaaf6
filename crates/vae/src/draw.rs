//! One pass through the model: posteriors, samples, rates, log-likelihood.

use crate::latent::Posterior;
use crate::rows;
use burn::tensor::Tensor;

/// What was drawn of one latent for B examples and K samples each.
pub struct LatentDraw {
    /// q(z|x) of the batch; of its B K rows, each with its own latents before, where a decoder goes top-down.
    pub posterior: Box<dyn Posterior>,
    /// Whether q(z|x) depends on other latents.
    pub is_dependent: bool,
    /// Samples `[B K, d]`.
    pub z: Tensor<2>,
    /// KL(q || p) in nats, `[B, d]`, or `[B, 1]` where it does not split: closed form where there is
    /// one, else the mean over samples of log q(z|x) - log p(z).
    pub rate_per_dim: Tensor<2>,
}

impl LatentDraw {
    /// The rate per example, `[B]` nats.
    pub fn rate(&self) -> Tensor<1> {
        rows::sum(self.rate_per_dim.clone())
    }
}

/// A pass through the whole model.
pub struct Draw {
    /// The latents in the model's order.
    pub latents: Vec<LatentDraw>,
    /// What the decoder gave out, `[B K, n P]`.
    pub outputs: Tensor<2>,
    /// log p(x|z) per sample, `[B K]` nats.
    pub log_likelihood: Tensor<1>,
    /// Samples per example.
    pub n_samples: usize,
}

//! No decoder: the latent is the mean of the likelihood.

use super::Decoder;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_nets::Params;
use serde::{Deserialize, Serialize};

/// No decoder has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

struct NoDecoder;

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "none",
    about: "the latent is what the likelihood takes, for a prior in the space of the data",
    defaults: part::defaults::<Options>,
    build: super::Kind::plain(|_, site, _| {
        let wanted = site.layout.n_values() * site.n_params;
        let found = site.inputs[0].dim;
        if found != wanted || site.inputs.len() != 1 {
            return Err(RecipeError::value(
                "decoder",
                format!(
                    "kind = \"none\" wants one latent of {wanted} numbers, {} for each of the data, and this has {found}; \
                     take the encoder and the latent `none` and `identity`, and a likelihood with one parameter",
                    site.n_params
                ),
            ));
        }
        Ok(Box::new(NoDecoder))
    }),
};

impl Decoder for NoDecoder {
    fn forward(&self, _: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        latents[0].clone()
    }
}

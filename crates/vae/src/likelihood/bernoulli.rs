//! Bernoulli with logits: log p(x) = x l - log(1 + exp(l)) per value, mean sigmoid(l).
//!
//! Grey values in [0, 1] are taken as Bernoulli means, as is the custom on MNIST: the value is then the
//! expected log-likelihood of a binarized image. The density is normalized on {0, 1} only; for grey
//! values as data see `continuous_bernoulli`. Source: [kingma-2014], appendix C.1.

use super::{DataFacts, Likelihood, Support, sample_on_host, within};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Tensor, activation};
use jensen_kernels as kernels;
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Bernoulli has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

/// Independent Bernoulli values.
pub struct Bernoulli;

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "bernoulli",
    about: "binary values, or grey values in [0, 1] as means",
    defaults: part::defaults::<Options>,
    build: |_, _, _| Ok(Box::new(Bernoulli)),
};

impl Likelihood for Bernoulli {
    fn n_params(&self) -> usize {
        1
    }

    fn support(&self) -> Support {
        Support::Binary
    }

    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError> {
        within(
            "bernoulli",
            facts,
            0.0,
            1.0,
            "x l - log(1 + exp(l)) is unbounded above for values outside [0, 1], so the bound would \
             rise without limit and mean nothing",
        )
    }

    fn log_prob(&self, _: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        kernels::bernoulli_log_prob(outputs, x)
    }

    fn mean(&self, _: &Params, outputs: Tensor<2>) -> Tensor<2> {
        activation::sigmoid(outputs)
    }

    fn level_probs(&self, _: &Params, outputs: Tensor<2>) -> Option<Tensor<3>> {
        let [rows, width] = outputs.dims();
        let probs = |logits: Tensor<2>| activation::sigmoid(logits).reshape([rows, 1, width]);
        Some(Tensor::cat(
            vec![probs(outputs.clone().neg()), probs(outputs)],
            1,
        ))
    }

    fn sample(&self, params: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        sample_on_host(self.mean(params, outputs), 1, |mean| {
            f64::from(u8::from(stream.uniform() < mean[0]))
        })
    }
}

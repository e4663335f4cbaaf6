//! Gaussian: log p(x) = -(x - m)^2 / (2 s^2) - log s - log(2 pi) / 2 per value.
//!
//! The scale s is a fixed number, one learned number (sigma-VAE, [rybkin-2021]), or one per value.

use super::scale::{Options, Scale};
use super::{DataFacts, Likelihood, sample_on_host};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels as kernels;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Independent Gaussian values.
pub struct Gaussian {
    scale: Scale,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "gaussian",
    about: "real values; scale fixed, shared learned, or per value",
    defaults: part::defaults::<Options>,
    build: |table, _, builder| {
        let scale = Scale::new(&part::options(table, "likelihood")?, builder)?;
        Ok(Box::new(Gaussian { scale }))
    },
};

impl Likelihood for Gaussian {
    fn n_params(&self) -> usize {
        self.scale.n_params()
    }

    fn accepts(&self, _: &DataFacts) -> Result<(), RecipeError> {
        Ok(())
    }

    fn log_prob(&self, params: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let (mean, log_scale) = self.scale.split(params, outputs);
        kernels::gaussian_log_prob(mean, log_scale, x)
    }

    fn mean(&self, params: &Params, outputs: Tensor<2>) -> Tensor<2> {
        self.scale.split(params, outputs).0
    }

    fn sample(&self, params: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        let (mean, log_scale) = self.scale.split(params, outputs);
        let log_scale = log_scale.expand(mean.shape());
        sample_on_host(Tensor::cat(vec![mean, log_scale], 1), 2, |at| {
            at[0] + at[1].exp() * stream.normal()
        })
    }
}

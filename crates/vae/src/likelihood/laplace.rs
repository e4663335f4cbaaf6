//! Laplace: log p(x) = -|x - m| / s - log(2 s) per value; the likelihood behind an L1 loss.
//!
//! Samples by inversion: x = m - s sign(u) log(1 - 2 |u|), u uniform on (-1/2, 1/2). The scale s is a fixed
//! number, one learned number, or one per value. Source: [laplace-1774].

use super::scale::{Options, Scale};
use super::{DataFacts, Likelihood, sample_on_host};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::Tensor;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Independent Laplace values.
pub struct Laplace {
    scale: Scale,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "laplace",
    about: "real values with heavier tails; scale fixed, shared learned, or per value",
    defaults: part::defaults::<Options>,
    build: |table, _, builder| {
        let scale = Scale::new(&part::options(table, "likelihood")?, builder)?;
        Ok(Box::new(Laplace { scale }))
    },
};

impl Likelihood for Laplace {
    fn n_params(&self) -> usize {
        self.scale.n_params()
    }

    fn accepts(&self, _: &DataFacts) -> Result<(), RecipeError> {
        Ok(())
    }

    fn log_prob(&self, params: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let k = outputs.dims()[0] / x.dims()[0];
        let (location, log_scale) = self.scale.split(params, outputs);
        let log_scale = log_scale.expand(location.shape());
        let distance = (rows::repeat(x, k) - location).abs();
        let unit = distance * log_scale.clone().neg().exp();
        rows::sum((unit + log_scale + std::f64::consts::LN_2).neg())
    }

    fn mean(&self, params: &Params, outputs: Tensor<2>) -> Tensor<2> {
        self.scale.split(params, outputs).0
    }

    fn sample(&self, params: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        let (location, log_scale) = self.scale.split(params, outputs);
        let log_scale = log_scale.expand(location.shape());
        sample_on_host(Tensor::cat(vec![location, log_scale], 1), 2, |at| {
            let u = stream.uniform_open() - 0.5;
            at[0] - at[1].exp() * u.signum() * (-2.0 * u.abs()).ln_1p()
        })
    }
}

//! Continuous Bernoulli on [0, 1]: log p(x) = x l - log(1 + exp(l)) + log C(l), with logit l and
//! C(l) = l / tanh(l / 2), so that the density integrates to one.
//!
//! Mean: 1 / (1 - exp(-l)) - 1 / l. Near l = 0 both C and the mean use their series.
//! Source: [loaizaganem-2019], equations 5 to 8, rewritten in the logit.

use super::{DataFacts, Likelihood, sample_on_host, within};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::{Tensor, activation};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Below this |l| the series is taken; its next term is then under 3e-7, the rounding of f32.
const SERIES_BELOW: f32 = 0.3;

/// Continuous Bernoulli has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

/// Independent continuous Bernoulli values.
pub struct ContinuousBernoulli;

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "continuous_bernoulli",
    about: "grey values in [0, 1] as data, normalized",
    defaults: part::defaults::<Options>,
    build: |_, _, _| Ok(Box::new(ContinuousBernoulli)),
};

/// log C(l), elementwise.
fn log_normalizer(logits: Tensor<2>) -> Tensor<2> {
    let small = logits.clone().abs().lower_scalar(SERIES_BELOW);
    let square = logits.clone().square();
    let series =
        square.clone() * (1.0 / 12.0) - square.square() * (7.0 / 1440.0) + std::f64::consts::LN_2;
    // The branch not taken gets a harmless argument, so that its gradient is finite.
    let safe = logits.abs().mask_fill(small.clone(), 1.0);
    let exact = safe.clone().log() - (safe * 0.5).tanh().log();
    exact.mask_where(small, series)
}

impl Likelihood for ContinuousBernoulli {
    fn n_params(&self) -> usize {
        1
    }

    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError> {
        within(
            "continuous_bernoulli",
            facts,
            0.0,
            1.0,
            "its support is [0, 1]",
        )
    }

    fn log_prob(&self, _: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let k = outputs.dims()[0] / x.dims()[0];
        let x = rows::repeat(x, k);
        let bernoulli = outputs.clone() * x - activation::softplus(outputs.clone(), 1.0);
        rows::sum(bernoulli + log_normalizer(outputs))
    }

    fn mean(&self, _: &Params, outputs: Tensor<2>) -> Tensor<2> {
        let small = outputs.clone().abs().lower_scalar(SERIES_BELOW);
        let series = outputs.clone() * (1.0 / 12.0)
            - outputs.clone().square() * outputs.clone() * (1.0 / 720.0)
            + 0.5;
        let safe = outputs.mask_fill(small.clone(), 1.0);
        let exact = ((safe.clone() * 0.5).tanh().recip() + 1.0) * 0.5 - safe.recip();
        exact.mask_where(small, series)
    }

    fn sample(&self, _: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        sample_on_host(outputs, 1, |logit| {
            let (l, u) = (logit[0], stream.uniform_open());
            if l.abs() < 1e-6 {
                return u;
            }
            // Inverse distribution function, written for l < 0 and mirrored for l > 0.
            let y = -(u * (-l.abs()).exp_m1()).ln_1p() / l.abs();
            if l > 0.0 { 1.0 - y } else { y }
        })
    }
}

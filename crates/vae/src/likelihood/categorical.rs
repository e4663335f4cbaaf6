//! Categorical over the levels of discrete data: log p(x = level c) = log softmax(l)_c per value.
//!
//! The most flexible likelihood of a pixel and the heaviest: one logit per level. Source: [vandenoord-2016], section 3.1 (discrete softmax over pixel values).

use super::{DataFacts, Grid, Likelihood, Support, sample_on_host};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::{Int, Tensor, activation};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Categorical has no options: the number of levels is that of the data.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

/// Independent categorical values on equally spaced levels.
pub struct Categorical {
    grid: Grid,
}

const NAME: &str = "categorical";

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: NAME,
    about: "discrete values, one logit per level",
    defaults: part::defaults::<Options>,
    build: |_, facts, _| {
        Ok(Box::new(Categorical {
            grid: Grid::of(NAME, facts)?,
        }))
    },
};

impl Categorical {
    /// log softmax over the levels, `[R, L, P]`.
    fn log_probs(&self, outputs: Tensor<2>) -> Tensor<3> {
        let [rows, width] = outputs.dims();
        let logits = outputs.reshape([rows, self.n_params(), width / self.n_params()]);
        activation::log_softmax(logits, 1)
    }

    fn step(&self) -> f64 {
        (self.grid.max - self.grid.min) / (self.n_params() - 1) as f64
    }
}

impl Likelihood for Categorical {
    fn n_params(&self) -> usize {
        self.grid.n_levels as usize
    }

    fn support(&self) -> Support {
        Support::Levels
    }

    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError> {
        self.grid.accepts(NAME, facts)
    }

    fn log_prob(&self, _: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let n_rows = outputs.dims()[0];
        let x = rows::repeat(x.clone(), n_rows / x.dims()[0]);
        let [_, n_values] = x.dims();
        let level = (x - self.grid.min) * (1.0 / self.step());
        let index: Tensor<3, Int> = level.round().int().reshape([n_rows, 1, n_values]);
        let chosen = self.log_probs(outputs).gather(1, index);
        rows::sum(chosen.reshape([n_rows, n_values]))
    }

    fn mean(&self, _: &Params, outputs: Tensor<2>) -> Tensor<2> {
        let device = outputs.device();
        let probs = self.log_probs(outputs).exp();
        let [rows, n_levels, n_values] = probs.dims();
        let level = Tensor::<1, Int>::arange(0..n_levels as i64, &device).float();
        let weighted = probs * level.reshape([1, n_levels, 1]);
        weighted.sum_dim(1).reshape([rows, n_values]) * self.step() + self.grid.min
    }

    fn level_probs(&self, _: &Params, outputs: Tensor<2>) -> Option<Tensor<3>> {
        Some(self.log_probs(outputs).exp())
    }

    fn sample(&self, _: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        let [rows, width] = outputs.dims();
        let probs = self.log_probs(outputs).exp().reshape([rows, width]);
        sample_on_host(probs, self.n_params(), |at| {
            self.grid.min + self.step() * noise::choose(at, stream) as f64
        })
    }
}

//! The importance-weighted bound log 1/K sum_k w_k, w_k = p(x, z_k) / q(z_k|x), with three gradients.
//!
//! - `plain`: the gradient of the bound ([burda-2016], equation 14).
//! - `sticking`: the score of q is dropped, so the gradient vanishes where q is exact ([roeder-2017]). For K = 1 this is an unbiased gradient of the ELBO; for K > 1 it is biased.
//! - `doubly`: the encoder's gradient sums squared normalized weights ([tucker-2019], equation 8):
//!   unbiased, and its signal-to-noise ratio does not fall with K.
//!
//! For `doubly` each z passes its gradient scaled by its weight, which the pass itself finds, so one
//! forward and one backward pass give the decoder w and the encoder w^2. With a prior that contains the
//! encoder (VampPrior) the prior's parameters get the decoder's form.

use super::{Bound, check_samples, measure_elbo};
use crate::condition::Batch;
use crate::draw::Draw;
use crate::ledger::{Ledger, Role, to_f32};
use crate::model::{DrawOptions, Model};
use crate::part::{self, Entry};
use crate::rows;
use burn::tensor::activation;
use jensen_kernels::RowFactors;
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the bound.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Samples K of z per example, at least 1.
    pub samples: usize,
    /// `"plain"`, `"sticking"` or `"doubly"`.
    pub gradient: Gradient,
}

/// How the gradient of the bound is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gradient {
    /// Through everything.
    Plain,
    /// Without the score of q (sticking the landing).
    Sticking,
    /// Doubly reparameterized.
    Doubly,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            samples: 50,
            gradient: Gradient::Doubly,
        }
    }
}

struct Importance {
    n_samples: usize,
    gradient: Gradient,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "importance",
    about: "importance-weighted bound with K samples (IWAE); gradient \"plain\", \"sticking\" or \"doubly\"",
    defaults: part::defaults::<Options>,
    build: |table| {
        let options: Options = part::options(table, "bound")?;
        Ok(Box::new(Importance {
            n_samples: check_samples(options.samples)?,
            gradient: options.gradient,
        }))
    },
};

impl Bound for Importance {
    fn add(
        &self,
        model: &Model,
        params: &Params,
        batch: Batch,
        stream: &Stream,
        ledger: &mut Ledger,
    ) -> Draw {
        let k = self.n_samples;
        let [n_rows, _] = batch.x.dims();
        let factors = (self.gradient == Gradient::Doubly).then(RowFactors::default);
        let options = DrawOptions {
            n_samples: k,
            detach_posterior: self.gradient != Gradient::Plain,
            gradient_scale: factors.clone(),
        };
        let (draw, log_weights) = model.draw_weighted(params, batch, &options, stream);
        measure_elbo(model, &draw, ledger);
        let log_weights = log_weights.reshape([n_rows, k]);
        let mut bound =
            rows::log_sum_exp(log_weights.clone(), 1).reshape([n_rows]) - (k as f64).ln();
        if let Some(factors) = factors {
            let weights = activation::softmax(log_weights.clone().detach(), 1);
            factors.set(to_f32(weights.clone()));
            // Value of the bound, gradient of sum_k w_k log w_k with constant w_k.
            let surrogate = rows::sum(weights * log_weights);
            bound = surrogate.clone() + (bound - surrogate).detach();
        }
        ledger.push(format!("iwae_{k}"), bound, Role::Bound, -1.0);
        draw
    }

    fn includes_rate(&self) -> bool {
        true
    }

    fn detaches_posterior(&self) -> bool {
        self.gradient != Gradient::Plain
    }
}

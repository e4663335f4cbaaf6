//! The evidence lower bound E_q[log p(x|z)] - KL(q(z|x) || p(z)), the first part by reparameterized
//! samples, the second in closed form where there is one.
//!
//! Source: [kingma-2014], equation 7 (estimator B).

use super::{Bound, LOG_LIKELIHOOD, check_samples};
use crate::condition::Batch;
use crate::draw::Draw;
use crate::ledger::{Ledger, Role};
use crate::model::Model;
use crate::part::{self, Entry};
use crate::rows;
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the bound.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Samples of z per example, at least 1.
    pub samples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { samples: 1 }
    }
}

struct Elbo {
    n_samples: usize,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "elbo",
    about: "evidence lower bound, reparameterized",
    defaults: part::defaults::<Options>,
    build: |table| {
        let options: Options = part::options(table, "bound")?;
        Ok(Box::new(Elbo {
            n_samples: check_samples(options.samples)?,
        }))
    },
};

impl Bound for Elbo {
    fn add(
        &self,
        model: &Model,
        params: &Params,
        batch: Batch,
        stream: &Stream,
        ledger: &mut Ledger,
    ) -> Draw {
        let draw = model.draw(params, batch, self.n_samples, stream);
        let mean = rows::mean_of_samples(draw.log_likelihood.clone(), self.n_samples);
        ledger.push(LOG_LIKELIHOOD, mean, Role::LogLikelihood, -1.0);
        draw
    }

    fn includes_rate(&self) -> bool {
        false
    }
}

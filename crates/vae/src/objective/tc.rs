//! Total correlation of the aggregated posterior: TC = KL(q(z) || prod_j q(z_j)), the term whose
//! penalty disentangles.
//!
//! With rate weight 1 and this weight b - 1 the objective is that of beta-TC-VAE. Densities of the
//! aggregate are estimated inside the batch by minibatch-weighted sampling:
//! log q(z_i) = log sum_j q(z_i|x_j) - log(N M), N training examples, M batch size.
//! Source: [chen-2018], equations 2, 4 and appendix C.1. Cost: O(M^2 d) a step.

use super::{ObjectiveTerm, TermContext};
use crate::draw::LatentDraw;
use crate::latent::gaussian::log_density_per_dim;
use crate::ledger::{Ledger, Role};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use crate::schedule::Schedule;
use serde::{Deserialize, Serialize};

/// Options of the total-correlation penalty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor of TC in the loss (it multiplies nats): beta - 1 in the paper's notation.
    pub weight: Schedule,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(5.0),
        }
    }
}

struct TotalCorrelation {
    weight: Schedule,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "tc",
    about: "total correlation of the aggregated posterior (beta-TC-VAE)",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let options: Options = part::options(table, place)?;
        match options.weight.fault() {
            Some(fault) => Err(RecipeError::value(place, format!("weight: {fault}"))),
            None => Ok(Box::new(TotalCorrelation {
                weight: options.weight,
            })),
        }
    },
};

impl ObjectiveTerm for TotalCorrelation {
    fn needs_rate(&self) -> Option<&'static str> {
        Some(
            "the total correlation is one part of the rate and weighs on top of it, so it needs a rate of \
             its own; use bound = \"elbo\"",
        )
    }

    fn least_batch(&self) -> usize {
        2
    }

    fn check(&self, draw: &LatentDraw, latent: &str) -> Result<(), RecipeError> {
        if draw.is_dependent {
            return Err(RecipeError::value(
                &format!("objective.tc.{latent}"),
                "the total correlation needs q(z|x) of any z and x, and this one depends on other latents; take a decoder \
                 that takes all latents at once",
            ));
        }
        match draw.posterior.gaussian() {
            Some(_) => Ok(()),
            None => Err(RecipeError::value(
                &format!("objective.tc.{latent}"),
                "the total correlation is of densities of numbers, and this latent has codes",
            )),
        }
    }

    fn add(&self, context: &TermContext<'_>, latent: &str, ledger: &mut Ledger) {
        let posterior = &context.draw.posterior;
        let gaussian = posterior
            .gaussian()
            .expect("internal error: the total correlation of codes");
        let mean = posterior.mean();
        let [batch, d] = mean.dims();
        // The first sample of each example, against the marginals of every example of the batch.
        let k = context.draw.z.dims()[0] / batch;
        let z = context
            .draw
            .z
            .clone()
            .reshape([batch, k * d])
            .narrow(1, 0, d);
        let per_dim = log_density_per_dim(
            z.clone().reshape([batch, 1, d]),
            mean.reshape([1, batch, d]),
            gaussian.log_var().reshape([1, batch, d]),
        );
        let log_pairs = ((context.n_train * batch) as f64).ln();
        let log_q = if gaussian.is_factorized() {
            per_dim.clone().sum_dim(2).reshape([batch, batch])
        } else {
            // Every posterior at every z: B groups of B rows.
            let all = z.reshape([1, batch, d]).repeat_dim(0, batch);
            let log_q = posterior.log_prob(all.reshape([batch * batch, d]));
            log_q.reshape([batch, batch]).transpose()
        };
        let joint = rows::log_sum_exp(log_q, 1).reshape([batch]) - log_pairs;
        let marginals = rows::log_sum_exp(per_dim, 1).reshape([batch, d]) - log_pairs;
        let tc = joint - rows::sum(marginals);
        let weight = self.weight.at(context.progress);
        ledger.push(format!("tc.{latent}"), tc, Role::Penalty, weight);
    }
}

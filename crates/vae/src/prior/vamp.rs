//! VampPrior: the mixture of the posteriors of K learned pseudo-inputs, p(z) = 1/K sum_k q(z|u_k).
//!
//! Pseudo-inputs live in the space of the data and are trained jointly with the network.
//! Source: [tomczak-2018], equation 9.

use super::{Prior, PriorContext};
use crate::latent::Posterior;
use crate::latent::gaussian::log_density_per_dim;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::Tensor;
use jensen_nets::Handle;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Spread of the pseudo-inputs around the data mean at the start, in units of the data.
const INITIAL_SPREAD: f64 = 0.1;

/// Options of the VampPrior.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Number of pseudo-inputs K, at least 1; the paper uses 500.
    pub components: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { components: 500 }
    }
}

struct Vamp {
    pseudo_inputs: Handle<2>,
    n_components: usize,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "vamp",
    about: "mixture of the posteriors of learned pseudo-inputs",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| {
        super::expect_numbers("vamp", place, site)?;
        if site.context.is_some() {
            return Err(RecipeError::value(
                place,
                "kind = \"vamp\" is a mixture of posteriors, and these depend on latents before; take kind = \"conditional\"",
            ));
        }
        let options: Options = part::options(table, place)?;
        if options.components == 0 {
            return Err(RecipeError::value(place, "components = 0".to_owned()));
        }
        let pseudo_inputs = builder.register_around(
            "pseudo_inputs",
            [options.components, site.n_values],
            &site.data_mean,
            INITIAL_SPREAD,
        );
        Ok(Box::new(Vamp {
            pseudo_inputs,
            n_components: options.components,
        }))
    },
};

impl Vamp {
    fn components(&self, context: &PriorContext<'_>) -> Box<dyn Posterior> {
        (context.posterior)(context.params.get(self.pseudo_inputs))
    }
}

impl Prior for Vamp {
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        let components = self.components(context);
        let [n_rows, d] = z.dims();
        let k = self.n_components;
        let factorized = components
            .gaussian()
            .filter(|gaussian| gaussian.is_factorized());
        let log_q = if let Some(gaussian) = factorized {
            let mean = components.mean().reshape([1, k, d]);
            let log_var = gaussian.log_var().reshape([1, k, d]);
            let per_dim = log_density_per_dim(z.reshape([n_rows, 1, d]), mean, log_var);
            per_dim.sum_dim(2).reshape([n_rows, k])
        } else {
            // Every component against every z: K groups of R rows.
            let all = z
                .reshape([1, n_rows, d])
                .repeat_dim(0, k)
                .reshape([k * n_rows, d]);
            components.log_prob(all).reshape([k, n_rows]).transpose()
        };
        rows::log_sum_exp(log_q, 1).reshape([n_rows]) - (k as f64).ln()
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let device = context.params.device();
        let chosen: Vec<i64> = (0..n)
            .map(|_| stream.below(self.n_components) as i64)
            .collect();
        let index = Tensor::from_data(burn::tensor::TensorData::new(chosen, [n]), device);
        let inputs = context.params.get(self.pseudo_inputs).select(0, index);
        let posterior = (context.posterior)(inputs);
        let d = posterior.mean().dims()[1];
        posterior.sample(noise::normal(stream, n, d, device))
    }
}

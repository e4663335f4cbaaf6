//! The features themselves with a little noise: q(z|x) = N(h(x), s^2 I), nothing to learn.
//!
//! With the encoder and decoder `none` z is x, and the prior is a model of the data alone. The noise keeps the density of
//! z finite, so that -ELBO stays a bound: z then tells x up to s, and the likelihood is of that scale.

use super::gaussian::Diagonal;
use super::{Latent, Posterior};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_nets::Params;
use serde::{Deserialize, Serialize};

/// Options of the identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Where the features come from.
    pub port: String,
    /// Standard deviation s of the noise, above 0, in units of the features.
    pub noise: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: "bottom".to_owned(),
            noise: 0.05,
        }
    }
}

struct Identity {
    dim: usize,
    map: Option<[usize; 3]>,
    log_var: f64,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "identity",
    about: "the features themselves with a little noise",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "normal",
        build: |table, place, port, _| {
            let options: Options = part::options(table, place)?;
            // In f32 too.
            if options.noise as f32 <= 0.0 {
                return Err(RecipeError::value(
                    place,
                    format!("noise = {}: expected a number above 0", options.noise),
                ));
            }
            Ok(Box::new(Identity {
                dim: port.width,
                map: port.map,
                log_var: 2.0 * options.noise.ln(),
            }))
        },
    },
};

impl Latent for Identity {
    fn dim(&self) -> usize {
        self.dim
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.map
    }

    fn posterior(&self, _: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let log_var = Tensor::full(features.dims(), self.log_var, &features.device().inner());
        Box::new(Diagonal {
            mean: features,
            log_var,
        })
    }
}

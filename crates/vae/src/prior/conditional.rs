//! A Gaussian whose mean and variance depend on the latents before: p(z|h) = N(m(h), diag(s(h)^2)), with the state h of
//! a decoder that goes top-down.
//!
//! A bottleneck of convolutions over h gives the mean and the log variance, which is bounded smoothly; for the first
//! latent h is constant, and so is its prior. Sources: [sonderby-2016], equation 4; [child-2021], figure 3.

use super::{Prior, PriorContext};
use crate::latent::gaussian_residual::{Head, check_hidden};
use crate::latent::{Diagonal, Posterior};
use crate::noise;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the conditional Gaussian.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Channels between the convolutions at a port with places, at least 1.
    pub hidden: usize,
    /// Nonlinearity of the convolutions.
    pub activation: String,
    /// Bound of |log variance|, in (0, 60].
    pub log_var_bound: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hidden: 32,
            activation: "relu".to_owned(),
            log_var_bound: crate::latent::default_bound(),
        }
    }
}

/// First weights of the last layer, relative to the usual ones: the prior starts near N(0, I).
const START: f64 = 0.1;

struct Conditional {
    head: Head,
    bound: f64,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "conditional",
    about: "Gaussian that depends on the latents before, for a decoder that goes top-down",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| {
        super::expect_numbers("conditional", place, site)?;
        let options: Options = part::options(table, place)?;
        crate::latent::check(place, site.dim, options.log_var_bound)?;
        check_hidden(place, options.hidden)?;
        let activation = crate::encoder::activation(place, &options.activation)?;
        let Some(context) = &site.context else {
            return Err(RecipeError::value(
                place,
                "kind = \"conditional\" depends on the latents before, and this decoder takes all at once; take \
                 decoder = \"top_down\", or kind = \"normal\"",
            ));
        };
        let mut port = context.clone();
        let dim = match (site.map, port.map) {
            (Some(z), Some(map)) if z[1..] == map[1..] => z[0],
            _ => {
                port.map = None;
                site.dim
            }
        };
        Ok(Box::new(Conditional {
            head: Head::new(builder, &port, dim, options.hidden, activation, START),
            bound: options.log_var_bound,
        }))
    },
};

impl Conditional {
    fn given(&self, at: &PriorContext<'_>) -> Diagonal {
        let context = at.context.clone();
        let context = context.expect("internal error: a conditional prior without a context");
        let [mean, raw] = self.head.forward(at.params, context);
        Diagonal {
            mean,
            log_var: crate::latent::bounded(raw, self.bound),
        }
    }
}

impl Prior for Conditional {
    fn gaussian(&self, at: &PriorContext<'_>) -> Option<Diagonal> {
        Some(self.given(at))
    }

    fn log_prob(&self, at: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        self.given(at).log_prob(z)
    }

    fn sample(&self, at: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let given = self.given(at);
        let d = given.mean.dims()[1];
        given.sample(noise::normal(stream, n, d, at.params.device()))
    }
}

//! Gaussian that says how it differs from its prior: q(z|x) = N(m_p + s_p a(x), diag((s_p b(x))^2)), with m_p and s_p of
//! the prior N(m_p, diag(s_p^2)) given the latents before.
//!
//! KL(q || p) = (a^2 + b^2 - 1 - log b^2) / 2 a coordinate: where the data say nothing, a = 0 and b = 1 cost nothing, and
//! q follows the prior wherever it moves. At a port with places z is a map with `dim` numbers at each; a bottleneck of
//! convolutions over the features and the state of the decoder gives a and log b^2, which is bounded smoothly. Under a
//! prior that is no Gaussian of its own m_p = 0, s_p = 1.
//! Source: [vahdat-2020], equations 3 and 4, whose shift is not in units of s_p.

use super::{Diagonal, Latent, Posterior, bounded, check, default_bound};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{Activation, Bottleneck, BottleneckShape, Linear, Params};
use serde::{Deserialize, Serialize};

/// Options of the residual Gaussian.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Numbers of z, at each place of a port with places; at least 1.
    pub dim: usize,
    /// Channels between the convolutions at a port with places, at least 1.
    pub hidden: usize,
    /// Nonlinearity of the convolutions.
    pub activation: String,
    /// Where the features come from: `bottom` (the encoder's last level) or another such as `h1`.
    pub port: String,
    /// Bound of |log variance| relative to the prior's, in (0, 60].
    pub log_var_bound: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dim: 8,
            hidden: 32,
            activation: "relu".to_owned(),
            port: "bottom".to_owned(),
            log_var_bound: default_bound(),
        }
    }
}

/// What gives the parameters of a Gaussian.
pub(crate) enum Head {
    /// At a port with places `[C, height, width]`.
    Map([usize; 3], Bottleneck),
    /// At a port without.
    Vector(Linear),
}

impl Head {
    /// Two numbers for each of `dim`, at each place; in a map the first weights of the last layer are the usual ones times
    /// `scale`.
    pub(crate) fn new(
        builder: &mut jensen_nets::Builder,
        port: &crate::encoder::Port,
        dim: usize,
        hidden: usize,
        activation: Activation,
        scale: f64,
    ) -> Self {
        match port.map {
            None => Self::Vector(Linear::new(
                builder,
                "head",
                port.width,
                2 * dim,
                Activation::Identity,
            )),
            Some(map) => {
                let shape = BottleneckShape {
                    n_in: map[0],
                    n_hidden: hidden,
                    n_out: 2 * dim,
                    kernel: if map[1].max(map[2]) > 1 { 3 } else { 1 },
                    n_middle: 1,
                    scale,
                };
                Self::Map(map, Bottleneck::new(builder, "head", shape, activation))
            }
        }
    }

    /// A mean and a raw log variance, `[R, d]` each.
    pub(crate) fn forward(&self, params: &Params, features: Tensor<2>) -> [Tensor<2>; 2] {
        let both = match self {
            Self::Vector(linear) => linear.forward(params, features),
            Self::Map([channels, height, width], convs) => {
                let image = unflatten(features, *channels, *height, *width);
                flatten(convs.forward(params, image))
            }
        };
        let d = both.dims()[1] / 2;
        [both.clone().narrow(1, 0, d), both.narrow(1, d, d)]
    }
}

/// Refuses a bottleneck without channels.
pub(crate) fn check_hidden(place: &str, hidden: usize) -> Result<(), RecipeError> {
    match hidden {
        0 => Err(RecipeError::value(
            place,
            "hidden = 0: expected at least 1 channel",
        )),
        _ => Ok(()),
    }
}

struct Residual {
    head: Head,
    /// `[dim, height, width]`, where z is a map.
    map: Option<[usize; 3]>,
    dim: usize,
    bound: f64,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "gaussian_residual",
    about: "Gaussian with diagonal covariance, given by what differs from its prior",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "normal",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            check(place, options.dim, options.log_var_bound)?;
            check_hidden(place, options.hidden)?;
            let activation = crate::encoder::activation(place, &options.activation)?;
            let map = port
                .map
                .map(|[_, height, width]| [options.dim, height, width]);
            Ok(Box::new(Residual {
                head: Head::new(builder, port, options.dim, options.hidden, activation, 1.0),
                map,
                dim: map.map_or(options.dim, |map| map.iter().product()),
                bound: options.log_var_bound,
            }))
        },
    },
};

impl Latent for Residual {
    fn dim(&self) -> usize {
        self.dim
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.map
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        self.posterior_from(params, features, None)
    }

    fn posterior_from(
        &self,
        params: &Params,
        features: Tensor<2>,
        prior: Option<&Diagonal>,
    ) -> Box<dyn Posterior> {
        let [shift, raw] = self.head.forward(params, features);
        let change = bounded(raw, self.bound);
        Box::new(match prior {
            None => Diagonal {
                mean: shift,
                log_var: change,
            },
            Some(prior) => Diagonal {
                mean: prior.mean.clone() + shift * (prior.log_var.clone() * 0.5).exp(),
                log_var: prior.log_var.clone() + change,
            },
        })
    }
}

//! Gaussian with diagonal covariance: q(z|x) = N(m(x), diag(s(x)^2)), z = m + s eps.
//!
//! One linear layer gives the mean and the log variance, which is bounded smoothly. With `channels` z is a map with the
//! places of its port, and the layer is that of every place ([rombach-2022], section 3.1). KL to N(0, I) per
//! coordinate: (m^2 + s^2 - 1 - log s^2) / 2. Source: [kingma-2014], equation 10.

use super::discrete::{join, split};
use super::{GaussianPosterior, LN_TAU, Latent, Posterior, bounded, check, default_bound};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::Tensor;
use jensen_kernels as kernels;
use jensen_nets::{Activation, Graph, Linear, Params, Value};
use serde::{Deserialize, Serialize};

/// Options of the diagonal Gaussian.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Dimension of z, at least 1, unless it is a map.
    pub dim: usize,
    /// Channels of z at a port with places, where z is then a map; 0 makes it a vector.
    pub channels: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Bound of |log variance|, in (0, 60].
    pub log_var_bound: f64,
    /// Cuts log variances off at -30 and 20 and leaves them alone between, in place of the smooth bound: what models
    /// that come from the diffusers library do.
    #[serde(default)]
    pub clamp: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dim: 20,
            channels: 0,
            port: "bottom".to_owned(),
            log_var_bound: default_bound(),
            clamp: false,
        }
    }
}

/// Where log variances are cut off, after the code of [rombach-2022].
const LEAST_LOG_VAR: f64 = -30.0;
const MOST_LOG_VAR: f64 = 20.0;

struct Gaussian {
    head: Linear,
    dim: usize,
    /// `[channels, height, width]` of z, and the channels of the port.
    map: Option<([usize; 3], usize)>,
    /// Of log variances; `None` cuts them off.
    bound: Option<f64>,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "gaussian",
    about: "Gaussian with diagonal covariance",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "normal",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            check(place, options.dim, options.log_var_bound)?;
            let map = match (options.channels, port.map) {
                (0, _) => None,
                (channels, Some([n_in, height, width])) => Some(([channels, height, width], n_in)),
                (channels, None) => {
                    return Err(RecipeError::value(
                        place,
                        format!(
                            "channels = {channels}: the port `{}` has no places; give the encoder fc = 0, or set dim instead",
                            port.name
                        ),
                    ));
                }
            };
            let (n_in, n_out) = match map {
                None => (port.width, options.dim),
                Some(([channels, ..], n_in)) => (n_in, channels),
            };
            Ok(Box::new(Gaussian {
                head: Linear::new(builder, "head", n_in, 2 * n_out, Activation::Identity),
                dim: map.map_or(options.dim, |(map, _)| map.iter().product()),
                map,
                bound: (!options.clamp).then_some(options.log_var_bound),
            }))
        },
    },
};

impl Latent for Gaussian {
    fn dim(&self) -> usize {
        self.dim
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.map.map(|(map, _)| map)
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let both = match self.map {
            None => self.head.forward(params, features),
            Some(([_, height, width], n_in)) => {
                let both = self.head.forward(params, split(features, n_in));
                join(both, height * width)
            }
        };
        let raw = both.clone().narrow(1, self.dim, self.dim);
        Box::new(Diagonal {
            mean: both.narrow(1, 0, self.dim),
            log_var: match self.bound {
                Some(bound) => bounded(raw, bound),
                None => raw.clamp(LEAST_LOG_VAR, MOST_LOG_VAR),
            },
        })
    }

    fn emit(
        &self,
        params: &Params,
        graph: &mut Graph,
        features: &Value,
    ) -> Option<Vec<(&'static str, Value)>> {
        let both = match self.map {
            None => self.head.emit(params, graph, features),
            Some((_, n_in)) => {
                let map = graph.reshape(features, &[0, n_in as i64, -1]);
                let places = graph.transpose(&map, &[0, 2, 1]);
                let both = self.head.emit(params, graph, &places);
                let apart = graph.transpose(&both, &[0, 2, 1]);
                graph.reshape(&apart, &[0, -1])
            }
        };
        let mean = graph.slice(&both, 1, 0, self.dim);
        let raw = graph.slice(&both, 1, self.dim, 2 * self.dim);
        let log_var = emit_bounded(graph, &raw, self.bound);
        Some(vec![("mean", mean), ("log_var", log_var)])
    }
}

/// bound tanh(x / bound), or what is cut off.
fn emit_bounded(graph: &mut Graph, raw: &Value, bound: Option<f64>) -> Value {
    let mut number = |x: f64| graph.numbers(&[], &[x as f32]);
    match bound {
        Some(bound) => {
            let (scale, bound) = (number(1.0 / bound), number(bound));
            let scaled = graph.node("Mul", &[raw, &scale], &[]);
            let unit = graph.node("Tanh", &[&scaled], &[]);
            graph.node("Mul", &[&unit, &bound], &[])
        }
        None => {
            let (least, most) = (number(LEAST_LOG_VAR), number(MOST_LOG_VAR));
            graph.node("Clip", &[raw, &least, &most], &[])
        }
    }
}

/// N(mean, diag(exp(log_var))) for a batch.
pub struct Diagonal {
    /// `[B, d]`.
    pub mean: Tensor<2>,
    /// `[B, d]`.
    pub log_var: Tensor<2>,
}

impl Diagonal {
    /// KL(q || self) `[B, d]` in nats for a q whose coordinates are independent, else `None`: that of q to N(0, I) in
    /// coordinates in which this is N(0, I).
    pub fn kl_from(&self, q: &dyn Posterior) -> Option<Tensor<2>> {
        let gaussian = q.gaussian().filter(|gaussian| gaussian.is_factorized())?;
        let scale = (self.log_var.clone() * -0.5).exp();
        let mean = (q.mean() - self.mean.clone()) * scale;
        let log_var = gaussian.log_var() - self.log_var.clone();
        Some(kernels::kl_standard_normal(mean, log_var))
    }
}

impl Posterior for Diagonal {
    fn mean(&self) -> Tensor<2> {
        self.mean.clone()
    }

    fn sample(&self, noise: Tensor<2>) -> Tensor<2> {
        kernels::reparameterize(self.mean.clone(), self.log_var.clone(), noise)
    }

    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let k = z.dims()[0] / self.mean.dims()[0];
        rows::sum(log_density_per_dim(
            z,
            rows::repeat(self.mean.clone(), k),
            rows::repeat(self.log_var.clone(), k),
        ))
    }

    fn detached(&self) -> Box<dyn Posterior> {
        Box::new(Self {
            mean: self.mean.clone().detach(),
            log_var: self.log_var.clone().detach(),
        })
    }

    fn gaussian(&self) -> Option<&dyn GaussianPosterior> {
        Some(self)
    }
}

impl GaussianPosterior for Diagonal {
    fn log_var(&self) -> Tensor<2> {
        self.log_var.clone()
    }

    fn kl_standard_normal(&self) -> Tensor<2> {
        kernels::kl_standard_normal(self.mean.clone(), self.log_var.clone())
    }

    fn whitening(&self) -> Option<Tensor<3>> {
        None
    }

    fn is_factorized(&self) -> bool {
        true
    }
}

/// log N(z; mean, diag(exp(log_var))) with gradients to all three arguments, per coordinate.
pub(crate) fn log_density_per_dim<const D: usize>(
    z: Tensor<D>,
    mean: Tensor<D>,
    log_var: Tensor<D>,
) -> Tensor<D> {
    let distance = (z - mean).square() * log_var.clone().neg().exp();
    (distance + log_var + LN_TAU) * -0.5
}

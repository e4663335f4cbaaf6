//! Gaussian with diagonal covariance: q(z|x) = N(m(x), diag(s(x)^2)), z = m + s eps.
//!
//! One linear layer gives the mean and the log variance, which is bounded smoothly. KL to N(0, I) per
//! coordinate: (m^2 + s^2 - 1 - log s^2) / 2. Source: [kingma-2014], equation 10.

use super::{GaussianPosterior, LN_TAU, Latent, Posterior, bounded, check, default_bound};
use crate::part::{self, Entry};
use crate::rows;
use burn::tensor::Tensor;
use jensen_kernels as kernels;
use jensen_nets::{Activation, Linear, Params};
use serde::{Deserialize, Serialize};

/// Options of the diagonal Gaussian.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Dimension of z, at least 1.
    pub dim: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Bound of |log variance|, in (0, 60].
    pub log_var_bound: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dim: 20,
            port: "bottom".to_owned(),
            log_var_bound: default_bound(),
        }
    }
}

struct Gaussian {
    head: Linear,
    dim: usize,
    bound: f64,
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
            let head = Linear::new(
                builder,
                "head",
                port.width,
                2 * options.dim,
                Activation::Identity,
            );
            Ok(Box::new(Gaussian {
                head,
                dim: options.dim,
                bound: options.log_var_bound,
            }))
        },
    },
};

impl Latent for Gaussian {
    fn dim(&self) -> usize {
        self.dim
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let both = self.head.forward(params, features);
        Box::new(Diagonal {
            mean: both.clone().narrow(1, 0, self.dim),
            log_var: bounded(both.narrow(1, self.dim, self.dim), self.bound),
        })
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

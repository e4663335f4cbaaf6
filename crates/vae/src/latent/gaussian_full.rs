//! Gaussian with full covariance: q(z|x) = N(m(x), L(x) L(x)^T), z = m + L eps, L lower triangular with
//! positive diagonal.
//!
//! KL to N(0, I): (|L|_F^2 + |m|^2 - d) / 2 - sum_i log L_ii; it does not split over coordinates.
//! Needs d (d + 1) / 2 + d network outputs, so it is for small d. Source: [kingma-2019],
//! section 2.5.1.

use super::{GaussianPosterior, LN_TAU, Latent, Posterior, bounded, check, default_bound};
use crate::part::{self, Entry};
use crate::rows;
use burn::tensor::{Bool, Device, Tensor, TensorData};
use jensen_nets::{Activation, Linear, Params};
use serde::{Deserialize, Serialize};

/// Options of the Gaussian with full covariance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Dimension of z, at least 1.
    pub dim: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Bound of |log L_ii^2|, in (0, 60].
    pub log_var_bound: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dim: 8,
            port: "bottom".to_owned(),
            log_var_bound: default_bound(),
        }
    }
}

struct GaussianFull {
    head: Linear,
    dim: usize,
    bound: f64,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "gaussian_full",
    about: "Gaussian with full covariance",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "normal",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            check(place, options.dim, options.log_var_bound)?;
            let d = options.dim;
            let head = Linear::new(
                builder,
                "head",
                port.width,
                2 * d + d * d,
                Activation::Identity,
            );
            Ok(Box::new(GaussianFull {
                head,
                dim: d,
                bound: options.log_var_bound,
            }))
        },
    },
};

/// The strictly lower triangle of a d x d matrix, `[1, d, d]`.
fn strictly_lower(d: usize, device: &Device) -> Tensor<3, Bool> {
    let mask: Vec<bool> = (0..d * d).map(|i| i % d < i / d).collect();
    Tensor::from_data(TensorData::new(mask, [1, d, d]), device)
}

impl Latent for GaussianFull {
    fn dim(&self) -> usize {
        self.dim
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let d = self.dim;
        let all = self.head.forward(params, features);
        let [batch, _] = all.dims();
        let device = all.device().inner();
        let log_diagonal = bounded(all.clone().narrow(1, d, d), self.bound) * 0.5;
        let square = all.clone().narrow(1, 2 * d, d * d).reshape([batch, d, d]);
        let keep = strictly_lower(d, &device).expand([batch, d, d]);
        let lower = square.mask_fill(keep.bool_not(), 0.0);
        let eye = Tensor::<2>::eye(d, &device).reshape([1, d, d]);
        let diagonal = log_diagonal.clone().exp().reshape([batch, d, 1]) * eye;
        Box::new(Full {
            mean: all.narrow(1, 0, d),
            log_diagonal,
            lower: lower + diagonal,
        })
    }
}

struct Full {
    mean: Tensor<2>,
    log_diagonal: Tensor<2>,
    /// L `[B, d, d]`.
    lower: Tensor<3>,
}

impl Full {
    /// L^-1 of every row of `[B, k, d]`, by forward substitution, one coordinate at a time.
    fn solve(&self, right: Tensor<3>) -> Tensor<3> {
        let [batch, _, d] = right.dims();
        let mut solved: Vec<Tensor<3>> = Vec::with_capacity(d);
        for i in 0..d {
            let mut rest = right.clone().narrow(2, i, 1);
            if i > 0 {
                let row = self.lower.clone().narrow(1, i, 1).narrow(2, 0, i);
                let before = Tensor::cat(solved.clone(), 2);
                rest = rest - (before * row).sum_dim(2);
            }
            let pivot = self.log_diagonal.clone().narrow(1, i, 1).neg().exp();
            solved.push(rest * pivot.reshape([batch, 1, 1]));
        }
        Tensor::cat(solved, 2)
    }

    /// L^-T `[B, d, d]`.
    fn inverse(&self) -> Tensor<3> {
        let [batch, d] = self.mean.dims();
        let eye = Tensor::<2>::eye(d, &self.mean.device().inner()).reshape([1, d, d]);
        self.solve(eye.expand([batch, d, d]))
    }
}

impl Posterior for Full {
    fn mean(&self) -> Tensor<2> {
        self.mean.clone()
    }

    fn sample(&self, noise: Tensor<2>) -> Tensor<2> {
        let [batch, d] = self.mean.dims();
        let k = noise.dims()[0] / batch;
        // [B, K, d] times L^T [B, d, d].
        let noise = noise.reshape([batch, k, d]);
        let moved = noise.matmul(self.lower.clone().swap_dims(1, 2));
        moved.reshape([batch * k, d]) + rows::repeat(self.mean.clone(), k)
    }

    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        let [batch, d] = self.mean.dims();
        let k = z.dims()[0] / batch;
        let centered = (z - rows::repeat(self.mean.clone(), k)).reshape([batch, k, d]);
        let solved = if k > d {
            // Many z for one posterior, as under a VampPrior: L^-T once, then one product.
            centered.matmul(self.inverse())
        } else {
            self.solve(centered)
        };
        let distance = solved.square().sum_dim(2).reshape([batch, k]);
        let log_det = self.log_diagonal.clone().sum_dim(1);
        let log_q = distance * -0.5 - log_det - 0.5 * d as f64 * LN_TAU;
        log_q.reshape([batch * k])
    }

    fn detached(&self) -> Box<dyn Posterior> {
        Box::new(Self {
            mean: self.mean.clone().detach(),
            log_diagonal: self.log_diagonal.clone().detach(),
            lower: self.lower.clone().detach(),
        })
    }

    fn gaussian(&self) -> Option<&dyn GaussianPosterior> {
        Some(self)
    }
}

impl GaussianPosterior for Full {
    fn log_var(&self) -> Tensor<2> {
        let [batch, d] = self.mean.dims();
        let variance = self.lower.clone().square().sum_dim(2);
        variance.reshape([batch, d]).log()
    }

    fn kl_standard_normal(&self) -> Tensor<2> {
        let [batch, d] = self.mean.dims();
        let frobenius = self
            .lower
            .clone()
            .square()
            .reshape([batch, d * d])
            .sum_dim(1);
        let norm = self.mean.clone().square().sum_dim(1);
        (frobenius + norm - d as f64) * 0.5 - self.log_diagonal.clone().sum_dim(1)
    }

    fn whitening(&self) -> Option<Tensor<3>> {
        Some(self.inverse())
    }

    fn is_factorized(&self) -> bool {
        false
    }
}

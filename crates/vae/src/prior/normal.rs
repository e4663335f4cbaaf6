//! The standard normal prior N(0, I): nothing to learn, KL in closed form for Gaussian posteriors.

use super::{Prior, PriorContext};
use crate::latent::{LN_TAU, Posterior};
use crate::noise;
use crate::part::{self, Entry};
use crate::rows;
use burn::tensor::Tensor;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// The standard normal has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

struct Normal {
    dim: usize,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "normal",
    about: "standard normal",
    defaults: part::defaults::<Options>,
    build: |_, place, site, _| {
        super::expect_numbers("normal", place, site)?;
        Ok(Box::new(Normal { dim: site.dim }))
    },
};

/// log N(z; 0, I) `[R]`.
pub(super) fn log_standard_normal(z: Tensor<2>) -> Tensor<1> {
    let d = z.dims()[1] as f64;
    rows::sum(z.square()) * -0.5 - 0.5 * d * LN_TAU
}

impl Prior for Normal {
    fn kl(&self, _: &PriorContext<'_>, posterior: &dyn Posterior) -> Option<Tensor<2>> {
        Some(posterior.gaussian()?.kl_standard_normal())
    }

    fn is_standard_normal(&self) -> bool {
        true
    }

    fn log_prob(&self, _: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        log_standard_normal(z)
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        noise::normal(stream, n, self.dim, context.params.device())
    }
}

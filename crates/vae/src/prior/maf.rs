//! An autoregressive flow: each coordinate is shifted and scaled by what comes before it.
//!
//! u_i = (z_i - m_i) exp(-s_i), with m and s from one masked network that sees coordinates before i: of z, where
//! densities take one pass and samples one for each coordinate (MAF), or of u, where it is the other way round (IAF).
//! After each layer the order is turned round. log p(z) = log N(u; 0, I) - sum of all s, exact.
//! Sources: [papamakarios-2017], section 3; [kingma-2016], section 3; [germain-2015] (masks).

use super::PriorSite;
use super::normalizing::{Layer, NormalizingFlow, SCALE_BOUND, check};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::{Tensor, TensorData};
use jensen_nets::{Activation, Builder, MaskedLinear, Params};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the autoregressive flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Layers, at least 1.
    pub layers: usize,
    /// Hidden widths of each layer's network.
    pub hidden: Vec<usize>,
    /// What takes one pass: `"density"` (MAF) or `"samples"` (IAF).
    pub fast: Fast,
    /// Steps of training after those of everything else; 0 trains the prior with the network.
    pub steps: u64,
}

/// What takes one pass; the other takes one for each coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fast {
    /// Densities.
    Density,
    /// Samples.
    Samples,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layers: 4,
            hidden: vec![64, 64],
            fast: Fast::Density,
            steps: 0,
        }
    }
}

/// A network whose outputs m_i and s_i see inputs before i.
struct Made {
    layers: Vec<MaskedLinear>,
    dim: usize,
}

/// A shift and scale by such a network, with the order turned round after it.
struct Autoregressive {
    network: Made,
    fast: Fast,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "maf",
    about: "an autoregressive flow, whose density is exact; trained with the network or afterwards",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(maf(table, place, site, builder)?)),
};

impl Made {
    fn new(builder: &mut Builder, dim: usize, hidden: &[usize]) -> Self {
        // A unit of degree k sees the first k coordinates.
        let degree = |unit: usize| 1 + unit % dim.saturating_sub(1).max(1);
        let mut layers = Vec::new();
        for (i, &n_out) in hidden.iter().enumerate() {
            let (n_in, before): (_, &dyn Fn(usize) -> usize) = match i {
                0 => (dim, &|unit| unit + 1),
                _ => (hidden[i - 1], &degree),
            };
            let sees = |from: usize, to: usize| before(from) <= degree(to);
            let name = format!("fc{}", i + 1);
            let size = [n_in, n_out];
            layers.push(MaskedLinear::new(
                builder,
                &name,
                size,
                sees,
                Activation::Silu,
            ));
        }
        let size = [hidden[hidden.len() - 1], 2 * dim];
        let sees = |from: usize, to: usize| degree(from) <= to % dim;
        let last = MaskedLinear::new(builder, "last", size, sees, Activation::Identity);
        layers.push(last);
        Self { layers, dim }
    }

    /// m and s `[R, d]`.
    fn told(&self, params: &Params, seen: Tensor<2>) -> [Tensor<2>; 2] {
        let layers = self.layers.iter();
        let both = layers.fold(seen, |h, layer| layer.forward(params, h));
        let s = both.clone().narrow(1, self.dim, self.dim);
        [
            both.narrow(1, 0, self.dim),
            crate::latent::bounded(s, SCALE_BOUND),
        ]
    }

    /// What is found coordinate by coordinate, as each sees those found before; and s of all `[R, d]`.
    fn one_by_one(
        &self,
        params: &Params,
        given: Tensor<2>,
        of: impl Fn(Tensor<2>, [Tensor<2>; 2]) -> Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let mut found = Tensor::zeros(given.dims(), params.device());
        for i in 0..self.dim {
            let mut only = vec![0.0f32; self.dim];
            only[i] = 1.0;
            let only = TensorData::new(only, [1, self.dim]);
            let only = Tensor::<2>::from_data(only, params.device());
            let next = of(given.clone(), self.told(params, found.clone()));
            found = found + next * only;
        }
        let [_, s] = self.told(params, found.clone());
        (found, s)
    }
}

fn maf(
    table: &Table,
    place: &str,
    site: &PriorSite,
    builder: &mut Builder,
) -> Result<NormalizingFlow<Autoregressive>, RecipeError> {
    super::expect_numbers("maf", place, site)?;
    let options: Options = part::options(table, place)?;
    check(options.layers, &options.hidden, place)?;
    let layer = |b: &mut Builder, _| Autoregressive {
        network: Made::new(b, site.dim, &options.hidden),
        fast: options.fast,
    };
    Ok(NormalizingFlow::new(
        builder,
        site.dim,
        options.layers,
        options.steps,
        layer,
    ))
}

impl Layer for Autoregressive {
    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let down = |z: Tensor<2>, [m, s]: [Tensor<2>; 2]| (z - m) * s.neg().exp();
        let (u, s) = match self.fast {
            Fast::Density => {
                let told = self.network.told(params, z.clone());
                let s = told[1].clone();
                (down(z, told), s)
            }
            Fast::Samples => self.network.one_by_one(params, z, down),
        };
        (u.flip([1]), rows::sum(s))
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let up = |u: Tensor<2>, [m, s]: [Tensor<2>; 2]| u * s.exp() + m;
        let u = u.flip([1]);
        match self.fast {
            Fast::Samples => up(u.clone(), self.network.told(params, u)),
            Fast::Density => self.network.one_by_one(params, u, up).0,
        }
    }
}

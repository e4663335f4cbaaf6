//! An autoregressive flow: each coordinate is shifted and scaled by what comes before it.
//!
//! u_i = (z_i - m_i) exp(-s_i), with m and s from one masked network that sees coordinates before i: of z, where
//! densities take one pass and samples one for each coordinate (MAF), or of u, where it is the other way round (IAF).
//! After each layer the order is turned round. log p(z) = log N(u; 0, I) - sum of all s, exact.
//! Sources: [papamakarios-2017], section 3; [kingma-2016], section 3; [germain-2015] (masks).

use super::flow::{Affine, SCALE_BOUND, check};
use super::normal::log_standard_normal;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext, PriorSite};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::{Tensor, TensorData};
use jensen_nets::{Activation, Builder, MaskedLinear, Params};
use jensen_rng::Stream;
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

struct Maf {
    affine: Affine,
    layers: Vec<Made>,
    fast: Fast,
    dim: usize,
    stage: Option<Stage>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "maf",
    about: "an autoregressive flow, whose density is exact; trained with the network or afterwards",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(Maf::new(table, place, site, builder)?)),
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

impl Maf {
    fn new(
        table: &Table,
        place: &str,
        site: &PriorSite,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        super::expect_numbers("maf", place, site)?;
        let options: Options = part::options(table, place)?;
        check(options.layers, &options.hidden, place)?;
        let dim = site.dim;
        let layer = |b: &mut Builder, i: usize| {
            let name = format!("layer{}", i + 1);
            b.within(&name, |b| Made::new(b, dim, &options.hidden)).1
        };
        Ok(Self {
            affine: Affine::new(builder, dim),
            layers: (0..options.layers).map(|i| layer(builder, i)).collect(),
            fast: options.fast,
            dim,
            stage: Stage::new(builder, options.steps),
        })
    }

    fn log_prob_of(&self, params: &Params, z: Tensor<2>) -> Tensor<1> {
        let (mut u, mut sum) = self.affine.forward(params, z);
        for layer in &self.layers {
            let down = |z: Tensor<2>, [m, s]: [Tensor<2>; 2]| (z - m) * s.neg().exp();
            let (moved, s) = match self.fast {
                Fast::Density => {
                    let told = layer.told(params, u.clone());
                    let s = told[1].clone();
                    (down(u, told), s)
                }
                Fast::Samples => layer.one_by_one(params, u, down),
            };
            u = moved.flip([1]);
            sum = sum + rows::sum(s);
        }
        log_standard_normal(u) - sum
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let up = |u: Tensor<2>, [m, s]: [Tensor<2>; 2]| u * s.exp() + m;
        let layers = self.layers.iter().rev();
        let z = layers.fold(u, |u, layer| {
            let u = u.flip([1]);
            match self.fast {
                Fast::Samples => up(u.clone(), layer.told(params, u)),
                Fast::Density => layer.one_by_one(params, u, up).0,
            }
        });
        self.affine.inverse(params, z)
    }
}

impl Prior for Maf {
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        match Stage::is_waiting(&self.stage, context.params) {
            true => log_standard_normal(z),
            false => self.log_prob_of(context.params, z),
        }
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let params = context.params;
        let u = noise::normal(stream, n, self.dim, params.device());
        match Stage::is_waiting(&self.stage, params) {
            true => u,
            false => self.inverse(params, u),
        }
    }

    fn staged(&self) -> Option<&dyn Staged> {
        self.stage.is_some().then_some(self)
    }
}

impl Staged for Maf {
    fn n_steps(&self) -> u64 {
        self.stage.as_ref().map_or(0, |stage| stage.n_steps)
    }

    fn begin(&self, params: &mut Params, codes: &[f64]) {
        self.affine.measure(params, codes, self.dim);
        if let Some(stage) = &self.stage {
            stage.begin(params);
        }
    }

    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, _: &mut Stream) -> Tensor<1> {
        self.log_prob_of(context.params, z).neg()
    }
}

//! A normalizing flow of affine couplings: z becomes standard normal u by layers that can be turned back.
//!
//! A layer keeps one half of the coordinates, a, and moves the other: u_b = (z_b - t(a)) exp(-s(a)), with s and t from a
//! network of a; between layers the coordinates change places by a fixed permutation. First of all comes one shift and
//! scale for each coordinate. log p(z) = log N(u; 0, I) - sum of all s, exact; samples run the layers backwards.
//! Source: [dinh-2017], sections 3.2 and 3.5. Cost: a pass of each layer's network, for densities and samples alike.

use super::normal::log_standard_normal;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext, PriorSite};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_nets::{Activation, Builder, Handle, Init, Linear, Mlp, Params};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Couplings, at least 1.
    pub layers: usize,
    /// Hidden widths of each coupling's network.
    pub hidden: Vec<usize>,
    /// Steps of training after those of everything else; 0 trains the prior with the network.
    pub steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layers: 6,
            hidden: vec![64, 64],
            steps: 0,
        }
    }
}

/// Bound of |s| of a layer: a scale can change by a factor of e^2.
pub(super) const SCALE_BOUND: f64 = 2.0;
/// Far more than any flow has; a slip of the pen would fill the memory.
pub(super) const MOST_LAYERS: usize = 1000;
/// Scales of codes below this are those of a constant.
const LEAST_SCALE: f64 = 1e-4;

/// A shift and a scale for each coordinate.
pub(super) struct Affine {
    shift: Handle<2>,
    log_scale: Handle<2>,
}

impl Affine {
    pub(super) fn new(builder: &mut Builder, dim: usize) -> Self {
        Self {
            shift: builder.register("shift", [1, dim], Init::Constant(0.0)),
            log_scale: builder.register("log_scale", [1, dim], Init::Constant(0.0)),
        }
    }

    /// u and the sum of log scales `[1]`.
    pub(super) fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let log_scale = params.get(self.log_scale);
        let u = (z - params.get(self.shift)) * log_scale.clone().neg().exp();
        (u, rows::sum(log_scale))
    }

    pub(super) fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        u * params.get(self.log_scale).exp() + params.get(self.shift)
    }

    /// Takes mean and scale of codes `[n, d]`.
    pub(super) fn measure(&self, params: &mut Params, codes: &[f64], dim: usize) {
        let n = (codes.len() / dim) as f64;
        let column = |i: usize| codes.iter().skip(i).step_by(dim);
        let means: Vec<f64> = (0..dim).map(|i| column(i).sum::<f64>() / n).collect();
        let log_scale = |i: usize| {
            let variance = column(i).map(|z| (z - means[i]).powi(2)).sum::<f64>() / n;
            variance.sqrt().max(LEAST_SCALE).ln() as f32
        };
        params.set(self.log_scale, (0..dim).map(log_scale).collect());
        params.set(self.shift, means.iter().map(|&mean| mean as f32).collect());
    }
}

struct Coupling {
    body: Mlp,
    last: Linear,
    /// Where each coordinate comes from before the layer, and where it goes back to.
    order: Vec<usize>,
    back: Vec<usize>,
}

struct Flow {
    affine: Affine,
    layers: Vec<Coupling>,
    dim: usize,
    stage: Option<Stage>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "flow",
    about: "affine couplings, whose density is exact; trained with the network or afterwards",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(Flow::new(table, place, site, builder)?)),
};

/// Refuses numbers of layers and widths that no flow has.
pub(super) fn check(layers: usize, hidden: &[usize], place: &str) -> Result<(), RecipeError> {
    if !(1..=MOST_LAYERS).contains(&layers) {
        let message = format!("layers = {layers}: expected 1 to {MOST_LAYERS}");
        return Err(RecipeError::value(place, message));
    }
    if hidden.is_empty() {
        return Err(RecipeError::value(
            place,
            "hidden = []: expected at least one width",
        ));
    }
    crate::encoder::check_widths(place, "hidden", hidden)
}

impl Flow {
    fn new(
        table: &Table,
        place: &str,
        site: &PriorSite,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        super::expect_numbers("flow", place, site)?;
        let options: Options = part::options(table, place)?;
        check(options.layers, &options.hidden, place)?;
        let dim = site.dim;
        if dim < 2 {
            return Err(RecipeError::value(
                place,
                "kind = \"flow\" splits the coordinates in two halves, and this latent has one; take kind = \"maf\"",
            ));
        }
        let kept = dim / 2;
        let stream = Stream::from_seed(0).child("flow", dim as u64);
        let layer = |b: &mut Builder, index: usize| {
            let last = options.hidden[options.hidden.len() - 1];
            let order = stream.child("layer", index as u64).permutation(dim);
            let mut back = vec![0; dim];
            for (to, &from) in order.iter().enumerate() {
                back[from] = to;
            }
            Coupling {
                body: Mlp::new(b, kept, &options.hidden, &[], Activation::Silu),
                last: Linear::new(b, "last", last, 2 * (dim - kept), Activation::Identity),
                order,
                back,
            }
        };
        let layers = 0..options.layers;
        Ok(Self {
            affine: Affine::new(builder, dim),
            layers: layers
                .map(|i| {
                    builder
                        .within(&format!("layer{}", i + 1), |b| layer(b, i))
                        .1
                })
                .collect(),
            dim,
            stage: Stage::new(builder, options.steps),
        })
    }

    /// u `[R, d]` of z, and the sum of all s `[R]`.
    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let (mut u, mut sum) = self.affine.forward(params, z);
        for layer in &self.layers {
            let (moved, s) = layer.forward(params, u);
            u = moved;
            sum = sum + s;
        }
        (u, sum)
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter().rev();
        let z = layers.fold(u, |u, layer| layer.inverse(params, u));
        self.affine.inverse(params, z)
    }

    fn log_prob_of(&self, params: &Params, z: Tensor<2>) -> Tensor<1> {
        let (u, sum) = self.forward(params, z);
        log_standard_normal(u) - sum
    }
}

fn permuted(z: Tensor<2>, order: &[usize], device: &Device) -> Tensor<2> {
    let order: Vec<i64> = order.iter().map(|&i| i as i64).collect();
    let order = TensorData::new(order.clone(), [order.len()]);
    z.select(1, Tensor::<1, Int>::from_data(order, device))
}

impl Coupling {
    /// s and t `[R, d_b]` of the half that is kept.
    fn told(&self, params: &Params, kept: Tensor<2>) -> [Tensor<2>; 2] {
        let hidden = self.body.forward(params, kept).pop();
        let hidden = hidden.expect("internal error: a network without layers");
        let both = self.last.forward(params, hidden);
        let n = both.dims()[1] / 2;
        let s = both.clone().narrow(1, 0, n);
        [crate::latent::bounded(s, SCALE_BOUND), both.narrow(1, n, n)]
    }

    fn halves(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let dim = self.order.len();
        let n = dim / 2;
        [x.clone().narrow(1, 0, n), x.narrow(1, n, dim - n)]
    }

    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let [kept, moved] = self.halves(permuted(z, &self.order, params.device()));
        let [s, t] = self.told(params, kept.clone());
        let moved = (moved - t) * s.clone().neg().exp();
        (Tensor::cat(vec![kept, moved], 1), rows::sum(s))
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let [kept, moved] = self.halves(u);
        let [s, t] = self.told(params, kept.clone());
        let moved = moved * s.exp() + t;
        let z = Tensor::cat(vec![kept, moved], 1);
        permuted(z, &self.back, params.device())
    }
}

impl Prior for Flow {
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

impl Staged for Flow {
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

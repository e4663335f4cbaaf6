//! What normalizing flows share: z becomes standard normal u by layers that can be turned back.
//!
//! First comes one shift and scale for each coordinate, then the layers. log p(z) = log N(u; 0, I) - sum of all s, exact;
//! samples run the layers backwards.

use super::normal::log_standard_normal;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::Tensor;
use jensen_nets::{Builder, Handle, Init, Params};
use jensen_rng::Stream;

/// Bound of |s| of a layer: a scale can change by a factor of e^2.
pub(super) const SCALE_BOUND: f64 = 2.0;
/// Far more than any flow has; a slip of the pen would fill the memory.
const MOST_LAYERS: usize = 1000;
/// Scales of codes below this are those of a constant.
const LEAST_SCALE: f64 = 1e-4;

/// A step of a flow.
pub(super) trait Layer: Send + Sync {
    /// u `[R, d]` of z, and the sum of its s `[R]`.
    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>);

    /// z of u.
    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2>;
}

/// A shift and a scale for each coordinate.
struct Affine {
    shift: Handle<2>,
    log_scale: Handle<2>,
}

impl Affine {
    fn new(builder: &mut Builder, dim: usize) -> Self {
        Self {
            shift: builder.register("shift", [1, dim], Init::Constant(0.0)),
            log_scale: builder.register("log_scale", [1, dim], Init::Constant(0.0)),
        }
    }

    /// u and the sum of log scales `[1]`.
    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let log_scale = params.get(self.log_scale);
        let u = (z - params.get(self.shift)) * log_scale.clone().neg().exp();
        (u, rows::sum(log_scale))
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        u * params.get(self.log_scale).exp() + params.get(self.shift)
    }

    /// Takes mean and scale of codes `[n, d]`.
    fn measure(&self, params: &mut Params, codes: &[f64], dim: usize) {
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

/// A prior of such layers.
pub(super) struct NormalizingFlow<L> {
    affine: Affine,
    layers: Vec<L>,
    dim: usize,
    stage: Option<Stage>,
}

impl<L: Layer> NormalizingFlow<L> {
    /// `n_layers` layers, each made by `layer` from its number; `n_steps` as for [`Stage::new`].
    pub(super) fn new(
        builder: &mut Builder,
        dim: usize,
        n_layers: usize,
        n_steps: u64,
        layer: impl Fn(&mut Builder, usize) -> L,
    ) -> Self {
        let affine = Affine::new(builder, dim);
        let layers = (0..n_layers).map(|i| {
            let name = format!("layer{}", i + 1);
            builder.within(&name, |b| layer(b, i)).1
        });
        Self {
            affine,
            layers: layers.collect(),
            dim,
            stage: Stage::new(builder, n_steps),
        }
    }

    fn log_prob_of(&self, params: &Params, z: Tensor<2>) -> Tensor<1> {
        let (mut u, mut sum) = self.affine.forward(params, z);
        for layer in &self.layers {
            let (moved, s) = layer.forward(params, u);
            u = moved;
            sum = sum + s;
        }
        log_standard_normal(u) - sum
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let layers = self.layers.iter().rev();
        let z = layers.fold(u, |u, layer| layer.inverse(params, u));
        self.affine.inverse(params, z)
    }
}

impl<L: Layer> Prior for NormalizingFlow<L> {
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

impl<L: Layer> Staged for NormalizingFlow<L> {
    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn measure(&self, params: &mut Params, codes: &[f64]) {
        self.affine.measure(params, codes, self.dim);
    }

    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, _: &mut Stream) -> Tensor<1> {
        self.log_prob_of(context.params, z).neg()
    }
}

//! Normalization over channel groups or over a whole layer: no running statistics, so training and
//! evaluation compute the same function.
//!
//! y = (x - mean) / sqrt(var + eps) * gain + shift, mean and variance over each group of channels and
//! all pixels of one example. Source: [wu-2018] (group normalization); [ba-2016] (layer
//! normalization, here one group).

use crate::{Attribute, Builder, Graph, Handle, Init, Params, Value};
use burn::tensor::Tensor;

/// Added to the variance; the value of both papers' code.
pub(crate) const EPSILON: f64 = 1e-5;
/// The value of autoencoders with many groups ([rombach-2022], code).
const SMALL_EPSILON: f64 = 1e-6;

/// Which values share a mean and a variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// No normalization.
    None,
    /// Groups of channels: 8 groups, or as many as divide the channels.
    Group,
    /// All channels together.
    Layer,
}

impl NormKind {
    /// Every kind with its name in recipes.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("none", Self::None),
        ("group", Self::Group),
        ("layer", Self::Layer),
    ];

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(known, kind)| (known == name).then_some(kind))
    }
}

/// A normalization layer for images `[B, C, H, W]`.
#[derive(Clone, Debug)]
pub struct Norm {
    affine: Option<(Handle<1>, Handle<1>)>,
    groups: usize,
    epsilon: f64,
}

impl Norm {
    /// A layer for `channels` channels, or the identity for [`NormKind::None`].
    pub fn new(builder: &mut Builder, name: &str, channels: usize, kind: NormKind) -> Self {
        let groups = match kind {
            NormKind::None => {
                return Self {
                    affine: None,
                    groups: 1,
                    epsilon: EPSILON,
                };
            }
            NormKind::Layer => 1,
            NormKind::Group => (1..=8)
                .rev()
                .find(|&g| channels.is_multiple_of(g))
                .unwrap_or(1),
        };
        Self::with_groups(builder, name, channels, groups, EPSILON)
    }

    /// A layer of so many groups, which divide the channels, with 1e-6 added to the variance.
    pub fn grouped(builder: &mut Builder, name: &str, channels: usize, groups: usize) -> Self {
        Self::with_groups(builder, name, channels, groups, SMALL_EPSILON)
    }

    fn with_groups(
        builder: &mut Builder,
        name: &str,
        channels: usize,
        groups: usize,
        epsilon: f64,
    ) -> Self {
        let (_, affine) = builder.within(name, |b| {
            (
                b.register("gain", [channels], Init::Constant(1.0)),
                b.register("shift", [channels], Init::Constant(0.0)),
            )
        });
        Self {
            affine: Some(affine),
            groups,
            epsilon,
        }
    }

    /// The normalized images, same shape.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let Some((gain, shift)) = self.affine else {
            return x;
        };
        let [batch, channels, height, width] = x.dims();
        let grouped = x.reshape([batch, self.groups, channels / self.groups * height * width]);
        let mean = grouped.clone().mean_dim(2);
        let centered = grouped - mean;
        let var = centered.clone().square().mean_dim(2);
        let unit = centered / (var + self.epsilon).sqrt();
        let per_channel = |handle| params.get::<1>(handle).reshape([1, channels, 1, 1]);
        unit.reshape([batch, channels, height, width]) * per_channel(gain) + per_channel(shift)
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let Some((gain, shift)) = self.affine else {
            return x.clone();
        };
        let groups = self.groups;
        let grouped = graph.reshape(x, &[0, groups as i64, -1]);
        let ones = graph.numbers(&[groups], &vec![1.0; groups]);
        let zeros = graph.numbers(&[groups], &vec![0.0; groups]);
        let epsilon = [("epsilon", Attribute::Float(self.epsilon as f32))];
        let unit = graph.node(
            "InstanceNormalization",
            &[&grouped, &ones, &zeros],
            &epsilon,
        );
        let shape = graph.node("Shape", &[x], &[]);
        let unit = graph.node("Reshape", &[&unit, &shape], &[]);
        let mut per_channel = |handle| {
            let value = graph.parameter(params, handle);
            graph.reshape(&value, &[1, -1, 1, 1])
        };
        let (gain, shift) = (per_channel(gain), per_channel(shift));
        let scaled = graph.node("Mul", &[&unit, &gain], &[]);
        graph.node("Add", &[&scaled, &shift], &[])
    }
}

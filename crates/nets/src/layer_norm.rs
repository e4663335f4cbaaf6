//! Layer normalization of rows: y = (x - mean) / sqrt(var + eps) * gain + shift, mean and variance over the W
//! numbers of a row.
//!
//! Source: [ba-2016], equation 4.

use crate::norm::EPSILON;
use crate::{Attribute, Builder, Graph, Handle, Init, Params, Value};
use burn::tensor::Tensor;

/// Normalization of each row.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    gain: Handle<1>,
    shift: Handle<1>,
}

impl LayerNorm {
    /// A layer for rows of `width` numbers.
    pub fn new(builder: &mut Builder, name: &str, width: usize) -> Self {
        let (_, (gain, shift)) = builder.within(name, |b| {
            (
                b.register("gain", [width], Init::Constant(1.0)),
                b.register("shift", [width], Init::Constant(0.0)),
            )
        });
        Self { gain, shift }
    }

    /// The normalized rows, `[R, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<2>) -> Tensor<2> {
        let width = x.dims()[1];
        let centered = x.clone() - x.mean_dim(1);
        let var = centered.clone().square().mean_dim(1);
        let unit = centered / (var + EPSILON).sqrt();
        let row = |handle| params.get::<1>(handle).reshape([1, width]);
        unit * row(self.gain) + row(self.shift)
    }

    /// Adds the layer to a graph, for the last axis of x.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let gain = graph.parameter(params, self.gain);
        let shift = graph.parameter(params, self.shift);
        let epsilon = [("epsilon", Attribute::Float(EPSILON as f32))];
        graph.node("LayerNormalization", &[x, &gain, &shift], &epsilon)
    }
}

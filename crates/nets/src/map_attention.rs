//! Self-attention of the pixels of a map, around a skip connection: x + attention(norm(x)).
//!
//! One head, so that every pixel looks at all others by all their channels; normalization over groups of channels.
//! Source: [esser-2021], appendix, table 7, and its code. Cost: 4 C^2 + 2 n C a pixel for n of them.

use crate::{Attention, Builder, Graph, Norm, Params, Value};
use burn::tensor::Tensor;

/// Attention over places.
#[derive(Clone, Debug)]
pub struct MapAttention {
    norm: Norm,
    attention: Attention,
    channels: usize,
}

impl MapAttention {
    /// A layer on `channels` channels, which `groups` divide.
    pub fn new(builder: &mut Builder, name: &str, channels: usize, groups: usize) -> Self {
        let (_, norm) = builder.within(name, |b| Norm::grouped(b, "norm", channels, groups));
        Self {
            norm,
            attention: Attention::new(builder, name, channels, 1),
            channels,
        }
    }

    /// The output `[B, C, H, W]` for an input of the same shape.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let normalized = self.norm.forward(params, x.clone());
        x + self.attention.over_places(params, normalized)
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let normalized = self.norm.emit(params, graph, x);
        let flat = graph.reshape(&normalized, &[0, 0, -1]);
        let rows = graph.transpose(&flat, &[0, 2, 1]);
        let found = self.attention.emit(params, graph, &rows, self.channels);
        let found = graph.transpose(&found, &[0, 2, 1]);
        let shape = graph.node("Shape", &[x], &[]);
        let map = graph.node("Reshape", &[&found, &shape], &[]);
        graph.node("Add", &[x, &map], &[])
    }
}

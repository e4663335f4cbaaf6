//! A residual block that keeps the shape: x + conv3(f(norm(conv3(f(norm(x)))))).
//!
//! Source: [he-2016] (pre-activation residual networks).

use crate::{Activation, Builder, Conv2d, ConvShape, Graph, Norm, NormKind, Params, Value};
use burn::tensor::Tensor;

/// Two 3x3 convolutions around a skip connection.
#[derive(Clone, Debug)]
pub struct Residual {
    norms: [Norm; 2],
    convs: [Conv2d; 2],
    activation: Activation,
}

impl Residual {
    /// A block on `channels` channels.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        channels: usize,
        norm: NormKind,
        activation: Activation,
    ) -> Self {
        let same = ConvShape {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let (_, (norms, convs)) = builder.within(name, |b| {
            (
                ["norm1", "norm2"].map(|n| Norm::new(b, n, channels, norm)),
                ["conv1", "conv2"]
                    .map(|n| Conv2d::new(b, n, channels, channels, same, Activation::Identity)),
            )
        });
        Self {
            norms,
            convs,
            activation,
        }
    }

    /// The output `[B, C, H, W]` for an input of the same shape.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let branch = self
            .norms
            .iter()
            .zip(&self.convs)
            .fold(x.clone(), |h, (norm, conv)| {
                let normalized = norm.forward(params, h);
                conv.forward(params, self.activation.apply(normalized))
            });
        x + branch
    }

    /// Adds the block to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let layers = self.norms.iter().zip(&self.convs);
        let branch = layers.fold(x.clone(), |h, (norm, conv)| {
            let normalized = norm.emit(params, graph, &h);
            let active = self.activation.emit(graph, &normalized);
            conv.emit(params, graph, &active)
        });
        graph.node("Add", &[x, &branch], &[])
    }
}

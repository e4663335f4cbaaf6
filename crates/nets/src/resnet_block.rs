//! The residual block of autoencoders for latent diffusion: skip(x) + conv3(f(norm(conv3(f(norm(x)))))).
//!
//! f is SiLU, the normalization one of groups of channels; a 1 x 1 convolution takes x along where the number of
//! channels changes. Source: [esser-2021], appendix, table 7, and its code. Cost: 18 C^2 a pixel.

use crate::{Activation, Builder, Conv2d, ConvShape, Graph, Norm, Params, Value};
use burn::tensor::Tensor;

/// Looks at the neighbors and keeps the size.
const SAME: ConvShape = ConvShape {
    kernel: 3,
    stride: 1,
    padding: 1,
};
/// Looks at the pixel alone.
const POINT: ConvShape = ConvShape {
    kernel: 1,
    stride: 1,
    padding: 0,
};

/// Two convolutions beside a skip connection.
#[derive(Clone, Debug)]
pub struct ResnetBlock {
    norms: [Norm; 2],
    convs: [Conv2d; 2],
    skip: Option<Conv2d>,
}

impl ResnetBlock {
    /// A block from `n_in` to `n_out` channels; `groups` divide both.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        [n_in, n_out]: [usize; 2],
        groups: usize,
    ) -> Self {
        let plain = Activation::Identity;
        let (_, block) = builder.within(name, |b| Self {
            norms: [
                Norm::grouped(b, "norm1", n_in, groups),
                Norm::grouped(b, "norm2", n_out, groups),
            ],
            convs: [
                Conv2d::new(b, "conv1", n_in, n_out, SAME, plain),
                Conv2d::new(b, "conv2", n_out, n_out, SAME, plain),
            ],
            skip: (n_in != n_out).then(|| Conv2d::new(b, "skip", n_in, n_out, POINT, plain)),
        });
        block
    }

    /// The output `[B, out, H, W]` for `[B, in, H, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let layers = self.norms.iter().zip(&self.convs);
        let branch = layers.fold(x.clone(), |h, (norm, conv)| {
            conv.forward(params, Activation::Silu.apply(norm.forward(params, h)))
        });
        match &self.skip {
            Some(skip) => skip.forward(params, x) + branch,
            None => x + branch,
        }
    }

    /// Adds the block to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let layers = self.norms.iter().zip(&self.convs);
        let branch = layers.fold(x.clone(), |h, (norm, conv)| {
            let normalized = norm.emit(params, graph, &h);
            let active = Activation::Silu.emit(graph, &normalized);
            conv.emit(params, graph, &active)
        });
        let x = match &self.skip {
            Some(skip) => skip.emit(params, graph, x),
            None => x.clone(),
        };
        graph.node("Add", &[&x, &branch], &[])
    }
}

//! Half and double the size of images, each with a convolution: what autoencoders for latent diffusion do.
//!
//! Halving adds a row of zeros below and a column on the right, and looks at 3 x 3 pixels of every other place: a side
//! of n pixels becomes floor(n / 2). Doubling repeats every pixel twice each way and looks at 3 x 3 of them.
//! Source: [esser-2021], its code.

use crate::{Activation, Builder, Conv2d, ConvShape, Graph, Params, Value};
use burn::tensor::Tensor;

/// A convolution that halves the size.
#[derive(Clone, Debug)]
pub struct Halve {
    conv: Conv2d,
}

/// A convolution after doubling the size.
#[derive(Clone, Debug)]
pub struct Double {
    conv: Conv2d,
}

impl Halve {
    /// A layer on `channels` channels.
    pub fn new(builder: &mut Builder, name: &str, channels: usize) -> Self {
        let shape = ConvShape {
            kernel: 3,
            stride: 2,
            padding: 0,
        };
        let plain = Activation::Identity;
        Self {
            conv: Conv2d::new(builder, name, channels, channels, shape, plain),
        }
    }

    /// The output `[B, C, H / 2, W / 2]` for `[B, C, H, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(params, x.pad((0, 1, 0, 1), 0.0))
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let resized = graph.pad_after(x);
        self.conv.emit(params, graph, &resized)
    }
}

impl Double {
    /// A layer on `channels` channels.
    pub fn new(builder: &mut Builder, name: &str, channels: usize) -> Self {
        let shape = ConvShape {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let plain = Activation::Identity;
        Self {
            conv: Conv2d::new(builder, name, channels, channels, shape, plain),
        }
    }

    /// The output `[B, C, 2 H, 2 W]` for `[B, C, H, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        self.conv.forward(params, doubled(x))
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let resized = graph.double(x);
        self.conv.emit(params, graph, &resized)
    }
}

/// Every pixel twice each way.
fn doubled(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let wide = x.reshape([batch * channels, height, width, 1]);
    let wide = wide.repeat_dim(3, 2);
    let tall = wide.reshape([batch * channels, height, 1, 2 * width]);
    let tall = tall.repeat_dim(2, 2);
    tall.reshape([batch, channels, 2 * height, 2 * width])
}

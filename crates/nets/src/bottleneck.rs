//! Convolutions through few channels: conv1(f(x)) -> conv3 -> conv3 -> conv1, with f before each, around a skip
//! connection or as a head with channels of its own.
//!
//! The last convolution is scaled at the start: 1 / sqrt(N) in a network of N such blocks keeps the variance of their
//! sum, and deep networks stable without normalization.
//! Sources: [child-2021], section 3.1 and figure 3; [he-2016], section 3.
//! Cost: a place takes C M + 9 M^2 for each convolution in the middle + M O, with M hidden channels.

use crate::{Activation, Builder, Conv2d, ConvShape, Params};
use burn::tensor::Tensor;

/// The sizes of a [`Bottleneck`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BottleneckShape {
    /// Channels C of the input.
    pub n_in: usize,
    /// Channels M between the convolutions.
    pub n_hidden: usize,
    /// Channels O of the output.
    pub n_out: usize,
    /// Side of the kernels in the middle, pixels; 3, or 1 where there are no neighbors.
    pub kernel: usize,
    /// Convolutions in the middle.
    pub n_middle: usize,
    /// Factor of the first weights of the last convolution.
    pub scale: f64,
}

/// A chain of convolutions.
#[derive(Clone, Debug)]
pub struct Bottleneck {
    convs: Vec<Conv2d>,
    activation: Activation,
}

impl Bottleneck {
    /// A chain whose nonlinearity is `activation`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        shape: BottleneckShape,
        activation: Activation,
    ) -> Self {
        let point = ConvShape {
            kernel: 1,
            stride: 1,
            padding: 0,
        };
        let around = ConvShape {
            kernel: shape.kernel,
            stride: 1,
            padding: shape.kernel / 2,
        };
        let (n_in, n_hidden) = (shape.n_in, shape.n_hidden);
        let (_, convs) = builder.within(name, |b| {
            let mut convs = vec![Conv2d::new(b, "conv1", n_in, n_hidden, point, activation)];
            for i in 0..shape.n_middle {
                let name = format!("conv{}", i + 2);
                convs.push(Conv2d::new(
                    b, &name, n_hidden, n_hidden, around, activation,
                ));
            }
            let name = format!("conv{}", shape.n_middle + 2);
            let (n_out, scale) = (shape.n_out, shape.scale);
            let last = Activation::Identity;
            convs.push(Conv2d::scaled(
                b, &name, n_hidden, n_out, point, last, scale,
            ));
            convs
        });
        Self { convs, activation }
    }

    /// The output `[B, O, H, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let h = self.activation.apply(x);
        self.convs.iter().fold(h, |h, conv| conv.forward(params, h))
    }

    /// x and the output together, which have the same channels.
    pub fn residual(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        x.clone() + self.forward(params, x)
    }
}

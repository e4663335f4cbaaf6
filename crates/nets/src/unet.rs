//! A U-Net on maps: residual blocks at ever smaller sizes, attention at the smallest, and back, each size joined with
//! what it was on the way down. A vector, such as the embedding of a time, enters every block.
//!
//! A block is x + conv3(f(norm(conv3(f(norm(x))) + W f(e)))), with group normalization and SiLU; channels change by a
//! 1 x 1 convolution of x. Sizes are halved (rounded up) by strided convolutions and come back by their mirror.
//! Sources: [ronneberger-2015]; [ho-2020], appendix B. Cost: 18 C^2 a pixel and block.

use crate::{
    Activation, Attention, Builder, Conv2d, ConvShape, ConvTranspose2d, Linear, Norm, NormKind,
    Params,
};
use burn::tensor::Tensor;

const SAME: ConvShape = ConvShape {
    kernel: 3,
    stride: 1,
    padding: 1,
};
const HALF: ConvShape = ConvShape {
    kernel: 3,
    stride: 2,
    padding: 1,
};
const POINT: ConvShape = ConvShape {
    kernel: 1,
    stride: 1,
    padding: 0,
};
/// Channels of a head of the attention, at most.
const HEAD: usize = 32;

/// How large a U-Net is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnetShape {
    /// `[channels, height, width]` of what goes in, and of what comes out.
    pub map: [usize; 3],
    /// Channels of each size, the largest first; at least one.
    pub channels: Vec<usize>,
    /// Numbers of the vector that enters every block.
    pub width: usize,
}

/// A network from maps and vectors to maps of the same size.
#[derive(Clone, Debug)]
pub struct Unet {
    first: Conv2d,
    down: Vec<Down>,
    middle: (Block, Norm, Attention, Block),
    up: Vec<Up>,
    norm: Norm,
    last: Conv2d,
}

#[derive(Clone, Debug)]
struct Down {
    block: Block,
    /// To the next size; the smallest has none.
    halve: Option<Conv2d>,
}

#[derive(Clone, Debug)]
struct Up {
    block: Block,
    /// To the next size; the largest has none.
    double: Option<ConvTranspose2d>,
}

impl Unet {
    /// The network of this shape.
    pub fn new(builder: &mut Builder, name: &str, shape: &UnetShape) -> Self {
        builder.within(name, |b| Self::build(b, shape)).1
    }

    fn build(b: &mut Builder, shape: &UnetShape) -> Self {
        let UnetShape {
            map: [n_values, height, width],
            ref channels,
            width: n_vector,
        } = *shape;
        let n_sizes = channels.len();
        let plain = Activation::Identity;
        let first = Conv2d::new(b, "first", n_values, channels[0], SAME, plain);
        let mut sizes = vec![[height, width]];
        let mut down = Vec::new();
        for (i, &n) in channels.iter().enumerate() {
            let before = channels[i.saturating_sub(1)];
            let (_, stage) = b.within(&format!("down{}", i + 1), |b| Down {
                block: Block::new(b, "block", [before, n], n_vector),
                halve: (i + 1 < n_sizes).then(|| Conv2d::new(b, "halve", n, n, HALF, plain)),
            });
            down.push(stage);
            sizes.push(sizes[i].map(|side| HALF.output(side).expect("internal error: no pixels")));
        }
        let n = channels[n_sizes - 1];
        let n_heads = (1..=n.div_ceil(HEAD))
            .rev()
            .find(|&heads| n.is_multiple_of(heads))
            .unwrap_or(1);
        let (_, middle) = b.within("middle", |b| {
            (
                Block::new(b, "block1", [n, n], n_vector),
                Norm::new(b, "norm", n, NormKind::Group),
                Attention::new(b, "attention", n, n_heads),
                Block::new(b, "block2", [n, n], n_vector),
            )
        });
        let mut up = Vec::new();
        for (i, &n) in channels.iter().enumerate().rev() {
            let (_, stage) = b.within(&format!("up{}", i + 1), |b| Up {
                block: Block::new(b, "block", [2 * n, n], n_vector),
                double: (i > 0).then(|| {
                    let padding = sizes[i - 1].map(|side| {
                        HALF.output_padding(side)
                            .expect("internal error: no pixels")
                    });
                    let next = channels[i - 1];
                    ConvTranspose2d::new(b, "double", n, next, HALF, padding, plain)
                }),
            });
            up.push(stage);
        }
        Self {
            first,
            down,
            middle,
            up,
            norm: Norm::new(b, "norm", channels[0], NormKind::Group),
            last: Conv2d::new(b, "last", channels[0], n_values, SAME, plain),
        }
    }

    /// The output for maps `[B, C, H, W]` and vectors `[B, V]`, of the maps' shape.
    pub fn forward(&self, params: &Params, x: Tensor<4>, vectors: Tensor<2>) -> Tensor<4> {
        let vectors = Activation::Silu.apply(vectors);
        let mut h = self.first.forward(params, x);
        let mut kept = Vec::new();
        for stage in &self.down {
            h = stage.block.forward(params, h, vectors.clone());
            kept.push(h.clone());
            if let Some(halve) = &stage.halve {
                h = halve.forward(params, h);
            }
        }
        let (before, norm, attention, after) = &self.middle;
        h = before.forward(params, h, vectors.clone());
        h = h.clone() + attention.over_places(params, norm.forward(params, h));
        h = after.forward(params, h, vectors.clone());
        for stage in &self.up {
            let same_size = kept.pop().expect("internal error: a size too many");
            h = Tensor::cat(vec![h, same_size], 1);
            h = stage.block.forward(params, h, vectors.clone());
            if let Some(double) = &stage.double {
                h = double.forward(params, h);
            }
        }
        let h = Activation::Silu.apply(self.norm.forward(params, h));
        self.last.forward(params, h)
    }
}

/// A residual block that a vector enters.
#[derive(Clone, Debug)]
struct Block {
    norms: [Norm; 2],
    convs: [Conv2d; 2],
    enter: Linear,
    skip: Option<Conv2d>,
}

impl Block {
    fn new(builder: &mut Builder, name: &str, [n_in, n_out]: [usize; 2], n_vector: usize) -> Self {
        let plain = Activation::Identity;
        let group = NormKind::Group;
        let (_, block) = builder.within(name, |b| Self {
            norms: [
                Norm::new(b, "norm1", n_in, group),
                Norm::new(b, "norm2", n_out, group),
            ],
            convs: [
                Conv2d::new(b, "conv1", n_in, n_out, SAME, plain),
                Conv2d::new(b, "conv2", n_out, n_out, SAME, plain),
            ],
            enter: Linear::new(b, "enter", n_vector, n_out, plain),
            skip: (n_in != n_out).then(|| Conv2d::new(b, "skip", n_in, n_out, POINT, plain)),
        });
        block
    }

    fn forward(&self, params: &Params, x: Tensor<4>, vectors: Tensor<2>) -> Tensor<4> {
        let branch = |i: usize, h: Tensor<4>| {
            let normalized = Activation::Silu.apply(self.norms[i].forward(params, h));
            self.convs[i].forward(params, normalized)
        };
        let entering = self.enter.forward(params, vectors);
        let [batch, channels] = entering.dims();
        let h = branch(0, x.clone()) + entering.reshape([batch, channels, 1, 1]);
        let h = branch(1, h);
        match &self.skip {
            Some(skip) => skip.forward(params, x) + h,
            None => x + h,
        }
    }
}

//! Pyramid: strided convolutions with residual bottlenecks after each; every level is a port with places.
//!
//! Level 1 has about half the side of the image, the next half of that; the last one is `bottom`, the others are `h1`,
//! `h2` and so on from the image. The decoder `top_down` with the same channels goes back through the levels.
//! Source: [child-2021], figure 3; levels are reached by convolutions in place of averages.

use super::{BOTTOM, Encoder, Port, activation, check_widths, conv};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{Activation, Bottleneck, BottleneckShape, Builder, Conv2d, ConvShape, Params};
use serde::{Deserialize, Serialize};

/// Options of the pyramid and of its mirror, the decoder `top_down`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Channels of each level, from the image on.
    pub channels: Vec<usize>,
    /// Residual blocks of each level; in the decoder after the level is reached and after each of its latents.
    pub blocks: Vec<usize>,
    /// Channels between the convolutions of a block, in channels of its level, in (0, 1].
    pub bottleneck: f64,
    /// Nonlinearity.
    pub activation: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channels: vec![32, 64, 64],
            blocks: vec![0, 1, 1],
            bottleneck: 0.5,
            activation: "relu".to_owned(),
        }
    }
}

/// Halves a side, without artefacts on the way back.
pub(crate) const HALF: ConvShape = ConvShape {
    kernel: 4,
    stride: 2,
    padding: 1,
};

impl Options {
    /// `[channels, height, width]` of the data and of each level.
    pub(crate) fn sizes(
        &self,
        place: &str,
        layout: Layout,
    ) -> Result<Vec<[usize; 3]>, RecipeError> {
        let refuse = |message: String| Err(RecipeError::value(place, message));
        check_widths(place, "channels", &self.channels)?;
        if self.channels.len() != self.blocks.len() || self.channels.is_empty() {
            return refuse(format!(
                "channels = {:?}, blocks = {:?}: expected a number for each level in both",
                self.channels, self.blocks
            ));
        }
        if self.blocks.iter().any(|&n| n > conv::MOST_RESIDUALS) {
            return refuse(format!(
                "blocks = {:?}: expected at most {} a level",
                self.blocks,
                conv::MOST_RESIDUALS
            ));
        }
        if !(self.bottleneck > 0.0 && self.bottleneck <= 1.0) {
            return refuse(format!("bottleneck = {} is not in (0, 1]", self.bottleneck));
        }
        let options = conv::Options {
            channels: self.channels.clone(),
            kernel: HALF.kernel,
            stride: HALF.stride,
            padding: HALF.padding,
            ..conv::Options::default()
        };
        options.stages(place, layout)
    }

    /// The nonlinearity.
    pub(crate) fn nonlinearity(&self, place: &str) -> Result<Activation, RecipeError> {
        activation(place, &self.activation)
    }

    /// `n` residual blocks for a map of this size, in a network of `n_all` of them.
    pub(crate) fn residuals(
        &self,
        builder: &mut Builder,
        [channels, height, width]: [usize; 3],
        n: usize,
        n_all: usize,
        activation: Activation,
    ) -> Vec<Bottleneck> {
        let shape = BottleneckShape {
            n_in: channels,
            n_hidden: ((channels as f64 * self.bottleneck) as usize).max(1),
            n_out: channels,
            kernel: if height.max(width) > 1 { 3 } else { 1 },
            n_middle: 2,
            scale: 1.0 / (n_all as f64).sqrt(),
        };
        let name = |i| format!("block{}", i + 1);
        (0..n)
            .map(|i| Bottleneck::new(builder, &name(i), shape, activation))
            .collect()
    }

    /// The port of each level, `bottom` first and then towards the image: the order in which latents enter.
    pub(crate) fn ports(&self, sizes: &[[usize; 3]]) -> Vec<Port> {
        let n = self.channels.len();
        let port = |level: usize| Port {
            name: match level == n {
                true => BOTTOM.to_owned(),
                false => format!("h{level}"),
            },
            width: sizes[level].iter().product(),
            map: Some(sizes[level]),
        };
        (1..=n).rev().map(port).collect()
    }
}

struct Level {
    conv: Conv2d,
    blocks: Vec<Bottleneck>,
}

struct Pyramid {
    input: [usize; 3],
    levels: Vec<Level>,
    ports: Vec<Port>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "pyramid",
    about: "strided convolutions and residual bottlenecks; every level is a port",
    defaults: part::defaults::<Options>,
    build: |table, layout, builder| {
        let options: Options = part::options(table, "encoder")?;
        let activation = options.nonlinearity("encoder")?;
        let sizes = options.sizes("encoder", layout)?;
        let n_all = options.blocks.iter().sum::<usize>().max(1);
        let levels = (1..sizes.len()).map(|level| {
            let (n_in, n_out) = (sizes[level - 1][0], sizes[level][0]);
            let name = format!("level{level}");
            let build = |b: &mut Builder| Level {
                conv: Conv2d::new(b, "conv", n_in, n_out, HALF, activation),
                blocks: options.residuals(
                    b,
                    sizes[level],
                    options.blocks[level - 1],
                    n_all,
                    activation,
                ),
            };
            builder.within(&name, build).1
        });
        Ok(Box::new(Pyramid {
            input: sizes[0],
            levels: levels.collect(),
            ports: options.ports(&sizes),
        }))
    },
};

impl Encoder for Pyramid {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let [channels, height, width] = self.input;
        let mut h = unflatten(x, channels, height, width);
        let mut features = Vec::new();
        for level in &self.levels {
            h = level.conv.forward(params, h);
            h = (level.blocks.iter()).fold(h, |h, block| block.residual(params, h));
            features.push(flatten(h.clone()));
        }
        features.reverse();
        features
    }
}

//! Residual convolutional encoder: the one of VQ-GAN and of latent diffusion.
//!
//! At each size some residual blocks, then half the size; at the smallest a block, attention of all pixels to all, and
//! a block; at last a convolution to a map of few channels, which is the port. With a latent that is a map this is
//! `AutoencoderKL` or `VQModel` of the diffusers library, weight by weight; `jensen import` reads them.
//! Sources: [esser-2021], appendix, table 7; [rombach-2022], appendix G.

use super::{BOTTOM, Encoder, Port, check_widths};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Builder, Conv2d, ConvShape, Graph, Halve, MapAttention, Norm, Params, ResnetBlock,
    Value,
};
use serde::{Deserialize, Serialize};

/// Options of the residual encoder and of its mirror, the decoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Channels at each size, from the data on; the decoder runs through them backwards.
    pub channels: Vec<usize>,
    /// Residual blocks at each size; the decoder has one more.
    pub blocks: usize,
    /// Groups of channels that are normalized together; they divide all channels.
    pub groups: usize,
    /// Where pixels look at all others: `"mid"` (at the smallest size) or `"none"`.
    pub attention: String,
    /// Channels of the map that the encoder ends with, or that the decoder makes of z.
    pub features: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channels: vec![32, 64],
            blocks: 1,
            groups: 8,
            attention: "mid".to_owned(),
            features: 8,
        }
    }
}

/// Far more blocks than any network has; a slip of the pen would fill the memory.
const MOST_BLOCKS: usize = 1000;

/// Looks at the neighbors and keeps the size.
pub(crate) const SAME: ConvShape = ConvShape {
    kernel: 3,
    stride: 1,
    padding: 1,
};

impl Options {
    /// `[channels, height, width]` of the data, and height and width of the smallest size.
    pub(crate) fn check(
        &self,
        place: &str,
        layout: Layout,
    ) -> Result<([usize; 3], [usize; 2]), RecipeError> {
        let refuse = |message: String| Err(RecipeError::value(place, message));
        check_widths(place, "channels", &self.channels)?;
        if self.channels.is_empty() {
            return refuse("channels = []: expected the channels of at least one size".to_owned());
        }
        if self.blocks == 0 || self.blocks > MOST_BLOCKS {
            return refuse(format!(
                "blocks = {}: expected 1 to {MOST_BLOCKS} at each size",
                self.blocks
            ));
        }
        if self.features == 0 {
            return refuse("features = 0: expected at least one channel".to_owned());
        }
        let odd = |&&n: &&usize| self.groups == 0 || !n.is_multiple_of(self.groups);
        if let Some(n) = self.channels.iter().find(odd) {
            return refuse(format!(
                "groups = {} do not divide {n} channels",
                self.groups
            ));
        }
        self.attends(place)?;
        let Layout::Image {
            channels,
            height,
            width,
        } = layout
        else {
            return refuse(
                "`resnet` needs images, and these data are vectors; use kind = \"mlp\"".to_owned(),
            );
        };
        let n_halved = self.channels.len() - 1;
        let smallest = [height, width].map(|side| {
            let factor = 1_usize.checked_shl(n_halved as u32)?;
            (side > 0 && side.is_multiple_of(factor)).then(|| side / factor)
        });
        let [Some(low), Some(narrow)] = smallest else {
            let twos = height.trailing_zeros().min(width.trailing_zeros()) as usize;
            return refuse(format!(
                "{} channels halve an image {n_halved} times, and {height} x {width} can be halved {twos} times; name at \
                 most {} channels, or pad the images",
                self.channels.len(),
                twos + 1
            ));
        };
        Ok(([channels, height, width], [low, narrow]))
    }

    /// Whether pixels look at all others at the smallest size.
    fn attends(&self, place: &str) -> Result<bool, RecipeError> {
        match self.attention.as_str() {
            "mid" => Ok(true),
            "none" => Ok(false),
            other => Err(RecipeError::choice(
                place,
                "attention",
                other,
                &["mid", "none"],
            )),
        }
    }

    /// What stands at the smallest size; the options were checked.
    pub(crate) fn middle(&self, builder: &mut Builder) -> Middle {
        let n = self.channels[self.channels.len() - 1];
        let (_, middle) = builder.within("middle", |b| Middle {
            before: ResnetBlock::new(b, "block1", [n, n], self.groups),
            attention: (self.attention == "mid")
                .then(|| MapAttention::new(b, "attention", n, self.groups)),
            after: ResnetBlock::new(b, "block2", [n, n], self.groups),
        });
        middle
    }
}

/// A block, attention and a block at the smallest size.
pub(crate) struct Middle {
    before: ResnetBlock,
    attention: Option<MapAttention>,
    after: ResnetBlock,
}

impl Middle {
    /// The output `[B, C, H, W]` for an input of the same shape.
    pub(crate) fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let mut h = self.before.forward(params, x);
        if let Some(attention) = &self.attention {
            h = attention.forward(params, h);
        }
        self.after.forward(params, h)
    }

    /// Adds the blocks to a graph.
    pub(crate) fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let mut h = self.before.emit(params, graph, x);
        if let Some(attention) = &self.attention {
            h = attention.emit(params, graph, &h);
        }
        self.after.emit(params, graph, &h)
    }
}

struct Size {
    blocks: Vec<ResnetBlock>,
    /// To the next size; the smallest has none.
    halve: Option<Halve>,
}

struct ResnetEncoder {
    input: [usize; 3],
    first: Conv2d,
    down: Vec<Size>,
    middle: Middle,
    norm: Norm,
    last: Conv2d,
    ports: [Port; 1],
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "resnet",
    about: "residual blocks at ever smaller sizes with attention, as in latent diffusion",
    defaults: part::defaults::<Options>,
    build: |table, layout, builder| {
        let options: Options = part::options(table, "encoder")?;
        let (input, [height, width]) = options.check("encoder", layout)?;
        let Options {
            ref channels,
            groups,
            features,
            ..
        } = options;
        let plain = Activation::Identity;
        let n_sizes = channels.len();
        let first = Conv2d::new(builder, "first", input[0], channels[0], SAME, plain);
        let mut down = Vec::new();
        for (i, &n) in channels.iter().enumerate() {
            let before = channels[i.saturating_sub(1)];
            let (_, size) = builder.within(&format!("down{}", i + 1), |b| Size {
                blocks: (0..options.blocks)
                    .map(|j| {
                        let n_in = if j == 0 { before } else { n };
                        ResnetBlock::new(b, &format!("block{}", j + 1), [n_in, n], groups)
                    })
                    .collect(),
                halve: (i + 1 < n_sizes).then(|| Halve::new(b, "halve", n)),
            });
            down.push(size);
        }
        let n = channels[n_sizes - 1];
        Ok(Box::new(ResnetEncoder {
            input,
            first,
            down,
            middle: options.middle(builder),
            norm: Norm::grouped(builder, "norm", n, groups),
            last: Conv2d::new(builder, "last", n, features, SAME, plain),
            ports: [Port {
                name: BOTTOM.to_owned(),
                width: features * height * width,
                map: Some([features, height, width]),
            }],
        }))
    },
};

impl Encoder for ResnetEncoder {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let [channels, height, width] = self.input;
        let mut h = (self.first).forward(params, unflatten(x, channels, height, width));
        for size in &self.down {
            for block in &size.blocks {
                h = block.forward(params, h);
            }
            if let Some(halve) = &size.halve {
                h = halve.forward(params, h);
            }
        }
        h = self.middle.forward(params, h);
        let h = Activation::Silu.apply(self.norm.forward(params, h));
        vec![flatten(self.last.forward(params, h))]
    }

    fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Option<Vec<Value>> {
        let [channels, height, width] = self.input.map(|side| side as i64);
        let image = graph.reshape(x, &[-1, channels, height, width]);
        let mut h = self.first.emit(params, graph, &image);
        for size in &self.down {
            for block in &size.blocks {
                h = block.emit(params, graph, &h);
            }
            if let Some(halve) = &size.halve {
                h = halve.emit(params, graph, &h);
            }
        }
        h = self.middle.emit(params, graph, &h);
        h = self.norm.emit(params, graph, &h);
        h = Activation::Silu.emit(graph, &h);
        h = self.last.emit(params, graph, &h);
        Some(vec![graph.reshape(&h, &[0, -1])])
    }
}

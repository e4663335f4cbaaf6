//! The critic: a convolutional network that gives images logits, high for data and low for what a decoder made.
//!
//! Stages of 4 x 4 convolutions with stride 2 and leaky rectifiers, normalized from the second on. The head `patch` gives
//! a logit for each place of the last map, so that each judges the part of the image it sees ([isola-2017], section 3.2.2);
//! `image` gives one for the whole image.

use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{Activation, Builder, Conv2d, ConvShape, Linear, Norm, NormKind, Params};
use serde::{Deserialize, Serialize};

/// What a logit is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Each place of the last map.
    Patch,
    /// The whole image.
    Image,
}

enum Last {
    Patch(Conv2d),
    Image(Linear),
}

/// The network.
pub struct Critic {
    shape: [usize; 3],
    stages: Vec<(Conv2d, Norm)>,
    last: Last,
}

impl Critic {
    /// A critic of images with a stage for each number of channels.
    pub fn new(
        place: &str,
        layout: Layout,
        channels: &[usize],
        norm: NormKind,
        head: Head,
        b: &mut Builder,
    ) -> Result<Self, RecipeError> {
        let Layout::Image {
            channels: n_in,
            height,
            width,
        } = layout
        else {
            let message = "a critic looks at images, and these data are vectors";
            return Err(RecipeError::value(place, message));
        };
        if channels.is_empty() || channels.contains(&0) {
            return Err(RecipeError::value(
                place,
                format!("channels = {channels:?}: expected a positive number for each stage"),
            ));
        }
        let shape = ConvShape {
            kernel: 4,
            stride: 2,
            padding: 1,
        };
        let (mut before, mut size) = (n_in, [height, width]);
        let mut stages = Vec::new();
        for (i, &n_out) in channels.iter().enumerate() {
            let [Some(h), Some(w)] = size.map(|side| shape.output(side)) else {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "channels = {channels:?}: after {i} stages the image has {} x {} places; take fewer",
                        size[0], size[1]
                    ),
                ));
            };
            size = [h, w];
            let norm = if i == 0 { NormKind::None } else { norm };
            let (_, stage) = b.within(&format!("stage{}", i + 1), |b| {
                let conv = Conv2d::new(b, "conv", before, n_out, shape, Activation::Identity);
                (conv, Norm::new(b, "norm", n_out, norm))
            });
            stages.push(stage);
            before = n_out;
        }
        let same = ConvShape {
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let last = match head {
            Head::Patch => Last::Patch(Conv2d::new(
                b,
                "last",
                before,
                1,
                same,
                Activation::Identity,
            )),
            Head::Image => {
                let flat = before * size[0] * size[1];
                Last::Image(Linear::new(b, "last", flat, 1, Activation::Identity))
            }
        };
        Ok(Self {
            shape: [n_in, height, width],
            stages,
            last,
        })
    }

    /// The number of stages.
    pub fn n_stages(&self) -> usize {
        self.stages.len()
    }

    /// Logits `[R, places]` of images `[R, P]` with values in [-1, 1].
    pub fn forward(&self, params: &Params, images: Tensor<2>) -> Tensor<2> {
        let map = self.map(params, images, self.stages.len());
        match &self.last {
            Last::Patch(conv) => flatten(conv.forward(params, map)),
            Last::Image(linear) => linear.forward(params, flatten(map)),
        }
    }

    /// The features `[R, F]` after this many stages.
    pub fn features(&self, params: &Params, images: Tensor<2>, n_stages: usize) -> Tensor<2> {
        flatten(self.map(params, images, n_stages))
    }

    fn map(&self, params: &Params, images: Tensor<2>, n_stages: usize) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let images = unflatten(images, channels, height, width);
        self.stages[..n_stages]
            .iter()
            .fold(images, |h, (conv, norm)| {
                Activation::LeakyRelu.apply(norm.forward(params, conv.forward(params, h)))
            })
    }
}

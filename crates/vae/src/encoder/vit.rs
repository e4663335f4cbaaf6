//! Vision transformer as an encoder: every square patch of the image is a position, and each looks at all others.
//!
//! A patch becomes a vector by one layer, a learned vector for its place is added; after the blocks two layers with a
//! tanh between them give the features of the patch. The port is a map with a place a patch. Sources:
//! [dosovitskiy-2021], section 3.1; [yu-2022], section 3.1. Cost of n patches: 12 L W^2 + 2 L n W a patch for L blocks.

use super::{BOTTOM, Encoder, Port, activation};
use crate::latent::discrete::{join, split};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Builder, Conv2d, ConvShape, Embedding, Graph, Linear, Params, Transformer,
    TransformerShape, Value,
};
use serde::{Deserialize, Serialize};

/// Options of the transformer over patches as encoder and decoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Side of a patch, pixels; it divides both sides of the image.
    pub patch: usize,
    /// Numbers of a position.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of every attention; they divide the width.
    pub heads: usize,
    /// Hidden units of a block, and of the two layers at the end.
    pub hidden: usize,
    /// Numbers of a place that the encoder ends with; the decoder has no use for it.
    pub features: usize,
    /// Nonlinearity of the hidden units.
    pub activation: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patch: 4,
            width: 64,
            layers: 2,
            heads: 4,
            hidden: 256,
            features: 64,
            activation: "gelu".to_owned(),
        }
    }
}

/// Far more blocks than any network has; a slip of the pen would fill the memory.
const MOST_LAYERS: usize = 1000;
/// Standard deviation of the vectors of places at the start.
const SCALE: f64 = 0.02;

/// Sizes that an image and patches make.
#[derive(Clone, Copy)]
pub(crate) struct Patches {
    /// `[channels, height, width]` of the image.
    pub(crate) image: [usize; 3],
    /// Patches in a column and in a row.
    pub(crate) places: [usize; 2],
    /// The convolution that takes a patch at a time.
    pub(crate) shape: ConvShape,
}

impl Patches {
    /// How many.
    pub(crate) fn n(&self) -> usize {
        self.places[0] * self.places[1]
    }
}

impl Options {
    /// What patches make of the data.
    pub(crate) fn patches(&self, place: &str, layout: Layout) -> Result<Patches, RecipeError> {
        let refuse = |message: String| Err(RecipeError::value(place, message));
        let Self {
            patch,
            width,
            layers,
            heads,
            hidden,
            features,
            ..
        } = *self;
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return refuse(format!(
                "width = {width}, heads = {heads}: expected a width that is a multiple of the heads, both at least 1"
            ));
        }
        if !(1..=MOST_LAYERS).contains(&layers) {
            return refuse(format!("layers = {layers}: expected 1 to {MOST_LAYERS}"));
        }
        if hidden == 0 || features == 0 {
            return refuse(format!(
                "hidden = {hidden}, features = {features}: expected at least 1"
            ));
        }
        let Layout::Image {
            channels,
            height: rows,
            width: columns,
        } = layout
        else {
            return refuse(
                "`vit` needs images, and these data are vectors; use kind = \"mlp\"".to_owned(),
            );
        };
        let fits = |side: usize| patch > 0 && side.is_multiple_of(patch);
        if !fits(rows) || !fits(columns) {
            let fitting: Vec<String> = (1..=rows.min(columns))
                .filter(|&side| rows.is_multiple_of(side) && columns.is_multiple_of(side))
                .map(|side| side.to_string())
                .collect();
            return refuse(format!(
                "patches of {patch} x {patch} do not fill an image of {rows} x {columns}; sides that do: {}",
                fitting.join(", ")
            ));
        }
        Ok(Patches {
            image: [channels, rows, columns],
            places: [rows / patch, columns / patch],
            shape: ConvShape {
                kernel: patch,
                stride: patch,
                padding: 0,
            },
        })
    }

    /// The blocks over n positions, with vectors for their places.
    pub(crate) fn body(
        &self,
        place: &str,
        n: usize,
        builder: &mut Builder,
    ) -> Result<Body, RecipeError> {
        let shape = TransformerShape {
            width: self.width,
            n_layers: self.layers,
            n_heads: self.heads,
            n_hidden: self.hidden,
        };
        let activation = activation(place, &self.activation)?;
        Ok(Body {
            places: Embedding::new(builder, "places", n, self.width, SCALE),
            blocks: Transformer::new(builder, "body", shape, activation),
            hidden: Linear::new(builder, "hidden", self.width, self.hidden, Activation::Tanh),
            n,
        })
    }
}

/// Blocks over patches and the layer of hidden units after them.
pub(crate) struct Body {
    places: Embedding,
    blocks: Transformer,
    hidden: Linear,
    n: usize,
}

impl Body {
    /// Hidden units `[B n, H]` of vectors `[B n, W]`.
    pub(crate) fn forward(&self, params: &Params, x: Tensor<2>) -> Tensor<2> {
        let [rows, width] = x.dims();
        let places = self.places.table(params).reshape([1, self.n, width]);
        let placed = x.reshape([rows / self.n, self.n, width]) + places;
        let seen = (self.blocks).everywhere(params, placed.reshape([rows, width]), self.n);
        self.hidden.forward(params, seen)
    }

    /// Adds the blocks to a graph, for x `[B, n, W]`.
    pub(crate) fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let places = self.places.emit(params, graph);
        let placed = graph.node("Add", &[x, &places], &[]);
        let seen = (self.blocks).emit(params, graph, &placed, self.places.width());
        self.hidden.emit(params, graph, &seen)
    }
}

struct VitEncoder {
    patches: Patches,
    embed: Conv2d,
    body: Body,
    last: Linear,
    ports: [Port; 1],
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "vit",
    about: "a transformer over square patches, each of which looks at all others",
    defaults: part::defaults::<Options>,
    build: |table, layout, builder| {
        let options: Options = part::options(table, "encoder")?;
        let patches = options.patches("encoder", layout)?;
        let Options {
            width,
            hidden,
            features,
            ..
        } = options;
        let plain = Activation::Identity;
        let [height, breadth] = patches.places;
        let n_channels = patches.image[0];
        Ok(Box::new(VitEncoder {
            patches,
            embed: Conv2d::new(builder, "embed", n_channels, width, patches.shape, plain),
            body: options.body("encoder", patches.n(), builder)?,
            last: Linear::new(builder, "last", hidden, features, plain),
            ports: [Port {
                name: BOTTOM.to_owned(),
                width: features * patches.n(),
                map: Some([features, height, breadth]),
            }],
        }))
    },
};

impl Encoder for VitEncoder {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let [channels, height, width] = self.patches.image;
        let embedded = self
            .embed
            .forward(params, unflatten(x, channels, height, width));
        let n_features = embedded.dims()[1];
        let hidden = self
            .body
            .forward(params, split(flatten(embedded), n_features));
        vec![join(self.last.forward(params, hidden), self.patches.n())]
    }

    fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Option<Vec<Value>> {
        let [channels, height, width] = self.patches.image.map(|side| side as i64);
        let image = graph.reshape(x, &[-1, channels, height, width]);
        let embedded = self.embed.emit(params, graph, &image);
        let flat = graph.reshape(&embedded, &[0, 0, -1]);
        let rows = graph.transpose(&flat, &[0, 2, 1]);
        let hidden = self.body.emit(params, graph, &rows);
        let features = self.last.emit(params, graph, &hidden);
        let apart = graph.transpose(&features, &[0, 2, 1]);
        Some(vec![graph.reshape(&apart, &[0, -1])])
    }
}

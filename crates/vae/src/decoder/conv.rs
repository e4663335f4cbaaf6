//! Convolutional decoder: the mirror image of the convolutional encoder with the same options.
//!
//! A stage turns a side of m pixels into s (m - 1) + k - 2 p + a, with kernel k, stride s and padding p; the
//! output padding a = (n + 2 p - k) mod s gives back the encoder's side n. Source: [dumoulin-2016],
//! relationship 14.

use super::Decoder;
use crate::encoder::BOTTOM;
use crate::encoder::conv::Options;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Conv2d, ConvShape, ConvTranspose2d, Graph, Linear, Norm, NormKind, Params,
    Residual, Value,
};

struct Stage {
    residuals: Vec<Residual>,
    conv: ConvTranspose2d,
    norm: Norm,
    activation: Activation,
}

/// What turns the latent into the smallest image.
enum First {
    /// Two fully connected layers.
    Vector([Linear; 2]),
    /// A convolution over a latent that has places.
    Map {
        /// `[channels, height, width]` of the latent.
        map: [usize; 3],
        conv: Conv2d,
    },
}

/// Looks at the neighbors and keeps the size.
const SAME: ConvShape = ConvShape {
    kernel: 3,
    stride: 1,
    padding: 1,
};

struct ConvDecoder {
    first: First,
    /// `[channels, height, width]` of the smallest image.
    smallest: [usize; 3],
    stages: Vec<Stage>,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "conv",
    about: "transposed convolutions, the mirror image of the encoder of this name",
    defaults: part::defaults::<Options>,
    build: super::Kind::plain(|table, site, builder| {
        let options: Options = part::options(table, "decoder")?;
        let (activation, norm) = options.parse("decoder")?;
        if let Some(input) = site.inputs.get(1) {
            return Err(RecipeError::Port {
                place: "decoder".to_owned(),
                port: input.port.clone(),
                offered: vec![BOTTOM.to_owned()],
            });
        }
        let mut sizes = options.stages("decoder", site.layout)?;
        let shape = options.shape();
        let smallest = sizes[sizes.len() - 1];
        let flat = smallest.iter().product();
        let input = &site.inputs[0];
        let first = match (options.fc, input.map) {
            (0, Some(map)) if map[1..] == smallest[1..] => First::Map {
                map,
                conv: Conv2d::new(builder, "first", map[0], smallest[0], SAME, activation),
            },
            (0, found) => {
                let [_, height, width] = smallest;
                let found = match found {
                    Some([c, h, w]) => format!("one of {c} x {h} x {w}"),
                    None => format!("a vector of {}", input.dim),
                };
                return Err(RecipeError::value(
                    "decoder",
                    format!(
                        "fc = 0 wants a latent with the places of the smallest image, {height} x {width}, and this is \
                         {found}; set fc = 256, or give the encoder fc = 0 and take a latent of codes or one with channels"
                    ),
                ));
            }
            (width, _) => First::Vector([
                Linear::new(builder, "fc1", input.dim, width, activation),
                Linear::new(builder, "fc2", width, flat, activation),
            ]),
        };
        sizes.reverse();
        let mut stages = Vec::new();
        for (i, pair) in sizes.windows(2).enumerate() {
            let is_last = i + 2 == sizes.len();
            let ([n_in, ..], [n_out, height, width]) = (pair[0], pair[1]);
            // The last stage gives the likelihood's parameters: no activation, no normalization.
            let (n_out, norm_here, in_conv, after) = match (is_last, norm) {
                (true, _) => (
                    n_out * site.n_params,
                    NormKind::None,
                    Activation::Identity,
                    Activation::Identity,
                ),
                (false, NormKind::None) => (n_out, norm, activation, Activation::Identity),
                (false, _) => (n_out, norm, Activation::Identity, activation),
            };
            let padding = [height, width].map(|n| {
                shape
                    .output_padding(n)
                    .expect("internal error: a stage that does not fit")
            });
            let name = format!("stage{}", i + 1);
            let (_, stage) = builder.within(&name, |b| Stage {
                residuals: (0..options.residual)
                    .map(|r| {
                        Residual::new(b, &format!("residual{}", r + 1), n_in, norm, activation)
                    })
                    .collect(),
                conv: ConvTranspose2d::new(b, "conv", n_in, n_out, shape, padding, in_conv),
                norm: Norm::new(b, "norm", n_out, norm_here),
                activation: after,
            });
            stages.push(stage);
        }
        Ok(Box::new(ConvDecoder {
            first,
            smallest,
            stages,
        }))
    }),
};

impl Decoder for ConvDecoder {
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        let images =
            |rows, [channels, height, width]: [usize; 3]| unflatten(rows, channels, height, width);
        let mut h = match &self.first {
            First::Map { map, conv } => conv.forward(params, images(latents[0].clone(), *map)),
            First::Vector(layers) => {
                let z = latents[0].clone();
                images(
                    layers.iter().fold(z, |h, layer| layer.forward(params, h)),
                    self.smallest,
                )
            }
        };
        for stage in &self.stages {
            for residual in &stage.residuals {
                h = residual.forward(params, h);
            }
            h = stage.conv.forward(params, h);
            h = stage.activation.apply(stage.norm.forward(params, h));
        }
        flatten(h)
    }

    fn emit(&self, params: &Params, graph: &mut Graph, latents: &[Value]) -> Option<Value> {
        let images = |graph: &mut Graph, rows: &Value, map: [usize; 3]| {
            let [channels, height, width] = map.map(|side| side as i64);
            graph.reshape(rows, &[-1, channels, height, width])
        };
        let mut h = match &self.first {
            First::Map { map, conv } => {
                let image = images(graph, &latents[0], *map);
                conv.emit(params, graph, &image)
            }
            First::Vector(layers) => {
                let z = latents[0].clone();
                let flat = layers
                    .iter()
                    .fold(z, |h, layer| layer.emit(params, graph, &h));
                images(graph, &flat, self.smallest)
            }
        };
        for stage in &self.stages {
            for residual in &stage.residuals {
                h = residual.emit(params, graph, &h);
            }
            h = stage.conv.emit(params, graph, &h);
            h = stage.norm.emit(params, graph, &h);
            h = stage.activation.emit(graph, &h);
        }
        Some(graph.reshape(&h, &[0, -1]))
    }
}

//! Convolutional encoder: strided convolutions, residual blocks after each, then one fully connected
//! layer, or none: then the port is a map of features.
//!
//! A stage turns a side of n pixels into floor((n + 2 p - k) / s) + 1, with kernel k, stride s and padding
//! p: about n / s. The decoder of the same name mirrors it. Sources: [dumoulin-2016], relationship 6;
//! residual blocks after [he-2016].

use super::{BOTTOM, Encoder, Port, activation, check_widths};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Conv2d, ConvShape, Graph, Linear, Norm, NormKind, Params, Residual, Value,
};
use serde::{Deserialize, Serialize};

/// Options of the convolutional encoder and of its mirror, the decoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Channels after each convolution; the decoder runs through them backwards.
    pub channels: Vec<usize>,
    /// Side of the kernels, pixels.
    pub kernel: usize,
    /// Stride of the convolutions.
    pub stride: usize,
    /// Zero padding, pixels on each side.
    pub padding: usize,
    /// Width of the fully connected layer; 0 leaves the map of features as it is, with its places.
    pub fc: usize,
    /// Residual blocks after each convolution (before each one in the decoder).
    pub residual: usize,
    /// `"none"`, `"group"` or `"layer"` normalization after each convolution and in residual blocks.
    pub norm: String,
    /// Nonlinearity.
    pub activation: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channels: vec![32, 64],
            kernel: 4,
            stride: 2,
            padding: 1,
            fc: 256,
            residual: 0,
            norm: "none".to_owned(),
            activation: "relu".to_owned(),
        }
    }
}

/// Far more blocks than any network has; a slip of the pen would fill the memory.
pub(super) const MOST_RESIDUALS: usize = 1000;

impl Options {
    /// Shape of every convolution.
    pub(crate) fn shape(&self) -> ConvShape {
        ConvShape {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// The activation and normalization by name.
    pub(crate) fn parse(&self, place: &str) -> Result<(Activation, NormKind), RecipeError> {
        check_widths(place, "channels", &self.channels)?;
        if self.channels.is_empty() {
            return Err(RecipeError::value(
                place,
                "channels = []: at least one convolution; for none use kind = \"mlp\"".to_owned(),
            ));
        }
        for (key, side) in [("kernel", self.kernel), ("stride", self.stride)] {
            if side == 0 {
                return Err(RecipeError::value(
                    place,
                    format!("{key} = 0: expected at least 1 pixel"),
                ));
            }
        }
        // A window that lies in the padding alone sees nothing of the image.
        if self.padding >= self.kernel {
            return Err(RecipeError::value(
                place,
                format!(
                    "padding = {}: expected less than the kernel of {}",
                    self.padding, self.kernel
                ),
            ));
        }
        if self.residual > MOST_RESIDUALS {
            return Err(RecipeError::value(
                place,
                format!(
                    "residual = {}: expected at most {MOST_RESIDUALS} blocks a stage",
                    self.residual
                ),
            ));
        }
        let norm = NormKind::from_name(&self.norm).ok_or_else(|| {
            let known = NormKind::NAMES.map(|(known, _)| known);
            RecipeError::choice(place, "norm", &self.norm, &known)
        })?;
        Ok((activation(place, &self.activation)?, norm))
    }

    /// `[channels, height, width]` of the data and after each stage.
    pub(crate) fn stages(
        &self,
        place: &str,
        layout: Layout,
    ) -> Result<Vec<[usize; 3]>, RecipeError> {
        let Layout::Image {
            channels,
            height,
            width,
        } = layout
        else {
            return Err(RecipeError::value(
                place,
                "`conv` needs images, and these data are vectors; use kind = \"mlp\"".to_owned(),
            ));
        };
        let mut stages = vec![[channels, height, width]];
        let (mut height, mut width) = (height, width);
        for &n_channels in &self.channels {
            let shape = self.shape();
            let (Some(h), Some(w)) = (shape.output(height), shape.output(width)) else {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "a kernel of {} with padding {} does not fit an image of {height} x {width}; \
                         take fewer `channels` stages or a smaller `kernel`",
                        self.kernel, self.padding
                    ),
                ));
            };
            (height, width) = (h, w);
            stages.push([n_channels, height, width]);
        }
        Ok(stages)
    }
}

struct Stage {
    conv: Conv2d,
    norm: Norm,
    residuals: Vec<Residual>,
}

struct ConvEncoder {
    input: [usize; 3],
    stages: Vec<Stage>,
    after_conv: Activation,
    fc: Option<Linear>,
    ports: [Port; 1],
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "conv",
    about: "strided convolutions with optional residual blocks and normalization",
    defaults: part::defaults::<Options>,
    build: |table, layout, builder| {
        let options: Options = part::options(table, "encoder")?;
        let (activation, norm) = options.parse("encoder")?;
        let sizes = options.stages("encoder", layout)?;
        // Without normalization the activation is fused into the convolution.
        let (in_conv, after_conv) = match norm {
            NormKind::None => (activation, Activation::Identity),
            _ => (Activation::Identity, activation),
        };
        let mut stages = Vec::new();
        for (i, pair) in sizes.windows(2).enumerate() {
            let (n_in, n_out) = (pair[0][0], pair[1][0]);
            let name = format!("stage{}", i + 1);
            let (_, stage) = builder.within(&name, |b| Stage {
                conv: Conv2d::new(b, "conv", n_in, n_out, options.shape(), in_conv),
                norm: Norm::new(b, "norm", n_out, norm),
                residuals: (0..options.residual)
                    .map(|r| {
                        Residual::new(b, &format!("residual{}", r + 1), n_out, norm, activation)
                    })
                    .collect(),
            });
            stages.push(stage);
        }
        let input = sizes[0];
        let map = sizes[sizes.len() - 1];
        let flat = map.iter().product();
        let (fc, port) = match options.fc {
            0 => (
                None,
                Port {
                    name: BOTTOM.to_owned(),
                    width: flat,
                    map: Some(map),
                },
            ),
            width => {
                let fc = Linear::new(builder, "fc", flat, width, activation);
                (Some(fc), Port::vector(BOTTOM, width))
            }
        };
        Ok(Box::new(ConvEncoder {
            input,
            stages,
            after_conv,
            fc,
            ports: [port],
        }))
    },
};

impl Encoder for ConvEncoder {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let [channels, height, width] = self.input;
        let mut h = unflatten(x, channels, height, width);
        for stage in &self.stages {
            h = stage.conv.forward(params, h);
            h = self.after_conv.apply(stage.norm.forward(params, h));
            for residual in &stage.residuals {
                h = residual.forward(params, h);
            }
        }
        let features = flatten(h);
        vec![match &self.fc {
            Some(fc) => fc.forward(params, features),
            None => features,
        }]
    }

    fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Option<Vec<Value>> {
        let [channels, height, width] = self.input.map(|side| side as i64);
        let mut h = graph.reshape(x, &[-1, channels, height, width]);
        for stage in &self.stages {
            h = stage.conv.emit(params, graph, &h);
            h = stage.norm.emit(params, graph, &h);
            h = self.after_conv.emit(graph, &h);
            for residual in &stage.residuals {
                h = residual.emit(params, graph, &h);
            }
        }
        let features = graph.reshape(&h, &[0, -1]);
        Some(vec![match &self.fc {
            Some(fc) => fc.emit(params, graph, &features),
            None => features,
        }])
    }
}

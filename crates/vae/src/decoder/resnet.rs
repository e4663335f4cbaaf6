//! Residual convolutional decoder: the mirror image of the residual encoder with the same options.
//!
//! z passes a layer of every place to `features` channels, or of all numbers where it is a vector; then the smallest
//! size and, with doubled sizes between them, one block more at each size than the encoder has. Sources: [esser-2021],
//! appendix, table 7; [rombach-2022], appendix G.

use super::Decoder;
use crate::encoder::BOTTOM;
use crate::encoder::resnet::{Middle, Options, SAME};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Conv2d, ConvShape, Double, Graph, Linear, Norm, Params, ResnetBlock, Value,
};

struct Size {
    blocks: Vec<ResnetBlock>,
    /// To the next size; the largest has none.
    double: Option<Double>,
}

/// What turns z into the smallest map.
enum Enter {
    Vector(Linear),
    Map { channels: usize, point: Conv2d },
}

/// Looks at the pixel alone.
const POINT: ConvShape = ConvShape {
    kernel: 1,
    stride: 1,
    padding: 0,
};

struct ResnetDecoder {
    enter: Enter,
    /// `[channels, height, width]` of the smallest map.
    smallest: [usize; 3],
    first: Conv2d,
    middle: Middle,
    up: Vec<Size>,
    norm: Norm,
    last: Conv2d,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "resnet",
    about: "residual blocks at ever larger sizes, the mirror image of the encoder of this name",
    defaults: part::defaults::<Options>,
    build: super::Kind::plain(|table, site, builder| {
        let options: Options = part::options(table, "decoder")?;
        let (image, [height, width]) = options.check("decoder", site.layout)?;
        if let Some(input) = site.inputs.get(1) {
            return Err(RecipeError::Port {
                place: "decoder".to_owned(),
                port: input.port.clone(),
                offered: vec![BOTTOM.to_owned()],
            });
        }
        let Options {
            ref channels,
            groups,
            features,
            ..
        } = options;
        let plain = Activation::Identity;
        let input = &site.inputs[0];
        let smallest = [features, height, width];
        let enter = match input.map {
            Some([n, h, w]) if [h, w] == [height, width] => Enter::Map {
                channels: n,
                point: Conv2d::new(builder, "point", n, features, POINT, plain),
            },
            Some([_, h, w]) => {
                return Err(RecipeError::value(
                    "decoder",
                    format!(
                        "{} channels begin at {height} x {width} pixels, and z has {h} x {w} places; give encoder and \
                         decoder as many channels",
                        channels.len()
                    ),
                ));
            }
            None => {
                let n_out = smallest.iter().product();
                Enter::Vector(Linear::new(builder, "enter", input.dim, n_out, plain))
            }
        };
        let n_sizes = channels.len();
        let first = Conv2d::new(
            builder,
            "first",
            features,
            channels[n_sizes - 1],
            SAME,
            plain,
        );
        let middle = options.middle(builder);
        let mut up = Vec::new();
        for (i, &n) in channels.iter().rev().enumerate() {
            let before = channels[n_sizes - i.max(1)];
            let (_, size) = builder.within(&format!("up{}", i + 1), |b| Size {
                blocks: (0..=options.blocks)
                    .map(|j| {
                        let n_in = if j == 0 { before } else { n };
                        ResnetBlock::new(b, &format!("block{}", j + 1), [n_in, n], groups)
                    })
                    .collect(),
                double: (i + 1 < n_sizes).then(|| Double::new(b, "double", n)),
            });
            up.push(size);
        }
        let n_out = image[0] * site.n_params;
        Ok(Box::new(ResnetDecoder {
            enter,
            smallest,
            first,
            middle,
            up,
            norm: Norm::grouped(builder, "norm", channels[0], groups),
            last: Conv2d::new(builder, "last", channels[0], n_out, SAME, plain),
        }))
    }),
};

impl Decoder for ResnetDecoder {
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        let [features, height, width] = self.smallest;
        let z = latents[0].clone();
        let entered = match &self.enter {
            Enter::Vector(layer) => unflatten(layer.forward(params, z), features, height, width),
            Enter::Map { channels, point } => {
                point.forward(params, unflatten(z, *channels, height, width))
            }
        };
        let mut h = self.first.forward(params, entered);
        h = self.middle.forward(params, h);
        for size in &self.up {
            for block in &size.blocks {
                h = block.forward(params, h);
            }
            if let Some(double) = &size.double {
                h = double.forward(params, h);
            }
        }
        let h = Activation::Silu.apply(self.norm.forward(params, h));
        flatten(self.last.forward(params, h))
    }

    fn emit(&self, params: &Params, graph: &mut Graph, latents: &[Value]) -> Option<Value> {
        let [features, height, width] = self.smallest.map(|side| side as i64);
        let mut h = match &self.enter {
            Enter::Vector(layer) => {
                let entered = layer.emit(params, graph, &latents[0]);
                graph.reshape(&entered, &[-1, features, height, width])
            }
            Enter::Map { channels, point } => {
                let map = graph.reshape(&latents[0], &[-1, *channels as i64, height, width]);
                point.emit(params, graph, &map)
            }
        };
        h = self.first.emit(params, graph, &h);
        h = self.middle.emit(params, graph, &h);
        for size in &self.up {
            for block in &size.blocks {
                h = block.emit(params, graph, &h);
            }
            if let Some(double) = &size.double {
                h = double.emit(params, graph, &h);
            }
        }
        h = self.norm.emit(params, graph, &h);
        h = Activation::Silu.emit(graph, &h);
        h = self.last.emit(params, graph, &h);
        Some(graph.reshape(&h, &[0, -1]))
    }
}

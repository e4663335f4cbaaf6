//! Top-down: a map that starts from a learned constant at the smallest level, takes in the latents one after the other,
//! and grows level by level to the image.
//!
//! A latent adds a 1x1 convolution of z, then residual bottlenecks follow; the next latent at this level or the next one
//! sees the result. Levels are those of the encoder `pyramid` with the same channels. All latents that sit at a level
//! enter there, in the order of their names.
//! Sources: [child-2021], figure 3; [vahdat-2020], figure 2; [razavi-2019], section 3.1, where the latents are codes.

use super::{Decoder, TopDown};
use crate::encoder::pyramid::{HALF, Options};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Bottleneck, Builder, Conv2d, ConvShape, ConvTranspose2d, Handle, Init, Linear,
    Params,
};

/// Sees one place.
const POINT: ConvShape = ConvShape {
    kernel: 1,
    stride: 1,
    padding: 0,
};

/// How z becomes a map of the level.
enum Inlet {
    /// z has the places of the level.
    Map([usize; 3], Conv2d),
    /// z is a vector.
    Vector(Linear),
}

struct Step {
    /// The level that z enters, counted from the image.
    level: usize,
    inlet: Inlet,
    blocks: Vec<Bottleneck>,
    /// The way to the level of the next latent, or to the first level after the last one.
    climbs: Vec<Climb>,
}

/// From a level to the one above it.
struct Climb {
    conv: ConvTranspose2d,
    blocks: Vec<Bottleneck>,
}

struct TopDownDecoder {
    /// `[channels, height, width]` of the data and of each level.
    sizes: Vec<[usize; 3]>,
    activation: Activation,
    start: Handle<2>,
    steps: Vec<Step>,
    last: ConvTranspose2d,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "top_down",
    about: "latents one after the other into a map that grows, the mirror image of the encoder pyramid",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        contexts: |table, layout| {
            let options: Options = part::options(table, "decoder")?;
            Ok(options.ports(&options.sizes("decoder", layout)?))
        },
        build: |table, site, builder| {
            let options: Options = part::options(table, "decoder")?;
            let activation = options.nonlinearity("decoder")?;
            let sizes = options.sizes("decoder", site.layout)?;
            let ports = options.ports(&sizes);
            let n_levels = options.channels.len();
            let level_of = |port: &str| {
                let found = ports.iter().position(|known| known.name == port);
                found
                    .map(|at| n_levels - at)
                    .ok_or_else(|| RecipeError::Port {
                        place: "decoder".to_owned(),
                        port: port.to_owned(),
                        offered: ports.iter().map(|port| port.name.clone()).collect(),
                    })
            };
            let levels: Vec<usize> = (site.inputs.iter())
                .map(|input| level_of(&input.port))
                .collect::<Result<_, _>>()?;
            let n_of = |level: usize| options.blocks[level - 1];
            let of_levels: usize = (1..n_levels).map(n_of).sum();
            let n_all = (of_levels + levels.iter().map(|&level| n_of(level)).sum::<usize>()).max(1);

            let flat = sizes[n_levels].iter().product();
            let start = builder.register("start", [1, flat], Init::Constant(0.0));
            let mut steps = Vec::new();
            for (i, input) in site.inputs.iter().enumerate() {
                let level = levels[i];
                let next = levels.get(i + 1).copied().unwrap_or(1);
                let size = sizes[level];
                let build = |b: &mut Builder| Step {
                    level,
                    inlet: match input.map {
                        Some(map) if map[1..] == size[1..] => {
                            let last = Activation::Identity;
                            Inlet::Map(map, Conv2d::new(b, "in", map[0], size[0], POINT, last))
                        }
                        _ => {
                            let n_out = size.iter().product();
                            Inlet::Vector(Linear::new(
                                b,
                                "in",
                                input.dim,
                                n_out,
                                Activation::Identity,
                            ))
                        }
                    },
                    blocks: options.residuals(b, size, n_of(level), n_all, activation),
                    climbs: (next..level)
                        .rev()
                        .map(|to| {
                            let build = |b: &mut Builder| Climb {
                                conv: up(b, sizes[to + 1], sizes[to], activation),
                                blocks: options.residuals(
                                    b,
                                    sizes[to],
                                    n_of(to),
                                    n_all,
                                    activation,
                                ),
                            };
                            b.within(&format!("to{to}"), build).1
                        })
                        .collect(),
                };
                steps.push(builder.within(&format!("latent{}", i + 1), build).1);
            }
            let [channels, height, width] = sizes[0];
            let output = [channels * site.n_params, height, width];
            let last = builder
                .within("image", |b| up(b, sizes[1], output, Activation::Identity))
                .1;
            Ok(Box::new(TopDownDecoder {
                sizes,
                activation,
                start,
                steps,
                last,
            }))
        },
    },
};

/// A transposed convolution from one size to about twice the size.
fn up(
    builder: &mut Builder,
    from: [usize; 3],
    [channels, height, width]: [usize; 3],
    activation: Activation,
) -> ConvTranspose2d {
    let padding = [height, width].map(|n| {
        HALF.output_padding(n)
            .expect("internal error: a level that does not fit")
    });
    ConvTranspose2d::new(
        builder, "conv", from[0], channels, HALF, padding, activation,
    )
}

impl TopDownDecoder {
    fn image(&self, state: Tensor<2>, level: usize) -> Tensor<4> {
        let [channels, height, width] = self.sizes[level];
        unflatten(state, channels, height, width)
    }
}

impl Decoder for TopDownDecoder {
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        let start = self.start(params, latents[0].dims()[0]);
        let inputs = latents.iter().enumerate();
        let state = inputs.fold(start, |state, (i, z)| {
            self.enter(params, i, state, z.clone())
        });
        self.finish(params, state)
    }

    fn top_down(&self) -> Option<&dyn TopDown> {
        Some(self)
    }
}

impl TopDown for TopDownDecoder {
    fn start(&self, params: &Params, n_rows: usize) -> Tensor<2> {
        params.get(self.start).repeat_dim(0, n_rows)
    }

    fn enter(&self, params: &Params, input: usize, state: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        let step = &self.steps[input];
        let added = match &step.inlet {
            Inlet::Map([channels, height, width], conv) => {
                conv.forward(params, unflatten(z, *channels, *height, *width))
            }
            Inlet::Vector(linear) => self.image(linear.forward(params, z), step.level),
        };
        let mut h = self.image(state, step.level) + added;
        h = (step.blocks.iter()).fold(h, |h, block| block.residual(params, h));
        for climb in &step.climbs {
            h = climb.conv.forward(params, self.activation.apply(h));
            h = (climb.blocks.iter()).fold(h, |h, block| block.residual(params, h));
        }
        flatten(h)
    }

    fn finish(&self, params: &Params, state: Tensor<2>) -> Tensor<2> {
        let h = self.activation.apply(self.image(state, 1));
        flatten(self.last.forward(params, h))
    }
}

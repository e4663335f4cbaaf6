//! Vision transformer as a decoder: every place of z is a position, and each becomes a square patch of the image.
//!
//! The mirror image of the encoder of this name. Where z has no places, one layer makes them. Source: [yu-2022],
//! section 3.1.

use super::Decoder;
use crate::encoder::BOTTOM;
use crate::encoder::vit::{Body, Options, Patches};
use crate::latent::discrete::{join, split};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{Activation, ConvTranspose2d, Graph, Linear, Params, Value};

struct VitDecoder {
    patches: Patches,
    /// The numbers of a place, or `None` where all places come from one vector.
    channels: Option<usize>,
    enter: Linear,
    body: Body,
    last: ConvTranspose2d,
    width: usize,
    hidden: usize,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "vit",
    about: "a transformer over places, each of which becomes a patch",
    defaults: part::defaults::<Options>,
    build: super::Kind::plain(|table, site, builder| {
        let options: Options = part::options(table, "decoder")?;
        let patches = options.patches("decoder", site.layout)?;
        if let Some(input) = site.inputs.get(1) {
            return Err(RecipeError::Port {
                place: "decoder".to_owned(),
                port: input.port.clone(),
                offered: vec![BOTTOM.to_owned()],
            });
        }
        let Options { width, hidden, .. } = options;
        let plain = Activation::Identity;
        let input = &site.inputs[0];
        let (channels, n_in, n_out) = match input.map {
            Some([n, height, breadth]) if [height, breadth] == patches.places => {
                (Some(n), n, width)
            }
            Some([_, height, breadth]) => {
                let [rows, columns] = patches.places;
                return Err(RecipeError::value(
                    "decoder",
                    format!(
                        "{rows} x {columns} patches, and z has {height} x {breadth} places; give encoder and decoder \
                         the same patch"
                    ),
                ));
            }
            None => (None, input.dim, width * patches.n()),
        };
        let n_planes = patches.image[0] * site.n_params;
        Ok(Box::new(VitDecoder {
            patches,
            channels,
            enter: Linear::new(builder, "enter", n_in, n_out, plain),
            body: options.body("decoder", patches.n(), builder)?,
            last: ConvTranspose2d::new(
                builder,
                "last",
                hidden,
                n_planes,
                patches.shape,
                [0, 0],
                plain,
            ),
            width,
            hidden,
        }))
    }),
};

impl Decoder for VitDecoder {
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        let z = latents[0].clone();
        let n = self.patches.n();
        let [height, width] = self.patches.places;
        let entered = match self.channels {
            Some(channels) => self.enter.forward(params, split(z, channels)),
            None => {
                let batch = z.dims()[0];
                let all = self.enter.forward(params, z);
                all.reshape([batch * n, self.width])
            }
        };
        let hidden = join(self.body.forward(params, entered), n);
        let map = unflatten(hidden, self.hidden, height, width);
        flatten(self.last.forward(params, map))
    }

    fn emit(&self, params: &Params, graph: &mut Graph, latents: &[Value]) -> Option<Value> {
        let [height, width] = self.patches.places.map(|side| side as i64);
        let entered = match self.channels {
            Some(channels) => {
                let map = graph.reshape(&latents[0], &[0, channels as i64, -1]);
                let rows = graph.transpose(&map, &[0, 2, 1]);
                self.enter.emit(params, graph, &rows)
            }
            None => {
                let all = self.enter.emit(params, graph, &latents[0]);
                graph.reshape(&all, &[0, self.patches.n() as i64, self.width as i64])
            }
        };
        let hidden = self.body.emit(params, graph, &entered);
        let apart = graph.transpose(&hidden, &[0, 2, 1]);
        let map = graph.reshape(&apart, &[0, self.hidden as i64, height, width]);
        let image = self.last.emit(params, graph, &map);
        Some(graph.reshape(&image, &[0, -1]))
    }
}

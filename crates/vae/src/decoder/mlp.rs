//! Fully connected decoder: the bottom latent through hidden layers to the likelihood's parameters.
//!
//! With n hidden layers, a latent at the encoder's layer `h<i>` enters beside hidden layer n - i + 1 of
//! the decoder, its mirror image. `hidden` is listed from the latent to the data.

use super::Decoder;
use crate::encoder::mlp::Options;
use crate::encoder::{BOTTOM, activation, check_widths};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_nets::{Activation, Graph, Linear, Mlp, Params, Value};

struct MlpDecoder {
    hidden: Mlp,
    output: Linear,
    /// For each input of the site after the bottom one, the decoder layer whose output it joins.
    joins: Vec<usize>,
    n_hidden: usize,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "mlp",
    about: "fully connected layers",
    defaults: part::defaults::<Options>,
    build: super::Kind::plain(|table, site, builder| {
        let options: Options = part::options(table, "decoder")?;
        let activation = activation("decoder", &options.activation)?;
        check_widths("decoder", "hidden", &options.hidden)?;
        let n_hidden = options.hidden.len();
        let mut extra = vec![0; n_hidden + 1];
        let mut joins = Vec::new();
        for input in site.inputs.iter().skip(1) {
            let layer = mirror(&input.port, n_hidden)?;
            extra[layer] += input.dim;
            joins.push(layer);
        }
        let bottom_dim = site.inputs[0].dim;
        let hidden = Mlp::new(builder, bottom_dim, &options.hidden, &extra, activation);
        let width = options.hidden.last().unwrap_or(&bottom_dim) + extra[n_hidden];
        let n_out = site.n_params * site.layout.n_values();
        let output = Linear::new(builder, "out", width, n_out, Activation::Identity);
        Ok(Box::new(MlpDecoder {
            hidden,
            output,
            joins,
            n_hidden,
        }))
    }),
};

/// The decoder layer whose input a latent at this port joins.
fn mirror(port: &str, n_hidden: usize) -> Result<usize, RecipeError> {
    port.strip_prefix('h')
        .and_then(|number| number.parse::<usize>().ok())
        .filter(|depth| (1..=n_hidden).contains(depth))
        .map(|depth| n_hidden + 1 - depth)
        .ok_or_else(|| RecipeError::Port {
            place: "decoder".to_owned(),
            port: port.to_owned(),
            offered: std::iter::once(BOTTOM.to_owned())
                .chain((1..=n_hidden).map(|i| format!("h{i}")))
                .collect(),
        })
}

impl Decoder for MlpDecoder {
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2> {
        let joined = |layer: usize| {
            let here: Vec<_> = self
                .joins
                .iter()
                .zip(&latents[1..])
                .filter(|(at, _)| **at == layer)
                .map(|(_, z)| z.clone())
                .collect();
            (!here.is_empty()).then(|| Tensor::cat(here, 1))
        };
        let mut h = self.hidden.forward_with(params, latents[0].clone(), joined);
        if let Some(more) = joined(self.n_hidden) {
            h = Tensor::cat(vec![h, more], 1);
        }
        self.output.forward(params, h)
    }

    fn emit(&self, params: &Params, graph: &mut Graph, latents: &[Value]) -> Option<Value> {
        let mut extra = vec![Vec::new(); self.n_hidden + 1];
        for (at, z) in self.joins.iter().zip(&latents[1..]) {
            extra[*at].push(z.clone());
        }
        let hidden = self.hidden.emit_with(params, graph, &latents[0], &extra);
        let h = graph.join(hidden.last().unwrap_or(&latents[0]), &extra[self.n_hidden]);
        Some(self.output.emit(params, graph, &h))
    }
}

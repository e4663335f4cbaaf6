//! A stack of fully connected layers that keeps the output of every layer, so that latents can sit at
//! any depth.

use crate::{Activation, Builder, Graph, Linear, Params, Value};
use burn::tensor::Tensor;

/// Fully connected layers, each followed by the same activation.
#[derive(Clone, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Layers from `n_in` through the widths in `hidden`, named `fc1`, `fc2`, ...
    ///
    /// `extra[i]` values are concatenated to the input of layer i by [`Mlp::forward_with`].
    pub fn new(
        builder: &mut Builder,
        n_in: usize,
        hidden: &[usize],
        extra: &[usize],
        activation: Activation,
    ) -> Self {
        let mut width = n_in;
        let mut layers = Vec::new();
        for (i, &n_out) in hidden.iter().enumerate() {
            let joined = width + extra.get(i).copied().unwrap_or(0);
            let name = format!("fc{}", i + 1);
            layers.push(Linear::new(builder, &name, joined, n_out, activation));
            width = n_out;
        }
        Self { layers }
    }

    /// The outputs of all layers, first to last, each `[B, width]`.
    pub fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let mut outputs: Vec<Tensor<2>> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let input = outputs.last().cloned().unwrap_or_else(|| x.clone());
            outputs.push(layer.forward(params, input));
        }
        outputs
    }

    /// Adds all layers to a graph, with `extra[i]` joined to the input of layer i; their outputs.
    pub fn emit_with(
        &self,
        params: &Params,
        graph: &mut Graph,
        x: &Value,
        extra: &[Vec<Value>],
    ) -> Vec<Value> {
        let mut outputs: Vec<Value> = Vec::with_capacity(self.layers.len());
        for (i, layer) in self.layers.iter().enumerate() {
            let input = outputs.last().unwrap_or(x).clone();
            let joined = match extra.get(i) {
                Some(more) => graph.join(&input, more),
                None => input,
            };
            outputs.push(layer.emit(params, graph, &joined));
        }
        outputs
    }

    /// The last output, with `extra(i)` joined to the input of layer i.
    pub fn forward_with(
        &self,
        params: &Params,
        x: Tensor<2>,
        extra: impl Fn(usize) -> Option<Tensor<2>>,
    ) -> Tensor<2> {
        self.layers.iter().enumerate().fold(x, |h, (i, layer)| {
            let joined = match extra(i) {
                Some(more) => Tensor::cat(vec![h, more], 1),
                None => h,
            };
            layer.forward(params, joined)
        })
    }
}

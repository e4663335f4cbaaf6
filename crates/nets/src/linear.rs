//! A fully connected layer: y = f(x W + b), with x `[B, in]`, W `[in, out]`, b `[out]`.
//!
//! The initial weights are uniform on +-1/sqrt(in), as in the classic VAE example.

use crate::{Activation, Builder, Graph, Handle, Init, Params, Value};
use burn::tensor::Tensor;
use jensen_kernels as kernels;

/// A fully connected layer with bias.
#[derive(Clone, Debug)]
pub struct Linear {
    name: String,
    weight: Handle<2>,
    bias: Handle<1>,
    activation: Activation,
}

impl Linear {
    /// Registers the weights of a layer from `n_in` to `n_out` values.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        activation: Activation,
    ) -> Self {
        let bound = Init::Uniform(1.0 / (n_in as f64).sqrt());
        let (full_name, (weight, bias)) = builder.within(name, |b| {
            (
                b.register("weight", [n_in, n_out], bound),
                b.register("bias", [n_out], bound),
            )
        });
        Self {
            name: full_name,
            weight,
            bias,
            activation,
        }
    }

    /// The output `[B, out]` for the input `[B, in]`.
    pub fn forward(&self, params: &Params, x: Tensor<2>) -> Tensor<2> {
        let y = kernels::linear(
            x,
            params.get(self.weight),
            Some(params.get(self.bias)),
            self.activation.fused(),
        );
        params.observe(&self.name, self.activation.rest(y))
    }

    /// Adds the layer to a graph, for the last axis of x.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let weight = graph.parameter(params, self.weight);
        let bias = graph.parameter(params, self.bias);
        let product = graph.node("MatMul", &[x, &weight], &[]);
        let y = graph.node("Add", &[&product, &bias], &[]);
        self.activation.emit(graph, &y)
    }
}

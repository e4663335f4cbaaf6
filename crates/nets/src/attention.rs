//! Self-attention with several heads: causal, where position t looks at positions 0 to t, or everywhere.
//!
//! head_h = softmax(Q_h K_h^T / sqrt(W / H) + mask) V_h, y = [head_1 ... head_H] W_o + b_o, where Q, K and V are
//! affine in x and the mask of the causal form is -inf above the diagonal. A [`Memory`] keeps the keys and values of earlier positions,
//! so that one position more costs what one position costs.
//! Source: [vaswani-2017], section 3.2. Cost: 4 W^2 + 2 t W for position t.

use crate::{Activation, Attribute, Builder, Graph, Linear, Params, Value};
use burn::tensor::{Tensor, TensorData, activation};

/// Attention over the positions before, or over all.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Q, K and V side by side.
    inputs: Linear,
    output: Linear,
    n_heads: usize,
}

/// Keys and values `[B, H, t, W / H]` of the t positions so far.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    kept: Option<[Tensor<4>; 2]>,
}

impl Attention {
    /// A layer for vectors of `width` numbers, which `n_heads` must divide.
    pub fn new(builder: &mut Builder, name: &str, width: usize, n_heads: usize) -> Self {
        let linear =
            |b: &mut Builder, name, n_out| Linear::new(b, name, width, n_out, Activation::Identity);
        let (_, (inputs, output)) = builder.within(name, |b| {
            (linear(b, "inputs", 3 * width), linear(b, "output", width))
        });
        Self {
            inputs,
            output,
            n_heads,
        }
    }

    /// The output `[B n, W]` for sequences of n positions, one after the other.
    pub fn forward(&self, params: &Params, x: Tensor<2>, n: usize) -> Tensor<2> {
        let device = x.device().inner();
        let [queries, keys, values] = self.split(params, x, n);
        let mask = (0..n * n).map(|at| match at % n > at / n {
            true => f32::NEG_INFINITY,
            false => 0.0,
        });
        let mask = TensorData::new(mask.collect::<Vec<f32>>(), [1, 1, n, n]);
        let scores = queries.matmul(keys.swap_dims(2, 3)) + Tensor::from_data(mask, &device);
        self.join(params, activation::softmax(scores, 3).matmul(values))
    }

    /// The output `[B n, W]` for sets of n positions, each of which looks at all n.
    pub fn everywhere(&self, params: &Params, x: Tensor<2>, n: usize) -> Tensor<2> {
        let [queries, keys, values] = self.split(params, x, n);
        let scores = queries.matmul(keys.swap_dims(2, 3));
        self.join(params, activation::softmax(scores, 3).matmul(values))
    }

    /// Adds [`Attention::everywhere`] to a graph, for x `[B, n, W]` of this width.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value, width: usize) -> Value {
        let size = width / self.n_heads;
        let all = self.inputs.emit(params, graph, x);
        let mut part = |i: usize, axes: &[i64]| {
            let part = graph.slice(&all, 2, i * width, (i + 1) * width);
            let heads = graph.reshape(&part, &[0, -1, self.n_heads as i64, size as i64]);
            graph.transpose(&heads, axes)
        };
        let (queries, keys) = (part(0, &[0, 2, 1, 3]), part(1, &[0, 2, 3, 1]));
        let values = part(2, &[0, 2, 1, 3]);
        let scale = graph.numbers(&[], &[1.0 / (size as f32).sqrt()]);
        let queries = graph.node("Mul", &[&queries, &scale], &[]);
        let scores = graph.node("MatMul", &[&queries, &keys], &[]);
        let shares = graph.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let found = graph.node("MatMul", &[&shares, &values], &[]);
        let rows = graph.transpose(&found, &[0, 2, 1, 3]);
        let rows = graph.reshape(&rows, &[0, -1, width as i64]);
        self.output.emit(params, graph, &rows)
    }

    /// The output `[B, W, height, width]` for maps of that shape, each pixel of which looks at all of its map.
    pub fn over_places(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let n = height * width;
        let rows = x.reshape([batch, channels, n]).swap_dims(1, 2);
        let found = self.everywhere(params, rows.reshape([batch * n, channels]), n);
        let maps = found.reshape([batch, n, channels]).swap_dims(1, 2);
        maps.reshape([batch, channels, height, width])
    }

    /// The output `[B, W]` for the next position of B sequences.
    pub fn step(&self, params: &Params, x: Tensor<2>, memory: &mut Memory) -> Tensor<2> {
        let [queries, keys, values] = self.split(params, x, 1);
        let kept = match memory.kept.take() {
            None => [keys, values],
            Some([old_keys, old_values]) => [
                Tensor::cat(vec![old_keys, keys], 2),
                Tensor::cat(vec![old_values, values], 2),
            ],
        };
        let [keys, values] = memory.kept.insert(kept).clone();
        let scores = queries.matmul(keys.swap_dims(2, 3));
        self.join(params, activation::softmax(scores, 3).matmul(values))
    }

    /// Queries, divided by sqrt(W / H), keys and values, each `[B, H, n, W / H]`.
    fn split(&self, params: &Params, x: Tensor<2>, n: usize) -> [Tensor<4>; 3] {
        let [rows, width] = x.dims();
        let size = width / self.n_heads;
        let all = self.inputs.forward(params, x);
        let part = |i: usize| {
            let part = all.clone().narrow(1, i * width, width);
            part.reshape([rows / n, n, self.n_heads, size])
                .swap_dims(1, 2)
        };
        [part(0) * (1.0 / (size as f64).sqrt()), part(1), part(2)]
    }

    /// The output `[B n, W]` of what the heads found, `[B, H, n, W / H]`.
    fn join(&self, params: &Params, found: Tensor<4>) -> Tensor<2> {
        let [batch, heads, n, size] = found.dims();
        let rows = found.swap_dims(1, 2).reshape([batch * n, heads * size]);
        self.output.forward(params, rows)
    }
}

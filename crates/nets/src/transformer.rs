//! A transformer, causal or not: blocks of attention and a layer of hidden units, both around a skip connection and
//! with the normalization first.
//!
//! h = x + attention(norm(x)), y = h + fc2(f(fc1(norm(h)))); after the last block one more normalization. With the
//! normalization first no warm-up of the rate is needed ([xiong-2020]).
//! Sources: [vaswani-2017], section 3; [radford-2019], section 2.3 (order of the layers).

use crate::attention::{Attention, Memory};
use crate::{Activation, Builder, Graph, LayerNorm, Linear, Params, Value};
use burn::tensor::Tensor;

/// How large a transformer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerShape {
    /// Numbers W of a position.
    pub width: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Heads of every attention; they divide the width.
    pub n_heads: usize,
    /// Hidden units of a block.
    pub n_hidden: usize,
}

/// A stack of blocks.
#[derive(Clone, Debug)]
pub struct Transformer {
    blocks: Vec<Block>,
    norm: LayerNorm,
}

#[derive(Clone, Debug)]
struct Block {
    norms: [LayerNorm; 2],
    attention: Attention,
    fc1: Linear,
    fc2: Linear,
}

impl Transformer {
    /// Blocks with this activation of hidden units.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        shape: TransformerShape,
        activation: Activation,
    ) -> Self {
        let TransformerShape {
            width,
            n_layers,
            n_heads,
            n_hidden,
        } = shape;
        let block = |b: &mut Builder| Block {
            norms: ["norm1", "norm2"].map(|name| LayerNorm::new(b, name, width)),
            attention: Attention::new(b, "attention", width, n_heads),
            fc1: Linear::new(b, "fc1", width, n_hidden, activation),
            fc2: Linear::new(b, "fc2", n_hidden, width, Activation::Identity),
        };
        let (_, (blocks, norm)) = builder.within(name, |b| {
            let blocks = (1..=n_layers).map(|i| b.within(&format!("block{i}"), block).1);
            (blocks.collect(), LayerNorm::new(b, "norm", width))
        });
        Self { blocks, norm }
    }

    /// The output `[B n, W]` for sequences of n positions, one after the other, each of which sees those before.
    pub fn forward(&self, params: &Params, x: Tensor<2>, n: usize) -> Tensor<2> {
        self.run(params, x, |block, h| block.attention.forward(params, h, n))
    }

    /// The output `[B n, W]` for sets of n positions, each of which sees all n.
    pub fn everywhere(&self, params: &Params, x: Tensor<2>, n: usize) -> Tensor<2> {
        let attend = |block: &Block, h| block.attention.everywhere(params, h, n);
        self.run(params, x, attend)
    }

    /// Adds [`Transformer::everywhere`] to a graph, for x `[B, n, W]` of this width.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value, width: usize) -> Value {
        let last = self.blocks.iter().fold(x.clone(), |x, block| {
            let normalized = block.norms[0].emit(params, graph, &x);
            let attended = block.attention.emit(params, graph, &normalized, width);
            let h = graph.node("Add", &[&x, &attended], &[]);
            let normalized = block.norms[1].emit(params, graph, &h);
            let hidden = block.fc1.emit(params, graph, &normalized);
            let more = block.fc2.emit(params, graph, &hidden);
            graph.node("Add", &[&h, &more], &[])
        });
        self.norm.emit(params, graph, &last)
    }

    fn run(
        &self,
        params: &Params,
        x: Tensor<2>,
        attend: impl Fn(&Block, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let blocks = self.blocks.iter();
        let last = blocks.fold(x, |x, block| {
            block.forward(params, x, |_, h| attend(block, h))
        });
        self.norm.forward(params, last)
    }

    /// Memories of sequences that are still empty, one a block.
    pub fn memories(&self) -> Vec<Memory> {
        vec![Memory::default(); self.blocks.len()]
    }

    /// The output `[B, W]` for the next position of B sequences.
    pub fn step(&self, params: &Params, x: Tensor<2>, memories: &mut [Memory]) -> Tensor<2> {
        let blocks = self.blocks.iter().zip(memories);
        let last = blocks.fold(x, |x, (block, memory)| {
            block.forward(params, x, |params, h| {
                block.attention.step(params, h, memory)
            })
        });
        self.norm.forward(params, last)
    }
}

impl Block {
    fn forward(
        &self,
        params: &Params,
        x: Tensor<2>,
        attend: impl FnOnce(&Params, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let attended = attend(params, self.norms[0].forward(params, x.clone()));
        let h = x + attended;
        let hidden = (self.fc1).forward(params, self.norms[1].forward(params, h.clone()));
        h + self.fc2.forward(params, hidden)
    }
}

//! An embedding: a row of a table for every index, with table `[N, W]`.
//!
//! The first rows are normal with a given scale.

use crate::{Builder, Graph, Handle, Init, Params, Value};
use burn::tensor::{Int, Tensor};

/// A learned vector for each of N indices.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Handle<2>,
    width: usize,
}

impl Embedding {
    /// Registers `n` rows of `width` numbers with this standard deviation.
    pub fn new(builder: &mut Builder, name: &str, n: usize, width: usize, scale: f64) -> Self {
        Self {
            table: builder.register(name, [n, width], Init::Normal(scale)),
            width,
        }
    }

    /// The rows `[R, W]` of indices `[R]`, each in 0..N.
    pub fn forward(&self, params: &Params, indices: Tensor<1, Int>) -> Tensor<2> {
        params.get(self.table).select(0, indices)
    }

    /// Numbers W of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds all rows `[N, W]` to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph) -> Value {
        graph.parameter(params, self.table)
    }

    /// All rows `[N, W]`.
    pub fn table(&self, params: &Params) -> Tensor<2> {
        params.get(self.table)
    }
}

//! An embedding: a row of a table for every index, with table `[N, W]`.
//!
//! The first rows are normal with a given scale.

use crate::{Builder, Handle, Init, Params};
use burn::tensor::{Int, Tensor};

/// A learned vector for each of N indices.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: Handle<2>,
}

impl Embedding {
    /// Registers `n` rows of `width` numbers with this standard deviation.
    pub fn new(builder: &mut Builder, name: &str, n: usize, width: usize, scale: f64) -> Self {
        Self {
            table: builder.register(name, [n, width], Init::Normal(scale)),
        }
    }

    /// The rows `[R, W]` of indices `[R]`, each in 0..N.
    pub fn forward(&self, params: &Params, indices: Tensor<1, Int>) -> Tensor<2> {
        params.get(self.table).select(0, indices)
    }

    /// All rows `[N, W]`.
    pub fn table(&self, params: &Params) -> Tensor<2> {
        params.get(self.table)
    }
}

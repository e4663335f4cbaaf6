//! A convolution that keeps the size and whose kernel has holes: a pixel does not see some of its neighbors.
//!
//! Source: [vandenoord-2016], section 3.4.

use crate::{Activation, Builder, Handle, Init, Params};
use burn::tensor::{Tensor, TensorData};
use jensen_kernels as kernels;

/// A convolution with bias and a mask of its kernel.
#[derive(Clone, Debug)]
pub struct MaskedConv2d {
    name: String,
    weight: Handle<4>,
    bias: Handle<1>,
    /// `[side, side]`, row-major.
    mask: Vec<f32>,
    side: usize,
}

impl MaskedConv2d {
    /// Registers a kernel of an odd side, in which a pixel sees what lies so many rows below and columns to the right of
    /// it where `sees(rows, columns)`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        [n_in, n_out]: [usize; 2],
        side: usize,
        sees: impl Fn(isize, isize) -> bool,
    ) -> Self {
        let half = (side / 2) as isize;
        let offsets = (0..side * side).map(|at| [at / side, at % side].map(|i| i as isize - half));
        let seen: Vec<bool> = offsets.map(|[rows, columns]| sees(rows, columns)).collect();
        let n_seen = seen.iter().filter(|seen| **seen).count().max(1);
        let bound = Init::Uniform(1.0 / ((n_in * n_seen) as f64).sqrt());
        let (name, (weight, bias)) = builder.within(name, |b| {
            (
                b.register("weight", [n_out, n_in, side, side], bound),
                b.register("bias", [n_out], bound),
            )
        });
        Self {
            name,
            weight,
            bias,
            mask: seen
                .into_iter()
                .map(|seen| f32::from(u8::from(seen)))
                .collect(),
            side,
        }
    }

    /// The output `[B, out, H, W]` for the input `[B, in, H, W]`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let mask = TensorData::new(self.mask.clone(), [1, 1, self.side, self.side]);
        let mask = Tensor::from_data(mask, params.device());
        let y = kernels::conv2d(
            x,
            params.get(self.weight) * mask,
            Some(params.get(self.bias)),
            1,
            self.side / 2,
            Activation::Identity.fused(),
        );
        params.observe(&self.name, y)
    }
}

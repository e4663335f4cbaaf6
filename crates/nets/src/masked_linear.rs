//! A fully connected layer in which some outputs do not see some inputs: y = f(x (W * M) + b), M of zeros and ones.
//!
//! Source: [germain-2015], section 3 (masked autoencoders).

use crate::{Activation, Builder, Handle, Init, Params};
use burn::tensor::{Tensor, TensorData};
use jensen_kernels as kernels;

/// A fully connected layer with bias and a mask of its weights.
#[derive(Clone, Debug)]
pub struct MaskedLinear {
    name: String,
    weight: Handle<2>,
    bias: Handle<1>,
    /// `[in, out]`, row-major.
    mask: Vec<f32>,
    size: [usize; 2],
    activation: Activation,
}

impl MaskedLinear {
    /// Registers the weights of a layer in which output j sees input i where `sees(i, j)`.
    pub fn new(
        builder: &mut Builder,
        name: &str,
        size: [usize; 2],
        sees: impl Fn(usize, usize) -> bool,
        activation: Activation,
    ) -> Self {
        let [n_in, n_out] = size;
        let bound = Init::Uniform(1.0 / (n_in as f64).sqrt());
        let (name, (weight, bias)) = builder.within(name, |b| {
            (
                b.register("weight", size, bound),
                b.register("bias", [n_out], bound),
            )
        });
        let entry = |at: usize| f32::from(u8::from(sees(at / n_out, at % n_out)));
        Self {
            name,
            weight,
            bias,
            mask: (0..n_in * n_out).map(entry).collect(),
            size,
            activation,
        }
    }

    /// The output `[B, out]` for the input `[B, in]`.
    pub fn forward(&self, params: &Params, x: Tensor<2>) -> Tensor<2> {
        let mask = TensorData::new(self.mask.clone(), self.size);
        let mask = Tensor::from_data(mask, params.device());
        let y = kernels::linear(
            x,
            params.get(self.weight) * mask,
            Some(params.get(self.bias)),
            self.activation.fused(),
        );
        params.observe(&self.name, self.activation.rest(y))
    }
}

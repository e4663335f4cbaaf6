//! Transposed convolution: the adjoint of the convolution with the same weight, stride and padding.

use super::activation::Activation;
use burn::backend::ops::ConvTransposeOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch};
use burn::tensor::Tensor;

/// Transposed convolution of x `[B, I, H, W]` with weight `[I, O, k, k]`, plus bias `[O]`, then the
/// activation; result `[B, O, H', W']` with H' = (H - 1) stride - 2 padding + k + output_padding.
///
/// Panics if the shapes do not fit.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    output_padding: usize,
    activation: Activation,
) -> Tensor<4> {
    let y = composition::<Dispatch>(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.map(Tensor::into_dispatch),
        stride,
        padding,
        output_padding,
        activation,
    );
    Tensor::from_dispatch(y)
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    stride: usize,
    padding: usize,
    output_padding: usize,
    activation: Activation,
) -> FloatTensor<B> {
    let options =
        ConvTransposeOptions::new([stride; 2], [padding; 2], [output_padding; 2], [1; 2], 1);
    activation.composition::<B>(B::conv_transpose2d(x, weight, bias, options))
}

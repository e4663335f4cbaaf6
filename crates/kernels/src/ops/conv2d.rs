//! Convolution: y = act(x * W + b), square kernels.

use super::activation::Activation;
use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch};
use burn::tensor::Tensor;

/// `act(x * weight + bias)`: x `[B, C, H, W]`, weight `[O, C, k, k]`, bias `[O]`, result `[B, O, H', W']`
/// with H' = (H + 2 padding - k) / stride + 1.
///
/// Panics if the shapes do not fit.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> Tensor<4> {
    let y = composition::<Dispatch>(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.map(Tensor::into_dispatch),
        stride,
        padding,
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
    activation: Activation,
) -> FloatTensor<B> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    activation.composition::<B>(B::conv2d(x, weight, bias, options))
}

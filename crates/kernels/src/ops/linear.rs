//! Affine layer: y = act(x W + b).

use super::activation::Activation;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

/// `act(x weight + bias)`: x `[B, I]`, weight `[I, O]`, bias `[O]`, result `[B, O]`.
///
/// Panics if the shapes do not fit.
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let y = composition::<Dispatch>(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.map(Tensor::into_dispatch),
        activation,
    );
    Tensor::from_dispatch(y)
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    activation: Activation,
) -> FloatTensor<B> {
    let n_out = weight.shape()[1];
    let mut y = B::float_matmul(x, weight);
    if let Some(bias) = bias {
        y = B::float_add(y, B::float_reshape(bias, Shape::from([1, n_out])));
    }
    activation.composition::<B>(y)
}

//! Reparameterised Gaussian sample: z = mean + exp(log_var / 2) noise.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

/// Samples `[R, d]` from mean `[B, d]`, log_var `[B, d]` (log-variance) and standard normal noise `[R, d]`.
///
/// R = B K, and row r belongs to example r / K. No gradient flows to the noise.
/// Panics if the shapes do not fit.
pub fn reparameterize(mean: Tensor<2>, log_var: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(composition::<Dispatch>(
        mean.into_dispatch(),
        log_var.into_dispatch(),
        noise.into_dispatch(),
    ))
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    mean: FloatTensor<B>,
    log_var: FloatTensor<B>,
    noise: FloatTensor<B>,
) -> FloatTensor<B> {
    let (n_examples, n_dims, n_rows) = (mean.shape()[0], mean.shape()[1], noise.shape()[0]);
    let single = Shape::from([n_examples, 1, n_dims]);
    let grouped = Shape::from([n_examples, n_rows / n_examples.max(1), n_dims]);
    let scale = B::float_exp(B::float_mul_scalar(log_var, 0.5f32.into()));
    let scale = B::float_expand(B::float_reshape(scale, single.clone()), grouped.clone());
    let mean = B::float_expand(B::float_reshape(mean, single), grouped.clone());
    let noise = B::float_reshape(B::float_detach(noise), grouped);
    let z = B::float_add(mean, B::float_mul(scale, noise));
    B::float_reshape(z, Shape::from([n_rows, n_dims]))
}

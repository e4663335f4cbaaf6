//! KL divergence of a diagonal Gaussian from the standard normal, per dimension:
//! (mean^2 + exp(log_var) - 1 - log_var) / 2, [kingma2013], appendix B.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch};
use burn::tensor::Tensor;

/// KL(N(mean, exp(log_var)) || N(0, 1)) per dimension, `[B, d]`, nats; mean and log_var `[B, d]`.
///
/// Panics if the shapes do not fit.
pub fn kl_standard_normal(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(composition::<Dispatch>(
        mean.into_dispatch(),
        log_var.into_dispatch(),
    ))
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    mean: FloatTensor<B>,
    log_var: FloatTensor<B>,
) -> FloatTensor<B> {
    let square = B::float_mul(mean.clone(), mean);
    let excess = B::float_sub_scalar(
        B::float_sub(B::float_exp(log_var.clone()), log_var),
        1f32.into(),
    );
    B::float_mul_scalar(B::float_add(square, excess), 0.5f32.into())
}

//! Gaussian log-density: log p(x | m, s) = sum_p -(x_p - m_p)^2 / (2 exp(2 s_p)) - s_p - log(2 pi) / 2.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

/// log(2 pi) / 2.
const HALF_LN_TAU: f32 = 0.918_938_5;

/// Log-density of each row, `[R]`, nats, summed over the P values of a row.
///
/// `mean` `[R, P]`; `log_scale` `[R, P]`, `[R, 1]`, `[1, P]` or `[1, 1]`; `x` `[B, P]`; R = B K, and row r
/// belongs to example r / K. No gradient flows to `x`. Panics if the shapes do not fit.
pub fn gaussian_log_prob(mean: Tensor<2>, log_scale: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
    Tensor::from_dispatch(composition::<Dispatch>(
        mean.into_dispatch(),
        log_scale.into_dispatch(),
        x.into_dispatch(),
    ))
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    mean: FloatTensor<B>,
    log_scale: FloatTensor<B>,
    x: FloatTensor<B>,
) -> FloatTensor<B> {
    let (n_rows, n_values, n_examples) = (mean.shape()[0], mean.shape()[1], x.shape()[0]);
    let grouped = Shape::from([n_examples, n_rows / n_examples.max(1), n_values]);
    let flat = Shape::from([n_rows, n_values]);
    let x = B::float_reshape(B::float_detach(x), Shape::from([n_examples, 1, n_values]));
    let x = B::float_reshape(B::float_expand(x, grouped), flat.clone());
    let log_scale = B::float_expand(log_scale, flat);
    let residual = B::float_mul(
        B::float_sub(x, mean),
        B::float_exp(B::float_neg(log_scale.clone())),
    );
    let half_square = B::float_mul_scalar(B::float_mul(residual.clone(), residual), 0.5f32.into());
    let values = B::float_add_scalar(B::float_add(half_square, log_scale), HALF_LN_TAU.into());
    B::float_neg(B::float_reshape(
        B::float_sum_dim(values, 1),
        Shape::from([n_rows]),
    ))
}

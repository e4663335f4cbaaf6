//! Bernoulli log-probability from logits: log p(x | l) = sum_p x_p l_p - softplus(l_p).

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata};
use burn::tensor::{Shape, Tensor};

/// Log-probability of each row, `[R]`, nats, summed over the P values of a row.
///
/// `logits` `[R, P]`, `x` `[B, P]` in [0, 1]; R = B K, and row r belongs to example r / K.
/// No gradient flows to `x`. Panics if the shapes do not fit.
pub fn bernoulli_log_prob(logits: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
    Tensor::from_dispatch(composition::<Dispatch>(
        logits.into_dispatch(),
        x.into_dispatch(),
    ))
}

/// The plain burn form: x l - max(l, 0) - log1p(exp(-|l|)).
pub(crate) fn composition<B: Backend>(logits: FloatTensor<B>, x: FloatTensor<B>) -> FloatTensor<B> {
    let (n_rows, n_values, n_examples) = (logits.shape()[0], logits.shape()[1], x.shape()[0]);
    let grouped = Shape::from([n_examples, n_rows / n_examples.max(1), n_values]);
    let logits = B::float_reshape(logits, grouped.clone());
    let x = B::float_reshape(B::float_detach(x), Shape::from([n_examples, 1, n_values]));
    let linear_part = B::float_mul(B::float_expand(x, grouped), logits.clone());
    let tail = B::float_log1p(B::float_exp(B::float_neg(B::float_abs(logits.clone()))));
    let softplus = B::float_add(B::relu(logits), tail);
    let values = B::float_sub(linear_part, softplus);
    B::float_reshape(B::float_sum_dim(values, 2), Shape::from([n_rows]))
}

//! Bernoulli log-probability from logits: log p(x | l) = sum_p x_p l_p - softplus(l_p).
//!
//! With u = exp(-|l|), softplus(l) = max(l, 0) + log(1 + u), and the gradient is x - sigmoid(l) with
//! sigmoid(l) = 1 / (1 + u) or u / (1 + u). Value and gradient share u, so one pass computes both when
//! a gradient will be wanted; backward only scales rows, in place.

use super::rows::{rows_per_example, rows_per_task};
use crate::buffer::{self, Parts};
use crate::simd::{self, BLOCK, exp, log1p_unit, sum_block, vectorized};
use crate::{dense, pool};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};
use std::mem::MaybeUninit;

/// Log-probability of each row, `[R]`, nats, summed over the P values of a row; f32.
///
/// `logits` `[R, P]`, `x` `[B, P]` in [0, 1]; R = B K, and row r belongs to example r / K.
/// No gradient flows to `x`. Panics if the shapes do not fit.
pub fn bernoulli_log_prob(logits: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
    let log_prob = Dispatch::bernoulli_log_prob(logits.into_dispatch(), x.into_dispatch());
    Tensor::from_dispatch(log_prob)
}

/// The term as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait BernoulliOps: Backend {
    /// See [`bernoulli_log_prob`].
    fn bernoulli_log_prob(logits: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        composition::<Self>(logits, x)
    }
}

/// The plain burn form: x l - max(l, 0) - log1p(exp(-|l|)).
pub(crate) fn composition<B: Backend>(logits: FloatTensor<B>, x: FloatTensor<B>) -> FloatTensor<B> {
    let (n_rows, n_values, n_examples) = (logits.shape()[0], logits.shape()[1], x.shape()[0]);
    let n_each = rows_per_example("bernoulli_log_prob", n_rows, n_examples);
    let grouped = Shape::from([n_examples, n_each, n_values]);
    let logits = B::float_reshape(logits, grouped.clone());
    let x = B::float_reshape(B::float_detach(x), Shape::from([n_examples, 1, n_values]));
    let linear_part = B::float_mul(B::float_expand(x, grouped), logits.clone());
    let tail = B::float_log1p(B::float_exp(B::float_neg(B::float_abs(logits.clone()))));
    let softplus = B::float_add(B::relu(logits), tail);
    let values = B::float_sub(linear_part, softplus);
    B::float_reshape(B::float_sum_dim(values, 2), Shape::from([n_rows]))
}

#[cfg(feature = "cube")]
impl BernoulliOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> BernoulliOps for Autodiff<burn::backend::Cube, C> {}

impl BernoulliOps for Flex {
    fn bernoulli_log_prob(logits: FlexTensor, x: FlexTensor) -> FlexTensor {
        forward(logits, x, false).0
    }
}

impl<C: CheckpointStrategy> BernoulliOps for Autodiff<Flex, C> {
    fn bernoulli_log_prob(logits: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((logits, node), x) = (logits.into_parts(), x.into_primitive());
        match BernoulliBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(forward(logits, x, false).0),
            OpsKind::Tracked(prep) => {
                let (log_prob, gradient) = forward(logits, x, true);
                prep.finish(gradient, log_prob)
            }
        }
    }
}

vectorized! {
    /// The sum of one row.
    fn log_prob_row(logits: &[f32], x: &[f32]) -> f32 {
        let mut terms = [0f32; BLOCK];
        let mut sum = 0.0;
        for (logits, x) in logits.chunks(BLOCK).zip(x.chunks(BLOCK)) {
            let terms = &mut terms[..logits.len()];
            for ((term, &l), &x) in terms.iter_mut().zip(logits).zip(x) {
                let tail = log1p_unit::<FMA>(exp::<FMA>(-l.abs()));
                *term = x * l - (if l < 0.0 { 0.0 } else { l }) - tail;
            }
            sum += sum_block(terms);
        }
        sum as f32
    }
}

vectorized! {
    /// The sum of one row, and x - sigmoid(l).
    fn log_prob_and_gradient_row(logits: &[f32], x: &[f32], gradient: &mut [MaybeUninit<f32>]) -> f32 {
        let mut terms = [0f32; BLOCK];
        let mut sum = 0.0;
        let gradients = gradient.chunks_mut(BLOCK);
        for ((logits, x), gradient) in logits.chunks(BLOCK).zip(x.chunks(BLOCK)).zip(gradients) {
            let terms = &mut terms[..logits.len()];
            let slots = terms.iter_mut().zip(gradient);
            for (((term, slot), &l), &x) in slots.zip(logits).zip(x) {
                let u = exp::<FMA>(-l.abs());
                let numerator = if l < 0.0 { u } else { 1.0 };
                *term = x * l - (if l < 0.0 { 0.0 } else { l }) - log1p_unit::<FMA>(u);
                slot.write(x - numerator / (1.0 + u));
            }
            sum += sum_block(terms);
        }
        sum as f32
    }
}

vectorized! {
    /// Multiplies a row by a number.
    fn scale_row(values: &mut [f32], factor: f32) {
        for value in values {
            *value *= factor;
        }
    }
}

/// The log-probabilities `[R]`, and the gradient of each with respect to its logits, `[R, P]`, or nothing.
fn forward(logits: FlexTensor, x: FlexTensor, with_gradient: bool) -> (FlexTensor, FlexTensor) {
    let (n_rows, n_values, n_examples) = (logits.shape()[0], logits.shape()[1], x.shape()[0]);
    dense::expect_shape("bernoulli_log_prob: x", &x, &[n_examples, n_values]);
    let n_each = rows_per_example("bernoulli_log_prob", n_rows, n_examples);
    let (logits, x) = (dense::packed(logits), dense::packed(x));
    let (logits, x) = (dense::values(&logits), dense::values(&x));
    let n_gradient = if with_gradient { n_rows * n_values } else { 0 };
    let mut gradient = buffer::uninit(n_gradient);
    let gradient_parts = Parts::new(&mut gradient);
    let mut log_prob = vec![0f32; n_rows];
    let (step, level) = (rows_per_task(n_values), simd::level());
    buffer::for_chunks(&mut log_prob, step, |task, sums| {
        for (row, sum) in (task * step..).zip(sums) {
            let logits = &logits[row * n_values..][..n_values];
            let x = &x[row / n_each * n_values..][..n_values];
            *sum = if with_gradient {
                // SAFETY: each row belongs to one task.
                let gradient = unsafe { gradient_parts.part(row * n_values, n_values) };
                log_prob_and_gradient_row(level, logits, x, gradient)
            } else {
                log_prob_row(level, logits, x)
            };
        }
    });
    // SAFETY: the rows cover the buffer.
    let gradient = unsafe { buffer::filled(gradient) };
    let shape = if with_gradient {
        [n_rows, n_values]
    } else {
        [0, n_values]
    };
    (
        dense::tensor(log_prob, [n_rows]),
        dense::tensor(gradient, shape),
    )
}

#[derive(Debug)]
struct BernoulliBackward;

impl Backward<Flex, 1> for BernoulliBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = dense::packed(grads.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let mut gradient = dense::owned(ops.state);
        let (n_rows, n_values) = (gradient.shape()[0], gradient.shape()[1]);
        let upstream = dense::values(&upstream);
        let level = simd::level();
        let step = rows_per_task(n_values);
        let parts = Parts::new(dense::owned_values(&mut gradient));
        pool::run(n_rows.div_ceil(step), &|task| {
            let first = task * step;
            for (row, upstream) in (first..n_rows).zip(&upstream[first..]).take(step) {
                // SAFETY: each row belongs to one task.
                let values = unsafe { parts.part(row * n_values, n_values) };
                scale_row(level, values, *upstream);
            }
        });
        grads.register::<Flex>(node.id, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{against_differences, against_plain, for_random_shapes, normals};

    fn inputs(n_rows: usize, n_values: usize, n_examples: usize) -> [Vec<f32>; 2] {
        let logits = normals(n_rows * n_values, 0)
            .iter()
            .map(|l| 4.0 * l)
            .collect();
        let mut x = vec![0f32; n_examples * n_values];
        jensen_rng::Stream::from_seed(1).fill_uniform(&mut x);
        [logits, x]
    }

    fn apply(
        leaves: &[Tensor<1>],
        [n_rows, n_values, n_examples]: [usize; 3],
        f: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>,
    ) -> Tensor<1> {
        let logits = leaves[0].clone().reshape([n_values, n_rows]).transpose();
        f(
            logits.clone(),
            leaves[1].clone().reshape([n_examples, n_values]).detach(),
        ) + logits.slice([0..n_rows, 0..1]).reshape([n_rows])
    }

    fn plain(logits: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let value = composition::<Dispatch>(logits.into_dispatch(), x.into_dispatch());
        Tensor::from_dispatch(value)
    }

    fn check(shape: [usize; 3]) {
        let inputs = inputs(shape[0], shape[1], shape[2]);
        let own = |leaves: &[Tensor<1>]| apply(leaves, shape, bernoulli_log_prob);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, shape, plain);
        against_plain(&format!("{shape:?}"), &inputs, &own, &oracle);
        if shape[0] * shape[1] < 100 {
            against_differences(&format!("{shape:?}"), &inputs, &own);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        for shape in [
            [1, 1, 1],
            [6, 5, 2],
            [4, 17, 4],
            [128, 784, 128],
            [30, 257, 3],
        ] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([20, 800, 6], |[n_examples, n_values, n_each]| {
            check([n_examples * n_each, n_values, n_examples]);
        });
    }

    /// log sigmoid(3) and log(1 - sigmoid(-90)), from their definitions; NaN is passed on.
    #[test]
    fn known_values() {
        let device = Default::default();
        let logits = Tensor::from_floats([[3.0], [-90.0], [90.0], [f32::NAN]], &device);
        let x = Tensor::from_floats([[1.0], [0.0], [0.0], [0.5]], &device);
        let found = bernoulli_log_prob(logits, x)
            .into_data()
            .try_into_vec::<f32>()
            .unwrap();
        assert!((f64::from(found[0]) + (-3f64).exp().ln_1p()).abs() < 1e-8);
        assert!(found[1] <= 0.0 && found[1] > -1e-37);
        assert_eq!(found[2], -90.0);
        assert!(found[3].is_nan());
    }

    #[test]
    #[should_panic(expected = "5 rows cannot belong to 2 examples")]
    fn examples_must_divide_the_rows() {
        let device = Default::default();
        bernoulli_log_prob(
            Tensor::zeros([5, 3], &device),
            Tensor::zeros([2, 3], &device),
        );
    }
}

//! Gaussian log-density: log p(x | m, s) = sum_p -(x_p - m_p)^2 / (2 exp(2 s_p)) - s_p - log(2 pi) / 2.
//!
//! With z = (x - m) exp(-s), the gradients are z exp(-s) for m and z^2 - 1 for s; backward computes z anew.
//! A shared log-scale gets the sum of its gradients: over rows within each task, then over tasks in order.

use super::rows::{rows_per_example, rows_per_task};
use crate::buffer::{self, Parts};
use crate::simd::{self, BLOCK, exp, sum_block, vectorized};
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

/// log(2 pi) / 2.
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// Log-density of each row, `[R]`, nats, summed over the P values of a row; f32.
///
/// `mean` `[R, P]`; `log_scale` `[R, P]`, `[R, 1]`, `[1, P]` or `[1, 1]` (log of the standard deviation);
/// `x` `[B, P]`; R = B K, and row r belongs to example r / K. No gradient flows to `x`.
/// Panics if the shapes do not fit.
pub fn gaussian_log_prob(mean: Tensor<2>, log_scale: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
    let (mean, log_scale) = (mean.into_dispatch(), log_scale.into_dispatch());
    Tensor::from_dispatch(Dispatch::gaussian_log_prob(
        mean,
        log_scale,
        x.into_dispatch(),
    ))
}

/// The term as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait GaussianOps: Backend {
    /// See [`gaussian_log_prob`].
    fn gaussian_log_prob(
        mean: FloatTensor<Self>,
        log_scale: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composition::<Self>(mean, log_scale, x)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    mean: FloatTensor<B>,
    log_scale: FloatTensor<B>,
    x: FloatTensor<B>,
) -> FloatTensor<B> {
    let (n_rows, n_values, n_examples) = (mean.shape()[0], mean.shape()[1], x.shape()[0]);
    let n_each = rows_per_example("gaussian_log_prob", n_rows, n_examples);
    let flat = Shape::from([n_rows, n_values]);
    let x = B::float_reshape(B::float_detach(x), Shape::from([n_examples, 1, n_values]));
    let x = B::float_expand(x, Shape::from([n_examples, n_each, n_values]));
    let x = B::float_reshape(x, flat.clone());
    let log_scale = B::float_expand(log_scale, flat);
    let residual = B::float_mul(
        B::float_sub(x, mean),
        B::float_exp(B::float_neg(log_scale.clone())),
    );
    let half_square = B::float_mul_scalar(B::float_mul(residual.clone(), residual), 0.5f32.into());
    let values = B::float_add(half_square, log_scale);
    let values = B::float_add_scalar(values, (HALF_LN_TAU as f32).into());
    B::float_neg(B::float_reshape(
        B::float_sum_dim(values, 1),
        Shape::from([n_rows]),
    ))
}

#[cfg(feature = "cube")]
impl GaussianOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> GaussianOps for Autodiff<burn::backend::Cube, C> {}

impl GaussianOps for Flex {
    fn gaussian_log_prob(mean: FlexTensor, log_scale: FlexTensor, x: FlexTensor) -> FlexTensor {
        forward(&State::new(mean, log_scale, x))
    }
}

impl<C: CheckpointStrategy> GaussianOps for Autodiff<Flex, C> {
    fn gaussian_log_prob(
        mean: FloatTensor<Self>,
        log_scale: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((mean, mean_node), (log_scale, scale_node)) =
            (mean.into_parts(), log_scale.into_parts());
        let state = State::new(mean, log_scale, x.into_primitive());
        let log_prob = forward(&state);
        match GaussianBackward
            .prepare::<C>([mean_node, scale_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(log_prob),
            OpsKind::Tracked(prep) => prep.finish(state, log_prob),
        }
    }
}

/// The arguments, packed, and how they hang together.
#[derive(Clone, Debug)]
struct State {
    mean: FlexTensor,
    log_scale: FlexTensor,
    x: FlexTensor,
    n_rows: usize,
    n_values: usize,
    /// Rows of each example.
    n_each: usize,
    /// One log-scale for all rows; one for all values of a row.
    shared_rows: bool,
    shared_values: bool,
}

impl State {
    fn new(mean: FlexTensor, log_scale: FlexTensor, x: FlexTensor) -> Self {
        let (n_rows, n_values, n_examples) = (mean.shape()[0], mean.shape()[1], x.shape()[0]);
        dense::expect_shape("gaussian_log_prob: x", &x, &[n_examples, n_values]);
        let [scale_rows, scale_values] = [log_scale.shape()[0], log_scale.shape()[1]];
        let (shared_rows, shared_values) = (scale_rows != n_rows, scale_values != n_values);
        let fitting = [
            if shared_rows { 1 } else { n_rows },
            if shared_values { 1 } else { n_values },
        ];
        dense::expect_shape("gaussian_log_prob: log_scale", &log_scale, &fitting);
        Self {
            n_each: rows_per_example("gaussian_log_prob", n_rows, n_examples),
            mean: dense::packed(mean),
            log_scale: dense::packed(log_scale),
            x: dense::packed(x),
            n_rows,
            n_values,
            shared_rows,
            shared_values,
        }
    }

    fn mean_and_x(&self, row: usize) -> (&[f32], &[f32]) {
        let n = self.n_values;
        let mean = &dense::values(&self.mean)[row * n..][..n];
        (mean, &dense::values(&self.x)[row / self.n_each * n..][..n])
    }

    /// The log-scales of a row, one or P.
    fn log_scale(&self, row: usize) -> &[f32] {
        let n = if self.shared_values { 1 } else { self.n_values };
        let row = if self.shared_rows { 0 } else { row };
        &dense::values(&self.log_scale)[row * n..][..n]
    }
}

/// exp(-s) for the values of a row, and the sum of s over them; kept while rows share their scales.
struct Scales<'a> {
    state: &'a State,
    inverse: Vec<f32>,
    sum: f64,
    made: bool,
}

impl<'a> Scales<'a> {
    fn new(state: &'a State) -> Self {
        Self {
            inverse: vec![0.0; state.n_values],
            sum: 0.0,
            made: false,
            state,
        }
    }

    fn of_row(&mut self, row: usize) -> (&[f32], f64) {
        if !self.made {
            let level = simd::level();
            let log_scale = self.state.log_scale(row);
            if self.state.shared_values {
                self.inverse.fill((-log_scale[0]).exp());
                self.sum = f64::from(log_scale[0]) * self.state.n_values as f64;
            } else {
                inverse_scales(level, log_scale, &mut self.inverse);
                self.sum = log_scale.chunks(BLOCK).map(sum_block).sum();
            }
            self.made = self.state.shared_rows;
        }
        (&self.inverse, self.sum)
    }
}

vectorized! {
    /// exp(-s).
    fn inverse_scales(log_scale: &[f32], inverse: &mut [f32]) {
        for (inverse, &s) in inverse.iter_mut().zip(log_scale) {
            *inverse = exp::<FMA>(-s);
        }
    }
}

vectorized! {
    /// Half the sum of squares of (x - mean) / scale.
    fn half_squares(mean: &[f32], x: &[f32], inverse: &[f32]) -> f64 {
        let mut terms = [0f32; BLOCK];
        let mut sum = 0.0;
        let blocks = mean.chunks(BLOCK).zip(x.chunks(BLOCK)).zip(inverse.chunks(BLOCK));
        for ((mean, x), inverse) in blocks {
            let terms = &mut terms[..mean.len()];
            for (((term, &m), &x), &i) in terms.iter_mut().zip(mean).zip(x).zip(inverse) {
                let z = (x - m) * i;
                *term = z * z;
            }
            sum += sum_block(terms);
        }
        0.5 * sum
    }
}

fn forward(state: &State) -> FlexTensor {
    let mut log_prob = vec![0f32; state.n_rows];
    let (step, level) = (rows_per_task(state.n_values), simd::level());
    buffer::for_chunks(&mut log_prob, step, |task, log_prob| {
        let mut scales = Scales::new(state);
        for (row, log_prob) in (task * step..).zip(log_prob) {
            let (mean, x) = state.mean_and_x(row);
            let (inverse, sum) = scales.of_row(row);
            let constant = HALF_LN_TAU * state.n_values as f64;
            *log_prob = -(half_squares(level, mean, x, inverse) + sum + constant) as f32;
        }
    });
    dense::tensor(log_prob, [state.n_rows])
}

vectorized! {
    /// The gradients of one row for mean and log-scale.
    fn gradient_row(
        upstream: f32,
        mean: &[f32],
        x: &[f32],
        inverse: &[f32],
        for_mean: &mut [MaybeUninit<f32>],
        for_scale: &mut [f32],
    ) {
        let slots = for_mean.iter_mut().zip(for_scale);
        for ((((m_slot, s_slot), &m), &x), &i) in slots.zip(mean).zip(x).zip(inverse) {
            let z = (x - m) * i;
            m_slot.write(upstream * z * i);
            *s_slot = upstream * (z * z - 1.0);
        }
    }
}

vectorized! {
    /// target += source.
    fn add_row(target: &mut [f32], source: &[f32]) {
        for (target, source) in target.iter_mut().zip(source) {
            *target += source;
        }
    }
}

#[derive(Debug)]
struct GaussianBackward;

impl Backward<Flex, 2> for GaussianBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upstream = dense::packed(grads.consume::<Flex>(&ops.node));
        let (upstream, state) = (dense::values(&upstream), &ops.state);
        let (n_rows, n_values) = (state.n_rows, state.n_values);
        let (step, level) = (rows_per_task(n_values), simd::level());
        let n_tasks = n_rows.div_ceil(step);
        let n_scales = if state.shared_values { 1 } else { n_values };
        let scale_rows = if state.shared_rows { n_tasks } else { n_rows };
        let mut for_mean = buffer::uninit(n_rows * n_values);
        let mut for_scale = vec![0f32; scale_rows * n_scales];
        let (means, scale_parts) = (Parts::new(&mut for_mean), Parts::new(&mut for_scale));
        pool::run(n_tasks, &|task| {
            let mut scales = Scales::new(state);
            let mut of_row = vec![0f32; n_values];
            let first = task * step;
            for (row, upstream) in (first..n_rows).zip(&upstream[first..]).take(step) {
                let (mean, x) = state.mean_and_x(row);
                let (inverse, _) = scales.of_row(row);
                let scale_row = if state.shared_rows { task } else { row };
                // SAFETY: rows, and the sums of tasks, belong to one task each.
                let (for_mean, for_scale) = unsafe {
                    let for_scale = scale_parts.part(scale_row * n_scales, n_scales);
                    (means.part(row * n_values, n_values), for_scale)
                };
                gradient_row(level, *upstream, mean, x, inverse, for_mean, &mut of_row);
                if state.shared_values {
                    for_scale[0] += of_row.chunks(BLOCK).map(sum_block).sum::<f64>() as f32;
                } else {
                    add_row(level, for_scale, &of_row);
                }
            }
        });
        let [mean_node, scale_node] = ops.parents;
        // SAFETY: the rows cover the buffer.
        let for_mean = unsafe { buffer::filled(for_mean) };
        if let Some(node) = mean_node {
            grads.register::<Flex>(node.id, dense::tensor(for_mean, [n_rows, n_values]));
        }
        if let Some(node) = scale_node {
            if state.shared_rows {
                let mut sum = vec![0f32; n_scales];
                for of_task in for_scale.chunks(n_scales) {
                    add_row(level, &mut sum, of_task);
                }
                for_scale = sum;
            }
            grads.register::<Flex>(node.id, dense::tensor(for_scale, state.log_scale.shape()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{against_differences, against_plain, for_random_shapes, normals};

    fn apply(
        leaves: &[Tensor<1>],
        [n_rows, n_values, n_examples]: [usize; 3],
        scale_shape: [usize; 2],
        f: impl Fn(Tensor<2>, Tensor<2>, Tensor<2>) -> Tensor<1>,
    ) -> Tensor<1> {
        let mean = leaves[0].clone().reshape([n_values, n_rows]).transpose();
        let log_scale = leaves[1].clone().reshape(scale_shape);
        let x = leaves[2].clone().reshape([n_examples, n_values]).detach();
        let once_more = log_scale.clone().sum() + mean.clone().slice([0..1, 0..1]).reshape([1]);
        f(mean, log_scale, x) * once_more
    }

    fn plain(mean: Tensor<2>, log_scale: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let (mean, log_scale) = (mean.into_dispatch(), log_scale.into_dispatch());
        Tensor::from_dispatch(composition::<Dispatch>(mean, log_scale, x.into_dispatch()))
    }

    fn check(shape: [usize; 3]) {
        let [n_rows, n_values, n_examples] = shape;
        for scale_shape in [[n_rows, n_values], [n_rows, 1], [1, n_values], [1, 1]] {
            let scales = normals(scale_shape[0] * scale_shape[1], 1);
            let inputs = [
                normals(n_rows * n_values, 0),
                scales.iter().map(|s| 0.3 * s).collect(),
                normals(n_examples * n_values, 2),
            ];
            let own = |leaves: &[Tensor<1>]| apply(leaves, shape, scale_shape, gaussian_log_prob);
            let oracle = |leaves: &[Tensor<1>]| apply(leaves, shape, scale_shape, plain);
            let what = format!("{shape:?}, log-scale {scale_shape:?}");
            against_plain(&what, &inputs, &own, &oracle);
            if n_rows * n_values < 100 {
                against_differences(&what, &inputs, &own);
            }
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        for shape in [
            [1, 1, 1],
            [6, 5, 2],
            [4, 17, 4],
            [128, 192, 128],
            [30, 700, 3],
        ] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([20, 300, 6], |[n_examples, n_values, n_each]| {
            check([n_examples * n_each, n_values, n_examples]);
        });
    }

    /// ln N(1; 0, 2) twice, from the definition.
    #[test]
    fn known_value() {
        let device = Default::default();
        let (mean, x) = (
            Tensor::zeros([1, 2], &device),
            Tensor::ones([1, 2], &device),
        );
        let log_scale = Tensor::from_floats([[2f32.ln()]], &device);
        let found = gaussian_log_prob(mean, log_scale, x).into_scalar::<f32>();
        let expected = -2.0 * (0.125 + 2f64.ln() + HALF_LN_TAU);
        assert!((f64::from(found) - expected).abs() < 1e-6);
    }

    #[test]
    #[should_panic(expected = "gaussian_log_prob: log_scale: expected shape [1, 3], got [2, 3]")]
    fn scales_must_fit() {
        let device = Default::default();
        let zeros = |n| Tensor::zeros([n, 3], &device);
        gaussian_log_prob(zeros(4), zeros(2), zeros(4));
    }
}

//! Reparameterized Gaussian sample: z = mean + exp(log_var / 2) noise.
//!
//! Backward, with the gradient g of z summed over the rows of an example:
//! d mean = sum g, d log_var = exp(log_var / 2) / 2 sum g noise.

use super::rows::{rows_per_example, rows_per_task};
use crate::buffer::{self, Parts};
use crate::simd::{self, exp, mul_add, vectorized};
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

/// Samples `[R, d]` from mean `[B, d]`, log_var `[B, d]` (log-variance) and standard normal noise `[R, d]`; f32.
///
/// R = B K, and row r belongs to example r / K. No gradient flows to the noise.
/// Panics if the shapes do not fit.
pub fn reparameterize(mean: Tensor<2>, log_var: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
    let (mean, log_var) = (mean.into_dispatch(), log_var.into_dispatch());
    Tensor::from_dispatch(Dispatch::reparameterize(
        mean,
        log_var,
        noise.into_dispatch(),
    ))
}

/// The sample as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait ReparameterizeOps: Backend {
    /// See [`reparameterize`].
    fn reparameterize(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
        noise: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composition::<Self>(mean, log_var, noise)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    mean: FloatTensor<B>,
    log_var: FloatTensor<B>,
    noise: FloatTensor<B>,
) -> FloatTensor<B> {
    let (n_examples, n_dims, n_rows) = (mean.shape()[0], mean.shape()[1], noise.shape()[0]);
    let n_each = rows_per_example("reparameterize", n_rows, n_examples);
    let single = Shape::from([n_examples, 1, n_dims]);
    let grouped = Shape::from([n_examples, n_each, n_dims]);
    let scale = B::float_exp(B::float_mul_scalar(log_var, 0.5f32.into()));
    let scale = B::float_expand(B::float_reshape(scale, single.clone()), grouped.clone());
    let mean = B::float_expand(B::float_reshape(mean, single), grouped.clone());
    let noise = B::float_reshape(B::float_detach(noise), grouped);
    let z = B::float_add(mean, B::float_mul(scale, noise));
    B::float_reshape(z, Shape::from([n_rows, n_dims]))
}

#[cfg(feature = "cube")]
impl ReparameterizeOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> ReparameterizeOps for Autodiff<burn::backend::Cube, C> {}

impl ReparameterizeOps for Flex {
    fn reparameterize(mean: FlexTensor, log_var: FlexTensor, noise: FlexTensor) -> FlexTensor {
        forward(mean, &dense::packed(log_var), &dense::packed(noise))
    }
}

impl<C: CheckpointStrategy> ReparameterizeOps for Autodiff<Flex, C> {
    fn reparameterize(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
        noise: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((mean, mean_node), (log_var, log_var_node)) =
            (mean.into_parts(), log_var.into_parts());
        let (log_var, noise) = (
            dense::packed(log_var),
            dense::packed(noise.into_primitive()),
        );
        let z = forward(mean, &log_var, &noise);
        match ReparameterizeBackward
            .prepare::<C>([mean_node, log_var_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(z),
            OpsKind::Tracked(prep) => prep.finish(State { log_var, noise }, z),
        }
    }
}

vectorized! {
    /// One row of samples.
    fn sample_row(mean: &[f32], log_var: &[f32], noise: &[f32], z: &mut [MaybeUninit<f32>]) {
        for (((z, &m), &v), &e) in z.iter_mut().zip(mean).zip(log_var).zip(noise) {
            z.write(mul_add::<FMA>(exp::<FMA>(0.5 * v), e, m));
        }
    }
}

vectorized! {
    /// Adds the gradient of one row of samples: g to the mean's, g noise to the log-variance's.
    fn add_gradient_row(g: &[f32], noise: &[f32], for_mean: &mut [f32], for_log_var: &mut [f32]) {
        let sums = for_mean.iter_mut().zip(for_log_var);
        for (((m, v), &g), &e) in sums.zip(g).zip(noise) {
            *m += g;
            *v = mul_add::<FMA>(g, e, *v);
        }
    }
}

vectorized! {
    /// Multiplies by exp(log_var / 2) / 2.
    fn scale_row(values: &mut [f32], log_var: &[f32]) {
        for (value, &v) in values.iter_mut().zip(log_var) {
            *value *= 0.5 * exp::<FMA>(0.5 * v);
        }
    }
}

/// `log_var` and `noise` are packed.
fn forward(mean: FlexTensor, log_var: &FlexTensor, noise: &FlexTensor) -> FlexTensor {
    let (n_examples, n_dims, n_rows) = (mean.shape()[0], mean.shape()[1], noise.shape()[0]);
    dense::expect_shape("reparameterize: log_var", log_var, &[n_examples, n_dims]);
    dense::expect_shape("reparameterize: noise", noise, &[n_rows, n_dims]);
    let n_each = rows_per_example("reparameterize", n_rows, n_examples);
    let mean = dense::packed(mean);
    let (mean, log_var, noise) = (
        dense::values(&mean),
        dense::values(log_var),
        dense::values(noise),
    );
    let mut z = buffer::uninit(n_rows * n_dims);
    let (step, level) = (rows_per_task(n_dims), simd::level());
    buffer::for_chunks(&mut z, (step * n_dims).max(1), |task, z| {
        for (row, z) in (task * step..).zip(z.chunks_mut(n_dims)) {
            let example = row / n_each * n_dims;
            let (mean, log_var) = (&mean[example..][..n_dims], &log_var[example..][..n_dims]);
            sample_row(level, mean, log_var, &noise[row * n_dims..][..n_dims], z);
        }
    });
    // SAFETY: the chunks cover the buffer.
    dense::tensor(unsafe { buffer::filled(z) }, [n_rows, n_dims])
}

#[derive(Debug)]
struct ReparameterizeBackward;

#[derive(Clone, Debug)]
struct State {
    log_var: FlexTensor,
    noise: FlexTensor,
}

impl Backward<Flex, 2> for ReparameterizeBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = dense::packed(grads.consume::<Flex>(&ops.node));
        let State { log_var, noise } = ops.state;
        let (n_examples, n_dims, n_rows) =
            (log_var.shape()[0], log_var.shape()[1], noise.shape()[0]);
        let n_each = rows_per_example("reparameterize", n_rows, n_examples);
        let (g, log_var, noise) = (
            dense::values(&g),
            dense::values(&log_var),
            dense::values(&noise),
        );
        let mut for_mean = vec![0f32; n_examples * n_dims];
        let mut for_log_var = vec![0f32; n_examples * n_dims];
        let (means, log_vars) = (Parts::new(&mut for_mean), Parts::new(&mut for_log_var));
        let (step, level) = (rows_per_task(n_dims * n_each), simd::level());
        pool::run(n_examples.div_ceil(step), &|task| {
            for example in task * step..((task + 1) * step).min(n_examples) {
                let first = example * n_dims;
                // SAFETY: each example belongs to one task.
                let (m, v) = unsafe { (means.part(first, n_dims), log_vars.part(first, n_dims)) };
                for row in example * n_each..(example + 1) * n_each {
                    let (g, e) = (
                        &g[row * n_dims..][..n_dims],
                        &noise[row * n_dims..][..n_dims],
                    );
                    add_gradient_row(level, g, e, m, v);
                }
                scale_row(level, v, &log_var[first..][..n_dims]);
            }
        });
        let shape = [n_examples, n_dims];
        let [mean_node, log_var_node] = ops.parents;
        if let Some(node) = mean_node {
            grads.register::<Flex>(node.id, dense::tensor(for_mean, shape));
        }
        if let Some(node) = log_var_node {
            grads.register::<Flex>(node.id, dense::tensor(for_log_var, shape));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{against_differences, against_plain, for_random_shapes, normals};

    fn apply(
        leaves: &[Tensor<1>],
        [n_examples, n_dims, n_rows]: [usize; 3],
        f: impl Fn(Tensor<2>, Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<1> {
        let mean = leaves[0].clone().reshape([n_dims, n_examples]).transpose();
        let log_var = leaves[1].clone().reshape([n_examples, n_dims]);
        let noise = Tensor::<2>::from_floats(
            burn::tensor::TensorData::new(normals(n_rows * n_dims, 9), [n_rows, n_dims]),
            &leaves[0].device(),
        );
        let z = f(mean.clone(), log_var, noise).reshape([n_examples, n_rows / n_examples * n_dims]);
        (z * mean.slice([0..n_examples, 0..1])).reshape([n_rows * n_dims])
    }

    fn plain(mean: Tensor<2>, log_var: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let (mean, log_var) = (mean.into_dispatch(), log_var.into_dispatch());
        Tensor::from_dispatch(composition::<Dispatch>(
            mean,
            log_var,
            noise.into_dispatch(),
        ))
    }

    fn check(shape: [usize; 3]) {
        let [n_examples, n_dims, _] = shape;
        let inputs = [
            normals(n_examples * n_dims, 0),
            normals(n_examples * n_dims, 1),
        ];
        let own = |leaves: &[Tensor<1>]| apply(leaves, shape, reparameterize);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, shape, plain);
        against_plain(&format!("{shape:?}"), &inputs, &own, &oracle);
        if n_examples * n_dims < 40 {
            against_differences(&format!("{shape:?}"), &inputs, &own);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        for shape in [
            [1, 1, 1],
            [3, 2, 6],
            [5, 7, 5],
            [128, 20, 128],
            [100, 33, 700],
        ] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([200, 40, 7], |[n_examples, n_dims, n_each]| {
            check([n_examples, n_dims, n_examples * n_each]);
        });
    }
}

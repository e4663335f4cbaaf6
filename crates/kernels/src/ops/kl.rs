//! KL divergence of a diagonal Gaussian from the standard normal, per dimension:
//! (mean^2 + exp(log_var) - 1 - log_var) / 2, [kingma-2014], appendix B.
//!
//! The gradients are mean and (exp(log_var) - 1) / 2.

use super::rows::rows_per_task;
use crate::buffer;
use crate::buffer::Parts;
use crate::simd::{self, exp, vectorized};
use crate::{dense, pool};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::mem::MaybeUninit;

/// KL(N(mean, exp(log_var)) || N(0, 1)) per dimension, `[B, d]`, nats; mean and log_var `[B, d]`; f32.
///
/// Panics if the shapes do not fit.
pub fn kl_standard_normal(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<2> {
    let kl = Dispatch::kl_standard_normal(mean.into_dispatch(), log_var.into_dispatch());
    Tensor::from_dispatch(kl)
}

/// The term as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait KlOps: Backend {
    /// See [`kl_standard_normal`].
    fn kl_standard_normal(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composition::<Self>(mean, log_var)
    }
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

#[cfg(feature = "cube")]
impl KlOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> KlOps for Autodiff<burn::backend::Cube, C> {}

impl KlOps for Flex {
    fn kl_standard_normal(mean: FlexTensor, log_var: FlexTensor) -> FlexTensor {
        forward(&dense::packed(mean), &dense::packed(log_var))
    }
}

impl<C: CheckpointStrategy> KlOps for Autodiff<Flex, C> {
    fn kl_standard_normal(
        mean: FloatTensor<Self>,
        log_var: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((mean, mean_node), (log_var, log_var_node)) =
            (mean.into_parts(), log_var.into_parts());
        let (mean, log_var) = (dense::packed(mean), dense::packed(log_var));
        let kl = forward(&mean, &log_var);
        match KlBackward
            .prepare::<C>([mean_node, log_var_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(kl),
            OpsKind::Tracked(prep) => prep.finish(State { mean, log_var }, kl),
        }
    }
}

vectorized! {
    /// The divergence, value by value.
    fn divergence(mean: &[f32], log_var: &[f32], kl: &mut [MaybeUninit<f32>]) {
        for ((kl, &m), &v) in kl.iter_mut().zip(mean).zip(log_var) {
            kl.write(0.5 * (m * m + (exp::<FMA>(v) - v - 1.0)));
        }
    }
}

vectorized! {
    /// Upstream times mean, and upstream times (exp(log_var) - 1) / 2.
    fn gradients(
        g: &[f32],
        mean: &[f32],
        log_var: &[f32],
        for_mean: &mut [MaybeUninit<f32>],
        for_log_var: &mut [MaybeUninit<f32>],
    ) {
        let slots = for_mean.iter_mut().zip(for_log_var);
        for ((((for_m, for_v), &g), &m), &v) in slots.zip(g).zip(mean).zip(log_var) {
            for_m.write(g * m);
            for_v.write(g * 0.5 * (exp::<FMA>(v) - 1.0));
        }
    }
}

/// Both packed.
fn forward(mean: &FlexTensor, log_var: &FlexTensor) -> FlexTensor {
    let shape = mean.shape();
    dense::expect_shape("kl_standard_normal: log_var", log_var, &shape[..]);
    let (mean, log_var) = (dense::values(mean), dense::values(log_var));
    let mut kl = buffer::uninit(mean.len());
    let (step, level) = (rows_per_task(1), simd::level());
    buffer::for_chunks(&mut kl, step, |task, kl| {
        let (start, len) = (task * step, kl.len());
        divergence(level, &mean[start..][..len], &log_var[start..][..len], kl);
    });
    // SAFETY: the chunks cover the buffer.
    dense::tensor(unsafe { buffer::filled(kl) }, shape)
}

#[derive(Debug)]
struct KlBackward;

#[derive(Clone, Debug)]
struct State {
    mean: FlexTensor,
    log_var: FlexTensor,
}

impl Backward<Flex, 2> for KlBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = dense::packed(grads.consume::<Flex>(&ops.node));
        let shape = ops.state.mean.shape();
        let (g, mean) = (dense::values(&g), dense::values(&ops.state.mean));
        let log_var = dense::values(&ops.state.log_var);
        let (mut for_mean, mut for_log_var) = (buffer::uninit(g.len()), buffer::uninit(g.len()));
        let (means, log_vars) = (Parts::new(&mut for_mean), Parts::new(&mut for_log_var));
        let (step, level) = (rows_per_task(1), simd::level());
        pool::run(g.len().div_ceil(step), &|task| {
            let start = task * step;
            let len = step.min(g.len() - start);
            // SAFETY: tasks have different values.
            let (m, v) = unsafe { (means.part(start, len), log_vars.part(start, len)) };
            let (g, mean) = (&g[start..][..len], &mean[start..][..len]);
            gradients(level, g, mean, &log_var[start..][..len], m, v);
        });
        // SAFETY: the tasks cover the buffers.
        let (for_mean, for_log_var) =
            unsafe { (buffer::filled(for_mean), buffer::filled(for_log_var)) };
        let [mean_node, log_var_node] = ops.parents;
        if let Some(node) = mean_node {
            grads.register::<Flex>(node.id, dense::tensor(for_mean, shape.clone()));
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
        [n_examples, n_dims]: [usize; 2],
        f: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) -> Tensor<1> {
        let mean = leaves[0].clone().reshape([n_dims, n_examples]).transpose();
        let log_var = leaves[1].clone().reshape([n_examples, n_dims]);
        (f(mean.clone(), log_var) * mean).reshape([n_examples * n_dims])
    }

    fn plain(mean: Tensor<2>, log_var: Tensor<2>) -> Tensor<2> {
        Tensor::from_dispatch(composition::<Dispatch>(
            mean.into_dispatch(),
            log_var.into_dispatch(),
        ))
    }

    fn check(shape: [usize; 2]) {
        let n = shape[0] * shape[1];
        let inputs = [normals(n, 0), normals(n, 1)];
        let own = |leaves: &[Tensor<1>]| apply(leaves, shape, kl_standard_normal);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, shape, plain);
        against_plain(&format!("{shape:?}"), &inputs, &own, &oracle);
        if n < 40 {
            against_differences(&format!("{shape:?}"), &inputs, &own);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        for shape in [[1, 1], [3, 5], [128, 20], [700, 33]] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([700, 70], check);
    }

    /// KL(N(1, 4) || N(0, 1)) = (1 + 4 - 1 - log 4) / 2; zero for the standard normal itself.
    #[test]
    fn known_values() {
        let device = Default::default();
        let mean = Tensor::from_floats([[1.0, 0.0]], &device);
        let log_var = Tensor::from_floats([[4f32.ln(), 0.0]], &device);
        let kl = kl_standard_normal(mean, log_var)
            .into_data()
            .try_into_vec::<f32>()
            .unwrap();
        assert!((kl[0] - (4.0 - 4f32.ln()) / 2.0).abs() < 1e-6);
        assert_eq!(kl[1], 0.0);
    }
}

//! SiLU: y = x s(x), s the logistic function; the gradient is s (1 + x (1 - s)).
//!
//! Burn takes three passes with a scalar exponential on one thread; this is one vector pass over the pool, which keeps
//! images as they are stored. Source: [elfwing-2018].

use super::image;
use super::rows::rows_per_task;
use crate::buffer;
use crate::dense;
use crate::simd::{self, exp, mul_add, vectorized};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use std::mem::MaybeUninit;

/// x s(x) of every value, any shape; f32.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::fused_silu(x.into_dispatch()))
}

/// The function as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait SiluOps: Backend {
    /// See [`silu`].
    fn fused_silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composition::<Self>(x)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), B::sigmoid(x))
}

#[cfg(feature = "cube")]
impl SiluOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> SiluOps for Autodiff<burn::backend::Cube, C> {}

impl SiluOps for Flex {
    fn fused_silu(x: FlexTensor) -> FlexTensor {
        forward(&stored(x))
    }
}

impl<C: CheckpointStrategy> SiluOps for Autodiff<Flex, C> {
    fn fused_silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let x = stored(x);
        let y = forward(&x);
        match SiluBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::UnTracked(prep) => prep.finish(y),
            OpsKind::Tracked(prep) => prep.finish(x, y),
        }
    }
}

vectorized! {
    fn values(x: &[f32], y: &mut [MaybeUninit<f32>]) {
        for (y, &x) in y.iter_mut().zip(x) {
            y.write(x / (1.0 + exp::<FMA>(-x)));
        }
    }
}

vectorized! {
    fn gradients(g: &[f32], x: &[f32], for_x: &mut [MaybeUninit<f32>]) {
        for ((for_x, &g), &x) in for_x.iter_mut().zip(g).zip(x) {
            let s = 1.0 / (1.0 + exp::<FMA>(-x));
            for_x.write(g * s * mul_add::<FMA>(x, 1.0 - s, 1.0));
        }
    }
}

/// The tensor with storage that holds its values and no others: images with the channels last, others row-major.
fn stored(x: FlexTensor) -> FlexTensor {
    match x.shape().num_dims() {
        4 => image::channels_last(x),
        _ => dense::packed(x),
    }
}

/// A tensor like `of`, which is [`stored`], with other values in the same order.
fn like(of: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    match of.shape().num_dims() {
        4 => image::tensor(values, image::Size::of(of)),
        _ => dense::tensor(values, of.shape()),
    }
}

/// The values of a [`stored`] tensor.
fn flat(x: &FlexTensor) -> &[f32] {
    match x.shape().num_dims() {
        4 => image::values(x),
        _ => dense::values(x),
    }
}

fn forward(x: &FlexTensor) -> FlexTensor {
    let source = flat(x);
    let mut y = buffer::uninit(source.len());
    let (step, level) = (rows_per_task(1), simd::level());
    buffer::for_chunks(&mut y, step, |task, y| {
        values(level, &source[task * step..][..y.len()], y);
    });
    // SAFETY: the chunks cover the buffer.
    like(x, unsafe { buffer::filled(y) })
}

#[derive(Debug)]
struct SiluBackward;

impl Backward<Flex, 1> for SiluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = stored(grads.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else {
            return;
        };
        let x = ops.state;
        let (upstream, source) = (flat(&g), flat(&x));
        let mut for_x = buffer::uninit(source.len());
        let (step, level) = (rows_per_task(1), simd::level());
        buffer::for_chunks(&mut for_x, step, |task, for_x| {
            let at = task * step..task * step + for_x.len();
            gradients(level, &upstream[at.clone()], &source[at], for_x);
        });
        // SAFETY: the chunks cover the buffer.
        let for_x = like(&x, unsafe { buffer::filled(for_x) });
        grads.register::<Flex>(node.id, for_x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{against_differences, against_plain, for_random_shapes, normals};

    fn plain<const D: usize>(x: Tensor<D>) -> Tensor<D> {
        Tensor::from_dispatch(composition::<Dispatch>(x.into_dispatch()))
    }

    /// Images that are stored in another order than they are read, and their gradient.
    fn images(
        leaves: &[Tensor<1>],
        [b, c, h, w]: [usize; 4],
        f: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> Tensor<1> {
        let x = (leaves[0].clone())
            .reshape([w, b, h, c])
            .permute([1, 3, 2, 0]);
        let y = f(x.clone()) * x;
        y.permute([3, 1, 0, 2]).reshape([b * c * h * w])
    }

    fn check(shape: [usize; 4]) {
        let n = shape.iter().product();
        let inputs = [normals(n, 0)];
        let what = format!("{shape:?}");
        let own = |leaves: &[Tensor<1>]| images(leaves, shape, silu);
        let oracle = |leaves: &[Tensor<1>]| images(leaves, shape, plain);
        against_plain(&what, &inputs, &own, &oracle);
        if n < 40 {
            against_differences(&what, &inputs, &own);
        }
        let rows = |leaves: &[Tensor<1>], f: fn(Tensor<2>) -> Tensor<2>| {
            let x = leaves[0].clone().reshape([shape[0], n / shape[0]]);
            f(x.transpose()).reshape([n])
        };
        let own = |leaves: &[Tensor<1>]| rows(leaves, silu);
        against_plain(&what, &inputs, &own, &|leaves| rows(leaves, plain));
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        for shape in [[1, 1, 1, 1], [2, 3, 1, 4], [3, 5, 2, 1], [128, 16, 7, 7]] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([20, 40, 10, 10], check);
    }

    #[test]
    fn known_values() {
        let device = Default::default();
        let x = Tensor::<1>::from_floats([0.0, 1.0, -1.0, 1e4, -1e4], &device);
        let y = silu(x).into_data().try_into_vec::<f32>().unwrap();
        let logistic = 1.0 / (1.0 + (-1f32).exp());
        assert_eq!((y[0], y[3], y[4]), (0.0, 1e4, 0.0));
        assert!((y[1] - logistic).abs() < 1e-7);
        assert!((y[2] + 1.0 - logistic).abs() < 1e-7);
    }
}

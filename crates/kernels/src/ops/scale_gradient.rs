//! The identity, whose gradient is multiplied row by row by factors that become known later in the pass.
//!
//! The doubly reparameterized gradient ([tucker-2019]) scales the gradient through each sample by its
//! importance weight, and the weights are a result of the very pass that takes the samples. With a plain
//! product the factors would have to be there first, from a pass of their own.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Tensor, TensorData};
use std::sync::{Arc, OnceLock};

/// Factors of a gradient, one per row: made empty for a pass, set once before its backward pass.
#[derive(Clone, Debug, Default)]
pub struct RowFactors(Arc<OnceLock<Vec<f32>>>);

impl RowFactors {
    /// Sets the factors.
    ///
    /// Panics if they are set already.
    pub fn set(&self, factors: Vec<f32>) {
        let set = self.0.set(factors);
        set.expect("scale_gradient: the factors of a pass are set once");
    }
}

/// x `[R, d]` itself; its gradient is that of the result with row r multiplied by factor r.
///
/// The backward pass panics if the R factors have not been set.
pub fn scale_gradient(x: Tensor<2>, factors: &RowFactors) -> Tensor<2> {
    let y = Dispatch::scale_gradient_rows(x.into_dispatch(), factors.clone());
    Tensor::from_dispatch(y)
}

/// The identity as an operation of a backend; only automatic differentiation has something to do.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait ScaleGradientOps: Backend {
    /// See [`scale_gradient`].
    fn scale_gradient_rows(x: FloatTensor<Self>, _factors: RowFactors) -> FloatTensor<Self> {
        x
    }
}

impl ScaleGradientOps for Flex {}
#[cfg(feature = "cube")]
impl ScaleGradientOps for burn::backend::Cube {}

impl<B: Backend, C: CheckpointStrategy> ScaleGradientOps for Autodiff<B, C> {
    fn scale_gradient_rows(x: FloatTensor<Self>, factors: RowFactors) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let prep = Backward::<B, 1>::prepare::<C>(ScaleBackward, [node]);
        match prep.compute_bound().stateful() {
            OpsKind::UnTracked(prep) => prep.finish(x),
            OpsKind::Tracked(prep) => prep.finish(factors, x),
        }
    }
}

#[derive(Debug)]
struct ScaleBackward;

impl<B: Backend> Backward<B, 1> for ScaleBackward {
    type State = RowFactors;

    fn backward(self, ops: Ops<RowFactors, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        if let [Some(node)] = ops.parents {
            let factors = ops.state.0.get();
            let factors = factors.expect("scale_gradient: the factors have not been set");
            let column = TensorData::new(factors.clone(), [factors.len(), 1]);
            let factors = B::float_from_data(column, &g.device());
            grads.register::<B>(node.id, B::float_mul(g, factors));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{
        against_plain, for_random_shapes, gradients_against_differences_of, normals,
    };

    /// The third factor is zero, and others are negative.
    fn check([rows, d]: [usize; 2]) {
        let mut factors = normals(rows, 4);
        if let Some(factor) = factors.get_mut(2) {
            *factor = 0.0;
        }
        let own = |leaves: &[Tensor<1>]| {
            let late = RowFactors::default();
            let x = leaves[0].clone().reshape([rows, d]);
            let y = scale_gradient(x.clone() * 2.0, &late).tanh() + x;
            late.set(factors.clone());
            y.reshape([rows * d])
        };
        let plain = |leaves: &[Tensor<1>]| {
            let data = TensorData::new(factors.clone(), [rows, 1]);
            let factors = Tensor::<2>::from_data(data, &leaves[0].device().inner());
            let x = leaves[0].clone().reshape([rows, d]);
            let twice = x.clone() * 2.0;
            let scaled = (twice.clone() - twice.clone().detach()) * factors + twice.detach();
            (scaled.tanh() + x).reshape([rows * d])
        };
        let (what, inputs) = (format!("{:?}", [rows, d]), [normals(rows * d, 0)]);
        against_plain(&what, &inputs, &own, &plain);
        if rows * d >= 100 {
            return;
        }
        // The derivative at x of tanh(2 x + f (2 t - 2 x)) + t with respect to t, at t = x.
        let moved = |leaves: &[Tensor<1>]| {
            let device = leaves[0].device();
            let factors =
                Tensor::<2>::from_data(TensorData::new(factors.clone(), [rows, 1]), &device);
            let here =
                Tensor::<2>::from_data(TensorData::new(inputs[0].clone(), [rows, d]), &device);
            let t = leaves[0].clone().reshape([rows, d]);
            let scaled = (t.clone() - here.clone()) * 2.0 * factors + here * 2.0;
            (scaled.tanh() + t).reshape([rows * d])
        };
        gradients_against_differences_of(&what, &inputs, &own, &moved);
    }

    #[test]
    fn agrees_with_factors_that_are_known_before_and_with_differences() {
        for shape in [[1, 1], [7, 3], [5, 17], [128, 20]] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([200, 70], check);
    }
}

//! Affine layer: y = act(x W + b).
//!
//! Forward is one matrix product whose pieces get bias and activation while they are still in the cache.
//! Backward, for the gradient g of y with the entries masked where ReLU gave zero:
//! dx = g W^T, dW = x^T g, db = the column sums of g; both products are one job for the pool.

use super::activation::{self, Activation};
use super::bias::Bias;
use crate::{buffer, dense, gemm, pool};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// `act(x weight + bias)`: x `[B, I]`, weight `[I, O]`, bias `[O]`, result `[B, O]`; f32.
///
/// Panics if the shapes do not fit.
pub fn linear(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let bias = bias.map(Tensor::into_dispatch).into();
    let y = Dispatch::linear(x.into_dispatch(), weight.into_dispatch(), bias, activation);
    Tensor::from_dispatch(y)
}

/// The layer as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait LinearOps: Backend {
    /// See [`linear`].
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        composition::<Self>(x, weight, bias, activation)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    activation: Activation,
) -> FloatTensor<B> {
    let n_out = weight.shape()[1];
    let mut y = B::float_matmul(x, weight);
    if let Bias::Of(bias) = bias {
        y = B::float_add(y, B::float_reshape(bias, Shape::from([1, n_out])));
    }
    activation.composition::<B>(y)
}

#[cfg(feature = "cube")]
impl LinearOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> LinearOps for Autodiff<burn::backend::Cube, C> {}

impl LinearOps for Flex {
    fn linear(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Bias<Self>,
        activation: Activation,
    ) -> FlexTensor {
        forward(&x, &weight, bias.into_tensor().as_ref(), activation)
    }
}

impl<C: CheckpointStrategy> LinearOps for Autodiff<Flex, C> {
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let (bias, bias_node) = bias.into_parts();
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let y = forward(&x, &weight, bias.as_ref(), activation);
        match LinearBackward
            .prepare::<C>([x_node, weight_node, bias_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(y),
            OpsKind::Tracked(prep) => {
                let output = (activation == Activation::Relu).then(|| y.clone());
                prep.finish(State { x, weight, output }, y)
            }
        }
    }
}

fn forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    activation: Activation,
) -> FlexTensor {
    let (n_rows, n_in, n_out) = (x.shape()[0], x.shape()[1], weight.shape()[1]);
    dense::expect_shape("linear: weight", weight, &[n_in, n_out]);
    let bias = bias.map(|bias| {
        dense::expect_shape("linear: bias", bias, &[n_out]);
        dense::packed(bias.clone())
    });
    let bias = bias.as_ref().map(dense::values);
    let mut y = buffer::uninit(n_rows * n_out);
    let product = gemm::Product::new(dense::matrix(x), dense::matrix(weight), &mut y);
    pool::run(product.n_pieces(), &|piece| {
        let finish = |_, start: usize, values: &mut [f32]| {
            let bias = bias.map(|bias| &bias[start..start + values.len()]);
            activation::finish_row(values, bias, activation);
        };
        // SAFETY: the pool runs each piece once.
        unsafe { product.piece(piece, finish) };
    });
    // SAFETY: the pieces cover the product.
    dense::tensor(unsafe { buffer::filled(y) }, [n_rows, n_out])
}

#[derive(Debug)]
struct LinearBackward;

/// What backward needs; the output only for ReLU.
#[derive(Clone, Debug)]
struct State {
    x: FlexTensor,
    weight: FlexTensor,
    output: Option<FlexTensor>,
}

impl Backward<Flex, 3> for LinearBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let State { x, weight, output } = ops.state;
        let g = grads.consume::<Flex>(&ops.node);
        let (g, bias_grad) = activation::backward(g, output, bias_node.is_some());
        let (n_rows, n_in, n_out) = (x.shape()[0], x.shape()[1], weight.shape()[1]);
        let mut x_grad = buffer::uninit(if x_node.is_some() { n_rows * n_in } else { 0 });
        let mut weight_grad = buffer::uninit(if weight_node.is_some() {
            n_in * n_out
        } else {
            0
        });
        let (x_matrix, weight_matrix, g_matrix) =
            (dense::matrix(&x), dense::matrix(&weight), dense::matrix(&g));
        let for_x = x_node
            .is_some()
            .then(|| gemm::Product::new(g_matrix, weight_matrix.transpose(), &mut x_grad));
        let for_weight = weight_node
            .is_some()
            .then(|| gemm::Product::new(x_matrix.transpose(), g_matrix, &mut weight_grad));
        let n_for_x = for_x.as_ref().map_or(0, gemm::Product::n_pieces);
        let n_for_weight = for_weight.as_ref().map_or(0, gemm::Product::n_pieces);
        pool::run(n_for_x + n_for_weight, &|task| {
            let (product, piece) = if task < n_for_x {
                (&for_x, task)
            } else {
                (&for_weight, task - n_for_x)
            };
            if let Some(product) = product {
                // SAFETY: the pool runs each piece once.
                unsafe { product.piece(piece, |_, _, _| {}) };
            }
        });
        if let Some(node) = x_node {
            // SAFETY: the pieces cover the product.
            let x_grad = unsafe { buffer::filled(x_grad) };
            grads.register::<Flex>(node.id, dense::tensor(x_grad, [n_rows, n_in]));
        }
        if let Some(node) = weight_node {
            // SAFETY: the pieces cover the product.
            let weight_grad = unsafe { buffer::filled(weight_grad) };
            grads.register::<Flex>(node.id, dense::tensor(weight_grad, [n_in, n_out]));
        }
        if let (Some(node), Some(bias_grad)) = (bias_node, bias_grad) {
            grads.register::<Flex>(node.id, bias_grad);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{
        against_differences, against_plain, for_random_shapes, normals, same_bits_at_every_level,
    };

    /// Leaves x, weight, bias; `transposed` inputs are views with other strides.
    fn apply(
        leaves: &[Tensor<1>],
        [n_rows, n_in, n_out]: [usize; 3],
        transposed: bool,
        f: impl Fn(Tensor<2>, Tensor<2>, Option<Tensor<1>>) -> Tensor<2>,
    ) -> Tensor<1> {
        let matrix = |leaf: &Tensor<1>, rows: usize, cols: usize| {
            if transposed {
                leaf.clone().reshape([cols, rows]).transpose()
            } else {
                leaf.clone().reshape([rows, cols])
            }
        };
        let (x, weight) = (
            matrix(&leaves[0], n_rows, n_in),
            matrix(&leaves[1], n_in, n_out),
        );
        let y = f(x.clone(), weight, leaves.get(2).cloned());
        // Used twice: the gradient of x has a second part.
        let twice = x.slice([0..n_rows, 0..1]).reshape([n_rows, 1]);
        (y * twice).reshape([n_rows * n_out])
    }

    fn plain(x: Tensor<2>, w: Tensor<2>, b: Option<Tensor<1>>, act: Activation) -> Tensor<2> {
        let bias = b.map(Tensor::into_dispatch).into();
        let y = composition::<Dispatch>(x.into_dispatch(), w.into_dispatch(), bias, act);
        Tensor::from_dispatch(y)
    }

    fn check(shape: [usize; 3], with_bias: bool, act: Activation, transposed: bool) {
        let [n_rows, n_in, n_out] = shape;
        let mut inputs = vec![normals(n_rows * n_in, 0), normals(n_in * n_out, 1)];
        if with_bias {
            inputs.push(normals(n_out, 2));
        }
        let own =
            |leaves: &[Tensor<1>]| apply(leaves, shape, transposed, |x, w, b| linear(x, w, b, act));
        let oracle =
            |leaves: &[Tensor<1>]| apply(leaves, shape, transposed, |x, w, b| plain(x, w, b, act));
        let what = format!("{shape:?}, bias {with_bias}, {act:?}, transposed {transposed}");
        against_plain(&what, &inputs, &own, &oracle);
        same_bits_at_every_level(&what, &inputs, &own);
        if n_rows * n_in * n_out < 100 && act == Activation::Identity {
            against_differences(&what, &inputs, &own);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition() {
        for shape in [
            [1, 1, 1],
            [3, 4, 5],
            [7, 1, 13],
            [128, 784, 400],
            [33, 129, 257],
            [300, 65, 17],
        ] {
            for with_bias in [true, false] {
                for act in [Activation::Identity, Activation::Relu] {
                    for transposed in [false, true] {
                        check(shape, with_bias, act, transposed);
                    }
                }
            }
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([200, 300, 300], |shape| {
            check(shape, true, Activation::Relu, false);
            check(shape, false, Activation::Identity, true);
        });
    }

    /// The kink of ReLU has no difference quotient, so all outputs are kept away from it.
    #[test]
    fn relu_agrees_with_differences_away_from_its_kink() {
        let inputs = [
            vec![1.0, 2.0, 0.5, -1.0],
            vec![1.0, -1.0, 0.5, 2.0],
            vec![0.3, -0.4],
        ];
        against_differences("relu", &inputs, &|leaves| {
            apply(leaves, [2, 2, 2], false, |x, w, b| {
                linear(x, w, b, Activation::Relu)
            })
        });
    }

    #[test]
    fn a_slice_of_a_batch_is_read_in_place() {
        let inputs = [normals(9 * 5, 0), normals(5 * 3, 1)];
        let sliced = |leaves: &[Tensor<1>], own: bool| {
            let x = leaves[0].clone().reshape([9, 5]).slice([2..6, 0..5]);
            let w = leaves[1].clone().reshape([5, 3]);
            let y = if own {
                linear(x, w, None, Activation::Relu)
            } else {
                plain(x, w, None, Activation::Relu)
            };
            y.reshape([12])
        };
        against_plain("slice", &inputs, &|it| sliced(it, true), &|it| {
            sliced(it, false)
        });
    }

    /// A sum hands the same gradient to both layers; masking it in place for one must not reach the other.
    #[test]
    fn a_shared_gradient_is_not_masked_for_both() {
        let inputs = [normals(20 * 8, 0), normals(8 * 6, 1), normals(8 * 6, 2)];
        let sum = |leaves: &[Tensor<1>], own: bool| {
            let layer = |w: &Tensor<1>| {
                let (x, w) = (
                    leaves[0].clone().reshape([20, 8]),
                    w.clone().reshape([8, 6]),
                );
                if own {
                    linear(x, w, None, Activation::Relu)
                } else {
                    plain(x, w, None, Activation::Relu)
                }
            };
            (layer(&leaves[1]) + layer(&leaves[2])).reshape([120])
        };
        against_plain("shared", &inputs, &|it| sum(it, true), &|it| sum(it, false));
    }

    /// Several networks may train at once: whoever finds the pool busy works alone, to the same bits.
    #[test]
    fn callers_on_many_threads_do_not_disturb_each_other() {
        let gradient = || {
            let device = burn::tensor::Device::flex().autodiff();
            let matrix = |rows: usize, cols: usize, index: u64| {
                let values = normals(rows * cols, index);
                Tensor::<1>::from_floats(values.as_slice(), &device).reshape([rows, cols])
            };
            let w: Tensor<2> = matrix(300, 200, 1).require_grad();
            let y = linear(matrix(64, 300, 0), w.clone(), None, Activation::Relu);
            let grads = y.powi_scalar(2).sum().backward();
            w.grad(&grads)
                .map(|grad| grad.into_data().try_into_vec::<f32>().unwrap())
        };
        let expected = gradient();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..10).map(|_| gradient()).collect()))
                .collect();
            for worker in workers {
                let found: Vec<_> = worker.join().unwrap();
                assert!(found.iter().all(|found| *found == expected));
            }
        });
    }

    #[test]
    fn no_rows_give_no_rows() {
        let device = Default::default();
        let (x, w) = (
            Tensor::zeros([0, 3], &device),
            Tensor::zeros([3, 4], &device),
        );
        assert_eq!(linear(x, w, None, Activation::Relu).dims(), [0, 4]);
    }

    #[test]
    #[should_panic(expected = "linear: weight: expected shape [3, 4], got [2, 4]")]
    fn shapes_must_fit() {
        let device = Default::default();
        linear(
            Tensor::zeros([5, 3], &device),
            Tensor::zeros([2, 4], &device),
            None,
            Activation::Identity,
        );
    }
}

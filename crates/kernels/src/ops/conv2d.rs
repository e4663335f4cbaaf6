//! Convolution: y = act(x * W + b), square kernels, through patches as rows ([`super::patches`]).

use super::activation::Activation;
use super::bias::Bias;
use super::convolution::{Direction, Layer};
use super::image::Size;
use super::patches::Geometry;
use crate::dense;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ConvOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

/// `act(x * weight + bias)`: x `[B, C, H, W]`, weight `[O, C, k, k]`, bias `[O]`, result `[B, O, H', W']`
/// with H' = (H + 2 padding - k) / stride + 1; f32.
///
/// Panics if the shapes do not fit.
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> Tensor<4> {
    let bias = bias.map(Tensor::into_dispatch).into();
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let y = Dispatch::fused_conv2d(x, weight, bias, stride, padding, activation);
    Tensor::from_dispatch(y)
}

/// The layer as an operation of a backend.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait Conv2dOps: Backend {
    /// See [`conv2d`].
    fn fused_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> FloatTensor<Self> {
        composition::<Self>(x, weight, bias, stride, padding, activation)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> FloatTensor<B> {
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
    activation.composition::<B>(B::conv2d(x, weight, bias.into_tensor(), options))
}

#[cfg(feature = "cube")]
impl Conv2dOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> Conv2dOps for Autodiff<burn::backend::Cube, C> {}

impl Conv2dOps for Flex {
    fn fused_conv2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Bias<Self>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> FlexTensor {
        layer(&x, &weight, stride, padding, activation).run(x, weight, bias)
    }
}

impl<C: CheckpointStrategy> Conv2dOps for Autodiff<Flex, C> {
    fn fused_conv2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> FloatTensor<Self> {
        layer(
            x.primitive(),
            weight.primitive(),
            stride,
            padding,
            activation,
        )
        .run_tracked::<C>(x, weight, bias)
    }
}

fn layer(
    x: &FlexTensor,
    weight: &FlexTensor,
    stride: usize,
    padding: usize,
    activation: Activation,
) -> Layer {
    let big = Size::of(x);
    let (n_out, kernel) = (weight.shape()[0], weight.shape()[2]);
    dense::expect_shape(
        "conv2d: weight",
        weight,
        &[n_out, big.channels, kernel, kernel],
    );
    assert!(
        stride > 0 && kernel > 0,
        "conv2d: stride and kernel are at least 1"
    );
    let size = |n: usize| {
        let room = (n + 2 * padding).checked_sub(kernel);
        room.expect("conv2d: the kernel is larger than the padded image") / stride + 1
    };
    let small = Size {
        n_images: big.n_images,
        height: size(big.height),
        width: size(big.width),
        channels: n_out,
    };
    let geometry = Geometry {
        big,
        small,
        kernel,
        stride,
        padding,
    };
    Layer {
        direction: Direction::Down,
        geometry,
        activation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{
        against_differences, against_plain, for_random_shapes, normals, same_bits_at_every_level,
    };

    /// x `[B, C, H, W]`, channels out, kernel, stride, padding.
    type Case = ([usize; 4], usize, usize, usize, usize);

    type Layer<'a> =
        &'a dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, usize, usize, Activation) -> Tensor<4>;

    fn plain(
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        stride: usize,
        padding: usize,
        activation: Activation,
    ) -> Tensor<4> {
        let bias = bias.map(Tensor::into_dispatch).into();
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        Tensor::from_dispatch(composition::<Dispatch>(
            x, weight, bias, stride, padding, activation,
        ))
    }

    /// Two layers in a row, so that the second one gets what the first one gives, which is also used again;
    /// `shuffled` images and weights are views with other strides.
    fn apply(
        leaves: &[Tensor<1>],
        (shape, n_out, kernel, stride, padding): Case,
        activation: Activation,
        shuffled: bool,
        layer: Layer<'_>,
    ) -> Tensor<1> {
        let [b, c, h, w] = shape;
        let (x, weight) = if shuffled {
            (
                leaves[0]
                    .clone()
                    .reshape([w, c, b, h])
                    .permute([2, 1, 3, 0]),
                leaves[1]
                    .clone()
                    .reshape([c, kernel, n_out, kernel])
                    .permute([2, 0, 1, 3]),
            )
        } else {
            (
                leaves[0].clone().reshape(shape),
                leaves[1].clone().reshape([n_out, c, kernel, kernel]),
            )
        };
        let bias = leaves.get(2).cloned();
        let y = layer(x, weight.clone(), bias, stride, padding, activation);
        let z = layer(
            y.clone(),
            weight.swap_dims(0, 1),
            None,
            1,
            kernel,
            activation,
        );
        Tensor::cat(
            vec![
                y.clone().flatten::<1>(0, 3),
                z.flatten(0, 3),
                y.powi_scalar(2).flatten(0, 3),
            ],
            0,
        )
    }

    fn check(case: Case, with_bias: bool, activation: Activation, shuffled: bool) {
        let ([b, c, h, w], n_out, kernel, ..) = case;
        let mut inputs = vec![
            normals(b * c * h * w, 0),
            normals(n_out * c * kernel * kernel, 1),
        ];
        if with_bias {
            inputs.push(normals(n_out, 2));
        }
        let own = |leaves: &[Tensor<1>]| apply(leaves, case, activation, shuffled, &conv2d);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, case, activation, shuffled, &plain);
        let what = format!("{case:?}, bias {with_bias}, {activation:?}, shuffled {shuffled}");
        against_plain(&what, &inputs, &own, &oracle);
        same_bits_at_every_level(&what, &inputs, &own);
        if inputs[0].len() < 60 && activation == Activation::Identity {
            let own = |leaves: &[Tensor<1>]| {
                let x = leaves[0].clone().reshape([b, c, h, w]);
                let weight = leaves[1].clone().reshape([n_out, c, kernel, kernel]);
                conv2d(
                    x,
                    weight,
                    leaves.get(2).cloned(),
                    case.3,
                    case.4,
                    activation,
                )
                .flatten(0, 3)
            };
            against_differences(&what, &inputs, &own);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        let cases = [
            ([1, 1, 1, 1], 1, 1, 1, 0),
            ([2, 1, 4, 5], 3, 3, 2, 1),
            ([2, 3, 3, 2], 2, 2, 1, 0),
            ([3, 2, 7, 9], 5, 4, 2, 1),
            ([1, 4, 5, 5], 7, 5, 3, 4),
            ([5, 3, 8, 6], 4, 1, 2, 0),
            ([16, 1, 28, 28], 32, 4, 2, 1),
            ([33, 32, 14, 14], 16, 4, 2, 1),
        ];
        for case in cases {
            for with_bias in [true, false] {
                for activation in [Activation::Identity, Activation::Relu] {
                    for shuffled in [false, true] {
                        check(case, with_bias, activation, shuffled);
                    }
                }
            }
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        let limits = [9, 20, 14, 14, 20, 5, 3, 5];
        for_random_shapes(limits, |[b, c, h, w, n_out, kernel, stride, padding]| {
            let shape = [b, c, h.max(kernel), w.max(kernel)];
            let case = (shape, n_out, kernel, stride, padding % kernel);
            check(case, true, Activation::Relu, true);
            check(case, false, Activation::Identity, false);
        });
    }

    #[test]
    fn no_images_give_no_images() {
        let device = Default::default();
        let (x, weight) = (
            Tensor::zeros([0, 3, 5, 5], &device),
            Tensor::zeros([6, 3, 2, 2], &device),
        );
        assert_eq!(
            conv2d(x, weight, None, 2, 1, Activation::Relu).dims(),
            [0, 6, 3, 3]
        );
    }

    #[test]
    #[should_panic(expected = "conv2d: weight: expected shape [6, 3, 2, 2], got [6, 4, 2, 2]")]
    fn shapes_must_fit() {
        let device = Default::default();
        let (x, weight) = (
            Tensor::zeros([1, 3, 5, 5], &device),
            Tensor::zeros([6, 4, 2, 2], &device),
        );
        conv2d(x, weight, None, 1, 0, Activation::Identity);
    }
}

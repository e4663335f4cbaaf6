//! Transposed convolution: the adjoint of the convolution with the same weight, stride and padding.

use super::activation::Activation;
use super::bias::Bias;
use super::convolution::{Direction, Layer};
use super::image::Size;
use super::patches::Geometry;
use crate::dense;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ConvTransposeOptions;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

/// Transposed convolution of x `[B, I, H, W]` with weight `[I, O, k, k]`, plus bias `[O]`, then the
/// activation; result `[B, O, H', W']` with H' = (H - 1) stride - 2 padding + k + output_padding; f32.
///
/// Panics if the shapes do not fit.
pub fn conv_transpose2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: usize,
    padding: usize,
    output_padding: usize,
    activation: Activation,
) -> Tensor<4> {
    let bias = bias.map(Tensor::into_dispatch).into();
    let (x, weight, sizes) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        [stride, padding, output_padding],
    );
    let y = Dispatch::fused_conv_transpose2d(x, weight, bias, sizes, activation);
    Tensor::from_dispatch(y)
}

/// The layer as an operation of a backend; `sizes` are stride, padding and output padding.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait ConvTranspose2dOps: Backend {
    /// See [`conv_transpose2d`].
    fn fused_conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        sizes: [usize; 3],
        activation: Activation,
    ) -> FloatTensor<Self> {
        composition::<Self>(x, weight, bias, sizes, activation)
    }
}

/// The plain burn form.
pub(crate) fn composition<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    [stride, padding, output_padding]: [usize; 3],
    activation: Activation,
) -> FloatTensor<B> {
    let options =
        ConvTransposeOptions::new([stride; 2], [padding; 2], [output_padding; 2], [1; 2], 1);
    activation.composition::<B>(B::conv_transpose2d(x, weight, bias.into_tensor(), options))
}

#[cfg(feature = "cube")]
impl ConvTranspose2dOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> ConvTranspose2dOps for Autodiff<burn::backend::Cube, C> {}

impl ConvTranspose2dOps for Flex {
    fn fused_conv_transpose2d(
        x: FlexTensor,
        weight: FlexTensor,
        bias: Bias<Self>,
        sizes: [usize; 3],
        activation: Activation,
    ) -> FlexTensor {
        layer(&x, &weight, sizes, activation).run(x, weight, bias)
    }
}

impl<C: CheckpointStrategy> ConvTranspose2dOps for Autodiff<Flex, C> {
    fn fused_conv_transpose2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        sizes: [usize; 3],
        activation: Activation,
    ) -> FloatTensor<Self> {
        layer(x.primitive(), weight.primitive(), sizes, activation)
            .run_tracked::<C>(x, weight, bias)
    }
}

fn layer(
    x: &FlexTensor,
    weight: &FlexTensor,
    [stride, padding, output_padding]: [usize; 3],
    activation: Activation,
) -> Layer {
    let small = Size::of(x);
    let (n_out, kernel) = (weight.shape()[1], weight.shape()[2]);
    dense::expect_shape(
        "conv_transpose2d: weight",
        weight,
        &[small.channels, n_out, kernel, kernel],
    );
    assert!(
        stride > 0 && kernel > 0,
        "conv_transpose2d: stride and kernel are at least 1"
    );
    assert!(
        output_padding < stride,
        "conv_transpose2d: the output padding is less than the stride"
    );
    let size = |n: usize| {
        let whole = n.saturating_sub(1) * stride + kernel + output_padding;
        whole
            .checked_sub(2 * padding)
            .expect("conv_transpose2d: the padding leaves no image")
    };
    let big = Size {
        n_images: small.n_images,
        height: size(small.height),
        width: size(small.width),
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
        direction: Direction::Up,
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

    /// x `[B, I, H, W]`, channels out, kernel, and stride, padding, output padding.
    type Case = ([usize; 4], usize, usize, [usize; 3]);

    fn own(
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        [stride, padding, output_padding]: [usize; 3],
        activation: Activation,
    ) -> Tensor<4> {
        conv_transpose2d(x, weight, bias, stride, padding, output_padding, activation)
    }

    fn plain(
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        sizes: [usize; 3],
        activation: Activation,
    ) -> Tensor<4> {
        let bias = bias.map(Tensor::into_dispatch).into();
        let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
        Tensor::from_dispatch(composition::<Dispatch>(x, weight, bias, sizes, activation))
    }

    type Layer<'a> =
        &'a dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>, [usize; 3], Activation) -> Tensor<4>;

    /// Two layers in a row; `shuffled` images and weights are views with other strides.
    fn apply(
        leaves: &[Tensor<1>],
        (shape, n_out, kernel, sizes): Case,
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
                    .reshape([n_out, kernel, c, kernel])
                    .permute([2, 0, 1, 3]),
            )
        } else {
            (
                leaves[0].clone().reshape(shape),
                leaves[1].clone().reshape([c, n_out, kernel, kernel]),
            )
        };
        let y = layer(x, weight.clone(), leaves.get(2).cloned(), sizes, activation);
        let z = layer(
            y.clone(),
            weight.swap_dims(0, 1),
            None,
            [1, 0, 0],
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
        let ([b, c, h, w], n_out, kernel, sizes) = case;
        let mut inputs = vec![
            normals(b * c * h * w, 0),
            normals(n_out * c * kernel * kernel, 1),
        ];
        if with_bias {
            inputs.push(normals(n_out, 2));
        }
        let found = |leaves: &[Tensor<1>]| apply(leaves, case, activation, shuffled, &own);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, case, activation, shuffled, &plain);
        let what = format!("{case:?}, bias {with_bias}, {activation:?}, shuffled {shuffled}");
        against_plain(&what, &inputs, &found, &oracle);
        same_bits_at_every_level(&what, &inputs, &found);
        if inputs[0].len() < 60 && activation == Activation::Identity {
            let found = |leaves: &[Tensor<1>]| {
                let x = leaves[0].clone().reshape([b, c, h, w]);
                let weight = leaves[1].clone().reshape([c, n_out, kernel, kernel]);
                own(x, weight, leaves.get(2).cloned(), sizes, activation).flatten(0, 3)
            };
            against_differences(&what, &inputs, &found);
        }
    }

    #[test]
    fn agrees_with_the_plain_composition_and_with_differences() {
        let cases = [
            ([1, 1, 1, 1], 1, 1, [1, 0, 0]),
            ([2, 3, 2, 3], 1, 3, [2, 1, 1]),
            ([2, 2, 3, 2], 2, 2, [1, 0, 0]),
            ([3, 5, 4, 3], 2, 4, [2, 1, 0]),
            ([1, 7, 5, 5], 4, 5, [3, 2, 2]),
            ([5, 3, 3, 4], 4, 1, [2, 0, 1]),
            ([16, 32, 14, 14], 1, 4, [2, 1, 0]),
            ([33, 16, 7, 7], 32, 4, [2, 1, 0]),
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
        let limits = [9, 20, 9, 9, 20, 5, 3, 3, 3];
        for_random_shapes(
            limits,
            |[b, c, h, w, n_out, kernel, stride, padding, more]| {
                // An image of one pixel keeps a pixel, and what is added stays below the stride.
                let padding = padding.min((kernel - 1) / 2);
                let case = (
                    [b, c, h, w],
                    n_out,
                    kernel,
                    [stride, padding, more % stride],
                );
                check(case, true, Activation::Relu, true);
                check(case, false, Activation::Identity, false);
            },
        );
    }

    #[test]
    fn no_images_give_no_images() {
        let device = Default::default();
        let (x, weight) = (
            Tensor::zeros([0, 3, 5, 5], &device),
            Tensor::zeros([3, 6, 2, 2], &device),
        );
        assert_eq!(
            conv_transpose2d(x, weight, None, 2, 1, 0, Activation::Relu).dims(),
            [0, 6, 8, 8]
        );
    }

    #[test]
    #[should_panic(
        expected = "conv_transpose2d: weight: expected shape [3, 4, 2, 2], got [6, 4, 2, 2]"
    )]
    fn shapes_must_fit() {
        let device = Default::default();
        let (x, weight) = (
            Tensor::zeros([1, 3, 5, 5], &device),
            Tensor::zeros([6, 4, 2, 2], &device),
        );
        conv_transpose2d(x, weight, None, 1, 0, 0, Activation::Identity);
    }
}

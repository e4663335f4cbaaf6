//! Images to vectors and back, in burn's logical order channel, row, column.
//!
//! Burn's own reshape copies channels-last storage on one thread; here it is a transposition of each image,
//! shared out over the pool, and the gradient takes the same way back.

use super::image::{self, Size};
use crate::{buffer, dense};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// `[B, C, H, W]` as `[B, C H W]`, each row in the order channel, row, column; f32.
pub fn flatten(images: Tensor<4>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::flatten_images(images.into_dispatch()))
}

/// `[B, C H W]` as `[B, C, H, W]`, the inverse of [`flatten`]; f32.
///
/// Panics if the rows do not have C H W values.
pub fn unflatten(rows: Tensor<2>, channels: usize, height: usize, width: usize) -> Tensor<4> {
    let size = [channels, height, width];
    Tensor::from_dispatch(Dispatch::unflatten_images(rows.into_dispatch(), size))
}

/// Both directions as operations of a backend; `size` is channels, height and width.
#[backend_extension(Flex, Cube: cfg(feature = "cube"), Autodiff)]
pub(crate) trait FlattenOps: Backend {
    /// See [`flatten`].
    fn flatten_images(images: FloatTensor<Self>) -> FloatTensor<Self> {
        flatten_composition::<Self>(images)
    }

    /// See [`unflatten`].
    fn unflatten_images(rows: FloatTensor<Self>, size: [usize; 3]) -> FloatTensor<Self> {
        unflatten_composition::<Self>(rows, size)
    }
}

/// The plain burn form of [`flatten`].
pub(crate) fn flatten_composition<B: Backend>(images: FloatTensor<B>) -> FloatTensor<B> {
    let shape = images.shape();
    let flat = Shape::from([shape[0], shape[1] * shape[2] * shape[3]]);
    B::float_reshape(images, flat)
}

/// The plain burn form of [`unflatten`].
pub(crate) fn unflatten_composition<B: Backend>(
    rows: FloatTensor<B>,
    [channels, height, width]: [usize; 3],
) -> FloatTensor<B> {
    let n_images = rows.shape()[0];
    B::float_reshape(rows, Shape::from([n_images, channels, height, width]))
}

#[cfg(feature = "cube")]
impl FlattenOps for burn::backend::Cube {}
#[cfg(feature = "cube")]
impl<C: CheckpointStrategy> FlattenOps for Autodiff<burn::backend::Cube, C> {}

impl FlattenOps for Flex {
    fn flatten_images(images: FlexTensor) -> FlexTensor {
        to_rows(images)
    }

    fn unflatten_images(rows: FlexTensor, size: [usize; 3]) -> FlexTensor {
        to_images(rows, size)
    }
}

impl<C: CheckpointStrategy> FlattenOps for Autodiff<Flex, C> {
    fn flatten_images(images: FloatTensor<Self>) -> FloatTensor<Self> {
        let (images, node) = images.into_parts();
        let Size {
            height,
            width,
            channels,
            ..
        } = Size::of(&images);
        let rows = to_rows(images);
        match FlattenBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(rows),
            OpsKind::Tracked(prep) => prep.finish([channels, height, width], rows),
        }
    }

    fn unflatten_images(rows: FloatTensor<Self>, size: [usize; 3]) -> FloatTensor<Self> {
        let (rows, node) = rows.into_parts();
        UnflattenBackward
            .prepare::<C>([node])
            .compute_bound()
            .stateless(to_images(rows, size))
    }
}

fn to_rows(images: FlexTensor) -> FlexTensor {
    let size = Size::of(&images);
    let (plane, n) = (size.height * size.width, size.n_images * size.image());
    let images = image::channels_last(images);
    let mut rows = buffer::uninit(n);
    image::permute(image::values(&images), &mut rows, plane, size.channels);
    // SAFETY: a permutation writes every value.
    dense::tensor(
        unsafe { buffer::filled(rows) },
        [size.n_images, size.image()],
    )
}

fn to_images(rows: FlexTensor, [channels, height, width]: [usize; 3]) -> FlexTensor {
    let n_images = rows.shape()[0];
    let size = Size {
        n_images,
        height,
        width,
        channels,
    };
    dense::expect_shape("unflatten", &rows, &[n_images, size.image()]);
    let rows = dense::packed(rows);
    let mut images = buffer::uninit(n_images * size.image());
    image::permute(dense::values(&rows), &mut images, channels, height * width);
    // SAFETY: a permutation writes every value.
    image::tensor(unsafe { buffer::filled(images) }, size)
}

#[derive(Debug)]
struct FlattenBackward;

impl Backward<Flex, 1> for FlattenBackward {
    /// Channels, height, width.
    type State = [usize; 3];

    fn backward(self, ops: Ops<[usize; 3], 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, to_images(g, ops.state));
        }
    }
}

#[derive(Debug)]
struct UnflattenBackward;

impl Backward<Flex, 1> for UnflattenBackward {
    type State = ();

    fn backward(self, ops: Ops<(), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<Flex>(&ops.node);
        if let [Some(node)] = ops.parents {
            grads.register::<Flex>(node.id, to_rows(g));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{
        against_differences, against_plain, for_random_shapes, normals, same_bits_at_every_level,
    };

    fn plain_flatten(images: Tensor<4>) -> Tensor<2> {
        Tensor::from_dispatch(flatten_composition::<Dispatch>(images.into_dispatch()))
    }

    fn plain_unflatten(rows: Tensor<2>, c: usize, h: usize, w: usize) -> Tensor<4> {
        Tensor::from_dispatch(unflatten_composition::<Dispatch>(
            rows.into_dispatch(),
            [c, h, w],
        ))
    }

    fn check([b, c, h, w]: [usize; 4]) {
        let inputs = [normals(b * c * h * w, 0)];
        let apply =
            |leaves: &[Tensor<1>],
             to_rows: fn(Tensor<4>) -> Tensor<2>,
             to_images: fn(Tensor<2>, usize, usize, usize) -> Tensor<4>| {
                let images = leaves[0]
                    .clone()
                    .reshape([w, b, h, c])
                    .permute([1, 3, 2, 0]);
                let rows = to_rows(images);
                let again = to_images(rows.clone().transpose().transpose().tanh(), c, h, w);
                let y = to_rows(again.powi_scalar(2)) * rows;
                y.reshape([b * c * h * w])
            };
        let own = |leaves: &[Tensor<1>]| apply(leaves, flatten, unflatten);
        let oracle = |leaves: &[Tensor<1>]| apply(leaves, plain_flatten, plain_unflatten);
        let what = format!("{:?}", [b, c, h, w]);
        against_plain(&what, &inputs, &own, &oracle);
        same_bits_at_every_level(&what, &inputs, &own);
        if inputs[0].len() < 100 {
            against_differences(&what, &inputs, &own);
        }
    }

    #[test]
    fn both_agree_with_reshape_and_with_differences() {
        for shape in [
            [1, 1, 1, 1],
            [3, 1, 4, 5],
            [2, 5, 1, 1],
            [4, 17, 3, 6],
            [128, 64, 7, 7],
        ] {
            check(shape);
        }
    }

    #[test]
    fn agrees_for_random_shapes() {
        for_random_shapes([20, 40, 10, 10], check);
    }
}

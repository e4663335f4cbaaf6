//! Images in memory: batch, row, column, channel ("NHWC"), under burn's logical order batch, channel,
//! row, column.
//!
//! With the channels last, a patch row of a convolution is one run of memory, its result is a plain matrix
//! product, and bias and activation run along rows. The layers here hand each other such tensors as they
//! are; only flattening to vectors, or an operation of burn, asks for the logical order.

use super::rows::rows_per_task;
use crate::simd::{self, vectorized};
use crate::{buffer, dense};
use burn::backend::TensorMetadata;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use std::mem::MaybeUninit;

/// The size of a batch of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) n_images: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Size {
    /// The size of a tensor `[B, C, H, W]`.
    pub(crate) fn of(tensor: &FlexTensor) -> Self {
        let shape = tensor.shape();
        Self {
            n_images: shape[0],
            channels: shape[1],
            height: shape[2],
            width: shape[3],
        }
    }

    pub(crate) fn n_pixels(self) -> usize {
        self.n_images * self.height * self.width
    }

    /// Values of one image.
    pub(crate) fn image(self) -> usize {
        self.height * self.width * self.channels
    }

    fn shape(self) -> Shape {
        Shape::from([self.n_images, self.channels, self.height, self.width])
    }

    /// Strides of channels-last storage, in logical order.
    fn strides(self) -> [isize; 4] {
        let (pixel, row) = (self.channels, self.channels * self.width);
        [row * self.height, 1, row, pixel].map(|stride| stride as isize)
    }
}

/// A tensor `[B, C, H, W]` over channels-last values.
pub(crate) fn tensor(values: Vec<f32>, size: Size) -> FlexTensor {
    let layout = Layout::new(size.shape(), size.strides().to_vec(), 0);
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// The same images with channels-last storage that begins at the start of its buffer and fills it.
pub(crate) fn channels_last(tensor: FlexTensor) -> FlexTensor {
    let size = Size::of(&tensor);
    let n = size.n_images * size.image();
    let layout = tensor.layout();
    let fits = |(have, (want, n)): (&isize, (isize, usize))| *have == want || n == 1;
    let wanted = size.strides().into_iter().zip(size.shape().to_vec());
    let same = layout.strides().iter().zip(wanted).all(fits);
    if same && layout.start_offset() == 0 && tensor.bytes().len() == n * size_of::<f32>() {
        return tensor;
    }
    let packed = dense::packed(tensor);
    let mut values = buffer::uninit(n);
    if n > 0 {
        let (source, plane) = (dense::values(&packed), size.height * size.width);
        permute(source, &mut values, size.channels, plane);
    }
    // SAFETY: every image was permuted as a whole.
    self::tensor(unsafe { buffer::filled(values) }, size)
}

/// The values of a [`channels_last`] tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// Transposes each image of `rows` by `columns` values.
pub(crate) fn permute(
    source: &[f32],
    target: &mut [MaybeUninit<f32>],
    rows: usize,
    columns: usize,
) {
    let image = rows * columns;
    let step = rows_per_task(image);
    buffer::for_chunks(target, step * image, |task, target| {
        let source = &source[task * step * image..][..target.len()];
        for (source, target) in source.chunks(image).zip(target.chunks_mut(image)) {
            if rows == 1 || columns == 1 {
                for (slot, value) in target.iter_mut().zip(source) {
                    slot.write(*value);
                }
            } else {
                transpose(simd::level(), source, target, rows, columns);
            }
        }
    });
}

/// Side of the tiles of a transposition: a tile fits into the vector registers.
const TILE: usize = 8;

vectorized! {
    /// `[rows, columns]` to `[columns, rows]`: whole tiles through registers, what is left value by value.
    fn transpose(source: &[f32], target: &mut [MaybeUninit<f32>], rows: usize, columns: usize) {
        let (source, target) = (&source[..rows * columns], &mut target[..rows * columns]);
        let (whole_rows, whole_columns) = (rows - rows % TILE, columns - columns % TILE);
        for row in (0..whole_rows).step_by(TILE) {
            for column in (0..whole_columns).step_by(TILE) {
                let mut tile = [[0f32; TILE]; TILE];
                for (i, line) in tile.iter_mut().enumerate() {
                    line.copy_from_slice(&source[(row + i) * columns + column..][..TILE]);
                }
                for j in 0..TILE {
                    let line: &mut [_; TILE] = target[(column + j) * rows + row..].first_chunk_mut().expect("internal error: a tile is inside");
                    *line = std::array::from_fn(|i| MaybeUninit::new(tile[i][j]));
                }
            }
        }
        for row in 0..rows {
            let first = if row < whole_rows { whole_columns } else { 0 };
            for column in first..columns {
                target[column * rows + row].write(source[row * columns + column]);
            }
        }
    }
}

//! Values of flex tensors as slices and matrices, and flex tensors from values.

use burn::backend::TensorMetadata;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};
use faer::MatRef;

/// A new tensor in row-major order.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape.into()),
        DType::F32,
    )
}

/// The same tensor in row-major order without gaps; copies only if it is not already.
pub(crate) fn packed(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().contiguous_offsets().is_some() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The values of a packed tensor.
///
/// Panics if they are not f32.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("kernels take packed f32 tensors")
}

/// A packed tensor that nobody else holds: the same one if it is that already, else a copy.
pub(crate) fn owned(tensor: FlexTensor) -> FlexTensor {
    let tensor = packed(tensor);
    if tensor.is_unique() {
        return tensor;
    }
    self::tensor(values(&tensor).to_vec(), tensor.shape())
}

/// The values of an [`owned`] tensor, to write to.
pub(crate) fn owned_values(tensor: &mut FlexTensor) -> &mut [f32] {
    let (start, end) = tensor
        .layout()
        .contiguous_offsets()
        .expect("an owned tensor is packed");
    let values = tensor
        .try_storage_mut()
        .expect("an owned tensor is not shared");
    &mut values[start..end]
}

/// A tensor of rank 2 as a matrix, whatever its strides.
pub(crate) fn matrix(tensor: &FlexTensor) -> MatRef<'_, f32> {
    let (n_rows, n_cols, row_stride, col_stride) = tensor
        .layout()
        .as_2d_strides()
        .expect("a matrix has two dimensions");
    if n_rows == 0 || n_cols == 0 {
        return MatRef::from_row_major_slice(&[], n_rows, n_cols);
    }
    let storage: &[f32] = tensor.storage();
    let first = tensor.layout().start_offset();
    let span = |n: usize, stride: isize| (n as isize - 1) * stride;
    let (rows, cols) = (span(n_rows, row_stride), span(n_cols, col_stride));
    let lowest = first as isize + rows.min(0) + cols.min(0);
    let highest = first as isize + rows.max(0) + cols.max(0);
    assert!(
        lowest >= 0 && (highest as usize) < storage.len(),
        "internal error: bad layout"
    );
    // SAFETY: the offsets of all entries lie between those of the corners, inside the storage.
    unsafe {
        MatRef::from_raw_parts(
            storage.as_ptr().add(first),
            n_rows,
            n_cols,
            row_stride,
            col_stride,
        )
    }
}

/// Panics with both shapes if they differ.
#[track_caller]
pub(crate) fn expect_shape(what: &str, tensor: &impl TensorMetadata, expected: &[usize]) {
    let shape = tensor.shape();
    assert!(
        shape[..] == *expected,
        "{what}: expected shape {expected:?}, got {:?}",
        &shape[..]
    );
}

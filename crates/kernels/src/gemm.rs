//! Matrix products in f32: faer's on one thread each, over a split that depends on the shape alone.
//!
//! Each piece is a block of rows or of columns of the result, so no sum crosses a border and the bits are
//! the same for any number of threads. Pieces are kept at least [`MIN_PIECE`] wide: every piece packs the
//! whole of the other factor, which narrow pieces do not repay.
//! Measured against the crate `gemm` in `benches/records/kernels.md`.

use crate::buffer::Parts;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::mem::MaybeUninit;

/// Fewest rows or columns of a piece.
const MIN_PIECE: usize = 96;
/// Most pieces of one product.
const MAX_PIECES: usize = 8;
/// Below this many multiplications a piece is not worth a task.
const MIN_WORK: usize = 1 << 20;
/// Pieces begin at multiples of this many rows or columns: a vector register of the inner kernel.
const GRAIN: usize = 8;

/// A product `left right`, `[m, n]`, whose result is row-major, split into pieces.
pub(crate) struct Product<'a> {
    left: MatRef<'a, f32>,
    right: MatRef<'a, f32>,
    out: Parts<'a, MaybeUninit<f32>>,
    by_columns: bool,
    n_pieces: usize,
}

impl<'a> Product<'a> {
    /// Panics if `out` is not `[m, n]`.
    pub(crate) fn new(
        left: MatRef<'a, f32>,
        right: MatRef<'a, f32>,
        out: &'a mut [MaybeUninit<f32>],
    ) -> Self {
        let (m, k, n) = (left.nrows(), left.ncols(), right.ncols());
        assert!(
            right.nrows() == k && out.len() == m * n,
            "internal error: product of wrong shapes"
        );
        let by_columns = n > m;
        let wide = m.max(n);
        let worthwhile = (m * n * k / MIN_WORK).min(wide / MIN_PIECE).min(MAX_PIECES);
        let n_pieces = match worthwhile {
            _ if m == 0 || n == 0 => 0,
            0 | 1 => 1,
            // An even number, for an even number of threads.
            most => most - most % 2,
        };
        Self {
            left,
            right,
            out: Parts::new(out),
            by_columns,
            n_pieces,
        }
    }

    /// How many pieces there are, of nearly equal size; none if the result is empty.
    pub(crate) fn n_pieces(&self) -> usize {
        self.n_pieces
    }

    /// Where a piece begins; the one after the last begins at the end.
    fn start(&self, index: usize) -> usize {
        let wide = self.left.nrows().max(self.right.ncols());
        if index == self.n_pieces {
            wide
        } else {
            wide * index / self.n_pieces / GRAIN * GRAIN
        }
    }

    /// Fills one piece, then calls `finish(row, first column, values)` on each row of it.
    ///
    /// # Safety
    /// The index is below the number of pieces, and each piece is done once.
    pub(crate) unsafe fn piece(&self, index: usize, finish: impl Fn(usize, usize, &mut [f32])) {
        let (m, n) = (self.left.nrows(), self.right.ncols());
        let range = self.start(index)..self.start(index + 1);
        let (rows, cols) = if self.by_columns {
            (0..m, range)
        } else {
            (range, 0..n)
        };
        let left = self.left.subrows(rows.start, rows.len());
        let right = self.right.subcols(cols.start, cols.len());
        // SAFETY: the block lies inside `out`, no other piece touches it, and `Replace` only writes.
        unsafe {
            let first = self
                .out
                .as_mut_ptr()
                .add(rows.start * n + cols.start)
                .cast::<f32>();
            let block = MatMut::from_raw_parts_mut(first, rows.len(), cols.len(), n as isize, 1);
            matmul(block, Accum::Replace, left, right, 1.0, Par::Seq);
            for row in 0..rows.len() {
                let values = std::slice::from_raw_parts_mut(first.add(row * n), cols.len());
                finish(rows.start + row, cols.start, values);
            }
        }
    }
}

/// `out = left right` on the calling thread, row-major `[m, n]`; gives `out` back, now filled.
pub(crate) fn multiply<'a>(
    left: MatRef<'_, f32>,
    right: MatRef<'_, f32>,
    out: &'a mut [MaybeUninit<f32>],
) -> &'a mut [f32] {
    let (m, n) = (left.nrows(), right.ncols());
    assert_eq!(out.len(), m * n, "internal error: product of wrong shapes");
    // SAFETY: the block is `out`, and `Replace` only writes; afterwards every value is there.
    unsafe {
        let first = out.as_mut_ptr().cast::<f32>();
        let block = MatMut::from_raw_parts_mut(first, m, n, n as isize, 1);
        matmul(block, Accum::Replace, left, right, 1.0, Par::Seq);
        std::slice::from_raw_parts_mut(first, out.len())
    }
}

/// `out += left right` on the calling thread, row-major `[m, n]`.
pub(crate) fn multiply_add(left: MatRef<'_, f32>, right: MatRef<'_, f32>, out: &mut [f32]) {
    let block = MatMut::from_row_major_slice_mut(out, left.nrows(), right.ncols());
    matmul(block, Accum::Add, left, right, 1.0, Par::Seq);
}

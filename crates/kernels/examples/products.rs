//! Speed of faer's matrix product beside that of the crate `gemm`, on one thread, whole and in pieces.
//!
//! `cargo run --release -p jensen-kernels --example products`
//!
//! The shapes are those of the two networks of `throughput` at batch 128. Every line gives GFLOP/s, best of
//! many runs, for the whole product and for it in 2, 4 and 8 pieces by rows or by columns, one after the
//! other: what a piece loses by packing the other factor again.

#![allow(
    clippy::print_stdout,
    unsafe_code,
    reason = "a measurement prints, and both products take pointers"
)]

use faer::{Accum, MatMut, MatRef, Par};
use std::time::Instant;

/// m, n, k, and whether the left and the right factor are transposes.
const SHAPES: [(&str, usize, usize, usize, bool, bool); 13] = [
    ("784-400 forward", 128, 400, 784, false, false),
    ("784-400 weight gradient", 784, 400, 128, true, false),
    ("784-400 input gradient", 128, 784, 400, false, true),
    ("400-40 forward", 128, 40, 400, false, false),
    ("400-40 weight gradient", 400, 40, 128, true, false),
    ("conv 1-32 forward, 16 images", 3136, 32, 16, false, true),
    ("conv 32-64 forward, 4 images", 196, 64, 512, false, true),
    (
        "conv 32-64 weight gradient, 4 images",
        64,
        512,
        196,
        true,
        false,
    ),
    ("conv 32-64 patches, 4 images", 196, 512, 64, false, false),
    ("3136-256 forward", 128, 256, 3136, false, false),
    ("3136-256 weight gradient", 3136, 256, 128, true, false),
    ("3136-256 input gradient", 128, 3136, 256, false, true),
    ("2048 cubed", 2048, 2048, 2048, false, false),
];

/// A factor: its values, row stride and column stride.
type Factor<'a> = (&'a [f32], isize, isize);

/// c = a b for row-major c with rows `width` apart.
type Multiply = fn([usize; 3], &mut [f32], usize, Factor<'_>, Factor<'_>);

fn faer_product([m, n, k]: [usize; 3], c: &mut [f32], width: usize, a: Factor<'_>, b: Factor<'_>) {
    // SAFETY: the caller's slices hold matrices of these sizes and strides.
    unsafe {
        let left = MatRef::from_raw_parts(a.0.as_ptr(), m, k, a.1, a.2);
        let right = MatRef::from_raw_parts(b.0.as_ptr(), k, n, b.1, b.2);
        let out = MatMut::from_raw_parts_mut(c.as_mut_ptr(), m, n, width as isize, 1);
        faer::linalg::matmul::matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
    }
}

fn gemm_product([m, n, k]: [usize; 3], c: &mut [f32], width: usize, a: Factor<'_>, b: Factor<'_>) {
    let (left, right) = (a.0.as_ptr(), b.0.as_ptr());
    let (none, row) = (gemm::Parallelism::None, width as isize);
    // SAFETY: the caller's slices hold matrices of these sizes and strides.
    unsafe {
        let out = c.as_mut_ptr();
        gemm::gemm(
            m, n, k, out, 1, row, false, left, a.2, a.1, right, b.2, b.1, 0.0, 1.0, false, false,
            false, none,
        );
    }
}

/// GFLOP/s in `n_pieces` pieces.
fn speed(
    multiply: Multiply,
    (m, n, k): (usize, usize, usize),
    (a, b): (Factor<'_>, Factor<'_>),
    n_pieces: usize,
    by_columns: bool,
) -> f64 {
    let mut c = vec![0f32; m * n];
    let n_flops = 2.0 * (m * n * k) as f64;
    let n_runs = ((2e9 / n_flops) as usize).clamp(3, 1000);
    let wide = if by_columns { n } else { m };
    let piece = wide.div_ceil(n_pieces).next_multiple_of(8);
    let once = |_| {
        let start = Instant::now();
        for first in (0..wide).step_by(piece) {
            let len = piece.min(wide - first);
            if by_columns {
                let right = (&b.0[first * b.2 as usize..], b.1, b.2);
                multiply([m, len, k], &mut c[first..], n, a, right);
            } else {
                let left = (&a.0[first * a.1 as usize..], a.1, a.2);
                multiply([len, n, k], &mut c[first * n..], n, left, b);
            }
        }
        start.elapsed().as_secs_f64()
    };
    n_flops / (0..n_runs).map(once).fold(f64::INFINITY, f64::min) / 1e9
}

fn main() {
    println!(
        "{:38}      1 | rows 2     4     8 | columns 2  4     8",
        "GFLOP/s"
    );
    for (name, m, n, k, left_transposed, right_transposed) in SHAPES {
        let (a, b) = (vec![0.5f32; m * k], vec![0.5f32; k * n]);
        let strides = |transposed: bool, rows: usize, columns: usize| {
            if transposed {
                (1, rows as isize)
            } else {
                (columns as isize, 1)
            }
        };
        let (left, right) = (
            strides(left_transposed, m, k),
            strides(right_transposed, k, n),
        );
        let factors = (
            (a.as_slice(), left.0, left.1),
            (b.as_slice(), right.0, right.1),
        );
        for (library, multiply) in [("faer", faer_product as Multiply), ("gemm", gemm_product)] {
            print!("{:38}", format!("{name}, {library}"));
            let one = speed(multiply, (m, n, k), factors, 1, false);
            let pieces = |by_columns: bool| {
                [2, 4, 8].map(|n_pieces| speed(multiply, (m, n, k), factors, n_pieces, by_columns))
            };
            let (rows, columns) = (pieces(false), pieces(true));
            print!(" {one:6.1} | ");
            rows.iter().for_each(|speed| print!("{speed:5.1} "));
            print!("| ");
            columns.iter().for_each(|speed| print!("{speed:5.1} "));
            println!();
        }
    }
}

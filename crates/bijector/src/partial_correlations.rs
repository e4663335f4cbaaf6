//! One row of the Cholesky factor of a correlation matrix from its partial correlations [lewandowski-2009].
//!
//! Row i has the partial correlations z_l = tanh(y_l), l = 0 .. i - 1, and length one:
//!
//! ```text
//! L_l = z_l r_l,  L_i = r_i,  r_0 = 1,  r_{l+1} = r_l / cosh(y_l)
//! ```
//!
//! The rests r are carried as products of 1 / cosh(y), never as 1 - z^2, so that nothing cancels where a
//! correlation is near one.

use std::f64::consts::LN_2;

/// Writes the entries up to the diagonal, `[i + 1]`, from the coordinates `[i]`.
pub(crate) fn row(coordinates: impl Iterator<Item = f64>, mut write: impl FnMut(usize, f64)) {
    let (mut rest, mut l) = (1.0, 0);
    for y in coordinates {
        write(l, y.tanh() * rest);
        rest /= y.cosh();
        l += 1;
    }
    write(l, rest);
}

/// Calls `add(l, gradient by y_l)` for the gradient `by_entry` of the entries of the row `[i + 1]`.
pub(crate) fn row_adjoint(
    coordinates: &[f64],
    by_entry: impl Fn(usize) -> f64,
    mut add: impl FnMut(usize, f64),
) {
    let mut rests = vec![1.0];
    for y in coordinates {
        rests.push(rests[rests.len() - 1] / y.cosh());
    }
    let mut by_rest = by_entry(coordinates.len());
    for (l, y) in coordinates.iter().enumerate().rev() {
        // d tanh = sech^2, d sech = -sech tanh.
        let (z, s) = (y.tanh(), 1.0 / y.cosh());
        add(
            l,
            by_entry(l) * rests[l] * s * s - by_rest * rests[l] * s * z,
        );
        by_rest = by_entry(l) * z + by_rest * s;
    }
}

/// Calls `write(l, y_l)` for the entries of the row up to the diagonal, `[i + 1]`.
pub(crate) fn row_inverse(entries: &[f64], mut write: impl FnMut(usize, f64)) {
    // The rest r_{l+1} is the length of what stands right of entry l; sinh(y_l) = L_l / r_{l+1}.
    let mut square = 0.0;
    for (l, pair) in entries.windows(2).enumerate().rev() {
        square += pair[1] * pair[1];
        write(l, (pair[0] / square.sqrt()).asinh());
    }
}

/// ln(1 / cosh(y)).
pub(crate) fn log_sech(y: f64) -> f64 {
    LN_2 - y.abs() - (-2.0 * y.abs()).exp().ln_1p()
}

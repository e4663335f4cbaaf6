//! What the densities need of linear algebra, over slices `[d, d]` column after column.

use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, MatRef, Side};

/// Relative asymmetry that counts as rounding: Stan's tolerance for the same check.
const SYMMETRY_TOLERANCE: f64 = 1e-8;

/// The slice as a matrix.
pub(super) fn view(d: usize, a: &[f64]) -> MatRef<'_, f64> {
    MatRef::from_column_major_slice(a, d, d)
}

/// Writes a matrix into a slice.
pub(super) fn write(a: &Mat<f64>, out: &mut [f64]) {
    let d = a.nrows();
    for (index, out) in out.iter_mut().enumerate() {
        *out = a[(index % d, index / d)];
    }
}

pub(super) fn is_symmetric(d: usize, a: &[f64]) -> bool {
    let size = a.iter().fold(0.0f64, |size, v| size.max(v.abs()));
    (0..d).all(|j| (0..j).all(|i| (a[i + d * j] - a[j + d * i]).abs() <= SYMMETRY_TOLERANCE * size))
}

pub(super) fn is_cholesky_factor(d: usize, a: &[f64]) -> bool {
    (0..d).all(|j| a[j + d * j] > 0.0 && a[d * j..d * j + j].iter().all(|&v| v == 0.0))
}

/// The lower factor of a symmetric matrix, of which the lower triangle is read; `None` if it is not
/// positive definite.
pub(super) fn cholesky(d: usize, a: &[f64]) -> Option<Mat<f64>> {
    let factor = view(d, a).llt(Side::Lower).ok()?.L().to_owned();
    // An entry that overflows is no failure to the factorization.
    (0..d).all(|i| factor[(i, i)].is_finite()).then_some(factor)
}

/// The factor of a matrix that is known to be positive definite.
pub(super) fn factor(d: usize, a: &[f64]) -> Mat<f64> {
    cholesky(d, a).expect("internal error: an admitted matrix is not positive definite")
}

/// The inverse of a positive definite matrix.
pub(super) fn inverse(d: usize, a: &[f64]) -> Mat<f64> {
    let solver = view(d, a).llt(Side::Lower);
    let mut inverse = solver
        .expect("internal error: an admitted matrix is not positive definite")
        .inverse();
    // Both triangles alike to the last bit, since partials are promised to be symmetric.
    for j in 0..d {
        for i in 0..j {
            inverse[(i, j)] = inverse[(j, i)];
        }
    }
    inverse
}

/// L L^T.
pub(super) fn square(l: MatRef<'_, f64>) -> Vec<f64> {
    let d = l.nrows();
    let entry = |i: usize, j: usize| (0..=i.min(j)).map(|k| l[(i, k)] * l[(j, k)]).sum();
    (0..d * d)
        .map(|index| entry(index % d, index / d))
        .collect()
}

/// ln det of a matrix by its factor.
pub(super) fn ln_det(factor: &Mat<f64>) -> f64 {
    2.0 * (0..factor.nrows())
        .map(|i| factor[(i, i)].ln())
        .sum::<f64>()
}

/// L^-1 b by forward substitution.
pub(super) fn solve_lower(l: MatRef<'_, f64>, b: &[f64]) -> Vec<f64> {
    let mut z = b.to_vec();
    for i in 0..z.len() {
        let known: f64 = (0..i).map(|j| l[(i, j)] * z[j]).sum();
        z[i] = (z[i] - known) / l[(i, i)];
    }
    z
}

/// L^-T b by backward substitution.
pub(super) fn solve_lower_transposed(l: MatRef<'_, f64>, b: &[f64]) -> Vec<f64> {
    let (mut z, d) = (b.to_vec(), b.len());
    for i in (0..d).rev() {
        let known: f64 = (i + 1..d).map(|j| l[(j, i)] * z[j]).sum();
        z[i] = (z[i] - known) / l[(i, i)];
    }
    z
}

/// tr(A B) of symmetric matrices.
pub(super) fn trace_of_product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> f64 {
    let d = a.nrows();
    (0..d)
        .map(|j| (0..d).map(|i| a[(i, j)] * b[(i, j)]).sum::<f64>())
        .sum()
}

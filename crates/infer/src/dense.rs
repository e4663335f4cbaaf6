//! Vectors as slices, and dense symmetric matrices on faer: Hessians, factors of covariances, eigenvalues.
//!
//! Everything runs on one thread, so that the bits do not depend on their number.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use jensen_density::{Evaluator, Reject};

/// The Hessian of the log density at a position, symmetrized, by d products with unit vectors.
pub(crate) fn hessian(evaluator: &mut Evaluator<'_>, position: &[f64]) -> Result<Mat<f64>, Reject> {
    let d = position.len();
    let mut hessian = Mat::zeros(d, d);
    let mut unit = vec![0.0; d];
    let mut column = vec![0.0; d];
    for j in 0..d {
        unit[j] = 1.0;
        evaluator.hessian_vector_product(position, &unit, &mut column)?;
        unit[j] = 0.0;
        for (i, value) in column.iter().enumerate() {
            hessian[(i, j)] = *value;
        }
    }
    let transposed = hessian.transpose().to_owned();
    Ok((hessian + transposed) * 0.5)
}

/// Eigenvalues, rising, and their vectors as columns of a symmetric matrix of finite numbers.
pub(crate) fn eigen(symmetric: &Mat<f64>) -> (Vec<f64>, Mat<f64>) {
    let eigen = symmetric
        .self_adjoint_eigen(Side::Lower)
        .expect("internal error: eigenvalues of a finite symmetric matrix did not converge");
    let values = eigen.S().column_vector().iter().copied().collect();
    (values, eigen.U().to_owned())
}

/// The lower Cholesky factor, row after row `[d, d]`, or `None` if the matrix is not positive definite.
pub(crate) fn cholesky(symmetric: &Mat<f64>) -> Option<Vec<f64>> {
    let llt = symmetric.llt(Side::Lower).ok()?;
    let lower = llt.L();
    let d = symmetric.nrows();
    let rows: Vec<f64> = (0..d * d)
        .map(|k| (k / d, k % d))
        .map(|(i, j)| if j <= i { lower[(i, j)] } else { 0.0 })
        .collect();
    rows.iter().all(|x| x.is_finite()).then_some(rows)
}

/// The inverse of a positive definite matrix; `None` if it is not.
pub(crate) fn inverse(symmetric: &Mat<f64>) -> Option<Mat<f64>> {
    let llt = symmetric.llt(Side::Lower).ok()?;
    let d = symmetric.nrows();
    let inverse = llt.solve(Mat::<f64>::identity(d, d));
    let transposed = inverse.transpose().to_owned();
    Some((inverse + transposed) * 0.5)
}

/// The inner product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The Euclidean length.
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The largest absolute component.
pub(crate) fn max_abs(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |max, a| a.abs().max(max))
}

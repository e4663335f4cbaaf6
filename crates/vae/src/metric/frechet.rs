//! Frechet distance: the squared 2-Wasserstein distance of the Gaussians with the moments of two samples of features.
//!
//! ```text
//! |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2))
//! ```
//!
//! Covariances have n - 1 below. The trace of the root is the sum of the roots of the eigenvalues of
//! S_a^(1/2) S_b S_a^(1/2), which is symmetric: no complex numbers and no Newton steps, also where a covariance is
//! singular. The distance falls with the number of examples, so that only distances of equal n may be compared.
//! Source: [heusel-2017], equation 6. Cost: O(n d^2 + d^3).

use faer::{Mat, Side};

/// The distance between samples `[n, dim]` and `[m, dim]`, row-major; each with two rows at least.
pub fn distance(a: &[f64], b: &[f64], dim: usize) -> f64 {
    let ((mean_a, cov_a), (mean_b, cov_b)) = (moments(a, dim), moments(b, dim));
    of_gaussians(&mean_a, &cov_a, &mean_b, &cov_b)
}

/// The distance between N(m_a, S_a) and N(m_b, S_b); covariances `[d, d]`, row-major.
pub fn of_gaussians(mean_a: &[f64], cov_a: &[f64], mean_b: &[f64], cov_b: &[f64]) -> f64 {
    let d = mean_a.len();
    let square = |cov: &[f64]| Mat::from_fn(d, d, |i, j| (cov[i * d + j] + cov[j * d + i]) / 2.0);
    let (cov_a, cov_b) = (square(cov_a), square(cov_b));
    let (vectors, values) = eigen(&cov_a);
    let scaled = Mat::from_fn(d, d, |i, j| vectors[(i, j)] * values[j].max(0.0).sqrt());
    // The eigenvalues of S_a^(1/2) S_b S_a^(1/2) are those of (V r)^T S_b (V r), r the roots of those of S_a.
    let inner = scaled.transpose() * &cov_b * &scaled;
    let inner = Mat::from_fn(d, d, |i, j| (inner[(i, j)] + inner[(j, i)]) / 2.0);
    let root: f64 = eigen(&inner)
        .1
        .iter()
        .map(|value| value.max(0.0).sqrt())
        .sum();
    let means: f64 = (mean_a.iter().zip(mean_b))
        .map(|(a, b)| (a - b).powi(2))
        .sum();
    let traces: f64 = (0..d).map(|i| cov_a[(i, i)] + cov_b[(i, i)]).sum();
    // Rounding may leave a little less than nothing.
    (means + traces - 2.0 * root).max(0.0)
}

/// Mean `[d]` and covariance `[d, d]` of rows.
fn moments(rows: &[f64], dim: usize) -> (Vec<f64>, Vec<f64>) {
    let n = rows.len() / dim;
    let mut mean = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= n as f64);
    let mut cov = vec![0.0; dim * dim];
    let mut centered = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        for ((slot, x), m) in centered.iter_mut().zip(row).zip(&mean) {
            *slot = x - m;
        }
        for (i, &x) in centered.iter().enumerate() {
            let line = &mut cov[i * dim..(i + 1) * dim];
            line.iter_mut()
                .zip(&centered)
                .for_each(|(sum, y)| *sum += x * y);
        }
    }
    cov.iter_mut().for_each(|sum| *sum /= (n - 1) as f64);
    (mean, cov)
}

/// Eigenvectors by columns and eigenvalues of a symmetric matrix.
fn eigen(matrix: &Mat<f64>) -> (Mat<f64>, Vec<f64>) {
    let found = matrix.self_adjoint_eigen(Side::Lower);
    let found = found.expect("internal error: features that are not finite");
    let values = found.S().column_vector();
    (
        found.U().to_owned(),
        (0..matrix.nrows()).map(|i| values[i]).collect(),
    )
}

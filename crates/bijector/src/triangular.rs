//! Small matrices, the row index fastest: entry (i, j) of a matrix with n rows stands at i + j n.

use crate::{Misfit, is_near};

/// The Cholesky factor of a symmetric matrix `[n, n]`, zeros above the diagonal.
///
/// # Errors
/// [`Misfit`] where the matrix is not symmetric or not positive definite, with the first such entry.
pub(crate) fn cholesky(matrix: &[f64], n: usize) -> Result<Vec<f64>, Misfit> {
    let mut factor = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let (below, above) = (matrix[i + j * n], matrix[j + i * n]);
            if !is_near(above, below) {
                return Err(Misfit::new("a symmetric matrix", above, j + i * n));
            }
            let inner: f64 = (0..j).map(|k| factor[i + k * n] * factor[j + k * n]).sum();
            let rest = below - inner;
            if i > j {
                factor[i + j * n] = rest / factor[j + j * n];
            } else if rest > 0.0 {
                factor[i + j * n] = rest.sqrt();
            } else {
                return Err(Misfit::new("a positive definite matrix", below, i + j * n));
            }
        }
    }
    Ok(factor)
}

/// L L' of a lower triangular matrix `[n, n]`.
pub(crate) fn square(factor: &[f64], n: usize, product: &mut [f64]) {
    for j in 0..n {
        for i in j..n {
            let entry = (0..=j).map(|k| factor[i + k * n] * factor[j + k * n]).sum();
            product[i + j * n] = entry;
            product[j + i * n] = entry;
        }
    }
}

/// The gradient by L of f(L L'), `[n, n]`, where `by_product` is that by each entry alone: (G + G') L.
pub(crate) fn square_adjoint(factor: &[f64], n: usize, by_product: &[f64]) -> Vec<f64> {
    let mut by_factor = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            by_factor[i + j * n] = (j..n)
                .map(|k| (by_product[i + k * n] + by_product[k + i * n]) * factor[k + j * n])
                .sum();
        }
    }
    by_factor
}

/// Refuses a matrix with `n_rows` rows that has something above its diagonal or a diagonal entry not above zero.
pub(crate) fn check_lower(matrix: &[f64], n_rows: usize) -> Result<(), Misfit> {
    for (index, &entry) in matrix.iter().enumerate() {
        let (i, j) = (index % n_rows, index / n_rows);
        if i < j && entry != 0.0 {
            return Err(Misfit::new("zeros above the diagonal", entry, index));
        }
        if i == j && (entry.is_nan() || entry <= 0.0) {
            return Err(Misfit::new("a positive diagonal", entry, index));
        }
        if !entry.is_finite() {
            return Err(Misfit::new("finite numbers", entry, index));
        }
    }
    Ok(())
}

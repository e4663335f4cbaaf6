//! The Cholesky factor of a covariance: lower triangular with a positive diagonal, M rows and N <= M columns.
//!
//! Coordinates row after row; a diagonal entry is exp of its coordinate, the others are theirs. Rows beyond N are
//! free. Log-determinant of the lower entries: sum of the diagonal's coordinates. O(M N).

use crate::triangular::check_lower;
use crate::{BadConstraint, Bijector, Entry, Misfit, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "cholesky_factor_cov",
    summary: "the Cholesky factor of a covariance matrix",
    examples: || examples([CholeskyFactorCov::new(3, 3), CholeskyFactorCov::new(4, 2)]),
};

/// An M by N factor.
#[derive(Clone, Debug)]
pub struct CholeskyFactorCov {
    n_rows: usize,
    n_columns: usize,
}

impl CholeskyFactorCov {
    /// At least one column, and at least as many rows as columns.
    ///
    /// # Errors
    /// [`BadConstraint`] for others.
    pub fn new(n_rows: usize, n_columns: usize) -> Result<Self, BadConstraint> {
        if n_columns == 0 || n_rows < n_columns {
            return Err(BadConstraint {
                constraint: "cholesky_factor_cov",
                expected: "at least one column, and at least as many rows as columns",
                found: vec![n_rows as f64, n_columns as f64],
            });
        }
        Ok(Self { n_rows, n_columns })
    }

    /// Row and column of each coordinate, in order.
    fn entries(&self) -> impl Iterator<Item = (usize, usize)> {
        let n_columns = self.n_columns;
        (0..self.n_rows).flat_map(move |i| (0..n_columns.min(i + 1)).map(move |j| (i, j)))
    }
}

impl Bijector for CholeskyFactorCov {
    fn describe(&self) -> String {
        format!("cholesky_factor_cov[{}, {}]", self.n_rows, self.n_columns)
    }

    fn n_coordinates(&self) -> usize {
        let n = self.n_columns;
        n * (n + 1) / 2 + (self.n_rows - n) * n
    }

    fn n_values(&self) -> usize {
        self.n_rows * self.n_columns
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        value.fill(0.0);
        let mut log_det = 0.0;
        for ((i, j), x) in self.entries().zip(position) {
            value[i + j * self.n_rows] = if i == j { x.exp() } else { *x };
            log_det += if i == j { *x } else { 0.0 };
        }
        log_det
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        check_lower(value, self.n_rows)?;
        for ((i, j), x) in self.entries().zip(position) {
            let entry = value[i + j * self.n_rows];
            *x = if i == j { entry.ln() } else { entry };
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for (((i, j), x), g) in self.entries().zip(position).zip(grad) {
            let by = by_value[i + j * self.n_rows];
            *g += if i == j { by * x.exp() + 1.0 } else { by };
        }
    }
}

//! The Cholesky factor of a correlation matrix: lower triangular, positive diagonal, rows of length one.
//!
//! Coordinates are inverse hyperbolic tangents of partial correlations, row after row: (1,0), (2,0), (2,1), ...
//! Log-determinant of the entries below the diagonal: sum_{i > l} (i - l + 1) ln sech(y_il) with indices from 0:
//! two from tanh, one from each entry of the row between l and the diagonal, which is scaled by sech(y_il).
//! O(K^2).

use crate::partial_correlations::{log_sech, row, row_adjoint, row_inverse};
use crate::triangular::check_lower;
use crate::{BadConstraint, Bijector, Entry, Misfit, check_size, examples, is_near};

pub(crate) const ENTRY: Entry = Entry {
    name: "cholesky_factor_corr",
    summary: "the Cholesky factor of a correlation matrix",
    examples: || examples([CholeskyFactorCorr::new(2), CholeskyFactorCorr::new(4)]),
};

/// A K by K factor.
#[derive(Clone, Debug)]
pub struct CholeskyFactorCorr {
    k: usize,
}

impl CholeskyFactorCorr {
    /// `k` rows, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("cholesky_factor_corr", "at least one row", k)?;
        Ok(Self { k })
    }
}

/// Where the coordinates of row i begin.
fn start(i: usize) -> usize {
    i * i.saturating_sub(1) / 2
}

impl Bijector for CholeskyFactorCorr {
    fn describe(&self) -> String {
        format!("cholesky_factor_corr[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        start(self.k)
    }

    fn n_values(&self) -> usize {
        self.k * self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let k = self.k;
        value.fill(0.0);
        let mut log_det = 0.0;
        for i in 0..k {
            let coordinates = &position[start(i)..][..i];
            row(coordinates.iter().copied(), |l, entry| {
                value[i + l * k] = entry
            });
            for (l, y) in coordinates.iter().enumerate() {
                log_det += (i - l + 1) as f64 * log_sech(*y);
            }
        }
        log_det
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let k = self.k;
        check_lower(value, k)?;
        for i in 0..k {
            let entries: Vec<f64> = (0..=i).map(|l| value[i + l * k]).collect();
            let square: f64 = entries.iter().map(|e| e * e).sum();
            if !is_near(square, 1.0) {
                return Err(Misfit::new("rows of length 1", square, i + i * k));
            }
            row_inverse(&entries, |l, y| position[start(i) + l] = y);
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let k = self.k;
        for i in 0..k {
            let coordinates = &position[start(i)..][..i];
            row_adjoint(
                coordinates,
                |l| by_value[i + l * k],
                |l, by| {
                    grad[start(i) + l] += by - (i - l + 1) as f64 * coordinates[l].tanh();
                },
            );
        }
    }
}

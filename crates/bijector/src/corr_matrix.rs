//! A correlation matrix: symmetric, positive definite, ones on the diagonal.
//!
//! R = L L' with the factor of `cholesky_factor_corr.rs`, but with coordinates column after column, (1,0), (2,0),
//! ..., (2,1), ..., as Stan has them. Log-determinant of the entries below the diagonal: sum_{i > l} (K - l)
//! ln sech(y_il) with indices from 0, [lewandowski-2009] eq. 11 with two more from tanh. O(K^3).

use crate::partial_correlations::{log_sech, row, row_adjoint, row_inverse};
use crate::triangular::{cholesky, square, square_adjoint};
use crate::{BadConstraint, Bijector, Entry, Misfit, check_size, examples, is_near};

pub(crate) const ENTRY: Entry = Entry {
    name: "corr_matrix",
    summary: "a correlation matrix",
    examples: || examples([CorrMatrix::new(2), CorrMatrix::new(4)]),
};

/// A K by K correlation matrix.
#[derive(Clone, Debug)]
pub struct CorrMatrix {
    k: usize,
}

impl CorrMatrix {
    /// `k` rows, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("corr_matrix", "at least one row", k)?;
        Ok(Self { k })
    }

    /// Where the coordinate of row `i` and column `l` stands.
    fn at(&self, i: usize, l: usize) -> usize {
        l * (2 * self.k - l - 1) / 2 + i - l - 1
    }

    fn coordinates(&self, position: &[f64], i: usize) -> Vec<f64> {
        (0..i).map(|l| position[self.at(i, l)]).collect()
    }

    fn factor(&self, position: &[f64]) -> Vec<f64> {
        let k = self.k;
        let mut factor = vec![0.0; k * k];
        for i in 0..k {
            let coordinates = self.coordinates(position, i);
            row(coordinates.into_iter(), |l, entry| {
                factor[i + l * k] = entry
            });
        }
        factor
    }
}

impl Bijector for CorrMatrix {
    fn describe(&self) -> String {
        format!("corr_matrix[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k * (self.k - 1) / 2
    }

    fn n_values(&self) -> usize {
        self.k * self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let k = self.k;
        square(&self.factor(position), k, value);
        let mut log_det = 0.0;
        for i in 0..k {
            // The rows have length one but for rounding.
            value[i + i * k] = 1.0;
            for l in 0..i {
                log_det += (k - l) as f64 * log_sech(position[self.at(i, l)]);
            }
        }
        log_det
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let k = self.k;
        for index in (0..k).map(|i| i + i * k) {
            if !is_near(value[index], 1.0) {
                return Err(Misfit::new("ones on the diagonal", value[index], index));
            }
        }
        let factor = cholesky(value, k)?;
        for i in 0..k {
            let entries: Vec<f64> = (0..=i).map(|l| factor[i + l * k]).collect();
            row_inverse(&entries, |l, y| position[self.at(i, l)] = y);
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let k = self.k;
        let by_factor = square_adjoint(&self.factor(position), k, by_value);
        for i in 0..k {
            let coordinates = self.coordinates(position, i);
            row_adjoint(
                &coordinates,
                |l| by_factor[i + l * k],
                |l, by| {
                    grad[self.at(i, l)] += by - (k - l) as f64 * coordinates[l].tanh();
                },
            );
        }
    }
}

//! A covariance matrix: symmetric, positive definite.
//!
//! C = L L' with the factor of `cholesky_factor_cov.rs` and its coordinates. Log-determinant of the entries on and
//! below the diagonal: K ln 2 + sum_i (K - i + 1) ln L_ii with indices from 0; K - i of them from the product,
//! whose Jacobian is triangular with 2 L_ii and L_ii on its diagonal, one from exp. O(K^3).

use std::f64::consts::LN_2;

use crate::triangular::{cholesky, square, square_adjoint};
use crate::{BadConstraint, Bijector, CholeskyFactorCov, Entry, Misfit, check_size, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "cov_matrix",
    summary: "a covariance matrix",
    examples: || examples([CovMatrix::new(1), CovMatrix::new(3)]),
};

/// A K by K covariance matrix.
#[derive(Clone, Debug)]
pub struct CovMatrix {
    k: usize,
    factor: CholeskyFactorCov,
}

impl CovMatrix {
    /// `k` rows, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("cov_matrix", "at least one row", k)?;
        let factor = CholeskyFactorCov::new(k, k)?;
        Ok(Self { k, factor })
    }

    /// Where the coordinate of ln L_ii stands.
    fn diagonal(i: usize) -> usize {
        i * (i + 3) / 2
    }
}

impl Bijector for CovMatrix {
    fn describe(&self) -> String {
        format!("cov_matrix[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.factor.n_coordinates()
    }

    fn n_values(&self) -> usize {
        self.k * self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let k = self.k;
        let mut factor = vec![0.0; k * k];
        let exponentials = self.factor.forward(position, &mut factor);
        square(&factor, k, value);
        let products: f64 = (0..k)
            .map(|i| LN_2 + (k - i) as f64 * position[Self::diagonal(i)])
            .sum();
        exponentials + products
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let factor = cholesky(value, self.k)?;
        self.factor.inverse(&factor, position)
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let k = self.k;
        let mut factor = vec![0.0; k * k];
        self.factor.forward(position, &mut factor);
        let by_factor = square_adjoint(&factor, k, by_value);
        self.factor.adjoint(position, &factor, &by_factor, grad);
        for i in 0..k {
            grad[Self::diagonal(i)] += (k - i) as f64;
        }
    }
}

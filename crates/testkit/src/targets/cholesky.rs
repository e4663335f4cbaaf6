//! The Cholesky factor of a small symmetric matrix, A = L L'; tests need no more, so no library is drawn in.

/// A lower-triangular factor with what can be done with it.
pub(super) struct Cholesky {
    /// Row after row, `[n, n]`.
    lower: Vec<f64>,
    n: usize,
}

impl Cholesky {
    /// The factor of `matrix` `[n, n]`; `None` where it is not positive definite. Costs n^3 / 6.
    pub(super) fn of(matrix: &[f64], n: usize) -> Option<Self> {
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let inner: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = matrix[i * n + j] - inner;
                if i > j {
                    lower[i * n + j] = rest / lower[j * n + j];
                } else if rest > 0.0 {
                    lower[i * n + i] = rest.sqrt();
                } else {
                    return None;
                }
            }
        }
        Some(Self { lower, n })
    }

    /// ln det A.
    pub(super) fn log_det(&self) -> f64 {
        (0..self.n)
            .map(|i| 2.0 * self.lower[i * self.n + i].ln())
            .sum()
    }

    /// The solution of A x = b, `[n]`.
    pub(super) fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (n, l) = (self.n, &self.lower);
        let mut x = b.to_vec();
        for i in 0..n {
            let inner: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
            x[i] = (x[i] - inner) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let inner: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
            x[i] = (x[i] - inner) / l[i * n + i];
        }
        x
    }

    /// The inverse of A, `[n, n]`.
    pub(super) fn inverse(&self) -> Vec<f64> {
        let unit = |i: usize| (0..self.n).map(move |j| f64::from(u8::from(i == j)));
        (0..self.n)
            .flat_map(|i| self.solve(&unit(i).collect::<Vec<_>>()))
            .collect()
    }
}

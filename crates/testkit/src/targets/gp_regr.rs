//! Gaussian-process regression on the line: the model gp_regr of posteriordb.
//!
//! ```text
//! y ~ normal(0, K),  K_ij = alpha^2 exp(-(x_i - x_j)^2 / (2 rho^2)) + sigma [i = j]
//! rho ~ gamma(25, 4),  alpha ~ half-normal(2),  sigma ~ half-normal(1)
//! ```
//!
//! Derivatives from d ln p / dK = (a a' - K^-1) / 2 with a = K^-1 y. Coordinates are the logarithms. O(n^3).

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::cholesky::Cholesky;
use super::database::Database;

struct GpRegression {
    layout: Layout,
    /// Inputs, `[n]`.
    inputs: Vec<f64>,
    /// Outcomes, `[n]`.
    outcomes: Vec<f64>,
}

pub(super) fn gp_regr(database: &Database) -> Boxed {
    let data = database.data("gp_pois_regr");
    let positive = |name| Variable::constrained(name, &[], 1, "lower=0");
    Box::new(GpRegression {
        layout: Layout::new(["rho", "alpha", "sigma"].map(positive).to_vec()),
        inputs: data.vector("x"),
        outcomes: data.vector("y"),
    })
}

impl LogDensity for GpRegression {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let n = self.inputs.len();
        let [rho, alpha, sigma] = [0, 1, 2].map(|i| position[i].exp());
        let distance = |i: usize, j: usize| (self.inputs[i] - self.inputs[j]) / rho;
        let smooth = |i: usize, j: usize| alpha * alpha * (-0.5 * distance(i, j).powi(2)).exp();
        let mut matrix: Vec<f64> = (0..n * n).map(|at| smooth(at / n, at % n)).collect();
        for i in 0..n {
            matrix[i * (n + 1)] += sigma;
        }
        let factor = Cholesky::of(&matrix, n)
            .ok_or_else(|| Reject::at("cholesky_decompose(cov)", Cause::SolverFailed))?;
        let weights = factor.solve(&self.outcomes);
        let inverse = factor.inverse();
        let quadratic: f64 = weights.iter().zip(&self.outcomes).map(|(a, y)| a * y).sum();

        // Gamma and half-normal priors; the log-determinants are the coordinates themselves.
        let value = -0.5 * (quadratic + factor.log_det())
            + (24.0 * position[0] - 4.0 * rho - alpha * alpha / 8.0 - sigma * sigma / 2.0)
            + position.iter().sum::<f64>();
        grad[0] = 25.0 - 4.0 * rho;
        grad[1] = 1.0 - alpha * alpha / 4.0;
        grad[2] = 1.0 - sigma * sigma;
        for i in 0..n {
            for j in 0..n {
                let by_entry = 0.5 * (weights[i] * weights[j] - inverse[i * n + j]);
                grad[0] += by_entry * smooth(i, j) * distance(i, j).powi(2);
                grad[1] += by_entry * 2.0 * smooth(i, j);
                if i == j {
                    grad[2] += by_entry * sigma;
                }
            }
        }
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        for (value, x) in values.iter_mut().zip(position) {
            *value = x.exp();
        }
    }
}

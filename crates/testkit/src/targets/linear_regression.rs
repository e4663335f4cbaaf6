//! Linear regression with unknown noise: y ~ normal(X beta, sigma), sigma > 0.
//!
//! ```text
//! ln p = -n ln sigma - |y - X beta|^2 / (2 sigma^2) + ln prior(beta) + ln prior(sigma) + ln sigma
//! ```
//!
//! Coordinates: beta `[k]`, ln sigma; the last term is the log-determinant of sigma = exp(coordinate).
//! Priors are flat, or normal on a coefficient, or half-Cauchy on sigma. The cost is O(n k), from the rows
//! and not from X'X, which loses all digits where a predictor is far from zero (years, as in kilpisjarvi).

use jensen_density::{Layout, LogDensity, Reject, Variable};

/// The posterior of a linear regression.
pub struct LinearRegression {
    layout: Layout,
    /// Predictors, `[n, k]` row after row.
    predictors: Vec<f64>,
    /// Outcomes, `[n]`.
    outcomes: Vec<f64>,
    /// Mean and standard deviation of each coefficient's normal prior, `[k]`; flat where absent.
    coefficient_priors: Vec<Option<(f64, f64)>>,
    /// Scale of the half-Cauchy prior of sigma; flat where absent.
    noise_prior: Option<f64>,
}

impl LinearRegression {
    /// With flat priors, coefficients `beta[1]` to `beta[k]` and predictors as columns `[k][n]`.
    pub fn new(columns: &[Vec<f64>], outcomes: Vec<f64>) -> Self {
        let (n, k) = (outcomes.len(), columns.len());
        assert!(columns.iter().all(|column| column.len() == n));
        Self {
            layout: layout(vec![Variable::new("beta", &[k])]),
            predictors: (0..n)
                .flat_map(|row| columns.iter().map(move |column| column[row]))
                .collect(),
            outcomes,
            coefficient_priors: vec![None; k],
            noise_prior: None,
        }
    }

    /// The same with other names for the coefficients.
    pub fn named(mut self, coefficients: Vec<Variable>) -> Self {
        self.layout = layout(coefficients);
        self
    }

    /// The same with normal(mean, sd) priors on the coefficients, `[k]`.
    pub fn coefficient_priors(mut self, priors: &[(f64, f64)]) -> Self {
        self.coefficient_priors = priors.iter().copied().map(Some).collect();
        self
    }

    /// The same with a half-Cauchy prior on sigma.
    pub fn noise_prior(mut self, scale: f64) -> Self {
        self.noise_prior = Some(scale);
        self
    }
}

fn layout(mut coefficients: Vec<Variable>) -> Layout {
    coefficients.push(Variable::constrained("sigma", &[], 1, "lower=0"));
    Layout::new(coefficients)
}

impl LogDensity for LinearRegression {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let k = position.len() - 1;
        let (beta, log_sigma) = (&position[..k], position[k]);
        let precision = (-2.0 * log_sigma).exp();
        let n = self.outcomes.len() as f64;
        grad.fill(0.0);
        let mut squares = 0.0;
        for (row, y) in self.predictors.chunks_exact(k).zip(&self.outcomes) {
            let residual = y - row.iter().zip(beta).map(|(x, b)| x * b).sum::<f64>();
            squares += residual * residual;
            for (g, x) in grad.iter_mut().zip(row) {
                *g += residual * x * precision;
            }
        }
        // The one beside -n is the log-determinant.
        let mut value = (1.0 - n) * log_sigma - 0.5 * squares * precision;
        grad[k] = 1.0 - n + squares * precision;
        for (i, prior) in self.coefficient_priors.iter().enumerate() {
            if let Some((mean, sd)) = prior {
                let z = (beta[i] - mean) / sd;
                value -= 0.5 * z * z;
                grad[i] -= z / sd;
            }
        }
        if let Some(scale) = self.noise_prior {
            let (log_prior, slope) = half_cauchy(log_sigma.exp(), scale);
            value += log_prior;
            grad[k] += slope;
        }
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        values.copy_from_slice(position);
        let sigma = position.len() - 1;
        values[sigma] = position[sigma].exp();
    }
}

/// The log density of a half-Cauchy variable, up to a constant, and its derivative by ln x.
pub(super) fn half_cauchy(x: f64, scale: f64) -> (f64, f64) {
    let ratio = (x / scale).powi(2);
    // Written so that a ratio beyond the largest number gives the limit.
    (-ratio.ln_1p(), -2.0 / (1.0 + 1.0 / ratio))
}

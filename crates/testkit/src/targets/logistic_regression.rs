//! Logistic regression of one predictor on made-up outcomes, with normal priors on both coefficients.
//!
//! ```text
//! ln p = sum_i [y_i eta_i - ln(1 + exp(eta_i))] - (a^2 + b^2) / (2 s^2),  eta_i = a + b x_i
//! ```
//!
//! Predictors are evenly spread and the outcomes follow a fixed rule, so the target is the same everywhere.
//! The moments come from the trapezoidal rule on a grid, which converges faster than any power of its spacing
//! for a smooth density that vanishes at the border.

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Target;
use super::logistic::{log_logistic, logistic};

/// Number of observations.
const N: usize = 24;
/// Standard deviation s of the priors.
const PRIOR_SD: f64 = 2.5;

/// The posterior of intercept and slope.
pub struct LogisticRegression {
    layout: Layout,
    /// Predictors, `[n]`.
    predictors: Vec<f64>,
    /// Outcomes 0 or 1, `[n]`.
    outcomes: Vec<f64>,
}

impl Default for LogisticRegression {
    /// 24 observations on [-2, 2]: ones above 0.4, every fifth outcome turned round.
    fn default() -> Self {
        let predictors: Vec<f64> = (0..N)
            .map(|i| 4.0 * i as f64 / (N - 1) as f64 - 2.0)
            .collect();
        let outcomes = (predictors.iter().enumerate())
            .map(|(i, &x)| f64::from(u8::from((x > 0.4) != (i % 5 == 2))))
            .collect();
        let layout = Layout::new(vec![Variable::real("intercept"), Variable::real("slope")]);
        Self {
            layout,
            predictors,
            outcomes,
        }
    }
}

impl LogisticRegression {
    /// With its moments and normalizer.
    pub fn target(self) -> Target {
        // Twelve and more standard deviations to each side of the mass, 16 nodes to a standard deviation.
        const HALF_WIDTH: f64 = 8.0;
        const STEP: f64 = 0.04;
        let n_half = (HALF_WIDTH / STEP) as i32;
        let (mut total, mut first, mut second) = (0.0, [0.0; 2], [0.0; 2]);
        let mut grad = [0.0; 2];
        for i in -n_half..=n_half {
            for j in -n_half..=n_half {
                let point = [f64::from(i) * STEP, f64::from(j) * STEP];
                let Ok(value) = self.log_density_and_grad(&point, &mut grad, &mut []) else {
                    continue;
                };
                let weight = STEP * STEP * value.exp();
                total += weight;
                for k in 0..2 {
                    first[k] += weight * point[k];
                    second[k] += weight * point[k] * point[k];
                }
            }
        }
        let mean = first.map(|f| f / total);
        let sd = (0..2).map(|k| (second[k] / total - mean[k] * mean[k]).sqrt());
        let sd = sd.collect();
        Target::exact(
            "logistic_regression-2".to_owned(),
            self,
            mean.to_vec(),
            sd,
            Some(total.ln()),
        )
    }
}

impl LogDensity for LogisticRegression {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let (a, b) = (position[0], position[1]);
        let precision = PRIOR_SD.powi(-2);
        let mut value = -0.5 * precision * (a * a + b * b);
        grad[0] = -precision * a;
        grad[1] = -precision * b;
        for (x, y) in self.predictors.iter().zip(&self.outcomes) {
            let eta = a + b * x;
            value += y * eta + log_logistic(-eta);
            let residual = y - logistic(eta);
            grad[0] += residual;
            grad[1] += residual * x;
        }
        Ok(value)
    }
}

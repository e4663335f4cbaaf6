//! A mixture of two normals with ordered means: the model low_dim_gauss_mix of posteriordb.
//!
//! ```text
//! p(y) = theta normal(y; mu_1, sigma_1) + (1 - theta) normal(y; mu_2, sigma_2),  mu_1 < mu_2
//! mu ~ normal(0, 2),  sigma ~ half-normal(2),  theta ~ beta(5, 5)
//! ```
//!
//! Coordinates: mu_1, ln(mu_2 - mu_1), ln sigma_1, ln sigma_2, logit theta. The gradient weighs that of each
//! component with its share of the observation. O(n).

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::database::Database;
use super::logistic::{log_logistic, logistic};

struct GaussMix {
    layout: Layout,
    observations: Vec<f64>,
}

pub(super) fn low_dim_gauss_mix(database: &Database) -> Boxed {
    let layout = Layout::new(vec![
        Variable::constrained("mu", &[2], 2, "ordered"),
        Variable::constrained("sigma", &[2], 2, "lower=0"),
        Variable::constrained("theta", &[], 1, "lower=0, upper=1"),
    ]);
    let observations = database.data("low_dim_gauss_mix").vector("y");
    Box::new(GaussMix {
        layout,
        observations,
    })
}

/// Variance of the priors of mu and sigma.
const PRIOR_VARIANCE: f64 = 4.0;
/// Both shapes of the prior of theta.
const PRIOR_SHAPE: f64 = 5.0;

impl LogDensity for GaussMix {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let mut values = [0.0; 5];
        self.constrain(position, &mut values);
        let [mu1, mu2, sigma1, sigma2, theta] = values;
        let log_shares = [log_logistic(position[4]), log_logistic(-position[4])];
        let (mu, sigma) = ([mu1, mu2], [sigma1, sigma2]);

        // Likelihood, with derivatives by mu, ln sigma and logit theta.
        let mut value = 0.0;
        let (mut by_mu, mut by_log_sigma, mut by_logit) = ([0.0; 2], [0.0; 2], 0.0);
        for y in &self.observations {
            let z = [0, 1].map(|k| (y - mu[k]) / sigma[k]);
            let terms = [0, 1].map(|k| log_shares[k] - 0.5 * z[k] * z[k] - position[2 + k]);
            let high = terms[0].max(terms[1]);
            value += high + (-(terms[0] - terms[1]).abs()).exp().ln_1p();
            let share = logistic(terms[0] - terms[1]);
            for (k, share) in [share, 1.0 - share].into_iter().enumerate() {
                by_mu[k] += share * z[k] / sigma[k];
                by_log_sigma[k] += share * (z[k] * z[k] - 1.0);
            }
            by_logit += share - theta;
        }

        // Priors and log-determinants.
        for k in 0..2 {
            value -= 0.5 * (mu[k] * mu[k] + sigma[k] * sigma[k]) / PRIOR_VARIANCE;
            by_mu[k] -= mu[k] / PRIOR_VARIANCE;
            by_log_sigma[k] += 1.0 - sigma[k] * sigma[k] / PRIOR_VARIANCE;
        }
        value += position[1] + position[2] + position[3];
        value += PRIOR_SHAPE * (log_shares[0] + log_shares[1]);
        by_logit += PRIOR_SHAPE * (1.0 - 2.0 * theta);

        grad[0] = by_mu[0] + by_mu[1];
        grad[1] = by_mu[1] * position[1].exp() + 1.0;
        grad[2] = by_log_sigma[0];
        grad[3] = by_log_sigma[1];
        grad[4] = by_logit;
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        values[0] = position[0];
        values[1] = position[0] + position[1].exp();
        values[2] = position[2].exp();
        values[3] = position[3].exp();
        values[4] = logistic(position[4]);
    }
}

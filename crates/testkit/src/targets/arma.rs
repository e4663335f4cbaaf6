//! An ARMA(1, 1) series: the model arma11 of posteriordb.
//!
//! ```text
//! e_1 = y_1 - mu - phi mu,  e_t = y_t - mu - phi y_{t-1} - theta e_{t-1},  e_t ~ normal(0, sigma)
//! ```
//!
//! with priors mu ~ normal(0, 10), phi, theta ~ normal(0, 2), sigma ~ half-Cauchy(2.5). Derivatives of the
//! errors are carried forward: de_t = -(1, y_{t-1}, e_{t-1}) - theta de_{t-1}. Where |theta| > 1 the errors grow
//! like theta^t. O(T).

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::database::Database;
use super::linear_regression::half_cauchy;

struct Arma11 {
    layout: Layout,
    series: Vec<f64>,
}

pub(super) fn arma11(database: &Database) -> Boxed {
    let layout = Layout::new(vec![
        Variable::real("mu"),
        Variable::real("phi"),
        Variable::real("theta"),
        Variable::constrained("sigma", &[], 1, "lower=0"),
    ]);
    let series = database.data("arma").vector("y");
    Box::new(Arma11 { layout, series })
}

/// Standard deviations of the priors of mu, phi, theta.
const PRIOR_SDS: [f64; 3] = [10.0, 2.0, 2.0];
const NOISE_SCALE: f64 = 2.5;

impl LogDensity for Arma11 {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let &[mu, phi, theta, log_sigma] = position else {
            panic!("internal error: four coordinates");
        };
        let precision = (-2.0 * log_sigma).exp();
        let n = self.series.len() as f64;
        let mut error = self.series[0] - mu - phi * mu;
        // Derivatives of the newest error by mu, phi, theta.
        let mut slopes = [-1.0 - phi, -mu, 0.0];
        let mut squares = error * error;
        // Derivatives of half of the sum of squares.
        let mut by = slopes.map(|s| error * s);
        for pair in self.series.windows(2) {
            let direct = [1.0, pair[0], error];
            for (slope, d) in slopes.iter_mut().zip(direct) {
                *slope = -d - theta * *slope;
            }
            error = pair[1] - mu - phi * pair[0] - theta * error;
            squares += error * error;
            for (b, slope) in by.iter_mut().zip(slopes) {
                *b += error * slope;
            }
        }
        let (prior, slope) = half_cauchy(log_sigma.exp(), NOISE_SCALE);
        let mut value = (1.0 - n) * log_sigma - 0.5 * squares * precision + prior;
        grad[3] = 1.0 - n + squares * precision + slope;
        for i in 0..3 {
            value -= 0.5 * (position[i] / PRIOR_SDS[i]).powi(2);
            grad[i] = -by[i] * precision - position[i] / PRIOR_SDS[i].powi(2);
        }
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        values.copy_from_slice(position);
        values[3] = position[3].exp();
    }
}

//! Eight schools: effects of coaching with a common mean and spread, [rubin-1981], [gelman-2013] section 5.5.
//!
//! ```text
//! y_j ~ normal(theta_j, s_j),  theta_j ~ normal(mu, tau),  mu ~ normal(0, 5),  tau ~ half-Cauchy(5)
//! ```
//!
//! Centered: the coordinates are theta, mu, ln tau; the density has a funnel where tau is small. Noncentered:
//! (theta - mu) / tau, mu, ln tau; a mild density. The values are theta, mu, tau in both, so that one reference
//! serves; the eight numbers are published facts and stand here, so that the target exists everywhere.

use std::f64::consts::TAU;

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::database::Database;
use super::linear_regression::half_cauchy;
use super::{Boxed, Target};

/// Estimated effects of the eight schools, points of the test.
const EFFECTS: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
/// Their standard errors.
const ERRORS: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];
/// Standard deviation of the prior of mu and scale of that of tau.
const PRIOR_SCALE: f64 = 5.0;

/// Which coordinates stand for the effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameterization {
    /// theta itself.
    Centered,
    /// (theta - mu) / tau.
    Noncentered,
}

/// The posterior.
pub struct EightSchools {
    layout: Layout,
    effects: Vec<f64>,
    errors: Vec<f64>,
    parameterization: Parameterization,
}

pub(super) fn centered(database: &Database) -> Boxed {
    Box::new(from_data(database, Parameterization::Centered))
}

pub(super) fn noncentered(database: &Database) -> Boxed {
    Box::new(from_data(database, Parameterization::Noncentered))
}

fn from_data(database: &Database, parameterization: Parameterization) -> EightSchools {
    let data = database.data("eight_schools");
    EightSchools::new(data.vector("y"), data.vector("sigma"), parameterization)
}

impl EightSchools {
    /// For effects and their standard errors, `[J]` each.
    pub fn new(effects: Vec<f64>, errors: Vec<f64>, parameterization: Parameterization) -> Self {
        let j = effects.len();
        let constraint = match parameterization {
            Parameterization::Centered => "",
            Parameterization::Noncentered => "offset=mu, multiplier=tau",
        };
        let layout = Layout::new(vec![
            Variable::constrained("theta", &[j], j, constraint),
            Variable::real("mu"),
            Variable::constrained("tau", &[], 1, "lower=0"),
        ]);
        Self {
            layout,
            effects,
            errors,
            parameterization,
        }
    }

    /// For the eight schools themselves.
    pub fn embedded(parameterization: Parameterization) -> Self {
        Self::new(EFFECTS.to_vec(), ERRORS.to_vec(), parameterization)
    }

    /// With its moments and normalizer: given tau all is Gaussian, so a sum over ln tau remains.
    ///
    /// ```text
    /// y_j | mu, tau ~ normal(mu, V_j), V_j = s_j^2 + tau^2
    /// mu | tau, y   ~ normal(m, 1 / P), P = 1/25 + sum_j 1 / V_j, m = sum_j (y_j / V_j) / P
    /// theta_j       ~ w y_j + (1 - w) mu + normal(0, sqrt(w) s_j), w = tau^2 / V_j
    /// ```
    pub fn target(self) -> Target {
        // The integrand falls as tau below and as tau^-(J + 1) above: nothing that counts lies outside.
        const LOWEST: f64 = -40.0;
        const HIGHEST: f64 = 20.0;
        const STEP: f64 = 0.01;
        let j = self.effects.len();
        let n_nodes = ((HIGHEST - LOWEST) / STEP) as usize;
        // Weight, its products with the values, and with their squares.
        let (mut total, mut first, mut second) = (0.0, vec![0.0; j + 2], vec![0.0; j + 2]);
        for node in 0..=n_nodes {
            let log_tau = LOWEST + STEP * node as f64;
            let square = (2.0 * log_tau).exp();
            let variances: Vec<f64> = self.errors.iter().map(|s| s * s + square).collect();
            let precision = PRIOR_SCALE.powi(-2) + variances.iter().map(|v| 1.0 / v).sum::<f64>();
            let pull = |(y, v): (&f64, &f64)| y / v;
            let m = self.effects.iter().zip(&variances).map(pull).sum::<f64>() / precision;
            let mut log_weight = half_cauchy(log_tau.exp(), PRIOR_SCALE).0
                + log_tau
                + 0.5 * (TAU / precision).ln()
                + 0.5 * precision * m * m;
            for ((y, s), v) in self.effects.iter().zip(&self.errors).zip(&variances) {
                log_weight += 0.5 * (TAU * s * s / v).ln() - 0.5 * y * y / v;
            }
            let weight = STEP * log_weight.exp();
            total += weight;
            let mut add = |i: usize, mean: f64, variance: f64| {
                first[i] += weight * mean;
                second[i] += weight * (mean * mean + variance);
            };
            for (i, v) in variances.iter().enumerate() {
                let w = square / v;
                add(
                    i,
                    w * self.effects[i] + (1.0 - w) * m,
                    w * self.errors[i].powi(2) + (1.0 - w).powi(2) / precision,
                );
            }
            add(j, m, 1.0 / precision);
            add(j + 1, log_tau.exp(), 0.0);
        }
        let mean: Vec<f64> = first.iter().map(|f| f / total).collect();
        let sd = (second.iter().zip(&mean))
            .map(|(s, m)| (s / total - m * m).sqrt())
            .collect();
        let name = match self.parameterization {
            Parameterization::Centered => "eight_schools_centered",
            Parameterization::Noncentered => "eight_schools_noncentered",
        };
        Target::exact(name.to_owned(), self, mean, sd, Some(total.ln()))
    }
}

impl LogDensity for EightSchools {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let j = self.effects.len();
        let (mu, log_tau) = (position[j], position[j + 1]);
        let tau = log_tau.exp();
        let (prior, slope) = half_cauchy(tau, PRIOR_SCALE);
        // The last term is the log-determinant of tau = exp(coordinate).
        let mut value = prior - 0.5 * (mu / PRIOR_SCALE).powi(2) + log_tau;
        grad[j] = -mu / PRIOR_SCALE.powi(2);
        grad[j + 1] = slope + 1.0;
        for i in 0..j {
            let misfit = |theta: f64| (self.effects[i] - theta) / self.errors[i];
            match self.parameterization {
                Parameterization::Centered => {
                    let (z, u) = (misfit(position[i]), (position[i] - mu) / tau);
                    value += -0.5 * (z * z + u * u) - log_tau;
                    grad[i] = z / self.errors[i] - u / tau;
                    grad[j] += u / tau;
                    grad[j + 1] += u * u - 1.0;
                }
                Parameterization::Noncentered => {
                    let u = position[i];
                    let z = misfit(mu + tau * u);
                    let by_theta = z / self.errors[i];
                    value -= 0.5 * (z * z + u * u);
                    grad[i] = by_theta * tau - u;
                    grad[j] += by_theta;
                    grad[j + 1] += by_theta * u * tau;
                }
            }
        }
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        let j = self.effects.len();
        let (mu, tau) = (position[j], position[j + 1].exp());
        values.copy_from_slice(position);
        values[j + 1] = tau;
        if self.parameterization == Parameterization::Noncentered {
            for theta in &mut values[..j] {
                *theta = mu + tau * *theta;
            }
        }
    }
}

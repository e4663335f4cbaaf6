//! Hidden Markov models with two states: hmm_example and hmm_drive_0 of posteriordb.
//!
//! ```text
//! L = sum over paths z of prod_t e_t(z_t) prod_t T[z_{t-1}, z_t]    (the first state has weight one)
//! ```
//!
//! The forward-backward recursion gives ln L and its derivatives: by ln e_t(k) the probability of state k at t,
//! by ln T[j, k] the expected number of steps from j to k. O(T).
//!
//! A row of T has one coordinate: theta_1 = logistic(sqrt(2) y), the isometric log-ratio that Stan uses for a
//! simplex; log-determinant ln theta_1 + ln theta_2 up to a constant. The emission parameters, rising and
//! positive, are exp(y_1), exp(y_1) + exp(y_2), with log-determinant y_1 + y_2.

use std::f64::consts::SQRT_2;

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::database::Database;
use super::logistic::{log_logistic, logistic};

struct Hmm {
    layout: Layout,
    emissions: Emissions,
    /// Shapes of the Dirichlet prior of each row of the transition matrix.
    transition_prior: [[f64; 2]; 2],
    /// Means of the unit normal priors of a pair of rising parameters.
    rising_prior: [f64; 2],
}

enum Emissions {
    /// y ~ normal(mu_k, 1).
    Normal(Vec<f64>),
    /// u ~ exponential(phi_k), v ~ exponential(lambda_k).
    Exponential(Vec<f64>, Vec<f64>),
}

pub(super) fn example(database: &Database) -> Boxed {
    let data = database.data("hmm_example");
    Box::new(Hmm {
        layout: layout(&["mu"]),
        emissions: Emissions::Normal(data.vector("y")),
        transition_prior: [[1.0; 2]; 2],
        rising_prior: [3.0, 10.0],
    })
}

pub(super) fn drive_0(database: &Database) -> Boxed {
    let data = database.data("bball_drive_event_0");
    let shapes = data.vector("alpha");
    Box::new(Hmm {
        layout: layout(&["phi", "lambda"]),
        emissions: Emissions::Exponential(data.vector("u"), data.vector("v")),
        transition_prior: [[shapes[0], shapes[1]], [shapes[2], shapes[3]]],
        rising_prior: [0.0, 3.0],
    })
}

fn layout(rising: &[&str]) -> Layout {
    let simplex = |name| Variable::constrained(name, &[2], 1, "simplex");
    let mut variables = vec![simplex("theta1"), simplex("theta2")];
    for name in rising {
        variables.push(Variable::constrained(name, &[2], 2, "positive_ordered"));
    }
    Layout::new(variables)
}

impl Emissions {
    fn len(&self) -> usize {
        match self {
            Self::Normal(y) => y.len(),
            Self::Exponential(u, _) => u.len(),
        }
    }

    /// ln e_t(k) up to a constant, from the values of the rising parameters.
    fn log_density(&self, t: usize, k: usize, parameters: &[f64]) -> f64 {
        match self {
            Self::Normal(y) => -0.5 * (y[t] - parameters[k]).powi(2),
            Self::Exponential(u, v) => {
                let (phi, lambda) = (parameters[k], parameters[2 + k]);
                (phi * lambda).ln() - phi * u[t] - lambda * v[t]
            }
        }
    }

    /// Adds `weight` times the derivatives of ln e_t(k) by the rising parameters.
    fn add_slopes(&self, t: usize, k: usize, parameters: &[f64], weight: f64, by: &mut [f64]) {
        match self {
            Self::Normal(y) => by[k] += weight * (y[t] - parameters[k]),
            Self::Exponential(u, v) => {
                by[k] += weight * (1.0 / parameters[k] - u[t]);
                by[2 + k] += weight * (1.0 / parameters[2 + k] - v[t]);
            }
        }
    }
}

impl LogDensity for Hmm {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Forward weights, `[T, 2]`.
    fn scratch_len(&self) -> usize {
        2 * self.emissions.len()
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        forward: &mut [f64],
    ) -> Result<f64, Reject> {
        let n = self.emissions.len();
        let mut values = [0.0; 8];
        self.constrain(position, &mut values[..self.layout.n_values()]);
        let log_t: [[f64; 2]; 2] = [0, 1].map(|j| {
            let y = SQRT_2 * position[j];
            [log_logistic(y), log_logistic(-y)]
        });
        let n_rising = position.len() - 2;
        let parameters = &values[4..4 + n_rising];
        let emission = |t: usize| [0, 1].map(|k| self.emissions.log_density(t, k, parameters));

        forward[..2].copy_from_slice(&emission(0));
        for t in 1..n {
            let e = emission(t);
            for k in 0..2 {
                let from = [0, 1].map(|j| forward[2 * t - 2 + j] + log_t[j][k]);
                forward[2 * t + k] = e[k] + log_add(from);
            }
        }
        let mut value = log_add([forward[2 * n - 2], forward[2 * n - 1]]);
        let log_likelihood = value;

        let mut by_parameter = [0.0; 4];
        let mut steps = [[0.0; 2]; 2];
        let mut backward = [0.0; 2];
        for t in (0..n).rev() {
            for k in 0..2 {
                let share = (forward[2 * t + k] + backward[k] - log_likelihood).exp();
                (self.emissions).add_slopes(t, k, parameters, share, &mut by_parameter);
            }
            if t > 0 {
                let e = emission(t);
                let to = [0, 1].map(|j| [0, 1].map(|k| log_t[j][k] + e[k] + backward[k]));
                for j in 0..2 {
                    for k in 0..2 {
                        let log_share = forward[2 * t - 2 + j] + to[j][k] - log_likelihood;
                        steps[j][k] += log_share.exp();
                    }
                }
                backward = to.map(log_add);
            }
        }

        for j in 0..2 {
            // The prior's shape less one, and one from the log-determinant.
            let counts = [0, 1].map(|k| steps[j][k] + self.transition_prior[j][k]);
            for (shape, log_probability) in self.transition_prior[j].iter().zip(&log_t[j]) {
                value += shape * log_probability;
            }
            // d ln theta_1 / dy = sqrt(2) theta_2, d ln theta_2 / dy = -sqrt(2) theta_1.
            let theta = &values[2 * j..2 * j + 2];
            grad[j] = SQRT_2 * (counts[0] * theta[1] - counts[1] * theta[0]);
        }
        for pair in 0..n_rising / 2 {
            let at = 2 * pair;
            let mut by = [by_parameter[at], by_parameter[at + 1]];
            for k in 0..2 {
                let gap = parameters[at + k] - self.rising_prior[k];
                value += -0.5 * gap * gap + position[2 + at + k];
                by[k] -= gap;
            }
            grad[2 + at] = (by[0] + by[1]) * position[2 + at].exp() + 1.0;
            grad[3 + at] = by[1] * position[3 + at].exp() + 1.0;
        }
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        for j in 0..2 {
            let y = SQRT_2 * position[j];
            values[2 * j] = logistic(y);
            values[2 * j + 1] = logistic(-y);
        }
        for (pair, coordinates) in position[2..].chunks_exact(2).enumerate() {
            values[4 + 2 * pair] = coordinates[0].exp();
            values[5 + 2 * pair] = coordinates[0].exp() + coordinates[1].exp();
        }
    }
}

/// ln(exp(a) + exp(b)).
fn log_add([a, b]: [f64; 2]) -> f64 {
    a.max(b) + (-(a - b).abs()).exp().ln_1p()
}

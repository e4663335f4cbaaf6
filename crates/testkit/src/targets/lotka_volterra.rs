//! Lynx and hare: the model lotka_volterra of posteriordb.
//!
//! ```text
//! du/dt = (alpha - beta v) u,  dv/dt = (-gamma + delta u) v,  (u, v)(0) = z_init
//! y_tk ~ lognormal(ln z_tk, sigma_k), the measurement at time zero too
//! alpha, gamma ~ normal(1, 0.5),  beta, delta ~ normal(0.05, 0.05),  all positive
//! sigma ~ lognormal(-1, 1),  z_init ~ lognormal(ln 10, 1)
//! ```
//!
//! All eight coordinates are logarithms. Derivatives come from forward sensitivities: S = dz/dp follows
//! dS/dt = J S + df/dp, in the same adaptive steps as z. The tolerance is far below that of the Stan program
//! (1e-5 relative, 1e-3 absolute), whose values differ from ours by as much as its solver errs.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::database::Database;
use super::dormand_prince::{Integrator, Tolerance};

struct LotkaVolterra {
    layout: Layout,
    /// Times of measurement, `[n]`.
    times: Vec<f64>,
    /// Logarithms of the two populations, row after row, `[n, 2]`.
    log_measured: Vec<f64>,
    /// The same at time zero.
    log_measured_first: [f64; 2],
}

/// Tight enough for finite differences of the value to agree with the gradient. A sensible position needs a few
/// hundred steps; one that needs a hundred times as many is given up.
const TOLERANCE: Tolerance = Tolerance {
    relative: 1e-8,
    absolute: 1e-8,
    max_steps: 20_000,
};

/// Means and standard deviations of the priors of the four rates.
const RATE_PRIORS: [(f64, f64); 4] = [(1.0, 0.5), (0.05, 0.05), (1.0, 0.5), (0.05, 0.05)];

pub(super) fn lotka_volterra(database: &Database) -> Boxed {
    let data = database.data("hudson_lynx_hare");
    let positive = |name, n| Variable::constrained(name, &[n], n, "lower=0");
    let logs = |name| data.vector(name).iter().map(|y| y.ln()).collect::<Vec<_>>();
    let first = logs("y_init");
    Box::new(LotkaVolterra {
        layout: Layout::new(vec![
            positive("theta", 4),
            positive("z_init", 2),
            positive("sigma", 2),
        ]),
        times: data.vector("ts"),
        log_measured: logs("y"),
        log_measured_first: [first[0], first[1]],
    })
}

/// Populations u, v, then the derivatives of u and those of v by the four rates and the two first populations.
type State = [f64; 14];

fn derivative(rates: &[f64; 4], state: &State) -> State {
    let [alpha, beta, gamma, delta] = *rates;
    let (u, v) = (state[0], state[1]);
    let (of_u, of_v) = state[2..].split_at(6);
    let mut slope = [0.0; 14];
    slope[0] = (alpha - beta * v) * u;
    slope[1] = (delta * u - gamma) * v;
    for i in 0..6 {
        slope[2 + i] = (alpha - beta * v) * of_u[i] - beta * u * of_v[i];
        slope[8 + i] = delta * v * of_u[i] + (delta * u - gamma) * of_v[i];
    }
    slope[2] += u;
    slope[3] -= u * v;
    slope[8 + 2] -= v;
    slope[8 + 3] += u * v;
    slope
}

impl LogDensity for LotkaVolterra {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let rates = [0, 1, 2, 3].map(|i| position[i].exp());
        let first = [position[4].exp(), position[5].exp()];
        let log_sigma = [position[6], position[7]];
        let precision = log_sigma.map(|l| (-2.0 * l).exp());

        // Log-determinants of the eight exponentials, then the priors.
        let mut value: f64 = position.iter().sum();
        grad.fill(1.0);
        for (i, (mean, sd)) in RATE_PRIORS.into_iter().enumerate() {
            let z = (rates[i] - mean) / sd;
            value -= 0.5 * z * z;
            grad[i] -= z / sd * rates[i];
        }
        let mut log_normal = |i: usize, mean: f64| {
            let z = position[i] - mean;
            value -= 0.5 * z * z + position[i];
            grad[i] -= z + 1.0;
        };
        log_normal(4, 10f64.ln());
        log_normal(5, 10f64.ln());
        log_normal(6, -1.0);
        log_normal(7, -1.0);

        // Measurements: by_coordinate is d ln z_k / d position for the six coordinates that move z.
        let mut measure = |k: usize, log_measured: f64, log_z: f64, by_coordinate: &[f64; 6]| {
            let z = log_measured - log_z;
            value -= 0.5 * z * z * precision[k] + log_sigma[k];
            for (g, by) in grad.iter_mut().zip(by_coordinate) {
                *g += z * precision[k] * by;
            }
            grad[6 + k] += z * z * precision[k] - 1.0;
        };
        for k in 0..2 {
            let mut unit = [0.0; 6];
            unit[4 + k] = 1.0;
            measure(k, self.log_measured_first[k], position[4 + k], &unit);
        }
        let mut state = [0.0; 14];
        state[..2].copy_from_slice(&first);
        (state[2 + 4], state[8 + 5]) = (1.0, 1.0);
        let mut integrator = Integrator::new(state, 0.0);
        for (time, measured) in self.times.iter().zip(self.log_measured.chunks_exact(2)) {
            (integrator.advance(*time, |_, state| derivative(&rates, state), TOLERANCE))
                .map_err(|_| Reject::at("integrate_ode_rk45", Cause::SolverFailed))?;
            for (k, &log_measured) in measured.iter().enumerate() {
                let z = integrator.state[k];
                if z <= 0.0 {
                    return Err(Reject::at("lognormal(log(z))", Cause::OutsideSupport));
                }
                let sensitivity = &integrator.state[2 + 6 * k..][..6];
                let scales = rates.iter().chain(&first);
                let mut by_coordinate = [0.0; 6];
                for ((by, s), scale) in by_coordinate.iter_mut().zip(sensitivity).zip(scales) {
                    *by = s * scale / z;
                }
                measure(k, log_measured, z.ln(), &by_coordinate);
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

//! Acceleration of a helmet by time: the model accel_gp of posteriordb, 66 coordinates.
//!
//! ```text
//! y_i ~ normal(f_i, exp(h_i)),  f and h each a Gaussian process in B basis functions [riutortmayol-2023]:
//! f = c + X w,  w_m = z_m S(lambda_m)^(1/2),  S(lambda) = sd^2 (2 pi)^(1/2) l exp(-l^2 lambda^2 / 2)
//! z ~ normal(0, 1),  sd ~ half-t_3(36),  l ~ inv_gamma(1.124909, 0.0177),  c ~ t_3
//! ```
//!
//! Coordinates of each process: c, ln sd, ln l, z. A funnel between sd and z in both. O(n B).
//!
//! The prior of l has no variance and the data say little about that of h: the moments of `lscale_sigma_1` depend
//! on few draws far out, in the reference as in any run held against it.

use std::f64::consts::TAU;

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Boxed;
use super::database::{Data, Database};

struct AccelGp {
    layout: Layout,
    outcomes: Vec<f64>,
    mean: Process,
    log_sd: Process,
}

/// A Gaussian process over the inputs in basis functions.
struct Process {
    /// Basis functions at the inputs, `[n, b]` row after row.
    basis: Vec<f64>,
    /// Their frequencies lambda, `[b]`.
    frequencies: Vec<f64>,
    /// Location and scale of the Student t prior of the intercept.
    intercept_prior: (f64, f64),
}

/// Degrees of freedom of the Student t priors.
const DEGREES: f64 = 3.0;
/// Scale of the prior of sd.
const SD_SCALE: f64 = 36.0;
/// Shape and scale of the inverse gamma prior of the length l.
const LENGTH_PRIOR: (f64, f64) = (1.124909, 0.0177);

pub(super) fn accel_gp(database: &Database) -> Boxed {
    let data = database.data("mcycle_gp");
    let process = |suffix: &str, intercept_prior| Process::new(&data, suffix, intercept_prior);
    let (mean, log_sd) = (process("1", (-13.0, 36.0)), process("sigma_1", (0.0, 10.0)));
    let variables = |intercept: &str, suffix: &str, b: usize| {
        let positive =
            |name: &str| Variable::constrained(&format!("{name}_{suffix}"), &[], 1, "lower=0");
        vec![
            Variable::real(intercept),
            positive("sdgp"),
            positive("lscale"),
            Variable::new(&format!("zgp_{suffix}"), &[b]),
        ]
    };
    let mut all = variables("Intercept", "1", mean.frequencies.len());
    all.extend(variables(
        "Intercept_sigma",
        "sigma_1",
        log_sd.frequencies.len(),
    ));
    Box::new(AccelGp {
        layout: Layout::new(all),
        outcomes: data.vector("Y"),
        mean,
        log_sd,
    })
}

/// ln of a Student t density up to a constant, and its derivative.
fn student_t(x: f64, location: f64, scale: f64) -> (f64, f64) {
    let z = (x - location) / scale;
    let half = 0.5 * (DEGREES + 1.0);
    (
        -half * (z * z / DEGREES).ln_1p(),
        -2.0 * half * z / (DEGREES + z * z) / scale,
    )
}

impl Process {
    fn new(data: &Data, suffix: &str, intercept_prior: (f64, f64)) -> Self {
        Self {
            basis: data.vector(&format!("Xgp_{suffix}")),
            frequencies: data.vector(&format!("slambda_{suffix}")),
            intercept_prior,
        }
    }

    fn n_coordinates(&self) -> usize {
        3 + self.frequencies.len()
    }

    /// The square root of the spectral density at a frequency.
    fn amplitude(&self, coordinates: &[f64], frequency: f64) -> f64 {
        let (log_sd, log_length) = (coordinates[1], coordinates[2]);
        let product = log_length.exp() * frequency;
        (log_sd + 0.25 * TAU.ln() + 0.5 * log_length - 0.25 * product * product).exp()
    }

    /// Writes the function at the inputs, `[n]`.
    fn evaluate(&self, coordinates: &[f64], function: &mut [f64]) {
        let weights: Vec<f64> = (self.frequencies.iter().zip(&coordinates[3..]))
            .map(|(frequency, z)| z * self.amplitude(coordinates, *frequency))
            .collect();
        for (f, row) in function
            .iter_mut()
            .zip(self.basis.chunks_exact(weights.len()))
        {
            *f = coordinates[0] + row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
        }
    }

    /// Log prior with log-determinants; writes the gradient of it and of the likelihood, of which
    /// `by_function` `[n]` is the gradient by the function.
    fn prior_and_grad(&self, coordinates: &[f64], by_function: &[f64], grad: &mut [f64]) -> f64 {
        let (location, scale) = self.intercept_prior;
        let (sd, length) = (coordinates[1].exp(), coordinates[2].exp());
        let (intercept_term, by_intercept) = student_t(coordinates[0], location, scale);
        let (sd_term, by_sd) = student_t(sd, 0.0, SD_SCALE);
        let (shape, rate) = LENGTH_PRIOR;
        let mut value = intercept_term + sd_term + coordinates[1];
        // One of shape + 1 goes with the log-determinant.
        value -= shape * coordinates[2] + rate / length;
        grad[0] = by_intercept + by_function.iter().sum::<f64>();
        grad[1] = by_sd * sd + 1.0;
        grad[2] = rate / length - shape;
        let n_basis = self.frequencies.len();
        for (m, frequency) in self.frequencies.iter().enumerate() {
            let by_weight: f64 = (by_function.iter().zip(self.basis.chunks_exact(n_basis)))
                .map(|(by, row)| by * row[m])
                .sum();
            let z = coordinates[3 + m];
            let amplitude = self.amplitude(coordinates, *frequency);
            value -= 0.5 * z * z;
            grad[3 + m] = by_weight * amplitude - z;
            grad[1] += by_weight * amplitude * z;
            grad[2] += by_weight * amplitude * z * 0.5 * (1.0 - (length * frequency).powi(2));
        }
        value
    }
}

impl LogDensity for AccelGp {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Both functions at the inputs, `[2, n]`; their gradients take the same place.
    fn scratch_len(&self) -> usize {
        2 * self.outcomes.len()
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        let (means, log_sds) = scratch.split_at_mut(self.outcomes.len());
        let (of_mean, of_log_sd) = position.split_at(self.mean.n_coordinates());
        self.mean.evaluate(of_mean, means);
        self.log_sd.evaluate(of_log_sd, log_sds);
        let mut value = 0.0;
        for ((y, mean), log_sd) in self.outcomes.iter().zip(&mut *means).zip(&mut *log_sds) {
            let precision = (-2.0 * *log_sd).exp();
            let residual = y - *mean;
            let square = residual * residual * precision;
            value -= *log_sd + 0.5 * square;
            (*mean, *log_sd) = (residual * precision, square - 1.0);
        }
        let (by_mean, by_log_sd) = grad.split_at_mut(self.mean.n_coordinates());
        value += self.mean.prior_and_grad(of_mean, means, by_mean);
        value += self.log_sd.prior_and_grad(of_log_sd, log_sds, by_log_sd);
        Ok(value)
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        values.copy_from_slice(position);
        let second = self.mean.n_coordinates();
        for at in [1, 2, second + 1, second + 2] {
            values[at] = position[at].exp();
        }
    }
}

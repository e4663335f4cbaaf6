//! The multivariate normal with given mean and covariance: the density for which every answer is exact.
//!
//! ```text
//! ln p = -(x - m)' C^-1 (x - m) / 2,  ln normalizer = (d ln(2 pi) + ln det C) / 2
//! ```

use std::f64::consts::TAU;

use jensen_density::{Layout, LogDensity, Reject, Variable};

use super::Target;
use super::cholesky::Cholesky;

/// A normal density on R^d, unnormalized.
pub struct Gaussian {
    layout: Layout,
    mean: Vec<f64>,
    /// `[d, d]` row after row.
    covariance: Vec<f64>,
    /// Its inverse, `[d, d]`.
    precision: Vec<f64>,
    log_normalizer: f64,
    /// How its coordinates hang together.
    kind: &'static str,
}

impl Gaussian {
    /// With mean `[d]` and covariance `[d, d]`. Panics if the covariance is not positive definite.
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Self {
        let d = mean.len();
        let factor = Cholesky::of(&covariance, d).expect("a positive definite covariance");
        Self {
            layout: Layout::new(vec![Variable::new("x", &[d])]),
            precision: factor.inverse(),
            log_normalizer: 0.5 * (d as f64 * TAU.ln() + factor.log_det()),
            mean,
            covariance,
            kind: "general",
        }
    }

    /// Mean zero, covariance I.
    pub fn standard(d: usize) -> Self {
        Self {
            kind: "standard",
            ..Self::scaled(&vec![1.0; d])
        }
    }

    /// Independent coordinates with mean zero and these standard deviations, `[d]`.
    pub fn scaled(sds: &[f64]) -> Self {
        let d = sds.len();
        let mut covariance = vec![0.0; d * d];
        for (i, sd) in sds.iter().enumerate() {
            covariance[i * (d + 1)] = sd * sd;
        }
        Self {
            kind: "scaled",
            ..Self::new(vec![0.0; d], covariance)
        }
    }

    /// Means 1, 2, ..., d, variances 1, covariance rho^|i - j|.
    pub fn correlated(d: usize, rho: f64) -> Self {
        let covariance = (0..d * d)
            .map(|index| rho.powi((index / d).abs_diff(index % d) as i32))
            .collect();
        let mean = (1..=d).map(|i| i as f64).collect();
        Self {
            kind: "correlated",
            ..Self::new(mean, covariance)
        }
    }

    /// The covariance, `[d, d]` row after row.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// With its moments and normalizer.
    pub fn target(self) -> Target {
        let d = self.mean.len();
        let (mean, log_normalizer) = (self.mean.clone(), self.log_normalizer);
        let sd = (0..d)
            .map(|i| self.covariance[i * (d + 1)].sqrt())
            .collect();
        let name = format!("gaussian-{}-{d}", self.kind);
        Target::exact(name, self, mean, sd, Some(log_normalizer))
    }
}

impl LogDensity for Gaussian {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let d = self.mean.len();
        let mut value = 0.0;
        for (i, row) in self.precision.chunks_exact(d).enumerate() {
            let pull = |((p, x), m): ((&f64, &f64), &f64)| p * (x - m);
            grad[i] = -row
                .iter()
                .zip(position)
                .zip(&self.mean)
                .map(pull)
                .sum::<f64>();
            value += 0.5 * (position[i] - self.mean[i]) * grad[i];
        }
        Ok(value)
    }

    fn hessian_vector_product(
        &self,
        _: &[f64],
        vector: &[f64],
        product: &mut [f64],
        _: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        for (p, row) in product
            .iter_mut()
            .zip(self.precision.chunks_exact(vector.len()))
        {
            *p = -row.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>();
        }
        Some(Ok(()))
    }
}

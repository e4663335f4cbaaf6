//! Multivariate Student-t approximations: heavier tails than a Gaussian's, so that weights stay bounded.
//!
//! z = m + S e sqrt(nu / u) with e normal and u chi-square with nu degrees of freedom, nu whole and drawn as
//! a sum of nu squares. ln q = ln G((nu + d)/2) - ln G(nu/2) - d/2 ln(nu pi) - ln det S
//! - (nu + d)/2 ln(1 + |S^-1 (z - m)|^2 / nu). Standard ([kotz-2004]). O(d^2) a draw with a lower factor.

use crate::{Approximation, Scale};
use jensen_rng::Stream;
use jensen_special::gamma::ln_gamma;
use std::f64::consts::PI;

/// A Student-t on R^d.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentT {
    /// The location m, `[d]`; the mean if there are more than one degree of freedom.
    pub location: Vec<f64>,
    /// The factor S of the scale matrix; the covariance is S S^T nu / (nu - 2).
    pub scale: Scale,
    /// Degrees of freedom nu, at least 1.
    pub dof: u32,
}

impl StudentT {
    /// |S^-1 (z - m)|^2.
    pub fn squared_distance(&self, position: &[f64]) -> f64 {
        let mut e: Vec<f64> = position.iter().zip(&self.location).map(|(z, m)| z - m).collect();
        self.scale.solve(&mut e);
        e.iter().map(|e| e * e).sum()
    }

    fn ln_at(&self, squared: f64) -> f64 {
        let (d, nu) = (self.location.len() as f64, f64::from(self.dof));
        ln_gamma(0.5 * (nu + d)) - ln_gamma(0.5 * nu)
            - 0.5 * d * (nu * PI).ln()
            - self.scale.ln_det()
            - 0.5 * (nu + d) * (squared / nu).ln_1p()
    }
}

impl Approximation for StudentT {
    fn dim(&self) -> usize {
        self.location.len()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let chi_square: f64 = (0..self.dof).map(|_| stream.normal().powi(2)).sum();
        let stretch = (f64::from(self.dof) / chi_square).sqrt();
        let e: Vec<f64> = (self.location.iter())
            .map(|_| stretch * stream.normal())
            .collect();
        self.scale.times(&e, position);
        for (z, m) in position.iter_mut().zip(&self.location) {
            *z += m;
        }
        self.ln_at(e.iter().map(|e| e * e).sum())
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        self.ln_at(self.squared_distance(position))
    }

    fn describe(&self) -> String {
        format!("student-t({})", self.dof)
    }
}

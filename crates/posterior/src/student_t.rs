//! Multivariate Student t: location m, scale factor S, nu degrees of freedom.
//!
//! z = m + S t, ln q = ln Gamma((nu + d)/2) - ln Gamma(nu/2) - d/2 ln(nu pi) - ln det S -
//! (nu + d)/2 ln(1 + |t|^2 / nu), t = S^-1 (z - m). The covariance is nu/(nu - 2) S S^T for nu > 2. Standard.
//!
//! Draws: given its first coordinates with squared length r, the rest of a standard t vector is t again
//! with nu + j degrees of freedom, j of them known, and squared scale (nu + r)/(nu + j) ([ding-2016]). Two
//! coordinates at a time have a uniform angle and P(R > x) = (1 + x^2/nu)^(-nu/2), which inverts in closed
//! form: no gamma variate, and always two uniforms a pair.
//! Cost O(d^2), O(d) for a diagonal factor. For tails that a Gaussian would miss.

use crate::{Approximation, PosteriorError, Scale};
use jensen_rng::Stream;
use jensen_special::gamma::ln_gamma;
use std::f64::consts::{PI, TAU};

/// A Student t distribution on R^d.
#[derive(Clone, Debug, PartialEq)]
pub struct StudentT {
    /// The location m, `[d]`; the mean for nu > 1.
    pub location: Vec<f64>,
    /// The factor S; S S^T is not the covariance.
    pub scale: Scale,
    /// Degrees of freedom nu, above zero.
    dof: f64,
}

impl StudentT {
    /// From location `[d]`, factor and degrees of freedom.
    ///
    /// # Errors
    /// Degrees of freedom that are not positive and finite; the limit of infinitely many is a Gaussian.
    pub fn new(location: Vec<f64>, scale: Scale, dof: f64) -> Result<Self, PosteriorError> {
        match dof > 0.0 && dof.is_finite() {
            true => Ok(Self {
                location,
                scale,
                dof,
            }),
            false => Err(PosteriorError::Range {
                what: "degrees of freedom",
                expected: "a positive number",
                value: dof,
            }),
        }
    }

    /// Degrees of freedom nu.
    pub fn dof(&self) -> f64 {
        self.dof
    }

    /// ln q at a standard t vector `[d]`, nats.
    fn ln_standard(&self, t: &[f64]) -> f64 {
        let (nu, d) = (self.dof, t.len() as f64);
        let square: f64 = t.iter().map(|t| t * t).sum();
        let constant = ln_gamma(0.5 * (nu + d)) - ln_gamma(0.5 * nu) - 0.5 * d * (nu * PI).ln();
        constant - self.scale.ln_det() - 0.5 * (nu + d) * (square / nu).ln_1p()
    }
}

impl Approximation for StudentT {
    fn dim(&self) -> usize {
        self.location.len()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let mut t = vec![0.0; self.dim()];
        let (mut known, mut square) = (0.0, 0.0);
        for pair in t.chunks_mut(2) {
            let dof = self.dof + known;
            let radius = (dof * (-2.0 / dof * stream.uniform_open().ln()).exp_m1()).sqrt();
            let (sin, cos) = (TAU * stream.uniform()).sin_cos();
            let scale = ((self.dof + square) / dof).sqrt();
            // An odd dimension leaves the second of the last pair out.
            for (t, x) in pair.iter_mut().zip([cos, sin]) {
                *t = scale * radius * x;
            }
            known += pair.len() as f64;
            square += pair.iter().map(|t| t * t).sum::<f64>();
        }
        self.scale.times(&t, position);
        for (z, m) in position.iter_mut().zip(&self.location) {
            *z += m;
        }
        self.ln_standard(&t)
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let mut t: Vec<f64> = position
            .iter()
            .zip(&self.location)
            .map(|(z, m)| z - m)
            .collect();
        self.scale.solve(&mut t);
        self.ln_standard(&t)
    }

    fn describe(&self) -> String {
        format!("student-t({})", self.dof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gaussian;

    #[test]
    fn densities_by_hand_and_in_the_limit() {
        let of = |dof| StudentT::new(vec![1.0], Scale::Diagonal(vec![2.0]), dof);
        // Cauchy with scale 2 at distance 3: 1 / (2 pi (1 + 9/4)).
        let cauchy = of(1.0).unwrap().ln_density(&[4.0]);
        assert!((cauchy + (TAU * 3.25).ln()).abs() < 1e-14);
        let normal = Gaussian {
            mean: vec![1.0],
            scale: Scale::Diagonal(vec![2.0]),
        };
        // The first term that is left out is of order 1 / nu.
        let limit = of(1e8).unwrap().ln_density(&[4.0]);
        assert!((limit - normal.ln_density(&[4.0])).abs() < 1e-7);
        assert!(of(0.0).is_err() && of(f64::INFINITY).is_err() && of(f64::NAN).is_err());
    }
}

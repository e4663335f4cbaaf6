//! Independent Student t variables: heavy tails with exact moments.
//!
//! ```text
//! ln p = -(nu + 1) / 2 sum_i ln(1 + ((x_i - m) / s)^2 / nu)
//! ```
//!
//! Mean m for nu > 1, variance s^2 nu / (nu - 2) for nu > 2. The normalizer s sqrt(nu) B(1/2, nu/2) is given
//! for whole nu, by the recursion B(1/2, (n + 2) / 2) = B(1/2, n / 2) n / (n + 1).

use std::f64::consts::PI;

use jensen_density::{Layout, Variable, from_fn};

use super::Target;

/// A product of Student t densities.
#[derive(Clone, Debug)]
pub struct StudentT {
    dim: usize,
    degrees: u32,
    location: f64,
    scale: f64,
}

impl StudentT {
    /// In `dim` dimensions with `degrees` of freedom, each with this location and scale.
    pub fn new(dim: usize, degrees: u32, location: f64, scale: f64) -> Self {
        Self {
            dim,
            degrees,
            location,
            scale,
        }
    }

    /// With its moments and normalizer. Panics where there is no variance: three degrees at least.
    pub fn target(self) -> Target {
        let Self {
            dim,
            location,
            scale,
            ..
        } = self;
        let nu = f64::from(self.degrees);
        assert!(nu > 2.0, "no variance with {nu} degrees of freedom");
        let layout = Layout::new(vec![Variable::new("x", &[dim])]);
        let density = from_fn(layout, move |position, grad| {
            let mut value = 0.0;
            for (g, x) in grad.iter_mut().zip(position) {
                let z = (x - location) / scale;
                value -= 0.5 * (nu + 1.0) * (z * z / nu).ln_1p();
                *g = -(nu + 1.0) * z / (nu + z * z) / scale;
            }
            value
        });
        let mean = vec![location; dim];
        let sd = vec![scale * (nu / (nu - 2.0)).sqrt(); dim];
        let log_normalizer = dim as f64 * (scale * nu.sqrt() * half_beta(self.degrees)).ln();
        let name = format!("student_t-{dim}");
        Target::exact(name, density, mean, sd, Some(log_normalizer))
    }
}

/// B(1/2, n/2), from B(1/2, 1/2) = pi or B(1/2, 1) = 2.
fn half_beta(n: u32) -> f64 {
    let (mut m, mut beta) = if n % 2 == 1 { (1, PI) } else { (2, 2.0) };
    while m < n {
        beta *= f64::from(m) / f64::from(m + 1);
        m += 2;
    }
    beta
}

//! Neal's funnel [neal-2003], section 8: the shape of a hierarchical prior without data.
//!
//! ```text
//! v ~ normal(0, 3),  x_i | v ~ normal(0, exp(v / 2)),  i = 1 .. d - 1
//! ```
//!
//! All means are zero, the standard deviation of x_i is exp(9 / 4), and the map from standard normals has the
//! determinant 3 exp((d - 1) v / 2), whose variable part stands in the density: ln normalizer =
//! d ln(2 pi) / 2 + ln 3. The curvature ranges over many orders of magnitude: a test of step sizes.

use std::f64::consts::TAU;

use jensen_density::{Layout, Variable, from_fn};

use super::Target;

/// Standard deviation of v.
const SCALE: f64 = 3.0;

/// The funnel in d dimensions.
pub struct Funnel {
    dim: usize,
}

impl Funnel {
    /// In `dim` dimensions, v included.
    pub fn new(dim: usize) -> Self {
        Self { dim }
    }

    /// With its moments and normalizer.
    pub fn target(self) -> Target {
        let d = self.dim;
        let layout = Layout::new(vec![Variable::real("v"), Variable::new("x", &[d - 1])]);
        let density = from_fn(layout, move |position, grad| {
            let v = position[0];
            let precision = (-v).exp();
            let half_rest = 0.5 * (d - 1) as f64;
            let mut half_squares = 0.0;
            for (g, x) in grad[1..].iter_mut().zip(&position[1..]) {
                *g = -x * precision;
                half_squares += 0.5 * x * x * precision;
            }
            grad[0] = -v / SCALE.powi(2) - half_rest + half_squares;
            -0.5 * (v / SCALE).powi(2) - half_rest * v - half_squares
        });
        let (name, mut sd) = (format!("funnel-{d}"), vec![(SCALE * SCALE / 4.0).exp(); d]);
        sd[0] = SCALE;
        let log_normalizer = 0.5 * d as f64 * TAU.ln() + SCALE.ln();
        Target::exact(name, density, vec![0.0; d], sd, Some(log_normalizer))
    }
}

impl Default for Funnel {
    /// Ten dimensions, as in the paper.
    fn default() -> Self {
        Self::new(10)
    }
}

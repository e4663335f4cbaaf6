//! A normal density bent along a parabola [haario-1999].
//!
//! ```text
//! x_1 ~ normal(0, s),  x_2 | x_1 ~ normal(b (x_1^2 - s^2), 1)
//! ```
//!
//! Means are zero; Var x_2 = 1 + 2 b^2 s^4; the map from two standard normals has determinant s, so
//! ln normalizer = ln(2 pi s). No Gaussian fits it, the mode is not the mean.

use std::f64::consts::TAU;

use jensen_density::{Layout, Variable, from_fn};

use super::Target;

/// The bent density in two dimensions.
pub struct Banana {
    /// Standard deviation s of the first coordinate.
    scale: f64,
    /// How much it bends, b.
    bend: f64,
}

impl Banana {
    /// With standard deviation `scale` of the first coordinate, bent by `bend`.
    pub fn new(scale: f64, bend: f64) -> Self {
        Self { scale, bend }
    }

    /// With its moments and normalizer.
    pub fn target(self) -> Target {
        let (s, b) = (self.scale, self.bend);
        let layout = Layout::new(vec![Variable::new("x", &[2])]);
        let density = from_fn(layout, move |x, grad| {
            let u = x[0] / s;
            let v = x[1] - b * (x[0] * x[0] - s * s);
            grad[0] = -u / s + 2.0 * b * x[0] * v;
            grad[1] = -v;
            -0.5 * (u * u + v * v)
        });
        let sd = vec![s, (1.0 + 2.0 * b * b * s.powi(4)).sqrt()];
        let (name, mean) = ("banana-2".to_owned(), vec![0.0; 2]);
        Target::exact(name, density, mean, sd, Some((TAU * s).ln()))
    }
}

impl Default for Banana {
    /// s = 2 and b = 0.5: the second coordinate has the standard deviation 3.
    fn default() -> Self {
        Self::new(2.0, 0.5)
    }
}

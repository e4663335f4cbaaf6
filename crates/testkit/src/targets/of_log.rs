//! A value x > 0 whose density is known on the scale of ln x / c: x = exp(c z), which overflows far out.

use jensen_density::{Layout, LogDensity, Reject, Variable};

/// A density of z in one coordinate, with exp(c z) as its value.
pub struct OfLog<T> {
    layout: Layout,
    /// c.
    factor: f64,
    of_log: T,
}

impl<T: LogDensity> OfLog<T> {
    /// The value exp(factor z) of the coordinate z of this density.
    pub fn new(factor: f64, of_log: T) -> Self {
        Self {
            layout: Layout::new(vec![Variable::constrained("x", &[], 1, "lower=0")]),
            factor,
            of_log,
        }
    }
}

impl<T: LogDensity> LogDensity for OfLog<T> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        z: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        self.of_log.log_density_and_grad(z, grad, scratch)
    }

    fn constrain(&self, z: &[f64], x: &mut [f64]) {
        x[0] = (self.factor * z[0]).exp();
    }
}

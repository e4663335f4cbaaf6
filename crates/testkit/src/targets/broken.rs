//! Densities that misbehave, for tests of what algorithms do then: one that refuses every position, one that is
//! NaN on an island.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable};

/// Refuses every position.
pub struct Rejecting {
    layout: Layout,
}

impl Rejecting {
    /// In `dim` dimensions.
    pub fn new(dim: usize) -> Self {
        let layout = Layout::new(vec![Variable::new("x", &[dim])]);
        Self { layout }
    }
}

impl LogDensity for Rejecting {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(&self, _: &[f64], _: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
        Err(Reject::at("target", Cause::OutsideSupport))
    }
}

/// A standard normal that is NaN, value and gradient, within a distance of a center.
pub struct NanIsland {
    layout: Layout,
    center: Vec<f64>,
    radius: f64,
}

impl NanIsland {
    /// NaN within `radius` of `center` `[d]`.
    pub fn new(center: Vec<f64>, radius: f64) -> Self {
        let layout = Layout::new(vec![Variable::new("x", &[center.len()])]);
        Self {
            layout,
            center,
            radius,
        }
    }
}

impl LogDensity for NanIsland {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let square = |(x, c): (&f64, &f64)| (x - c).powi(2);
        let distance = position.iter().zip(&self.center).map(square).sum::<f64>();
        if distance < self.radius.powi(2) {
            grad.fill(f64::NAN);
            return Ok(f64::NAN);
        }
        for (g, x) in grad.iter_mut().zip(position) {
            *g = -x;
        }
        Ok(-0.5 * position.iter().map(|x| x * x).sum::<f64>())
    }
}

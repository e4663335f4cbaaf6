//! Small densities with known modes, for the unit tests of this crate.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable};

/// Independent Gaussians: mean and standard deviation of each coordinate.
pub(crate) struct Quadratic {
    layout: Layout,
    pub(crate) sd: Vec<f64>,
    pub(crate) mean: Vec<f64>,
}

impl Quadratic {
    pub(crate) fn new(sd: &[f64], mean: &[f64]) -> Self {
        Self {
            layout: Layout::new(vec![Variable::new("x", &[sd.len()])]),
            sd: sd.to_vec(),
            mean: mean.to_vec(),
        }
    }
}

impl LogDensity for Quadratic {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let mut value = 0.0;
        for i in 0..grad.len() {
            let z = (position[i] - self.mean[i]) / self.sd[i];
            grad[i] = -z / self.sd[i];
            value -= 0.5 * z * z;
        }
        Ok(value)
    }
}

/// A density written as a function of position and gradient.
pub(crate) struct Target<F>(Layout, F);

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Sync> Target<F> {
    pub(crate) fn new(d: usize, f: F) -> Self {
        Self(Layout::new(vec![Variable::new("x", &[d])]), f)
    }
}

impl<F: Fn(&[f64], &mut [f64]) -> f64 + Sync> LogDensity for Target<F> {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        match (self.1)(position, grad) {
            f64::NEG_INFINITY => Err(Reject::at("here", Cause::OutsideSupport)),
            value => Ok(value),
        }
    }
}

/// -((1 - x)^2 + 100 (y - x^2)^2): a curved valley with its top at (1, 1).
pub(crate) fn rosenbrock() -> impl LogDensity {
    Target::new(2, |p: &[f64], grad: &mut [f64]| {
        let (u, v) = (1.0 - p[0], p[1] - p[0] * p[0]);
        grad[0] = 2.0 * u + 400.0 * v * p[0];
        grad[1] = -200.0 * v;
        -u * u - 100.0 * v * v
    })
}

/// Two Gaussians with mean 1, variance 1 and a correlation; it has its own Hessian products.
pub(crate) struct Correlated {
    layout: Layout,
    precision: [[f64; 2]; 2],
}

impl Correlated {
    pub(crate) fn new(correlation: f64) -> Self {
        let scale = 1.0 / (1.0 - correlation * correlation);
        Self {
            layout: Layout::new(vec![Variable::new("x", &[2])]),
            precision: [[scale, -correlation * scale], [-correlation * scale, scale]],
        }
    }

    fn times(&self, v: [f64; 2]) -> [f64; 2] {
        self.precision.map(|row| row[0] * v[0] + row[1] * v[1])
    }
}

impl LogDensity for Correlated {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        p: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let z = [p[0] - 1.0, p[1] - 1.0];
        let pz = self.times(z);
        grad.copy_from_slice(&pz.map(|x| -x));
        Ok(-0.5 * (z[0] * pz[0] + z[1] * pz[1]))
    }

    fn hessian_vector_product(
        &self,
        _: &[f64],
        v: &[f64],
        product: &mut [f64],
        _: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        product.copy_from_slice(&self.times([v[0], v[1]]).map(|x| -x));
        Some(Ok(()))
    }
}

//! Central differences with Richardson extrapolation: error of order h^4.

use jensen_density::{Evaluator, LogDensity};

/// The gradient of `f` at `x`, `[d]`, by central differences with steps `h` and `h / 2` combined.
pub fn gradient(mut f: impl FnMut(&[f64]) -> f64, x: &[f64], h: f64) -> Vec<f64> {
    let mut point = x.to_vec();
    (0..x.len())
        .map(|i| {
            let mut central = |step: f64| {
                point[i] = x[i] + step;
                let above = f(&point);
                point[i] = x[i] - step;
                let below = f(&point);
                point[i] = x[i];
                (above - below) / (2.0 * step)
            };
            let coarse = central(h);
            let fine = central(h / 2.0);
            (4.0 * fine - coarse) / 3.0
        })
        .collect()
}

/// How far the gradient of a density is at most from differences of its value with step `h`, nats per unit of
/// position.
///
/// # Panics
/// Where the density refuses the position.
pub fn gradient_error(target: &dyn LogDensity, position: &[f64], h: f64) -> f64 {
    let mut evaluator = Evaluator::new(target);
    let mut grad = vec![0.0; position.len()];
    evaluator
        .log_density_and_grad(position, &mut grad)
        .expect("a position of the support");
    let numeric = gradient(|x| evaluator.log_density(x), position, h);
    let off = grad.iter().zip(numeric).map(|(g, n)| (g - n).abs());
    // A NaN is the worst of errors.
    off.max_by(f64::total_cmp).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use jensen_density::{Layout, Variable, from_fn};

    #[test]
    fn the_error_is_that_of_the_worst_component() {
        let wrong = |by: f64| {
            let layout = Layout::new(vec![Variable::new("x", &[2])]);
            let target = from_fn(layout, move |x, grad| {
                grad.copy_from_slice(&[-x[0], 3.0 + by]);
                3.0 * x[1] - 0.5 * x[0] * x[0]
            });
            super::gradient_error(&target, &[0.4, -1.0], 1e-2)
        };
        assert!(wrong(0.0) < 1e-10);
        assert!((wrong(0.25) - 0.25).abs() < 1e-10);
    }

    #[test]
    fn gradient_of_a_smooth_function() {
        let f = |x: &[f64]| x[0].sin() * x[1].exp();
        let g = super::gradient(f, &[0.3, -0.7], 1e-2);
        assert!((g[0] - 0.3f64.cos() * (-0.7f64).exp()).abs() < 1e-9);
        assert!((g[1] - 0.3f64.sin() * (-0.7f64).exp()).abs() < 1e-9);
    }
}

//! Central differences with Richardson extrapolation: error of order h^4.

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

#[cfg(test)]
mod tests {
    #[test]
    fn gradient_of_a_smooth_function() {
        let f = |x: &[f64]| x[0].sin() * x[1].exp();
        let g = super::gradient(f, &[0.3, -0.7], 1e-2);
        assert!((g[0] - 0.3f64.cos() * (-0.7f64).exp()).abs() < 1e-9);
        assert!((g[1] - 0.3f64.sin() * (-0.7f64).exp()).abs() < 1e-9);
    }
}

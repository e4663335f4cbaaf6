//! Variational inference by stochastic gradients: estimators against closed forms, recovery, errors.

mod errors;
mod estimators;
mod recovery;
mod targets;

/// Monte Carlo statements hold within this many standard errors; seeds are fixed.
const STANDARD_ERRORS: f64 = 5.0;

/// Mean and standard error.
fn summary(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0) / n).sqrt())
}

/// Column `index` of rows of `len` numbers.
fn column(rows: &[f64], len: usize, index: usize) -> Vec<f64> {
    rows.iter().skip(index).step_by(len).copied().collect()
}

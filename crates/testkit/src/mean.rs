//! Means of draws against what they should be.

/// Asserts that the mean of independent values is `expected`, within so many standard errors and rounding relative
/// to 1 + |expected|.
///
/// # Panics
/// Where it is not.
pub fn assert_mean(what: &str, values: &[f64], expected: f64, n_errors: f64, rounding: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt() * n_errors;
    assert!(
        (mean - expected).abs() <= error + rounding * (1.0 + expected.abs()),
        "{what}: found {mean}, expected {expected} within {error}"
    );
}

#[cfg(test)]
mod tests {
    use super::assert_mean;

    /// Mean 2, variance 4/3, so that the standard error is the root of 1/3: 0.577.
    const VALUES: [f64; 4] = [1.0, 3.0, 3.0, 1.0];

    #[test]
    fn a_mean_within_its_errors_passes() {
        assert_mean("near", &VALUES, 2.5, 1.0, 0.0);
        assert_mean("exact", &[0.1; 3], 0.1, 5.0, 1e-12);
    }

    #[test]
    #[should_panic(expected = "far: found 2, expected 2.6")]
    fn a_mean_beyond_them_fails() {
        assert_mean("far", &VALUES, 2.6, 1.0, 0.0);
    }

    #[test]
    #[should_panic(expected = "nothing: found NaN")]
    fn no_number_fails() {
        assert_mean("nothing", &[f64::NAN; 3], 0.0, 5.0, 1.0);
    }
}

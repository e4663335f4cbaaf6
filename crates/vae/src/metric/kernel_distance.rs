//! Kernel distance: the squared maximum mean discrepancy with the kernel k(x, y) = (x . y / d + 1)^3, unbiased.
//!
//! ```text
//! mean of k(x_i, x_j) over i != j + mean of k(y_i, y_j) over i != j - 2 mean of k(x_i, y_j)
//! ```
//!
//! Unlike the Frechet distance its expectation does not depend on the number of examples, and it may be negative where
//! the samples are alike. The standard error is that of the jackknife over the rows of both samples.
//! Source: [binkowski-2018], section 4. Cost: O((n + m)^2 d).

/// The distance of samples `[n, dim]` and `[m, dim]`, row-major, and its standard error; each with three rows at least.
pub fn distance(x: &[f64], y: &[f64], dim: usize) -> [f64; 2] {
    let (of_x, of_y) = (x.len() / dim, y.len() / dim);
    let (n, m) = (of_x as f64, of_y as f64);
    let within = |rows: &[f64]| {
        let mut sums = row_sums(rows, rows, dim);
        for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(dim)) {
            *sum -= kernel(row, row);
        }
        sums
    };
    let (xx, yy) = (within(x), within(y));
    let (xy, yx) = (row_sums(x, y, dim), row_sums(y, x, dim));
    let total = |sums: &[f64]| sums.iter().sum::<f64>();
    let (sum_xx, sum_yy, sum_xy) = (total(&xx), total(&yy), total(&xy));
    let mean_of_pairs = |sum: f64, n: f64| sum / (n * (n - 1.0));
    let value = mean_of_pairs(sum_xx, n) + mean_of_pairs(sum_yy, m) - 2.0 * sum_xy / (n * m);
    // Without row i its pairs are missing from both sums, twice from that of its own sample.
    let without_x = (xx.iter().zip(&xy)).map(|(own, cross)| {
        mean_of_pairs(sum_xx - 2.0 * own, n - 1.0) + mean_of_pairs(sum_yy, m)
            - 2.0 * (sum_xy - cross) / ((n - 1.0) * m)
    });
    let without_y = (yy.iter().zip(&yx)).map(|(own, cross)| {
        mean_of_pairs(sum_xx, n) + mean_of_pairs(sum_yy - 2.0 * own, m - 1.0)
            - 2.0 * (sum_xy - cross) / (n * (m - 1.0))
    });
    let variance = jackknife(without_x.collect()) + jackknife(without_y.collect());
    [value, variance.sqrt()]
}

/// (n - 1) / n times the sum of squared deviations of the estimates without one row each.
fn jackknife(estimates: Vec<f64>) -> f64 {
    let n = estimates.len() as f64;
    let mean = estimates.iter().sum::<f64>() / n;
    let squares: f64 = estimates.iter().map(|e| (e - mean).powi(2)).sum();
    (n - 1.0) / n * squares
}

/// The sum of k(x_i, y_j) over j for each i.
fn row_sums(x: &[f64], y: &[f64], dim: usize) -> Vec<f64> {
    let of_row = |row: &[f64]| y.chunks_exact(dim).map(|other| kernel(row, other)).sum();
    x.chunks_exact(dim).map(of_row).collect()
}

fn kernel(x: &[f64], y: &[f64]) -> f64 {
    let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    (dot / x.len() as f64 + 1.0).powi(3)
}

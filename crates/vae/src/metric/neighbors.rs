//! Precision, recall, density and coverage: whether samples lie where data lie, and data where samples do, by balls
//! around points that reach to their k-th nearest neighbour in their own sample.
//!
//! - precision: share of samples inside some ball of the data; recall: share of data inside some ball of samples.
//! - density: how many balls of the data a sample lies in, over k, mean; above 1 where samples crowd together.
//! - coverage: share of the balls of the data that hold a sample.
//!
//! Sources: [kynkaanniemi-2019] (precision, recall), [naeem-2020], equations 3 to 6. Cost: O((n + m)^2 d).

/// The k of [naeem-2020].
pub const K: usize = 5;

/// The four measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbors {
    /// Share of samples that look like data.
    pub precision: f64,
    /// Share of data that samples reach.
    pub recall: f64,
    /// Mean number of balls around a sample, over k.
    pub density: f64,
    /// Share of data with a sample near them.
    pub coverage: f64,
}

/// Compares samples `[m, dim]` with data `[n, dim]`, row-major, each with more than k rows.
pub fn compare(data: &[f64], samples: &[f64], dim: usize, k: usize) -> Neighbors {
    let (of_data, of_samples) = (radii(data, dim, k), radii(samples, dim, k));
    let (n, m) = (of_data.len(), of_samples.len());
    // For each sample the balls of data it is in; for each example whether a ball of samples and its own are hit.
    let mut n_balls = vec![0usize; m];
    let (mut n_reached, mut n_covered) = (0usize, 0usize);
    for (x, radius) in data.chunks_exact(dim).zip(&of_data) {
        let (mut is_reached, mut is_covered) = (false, false);
        for (j, y) in samples.chunks_exact(dim).enumerate() {
            let distance = square_distance(x, y);
            if distance < *radius {
                n_balls[j] += 1;
                is_covered = true;
            }
            is_reached |= distance < of_samples[j];
        }
        n_reached += usize::from(is_reached);
        n_covered += usize::from(is_covered);
    }
    let share = |count: usize, of: usize| count as f64 / of as f64;
    Neighbors {
        precision: share(n_balls.iter().filter(|&&balls| balls > 0).count(), m),
        recall: share(n_reached, n),
        density: share(n_balls.iter().sum(), k * m),
        coverage: share(n_covered, n),
    }
}

/// The squared distance of each row to its k-th nearest other row.
fn radii(rows: &[f64], dim: usize, k: usize) -> Vec<f64> {
    let of_row = |(i, x): (usize, &[f64])| {
        let others = rows.chunks_exact(dim).enumerate().filter(|(j, _)| *j != i);
        let mut distances: Vec<f64> = others.map(|(_, y)| square_distance(x, y)).collect();
        *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
    };
    rows.chunks_exact(dim).enumerate().map(of_row).collect()
}

fn square_distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum()
}

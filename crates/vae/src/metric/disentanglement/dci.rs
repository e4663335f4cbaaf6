//! Disentanglement, completeness, informativeness: from how much each coordinate helps boosted trees predict each factor.
//!
//! With R_jf the importance of coordinate j for factor f: disentanglement of j is 1 - H(R_j. / sum) / log F, the mean
//! weighted by sum_f R_jf; completeness of f is 1 - H(R_.f / sum) / log d, the mean weighted by sum_j R_jf;
//! informativeness is the mean R^2 on examples that no tree saw. Source: [eastwood-2018], section 2, with boosted trees
//! for its forests, which regress the factor's number.

use super::{Factored, boosted, entropy, mean};
use jensen_rng::Stream;

/// Share of the examples on which informativeness is measured.
const HELD_OUT: f64 = 0.25;

/// The three parts, each in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dci {
    /// Whether a coordinate stands for one factor alone.
    pub disentanglement: f64,
    /// Whether a factor stands in one coordinate alone.
    pub completeness: f64,
    /// How well factors are predicted, R^2.
    pub informativeness: f64,
}

/// Importances by boosted trees, and the three parts.
pub fn dci(data: &Factored<'_>, stream: &Stream) -> Dci {
    let n = data.len();
    let order = stream.child("split", 0).permutation(n);
    let n_test = (HELD_OUT * n as f64) as usize;
    let (test, train) = order.split_at(n_test);
    let mut importance = Vec::new();
    let mut informativeness = Vec::new();
    for f in data.varying() {
        let target: Vec<f64> = data.factor(f).map(|value| value as f64).collect();
        let trees = boosted::fit(data.codes, data.dim, &target, train);
        informativeness.push(trees.r_squared(data.codes, &target, test).max(0.0));
        importance.push(trees.importance);
    }
    let by_coordinate: Vec<Vec<f64>> = (0..data.dim)
        .map(|j| importance.iter().map(|of_factor| of_factor[j]).collect())
        .collect();
    Dci {
        disentanglement: concentration(&by_coordinate),
        completeness: concentration(&importance),
        informativeness: mean(informativeness.into_iter()),
    }
}

/// The mean over rows, weighted by their sums, of one less the entropy of a row relative to the largest it could have.
fn concentration(rows: &[Vec<f64>]) -> f64 {
    let sum = |row: &Vec<f64>| row.iter().sum::<f64>();
    let total: f64 = rows.iter().map(sum).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let of_row = |row: &Vec<f64>| match row.len() {
        0 | 1 => 1.0,
        n => 1.0 - entropy(row.iter().copied()) / (n as f64).ln(),
    };
    let rows = rows.iter().filter(|row| sum(row) > 0.0);
    rows.map(|row| sum(row) / total * of_row(row)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concentration_by_hand() {
        // A row on one entry, and one of weight a half spread evenly over two of four: 2/3 + 1/3 (1 - ln 2 / ln 4).
        let rows = [
            vec![0.0, 2.0, 0.0, 0.0],
            vec![0.5, 0.0, 0.5, 0.0],
            vec![0.0; 4],
        ];
        let expected = 2.0 / 3.0 + 1.0 / 3.0 * 0.5;
        assert!((concentration(&rows) - expected).abs() < 1e-12);
    }
}

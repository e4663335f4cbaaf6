//! Separated attribute predictability: by how much the coordinate that predicts a factor best does so better than the next.
//!
//! SAP = mean over factors of the gap between the two largest R^2 of linear regressions of the factor's number on one
//! coordinate. Source: [kumar-2018], section 3; squared correlations for all factors, as for continuous ones there.

use super::{Factored, gap, mean};

/// A coordinate that varies less than this is not in use.
const LEAST_VARIANCE: f64 = 1e-12;

/// The gap, in [0, 1].
pub fn sap(data: &Factored<'_>) -> f64 {
    let gap_of = |f: usize| {
        let factor = data.factor(f).map(|value| value as f64);
        gap((0..data.dim).map(|j| squared_correlation(data.code(j), factor.clone())))
    };
    mean(data.varying().into_iter().map(gap_of))
}

fn squared_correlation(
    x: impl Iterator<Item = f64> + Clone,
    y: impl Iterator<Item = f64> + Clone,
) -> f64 {
    let (mx, my) = (mean(x.clone()), mean(y.clone()));
    let [mut xx, mut xy, mut yy] = [0.0; 3];
    let mut n = 0.0;
    for (x, y) in x.zip(y) {
        xx += (x - mx) * (x - mx);
        xy += (x - mx) * (y - my);
        yy += (y - my) * (y - my);
        n += 1.0;
    }
    match xx > LEAST_VARIANCE * n {
        true => xy * xy / (xx * yy),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Correlations of (0, 1, 2, 3) with (0, 1, 2, 3), (0, 0, 1, 1) and a constant: 1, 2 / sqrt 5, 0.
        let codes = [0.0, 0.0, 5.0, 1.0, 0.0, 5.0, 2.0, 1.0, 5.0, 3.0, 1.0, 5.0];
        let data = Factored {
            codes: &codes,
            dim: 3,
            factors: &[0, 1, 2, 3],
            n_values: &[4],
        };
        assert!((sap(&data) - 0.2).abs() < 1e-12, "{}", sap(&data));
    }
}

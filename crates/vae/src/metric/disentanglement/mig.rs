//! Mutual information gap: by how much the coordinate that tells most about a factor tells more than the next one.
//!
//! MIG = mean over factors of (I(z_first; v) - I(z_second; v)) / H(v), codes in 20 bins of equal width. Sources:
//! [chen-2018], equation 6; bins as in [locatello-2019], appendix C.

use super::{Factored, entropy, gap, mean};

/// Bins of a coordinate.
const N_BINS: usize = 20;

/// The gap, in [0, 1].
pub fn mig(data: &Factored<'_>) -> f64 {
    let bins: Vec<Vec<usize>> = (0..data.dim).map(|j| binned(data.code(j))).collect();
    let gap_of = |f: usize| {
        let information = bins.iter().map(|bins| information(data, bins, f));
        gap(information) / entropy(counts(data.factor(f), data.n_values[f]).into_iter())
    };
    mean(data.varying().into_iter().map(gap_of))
}

/// The bin of each value between the smallest and the largest.
fn binned(values: impl Iterator<Item = f64> + Clone) -> Vec<usize> {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.clone().fold(f64::NEG_INFINITY, f64::max);
    let width = (high - low) / N_BINS as f64;
    let bin = |value: f64| match width > 0.0 {
        true => (((value - low) / width) as usize).min(N_BINS - 1),
        false => 0,
    };
    values.map(bin).collect()
}

fn counts(values: impl Iterator<Item = usize>, n: usize) -> Vec<f64> {
    let mut counts = vec![0.0; n];
    values.for_each(|value| counts[value] += 1.0);
    counts
}

/// I(bins; factor) in nats of the joint counts.
fn information(data: &Factored<'_>, bins: &[usize], f: usize) -> f64 {
    let n_values = data.n_values[f];
    let joint = bins.iter().zip(data.factor(f));
    let joint = counts(
        joint.map(|(bin, value)| bin * n_values + value),
        N_BINS * n_values,
    );
    let of_bins = counts(bins.iter().copied(), N_BINS);
    let of_values = counts(data.factor(f), n_values);
    entropy(of_bins.into_iter()) + entropy(of_values.into_iter()) - entropy(joint.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // One bit of a factor of two bits, and half of the other bit's examples.
        let factors: Vec<u16> = (0..64).map(|i| i % 4).collect();
        let codes: Vec<f64> = (0..64)
            .flat_map(|i| [f64::from(u8::from(i % 4 < 2)), 0.0])
            .collect();
        let data = Factored {
            codes: &codes,
            dim: 2,
            factors: &factors,
            n_values: &[4],
        };
        assert!((mig(&data) - 0.5).abs() < 1e-12, "{}", mig(&data));
    }
}

//! Indices of draws chosen by their weights, independent of each other, by inversion of the cumulated weights.
//! Cost O(s + n ln s).

use crate::PosteriorError;
use jensen_rng::Stream;

/// `n` indices into log weights `[s]`, nats with a free constant, each drawn in proportion to its weight.
///
/// # Errors
/// A log weight that is NaN or plus infinity; every weight zero.
pub fn with_replacement(
    ln_weights: &[f64],
    n: usize,
    stream: &mut Stream,
) -> Result<Vec<usize>, PosteriorError> {
    let top = crate::psis::largest(ln_weights)?;
    let mut cumulated = 0.0;
    let ends: Vec<f64> = (ln_weights.iter())
        .map(|x| {
            cumulated += (x - top).exp();
            cumulated
        })
        .collect();
    let draw = |_| {
        let u = stream.uniform() * cumulated;
        // u may round up to the total; the last index with weight is meant then.
        let at = ends.partition_point(|&end| end <= u);
        at.min(ends.partition_point(|&end| end < cumulated))
    };
    Ok((0..n).map(draw).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LN_WEIGHTS: [f64; 4] = [-1.0, f64::NEG_INFINITY, 0.0, -2.0];

    #[test]
    fn frequencies_are_the_weights() {
        let mut stream = Stream::from_seed(12);
        let n = 40_000;
        let chosen = with_replacement(&LN_WEIGHTS, n, &mut stream).unwrap();
        let total: f64 = LN_WEIGHTS.iter().map(|x| x.exp()).sum();
        for (i, x) in LN_WEIGHTS.iter().enumerate() {
            let p = x.exp() / total;
            let error = (p * (1.0 - p) / n as f64).sqrt();
            let share = chosen.iter().filter(|&&j| j == i).count() as f64 / n as f64;
            // Five standard errors; a weight of zero is never drawn.
            assert!((share - p).abs() <= 5.0 * error, "{i}: {share} {p}");
        }
    }
}

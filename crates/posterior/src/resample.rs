//! Indices of draws chosen by their weights, with or without replacement.
//!
//! With replacement: independent indices by inversion of the cumulated weights, O(n ln s).
//! Without: the n largest of ln w_i + G_i with standard Gumbel noise G are a weighted sample without
//! replacement ([efraimidis-2006], algorithm A, in logarithms), O(s ln s). It keeps draws distinct where
//! few weights dominate ([vehtari-2024]).

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

/// `n` different indices into log weights `[s]`, in random order of their draw.
///
/// # Errors
/// As [`with_replacement`], and fewer than `n` weights above zero.
pub fn without_replacement(
    ln_weights: &[f64],
    n: usize,
    stream: &mut Stream,
) -> Result<Vec<usize>, PosteriorError> {
    crate::psis::largest(ln_weights)?;
    let mut keys: Vec<(f64, usize)> = (ln_weights.iter().enumerate())
        .map(|(index, x)| (x - (-stream.uniform_open().ln()).ln(), index))
        .filter(|(key, _)| *key > f64::NEG_INFINITY)
        .collect();
    if keys.len() < n {
        return Err(PosteriorError::TooFewDraws {
            what: "resampling without replacement (weights above zero)",
            needed: n,
            found: keys.len(),
        });
    }
    keys.sort_by(|a, b| b.0.total_cmp(&a.0));
    Ok(keys[..n].iter().map(|(_, index)| *index).collect())
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
        let first: Vec<usize> = (0..n)
            .map(|_| without_replacement(&LN_WEIGHTS, 1, &mut stream).unwrap()[0])
            .collect();
        let total: f64 = LN_WEIGHTS.iter().map(|x| x.exp()).sum();
        for (i, x) in LN_WEIGHTS.iter().enumerate() {
            let p = x.exp() / total;
            let error = (p * (1.0 - p) / n as f64).sqrt();
            for sample in [&chosen, &first] {
                let share = sample.iter().filter(|&&j| j == i).count() as f64 / n as f64;
                // Five standard errors; a weight of zero is never drawn.
                assert!((share - p).abs() <= 5.0 * error, "{i}: {share} {p}");
            }
        }
    }

    #[test]
    fn without_replacement_takes_each_once() {
        let mut stream = Stream::from_seed(1);
        let mut all = without_replacement(&LN_WEIGHTS, 3, &mut stream).unwrap();
        all.sort_unstable();
        assert_eq!(all, [0, 2, 3]);
        let Err(PosteriorError::TooFewDraws { needed, found, .. }) =
            without_replacement(&LN_WEIGHTS, 4, &mut stream)
        else {
            panic!("three weights are above zero");
        };
        assert_eq!((needed, found), (4, 3));
    }
}

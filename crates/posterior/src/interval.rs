//! Quantiles and intervals of highest density of draws.
//!
//! Quantiles are of type 7 of [hyndman-1996]: linear between order statistics at h = (n - 1) p. The interval
//! of highest density is the shortest one that spans floor(p n) steps between order statistics
//! ([chen-1999]); it is one interval even where the density has several modes.
//! Cost O(n ln n) for sorting.

/// h within this many ulp of a whole number means the whole number: p n is seldom exact.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// An interval of values, in their unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The quantile of draws `[n]` in any order, in their unit, at the probability `p`; one outside [0, 1] means the nearer
/// end.
///
/// Panics for no draws.
pub fn quantile(draws: &[f64], p: f64) -> f64 {
    quantile_of_sorted(&sorted(draws), p)
}

/// The shortest interval that holds a share `probability` in (0, 1) of the draws `[n]` in any order; of equally short
/// ones the lowest.
///
/// Panics for no draws.
pub fn highest_density(draws: &[f64], probability: f64) -> Interval {
    let sorted = sorted(draws);
    let n_steps = ((probability * sorted.len() as f64) as usize).min(sorted.len() - 1);
    let widths = sorted[n_steps..]
        .iter()
        .zip(&sorted)
        .map(|(high, low)| high - low);
    let mut best = (0, f64::INFINITY);
    for (start, width) in widths.enumerate() {
        if width < best.1 {
            best = (start, width);
        }
    }
    Interval {
        low: sorted[best.0],
        high: sorted[best.0 + n_steps],
    }
}

/// [`quantile`] of draws `[n]` that are sorted upwards.
///
/// Panics for no draws.
pub fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let h = p.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let whole = h.round();
    if (h - whole).abs() <= ROUNDING * sorted.len() as f64 {
        return sorted[whole as usize];
    }
    let below = h as usize;
    let share = h - below as f64;
    (1.0 - share) * sorted[below] + share * sorted[below + 1]
}

fn sorted(draws: &[f64]) -> Vec<f64> {
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_order_statistics() {
        let x = [4.0, 1.0, 2.0, 3.0];
        // R: quantile(1:4, c(0, 0.25, 0.5, 0.9, 1), type = 7).
        for (p, q) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0)] {
            assert!((quantile(&x, p) - q).abs() < 1e-15);
        }
        // h = 0.3 * 10 = 3 up to rounding: the draw itself, not a neighbor within an ulp.
        let tenths: Vec<f64> = (0..11).map(|i| f64::from(i) * 0.1).collect();
        assert_eq!(quantile(&tenths, 0.3), tenths[3]);
        // 0.1 * 10 and 0.9 * 10, likewise.
        let ends = [0.1, 0.9].map(|p| quantile(&tenths, p));
        assert_eq!(ends, [tenths[1], tenths[9]]);
    }

    #[test]
    fn the_highest_density_interval_sits_where_draws_are_dense() {
        // Half of ten draws: five steps, of which those from 0 are the shortest.
        let x = [9.0, 0.3, 7.0, 0.1, 0.5, 0.0, 5.0, 0.2, 0.4, 6.0];
        let dense = highest_density(&x, 0.5);
        assert_eq!((dense.low, dense.high), (0.0, 0.5));
        assert_eq!(
            highest_density(&[2.0], 0.9),
            Interval {
                low: 2.0,
                high: 2.0
            }
        );
    }
}

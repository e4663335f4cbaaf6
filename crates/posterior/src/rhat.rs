//! R-hat: how much wider all chains together are than each of them; 1 when they agree.
//!
//! R = sqrt(((n - 1)/n W + B/n) / W), W the mean variance within half chains of n draws, B/n the variance of
//! their means ([vehtari-2021], Eq. 1 to 4), of normal scores (agreement of location) and of normal scores
//! of |x - median| (agreement of scale); the larger counts ([vehtari-2021], section 4). 1.01 is a usual limit.
//! Cost O(S ln S).
//!
//! Differences from ArviZ: one chain is allowed, since its halves are compared. Draws that are all equal
//! give 1, not NaN; chains that are constant at different values give infinity, as there.

use crate::Chains;
use crate::average;
use crate::ess::{is_constant, variance};
use crate::interval::quantile_of_sorted;
use crate::rank::rank_normalize;

/// Rank-normalized split R-hat: the larger of those for location and for scale.
pub fn rank(chains: &Chains) -> f64 {
    let unit = chains.unit();
    let halves = chains.split(|x| x / unit);
    let mut sorted: Vec<f64> = halves.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let median = quantile_of_sorted(&sorted, 0.5);
    let folded = chains.split(|x| (x / unit - median).abs());
    ratio(&rank_normalize(&halves)).max(ratio(&rank_normalize(&folded)))
}

/// Split R-hat of the draws as they are, which needs finite variances.
pub fn split(chains: &Chains) -> f64 {
    let unit = chains.unit();
    ratio(&chains.split(|x| x / unit))
}

fn ratio(chains: &[Vec<f64>]) -> f64 {
    if is_constant(chains) {
        return 1.0;
    }
    let n = chains[0].len() as f64;
    let means: Vec<f64> = (chains.iter())
        .map(|x| average::mean(x.iter().copied()))
        .collect();
    let within = chains.iter().map(|x| variance(x)).sum::<f64>() / chains.len() as f64;
    ((n - 1.0) / n + variance(&means) / within).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    fn chains(shift: f64, scale: f64) -> Chains {
        let root = Stream::from_seed(2);
        let values = (0..4u64).map(|index| {
            let mut stream = root.child("chain", index);
            let (m, s) = if index == 3 {
                (shift, scale)
            } else {
                (0.0, 1.0)
            };
            (0..500).map(|_| m + s * stream.normal()).collect()
        });
        Chains::new("x", values.collect()).unwrap()
    }

    #[test]
    fn location_and_scale_are_both_seen() {
        assert!(rank(&chains(0.0, 1.0)) < 1.01);
        assert!(rank(&chains(1.0, 1.0)) > 1.05);
        let wide = chains(0.0, 5.0);
        assert!(rank(&wide) > 1.05 && split(&wide) < 1.02);
    }

    #[test]
    fn constant_draws_agree_unless_chains_differ() {
        let of = |values: Vec<Vec<f64>>| Chains::new("x", values).unwrap();
        assert_eq!(rank(&of(vec![vec![3.0; 10]; 2])), 1.0);
        assert_eq!(split(&of(vec![vec![3.0; 10]; 2])), 1.0);
        let apart = of(vec![vec![0.0; 10], vec![1.0; 10]]);
        assert_eq!(split(&apart), f64::INFINITY);
        assert_eq!(rank(&apart), f64::INFINITY);
        // Also where their scores are no sums of powers of two.
        for n in [10, 99, 100, 1000] {
            let apart = of(vec![vec![0.1; n], vec![0.7; n], vec![0.7; n]]);
            assert_eq!(split(&apart), f64::INFINITY);
            assert_eq!(rank(&apart), f64::INFINITY);
        }
        // One chain that wanders off is seen in its halves.
        let drift = of(vec![(0..100).map(f64::from).collect()]);
        assert!(rank(&drift) > 1.5);
    }
}

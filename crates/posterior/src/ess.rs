//! Effective sample size: how many independent draws would know as much about a mean, a quantile, a
//! standard deviation as these draws of chains do.
//!
//! ESS = S / tau, tau = -1 + 2 sum_t rho_t with the autocorrelation over all chains
//! rho_t = 1 - (W - mean_c acov_c(t)) / var+, var+ = (n - 1)/n W + B/n ([vehtari-2021], section 3.2), W the mean
//! variance within half chains, B/n the variance of their means. The sum runs over pairs
//! rho_2m + rho_2m+1 while they are positive, each at most the one before (Geyer's initial monotone
//! sequence, [geyer-1992]; [vehtari-2021]), and tau is at least 1 / log10 S, which bounds
//! what anticorrelated chains may claim.
//! Which mean is meant makes the kinds: of normal scores (bulk), of indicators below a quantile (tail), of
//! the draws, of squared deviations.
//! Draws that are all equal count in full: nothing about them is uncertain.
//!
//! Cost O(S T) with T the lags that are needed, about 10 autocorrelation times; all O(S^2) for a chain that
//! never mixes.
//!
//! Differences from ArviZ: draws are constant if they differ by rounding (4 ulp) only, not if they differ by
//! less than 1e-15.

use crate::Chains;
use crate::average;
use crate::interval::quantile_of_sorted;
use crate::rank::rank_normalize;

/// Probabilities of the two quantiles whose worse effective sample size is that of the tails.
const TAILS: [f64; 2] = [0.05, 0.95];

/// For the center of the distribution: of normal scores, so it exists for any distribution.
pub fn bulk(chains: &Chains) -> f64 {
    effective(&rank_normalize(&chains.split(|x| x)))
}

/// For the tails: the smaller of those of the 5 % and the 95 % quantile.
pub fn tail(chains: &Chains) -> f64 {
    let sorted = chains.sorted();
    let [low, high] = TAILS.map(|p| below(chains, quantile_of_sorted(&sorted, p)));
    low.min(high)
}

/// For the mean.
pub fn mean(chains: &Chains) -> f64 {
    let unit = chains.unit();
    effective(&chains.split(|x| x / unit))
}

/// For the standard deviation: of squared deviations from the mean.
pub fn sd(chains: &Chains) -> f64 {
    let unit = chains.unit();
    let mean = chains.mean() / unit;
    effective(&chains.split(|x| (x / unit - mean).powi(2)))
}

/// For the quantile at probability `p` in [0, 1].
pub fn quantile(chains: &Chains, p: f64) -> f64 {
    below(chains, quantile_of_sorted(&chains.sorted(), p))
}

/// For the probability of lying at or below a value.
fn below(chains: &Chains, value: f64) -> f64 {
    effective(&chains.split(|x| if x <= value { 1.0 } else { 0.0 }))
}

/// The effective sample size of the mean of chains `[c, s]`.
fn effective(chains: &[Vec<f64>]) -> f64 {
    let (n_chains, n) = (chains.len(), chains[0].len());
    let n_total = (n_chains * n) as f64;
    if is_constant(chains) {
        return n_total;
    }
    let means: Vec<f64> = (chains.iter())
        .map(|x| average::mean(x.iter().copied()))
        .collect();
    let deviations: Vec<Vec<f64>> = (chains.iter().zip(&means))
        .map(|(chain, mean)| chain.iter().map(|x| x - mean).collect())
        .collect();
    let autocovariance = |lag: usize| {
        let sums = deviations.iter().map(|x| {
            let products = x.iter().zip(&x[lag..]).map(|(a, b)| a * b);
            products.sum::<f64>()
        });
        sums.sum::<f64>() / n_total
    };
    let at_zero = autocovariance(0);
    let within = at_zero * n as f64 / (n as f64 - 1.0);
    let total = at_zero + variance(&means);
    let rho = |lag: usize| 1.0 - (within - autocovariance(lag)) / total;

    // Pairs that are finished go into the sum; of the last one only the even lag counts, and once.
    let (mut pair, mut even) = (1.0 + rho(1), 1.0);
    let (mut sum, mut largest) = (0.0, f64::INFINITY);
    let mut lag = 0;
    while lag + 4 < n && pair > 0.0 {
        largest = largest.min(pair);
        sum += largest;
        lag += 2;
        even = rho(lag);
        pair = even + rho(lag + 1);
    }
    let last = if even > 0.0 || pair >= 0.0 { even } else { 0.0 };
    let tau = -1.0 + 2.0 * sum + last;
    n_total / tau.max(1.0 / n_total.log10())
}

/// The variance with divisor n - 1; 0 for one value.
pub(crate) fn variance(x: &[f64]) -> f64 {
    let mean = average::mean(x.iter().copied());
    let sum: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    sum / (x.len() - 1).max(1) as f64
}

/// Whether chains hold one value, up to 4 units in the last place.
pub(crate) fn is_constant(chains: &[Vec<f64>]) -> bool {
    let all = || chains.iter().flatten().copied();
    let (low, high) = (
        all().fold(f64::INFINITY, f64::min),
        all().fold(f64::NEG_INFINITY, f64::max),
    );
    high - low <= 4.0 * f64::EPSILON * low.abs().max(high.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    /// Chains of an autoregression of order one, stationary, with standard normal marginals.
    fn autoregression(phi: f64, n_chains: u64, n: usize, seed: u64) -> Chains {
        let root = Stream::from_seed(seed);
        let chain = |index| {
            let mut stream = root.child("chain", index);
            let mut x = stream.normal();
            let mut step = || {
                x = phi * x + (1.0 - phi * phi).sqrt() * stream.normal();
                x
            };
            (0..n).map(|_| step()).collect()
        };
        Chains::new("x", (0..n_chains).map(chain).collect()).unwrap()
    }

    /// tau of the mean is (1 + phi) / (1 - phi), of squares the same with phi^2.
    #[test]
    fn autoregressions_have_their_known_size() {
        for phi in [-0.5, 0.0, 0.5, 0.9] {
            let x = autoregression(phi, 4, 10_000, 3);
            let known = 40_000.0 * (1.0 - phi) / (1.0 + phi);
            let square = phi * phi;
            let known_sd = 40_000.0 * (1.0 - square) / (1.0 + square);
            // The estimate scatters over seeds by 2 % (phi 0) to 6 % (phi 0.9) at this length.
            for (ess, known) in [(mean(&x), known), (bulk(&x), known), (sd(&x), known_sd)] {
                assert!((ess / known - 1.0).abs() < 0.15, "phi {phi}: {ess} {known}");
            }
        }
    }

    #[test]
    fn ranks_do_not_see_monotone_maps() {
        let x = autoregression(0.6, 3, 101, 9);
        let map = |f: fn(f64) -> f64| {
            let mapped = x.values().iter().map(|c| c.iter().map(|&x| f(x)).collect());
            Chains::new("f(x)", mapped.collect()).unwrap()
        };
        let (cubed, exponential) = (map(|x| x.powi(3)), map(|x| (5.0 * x).exp()));
        for y in [&cubed, &exponential] {
            assert_eq!(bulk(y), bulk(&x));
            assert_ne!(mean(y), mean(&x));
        }
        // A falling map turns the ranks around, which only changes the sign of the scores.
        assert!((bulk(&map(|x| -x)) - bulk(&x)).abs() < 1e-9);
        let straight = map(|x| 3.0 - 2.0 * x);
        assert!((mean(&straight) - mean(&x)).abs() < 1e-9 * mean(&x));
    }

    #[test]
    fn any_unit_gives_the_same_size() {
        let x = autoregression(0.6, 2, 100, 4);
        for power in [-700, -650, 650, 1000] {
            let unit = 2f64.powi(power);
            let scaled = x
                .values()
                .iter()
                .map(|c| c.iter().map(|x| x * unit).collect());
            let scaled = Chains::new("x", scaled.collect()).unwrap();
            assert_eq!((mean(&scaled), sd(&scaled)), (mean(&x), sd(&x)));
            assert_eq!(scaled.sd(), x.sd() * unit);
            assert_eq!(crate::mcse::mean(&scaled), crate::mcse::mean(&x) * unit);
            assert_eq!(crate::mcse::sd(&scaled), crate::mcse::sd(&x) * unit);
            assert_eq!(crate::rhat::split(&scaled), crate::rhat::split(&x));
            assert_eq!(crate::rhat::rank(&scaled), crate::rhat::rank(&x));
        }
    }

    #[test]
    fn constant_draws_count_in_full_and_anticorrelated_ones_are_bounded() {
        let constant = Chains::new("x", vec![vec![0.1; 50]; 2]).unwrap();
        for ess in [
            mean(&constant),
            bulk(&constant),
            tail(&constant),
            sd(&constant),
        ] {
            assert_eq!(ess, 100.0);
        }
        let flipping = (0..100)
            .map(|i| f64::from(i % 2) + 1e-3 * f64::from(i % 3))
            .collect();
        let flipping = Chains::new("x", vec![flipping]).unwrap();
        assert!((mean(&flipping) - 200.0).abs() < 1e-9, "S log10 S");
    }
}

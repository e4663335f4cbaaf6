//! Pareto-smoothed importance sampling: the largest weights give way to quantiles of a fitted tail,
//! and the shape of the tail, k-hat, says how far the rest can be trusted.
//!
//! Of S weights w = p/q the M = min(S/5, 3 sqrt(S/r)) largest lie above a cutoff u; their excesses are
//! fitted by a generalized Pareto law F (file `gpd`), the i-th smallest becomes u + F^-1((i - 1/2) / M),
//! and nothing exceeds the largest raw weight. [vehtari-2024]; r is the relative efficiency
//! of draws that come from a chain.
//!
//! Reading ([vehtari-2024], Sect. 3.2.4): k-hat below [`threshold`] means that the error falls nearly as 1/sqrt(S); above 0.7 no
//! feasible S helps; above 1 the mean itself need not exist. The tail says nothing of weights that are few and alike: so
//! the weights have to be worth [`MIN_EFFECTIVE_DRAWS`], too.
//! Cost O(S ln S + M^1.5).

use crate::PosteriorError;
use crate::ess::variance;
use crate::evidence::Estimate;
use crate::gpd::Gpd;

/// Fewer tail weights than this tell nothing about a tail; k-hat is infinite then.
const MIN_TAIL: usize = 5;
/// Weights whose tail spreads by less than this, relative to the cutoff, differ by rounding of log
/// densities only.
const EQUAL_WEIGHTS: f64 = 1e-10;
/// The largest shape at which smoothing is worth having for any number of draws ([vehtari-2024], Sect. 3.2.4).
const LARGEST_SHAPE: f64 = 0.7;

/// Fewer effective draws than this tell no mean: at 64 two standard errors are a quarter of a standard deviation.
pub const MIN_EFFECTIVE_DRAWS: f64 = 64.0;

/// Smoothed weights and the shape of their tail.
#[derive(Clone, Debug, PartialEq)]
pub struct Psis {
    /// Smoothed log weights `[s]`, nats; the weights sum to one.
    pub ln_weights: Vec<f64>,
    /// ln of the mean smoothed weight, nats: an estimate of ln Z if q is normalized.
    pub ln_mean_weight: f64,
    /// Shape of the tail. 0 for weights that are equal to rounding, which have no tail; infinite where
    /// fewer than five weights lie in it.
    pub k_hat: f64,
    /// Standard deviation of k-hat given the tail; see file `gpd`. 0 where k-hat was not estimated.
    pub k_hat_sd: f64,
    /// Number of weights in the tail.
    pub n_tail: usize,
}

impl Psis {
    /// Smooths log weights `[s]` of independent draws, nats with a free constant. Minus infinity is a
    /// weight of zero.
    ///
    /// # Errors
    /// A log weight that is NaN or plus infinity; no weight at all; every weight zero.
    pub fn smooth(ln_weights: &[f64]) -> Result<Self, PosteriorError> {
        Self::smooth_chain(ln_weights, 1.0)
    }

    /// Smooths log weights `[s]` of draws of a chain with relative efficiency r = ESS / S, in (0, inf).
    ///
    /// # Errors
    /// As [`Psis::smooth`], and an efficiency that is not positive.
    pub fn smooth_chain(
        ln_weights: &[f64],
        relative_efficiency: f64,
    ) -> Result<Self, PosteriorError> {
        if !(relative_efficiency > 0.0 && relative_efficiency.is_finite()) {
            return Err(PosteriorError::Range {
                what: "relative efficiency",
                expected: "a positive number",
                value: relative_efficiency,
            });
        }
        let top = largest(ln_weights)?;
        let mut x: Vec<f64> = ln_weights.iter().map(|x| x - top).collect();
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|&i, &j| x[i].total_cmp(&x[j]));

        let n_wanted = tail_length(x.len(), relative_efficiency);
        // The weights below the smallest normal number count as none, so they are no tail either.
        let cutoff = match x.len().checked_sub(n_wanted + 1) {
            Some(at) => x[order[at]].max(f64::MIN_POSITIVE.ln()),
            None => f64::MIN_POSITIVE.ln(),
        };
        let first = order.partition_point(|&i| x[i] <= cutoff);
        let tail = &order[first..];
        let (k_hat, k_hat_sd) = if (-cutoff).exp_m1() < EQUAL_WEIGHTS {
            (0.0, 0.0)
        } else if tail.len() < MIN_TAIL {
            (f64::INFINITY, 0.0)
        } else {
            smooth_tail(&mut x, tail, cutoff)
        };
        let n_tail = tail.len();

        let ln_sum = x.iter().map(|x| x.exp()).sum::<f64>().ln();
        for x in &mut x {
            *x -= ln_sum;
        }
        Ok(Self {
            ln_mean_weight: top + ln_sum - (x.len() as f64).ln(),
            ln_weights: x,
            k_hat,
            k_hat_sd,
            n_tail,
        })
    }

    /// Whether k-hat lies below the threshold for this number of draws, and the weights, counted as those of
    /// independent draws, are worth [`MIN_EFFECTIVE_DRAWS`].
    pub fn is_good(&self) -> bool {
        self.k_hat < threshold(self.ln_weights.len())
            && self.effective_draws() >= MIN_EFFECTIVE_DRAWS
    }

    /// ln Z, nats, by the mean weight of draws of a normalized q, with its standard error by the delta method,
    /// sd(w) / (mean(w) sqrt s), which wants two draws. To be trusted where k-hat is good.
    pub fn log_evidence(&self) -> Estimate {
        let s = self.ln_weights.len() as f64;
        // Weights relative to their mean.
        let relative: Vec<f64> = self.ln_weights.iter().map(|x| x.exp() * s).collect();
        Estimate {
            value: self.ln_mean_weight,
            se: (variance(&relative) / s).sqrt(),
        }
    }

    /// Effective number of independent draws that the weights leave, in [1, s].
    pub fn effective_draws(&self) -> f64 {
        effective_draws(&self.ln_weights)
    }
}

/// Replaces the tail of log weights by quantiles of its fit; the indices of the tail are sorted by weight.
fn smooth_tail(x: &mut [f64], tail: &[usize], cutoff: f64) -> (f64, f64) {
    // In units of the cutoff, so that nothing underflows and near the cutoff nothing cancels.
    let excesses: Vec<f64> = tail.iter().map(|&i| (x[i] - cutoff).exp_m1()).collect();
    let fit = Gpd::fit(&excesses);
    if !(fit.shape.is_finite() && fit.scale > 0.0) {
        return (f64::INFINITY, 0.0);
    }
    for (rank, &i) in tail.iter().enumerate() {
        let p = (rank as f64 + 0.5) / tail.len() as f64;
        x[i] = (cutoff + fit.quantile(p).ln_1p()).min(0.0);
    }
    (fit.shape, fit.shape_sd)
}

/// Number of weights that belong to the tail of s.
fn tail_length(n_draws: usize, relative_efficiency: f64) -> usize {
    let s = n_draws as f64;
    (0.2 * s).min(3.0 * (s / relative_efficiency).sqrt()).ceil() as usize
}

/// The shape up to which s draws suffice: min(1 - 1 / log10 s, 0.7) ([vehtari-2024], eq. 13).
pub fn threshold(n_draws: usize) -> f64 {
    (1.0 - 1.0 / (n_draws as f64).log10()).min(LARGEST_SHAPE)
}

/// Effective number of independent draws, 1 / sum w^2, of log weights `[s]` that sum to one.
pub fn effective_draws(ln_weights: &[f64]) -> f64 {
    1.0 / ln_weights.iter().map(|x| (2.0 * x).exp()).sum::<f64>()
}

/// The largest log weight, after all have been looked at.
pub(crate) fn largest(ln_weights: &[f64]) -> Result<f64, PosteriorError> {
    let what = "log weights";
    if ln_weights.is_empty() {
        return Err(PosteriorError::TooFewDraws {
            what,
            needed: 1,
            found: 0,
        });
    }
    for (index, &value) in ln_weights.iter().enumerate() {
        if value.is_nan() || value == f64::INFINITY {
            return Err(PosteriorError::Entry { what, index, value });
        }
    }
    let top = ln_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match top == f64::NEG_INFINITY {
        true => Err(PosteriorError::NoWeight { what }),
        false => Ok(top),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_rng::Stream;

    #[test]
    fn constant_and_short_tails_have_a_defined_shape() {
        let equal = Psis::smooth(&[-3.0; 100]).unwrap();
        assert_eq!((equal.k_hat, equal.k_hat_sd), (0.0, 0.0));
        assert!(equal.is_good());
        assert!((equal.effective_draws() - 100.0).abs() < 1e-9);
        assert!((equal.ln_mean_weight + 3.0).abs() < 1e-14);
        // Three draws out of a hundred have weight: no tail to speak of.
        let mut few = [f64::NEG_INFINITY; 100];
        few[..3].copy_from_slice(&[0.0, -1.0, -2.0]);
        let few = Psis::smooth(&few).unwrap();
        assert_eq!(few.k_hat, f64::INFINITY);
        assert_eq!(few.ln_weights[50], f64::NEG_INFINITY);
        assert!(!few.is_good());
    }

    #[test]
    fn few_large_weights_of_one_size_are_not_good() {
        let mut few = [0.0; 1000];
        few[..10].fill(20.0);
        let few = Psis::smooth(&few).unwrap();
        assert!(few.k_hat < 0.0 && few.effective_draws() < 11.0);
        assert!(!few.is_good());
    }

    #[test]
    fn a_free_constant_changes_nothing_but_the_mean() {
        let mut stream = Stream::from_seed(4);
        let raw: Vec<f64> = (0..500).map(|_| stream.normal()).collect();
        let moved: Vec<f64> = raw.iter().map(|x| x - 5000.0).collect();
        let (one, other) = (Psis::smooth(&raw).unwrap(), Psis::smooth(&moved).unwrap());
        assert!((one.k_hat - other.k_hat).abs() < 1e-9);
        assert!((one.ln_mean_weight - other.ln_mean_weight - 5000.0).abs() < 1e-9);
        let total: f64 = one.ln_weights.iter().map(|x| x.exp()).sum();
        assert!((total - 1.0).abs() < 1e-14);
        // Smoothing keeps the order of the weights.
        let mut order: Vec<usize> = (0..500).collect();
        order.sort_by(|&i, &j| raw[i].total_cmp(&raw[j]));
        assert!(order.is_sorted_by_key(|&i| one.ln_weights[i]));
    }

    #[test]
    fn what_is_no_weight_is_named() {
        let nan = Psis::smooth(&[0.0, 1.0, f64::NAN]);
        assert!(matches!(nan, Err(PosteriorError::Entry { index: 2, .. })));
        let infinite = Psis::smooth(&[f64::INFINITY, 1.0]);
        assert!(matches!(
            infinite,
            Err(PosteriorError::Entry { index: 0, .. })
        ));
        let none = Psis::smooth(&[f64::NEG_INFINITY; 9]);
        assert!(matches!(none, Err(PosteriorError::NoWeight { .. })));
        assert!(matches!(
            Psis::smooth(&[]),
            Err(PosteriorError::TooFewDraws { .. })
        ));
        assert!(matches!(
            Psis::smooth_chain(&[0.0], 0.0),
            Err(PosteriorError::Range { .. })
        ));
    }

    #[test]
    fn exact_pareto_weights_have_the_shape_of_their_tail() {
        let root = Stream::from_seed(6);
        for k in [0.2, 0.5, 0.9] {
            let mut stream = root.clone();
            // u^-k is a Pareto weight, whose excess over any cutoff is generalized Pareto with shape k.
            let raw: Vec<f64> = (0..100_000)
                .map(|_| -k * stream.uniform_open().ln())
                .collect();
            let smoothed = Psis::smooth(&raw).unwrap();
            assert_eq!(smoothed.n_tail, 949);
            // Four standard deviations, of which the estimate gives one.
            assert!(
                (smoothed.k_hat - k).abs() < 4.0 * smoothed.k_hat_sd,
                "{}",
                smoothed.k_hat
            );
            // (1 + k) / sqrt(M), the asymptotic standard deviation, within a tenth.
            let asymptotic = (1.0 + k) / 949f64.sqrt();
            assert!(
                (smoothed.k_hat_sd / asymptotic - 1.0).abs() < 0.1,
                "{}",
                smoothed.k_hat_sd
            );
        }
    }

    #[test]
    fn thresholds_grow_with_the_number_of_draws() {
        assert!((threshold(100) - 0.5).abs() < 1e-15);
        assert!((threshold(1000) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(threshold(4000), 0.7);
    }
}

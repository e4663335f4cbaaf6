//! Monte Carlo standard errors of summaries of draws.
//!
//! - mean: sd / sqrt(ESS_mean)
//! - sd: by the delta method, sqrt((m_4 - m_2^2) / ESS_sd) / (2 sqrt(m_2)), central moments with divisor S
//! - quantile at p: half the distance between the order statistics at the 15.87 % and 84.13 % quantiles of
//!   Beta(ESS p + 1, ESS (1 - p) + 1), ESS that of the quantile ([vehtari-2021], section 4.4)
//!
//! Cost O(S ln S) beside the effective sample size.

use crate::beta_quantile::beta_quantile;
use crate::{Chains, ess};

/// Probabilities that a normal distribution has one standard deviation below and above its mean.
const ONE_SD: [f64; 2] = [0.158_655_3, 0.841_344_7];

/// Standard error of the mean, in the unit of the draws.
pub fn mean(chains: &Chains) -> f64 {
    chains.sd() / ess::mean(chains).sqrt()
}

/// Standard error of the standard deviation, in the unit of the draws; 0 for draws that are all equal.
pub fn sd(chains: &Chains) -> f64 {
    let unit = chains.unit();
    let mean = chains.mean() / unit;
    let n = chains.n_total() as f64;
    let squares: Vec<f64> = (chains.values().iter().flatten())
        .map(|x| (x / unit - mean).powi(2))
        .collect();
    let second = squares.iter().sum::<f64>() / n;
    if second == 0.0 {
        return 0.0;
    }
    let fourth = squares.iter().map(|x| x * x).sum::<f64>() / n;
    // The fourth moment is at least the square of the second, up to rounding.
    let variance = (fourth - second * second).max(0.0) / ess::sd(chains);
    unit * (variance / second).sqrt() / 2.0
}

/// Standard error of the quantile at probability `p` in [0, 1], in the unit of the draws.
pub fn quantile(chains: &Chains, p: f64) -> f64 {
    let ess = ess::quantile(chains, p);
    let sorted = chains.sorted();
    let last = (sorted.len() - 1) as f64;
    let [low, high] = ONE_SD.map(|q| {
        let share = beta_quantile(q, ess * p + 1.0, ess * (1.0 - p) + 1.0);
        share * sorted.len() as f64 - 1.0
    });
    let (low, high) = (low.max(0.0).floor(), high.min(last).ceil());
    0.5 * (sorted[high as usize] - sorted[low as usize])
}

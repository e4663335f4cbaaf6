//! Expected log predictive density by Pareto-smoothed leave-one-out cross-validation.
//!
//! elpd = sum_i ln sum_s w_is p(y_i | z_s), w_is the smoothed weights of 1 / p(y_i | z_s)
//! ([vehtari-2017], Eq. 10); p_loo = sum_i ln (1/S) sum_s p(y_i | z_s) - elpd, the effective number of
//! parameters; standard error sqrt(n var_i elpd_i) with divisor n - 1 (Eq. 23).
//! A k-hat per point says whether the point was left out credibly; points above the threshold are counted, and so are
//! those whose weights are worth few draws.
//! Cost O(n S ln S), points in parallel.
//!
//! Differences from ArviZ: its standard error has the divisor n.

use crate::ess::variance;
use crate::{PosteriorError, Psis, psis};
use jensen_special::logspace::log_sum_exp;
use rayon::prelude::*;

/// Pointwise and total leave-one-out densities.
#[derive(Clone, Debug, PartialEq)]
pub struct Loo {
    /// Expected log predictive density of all points, nats.
    pub elpd: f64,
    /// Its standard error over points, nats.
    pub se: f64,
    /// Effective number of parameters.
    pub p_loo: f64,
    /// Expected log predictive density of each point, `[n]`, nats.
    pub pointwise: Vec<f64>,
    /// k-hat of each point, `[n]`.
    pub k_hat: Vec<f64>,
    /// Points whose k-hat is not below the threshold for this number of draws, or whose weights, times the relative
    /// efficiency, are worth less than [`psis::MIN_EFFECTIVE_DRAWS`].
    pub n_bad: usize,
}

/// Leave-one-out from log likelihoods `[s, n]`, nats, the points of a draw side by side, of draws with
/// relative efficiency ESS / S: 1 for independent ones, for chains the mean over the parameters of
/// [`crate::ess::mean`] over S.
///
/// # Errors
/// Lengths that do not fit; no point; a log likelihood that is not finite; an efficiency that is not positive.
pub fn loo(
    ln_likelihood: &[f64],
    n_points: usize,
    relative_efficiency: f64,
) -> Result<Loo, PosteriorError> {
    let columns = columns(ln_likelihood, n_points)?;
    let n_draws = ln_likelihood.len() / n_points;
    let limit = psis::threshold(n_draws);
    let points: Result<Vec<(f64, f64, f64, bool)>, PosteriorError> = (columns.par_iter())
        .map(|column| {
            let ratios: Vec<f64> = column.iter().map(|l| -l).collect();
            let smoothed = Psis::smooth_chain(&ratios, relative_efficiency)?;
            let terms: Vec<f64> = smoothed
                .ln_weights
                .iter()
                .zip(column)
                .map(|(w, l)| w + l)
                .collect();
            let all = log_sum_exp(column) - (n_draws as f64).ln();
            let effective = smoothed.effective_draws() * relative_efficiency;
            let is_good = smoothed.k_hat < limit && effective >= psis::MIN_EFFECTIVE_DRAWS;
            Ok((log_sum_exp(&terms), all, smoothed.k_hat, is_good))
        })
        .collect();
    let points = points?;
    let pointwise: Vec<f64> = points.iter().map(|p| p.0).collect();
    let k_hat: Vec<f64> = points.iter().map(|p| p.2).collect();
    let elpd: f64 = pointwise.iter().sum();
    Ok(Loo {
        elpd,
        se: sum_error(&pointwise),
        p_loo: points.iter().map(|p| p.1).sum::<f64>() - elpd,
        n_bad: points.iter().filter(|p| !p.3).count(),
        pointwise,
        k_hat,
    })
}

/// Standard error of the sum of terms `[n]` that are taken as independent: sqrt(n var).
pub(crate) fn sum_error(terms: &[f64]) -> f64 {
    (terms.len() as f64 * variance(terms)).sqrt()
}

/// The draws `[s]` of each point, checked.
pub(crate) fn columns(
    ln_likelihood: &[f64],
    n_points: usize,
) -> Result<Vec<Vec<f64>>, PosteriorError> {
    let what = "log likelihoods";
    if n_points == 0 || ln_likelihood.is_empty() || !ln_likelihood.len().is_multiple_of(n_points) {
        return Err(PosteriorError::Length {
            what,
            expected: n_points * (ln_likelihood.len() / n_points.max(1)).max(1),
            found: ln_likelihood.len(),
        });
    }
    if let Some(index) = ln_likelihood.iter().position(|x| !x.is_finite()) {
        return Err(PosteriorError::Entry {
            what,
            index,
            value: ln_likelihood[index],
        });
    }
    let column = |i| {
        ln_likelihood
            .iter()
            .skip(i)
            .step_by(n_points)
            .copied()
            .collect()
    };
    Ok((0..n_points).map(column).collect())
}

//! Widely applicable information criterion: an estimate of the same density as leave-one-out, cheaper and
//! less robust.
//!
//! elpd = sum_i (ln (1/S) sum_s p(y_i | z_s) - V_i), V_i the variance over draws of ln p(y_i | z_s) with divisor
//! S - 1 ([watanabe-2010]; [gelman-2014], Eq. 13). A V_i above 0.4 is a sign of failure ([vehtari-2017]).
//! Cost O(n S).
//!
//! Differences from ArviZ: its variances have the divisors S and n.

use crate::PosteriorError;
use crate::ess::variance;
use crate::loo::{columns, sum_error};
use jensen_special::logspace::log_sum_exp;

/// Variance of a log likelihood above which the expansion behind the criterion is not to be trusted.
const LARGEST_VARIANCE: f64 = 0.4;

/// Pointwise and total criterion, on the scale of log densities.
#[derive(Clone, Debug, PartialEq)]
pub struct Waic {
    /// Expected log predictive density of all points, nats.
    pub elpd: f64,
    /// Its standard error over points, nats.
    pub se: f64,
    /// Effective number of parameters.
    pub p_waic: f64,
    /// Expected log predictive density of each point, `[n]`, nats.
    pub pointwise: Vec<f64>,
    /// Points whose variance is above 0.4.
    pub n_bad: usize,
}

/// The criterion from log likelihoods `[s, n]`, nats, the points of a draw side by side.
///
/// # Errors
/// Lengths that do not fit; no point; a log likelihood that is not finite; fewer than two draws, which have no variance.
pub fn waic(ln_likelihood: &[f64], n_points: usize) -> Result<Waic, PosteriorError> {
    let columns = columns(ln_likelihood, n_points)?;
    let found = columns[0].len();
    if found < 2 {
        return Err(PosteriorError::TooFewDraws {
            what: "the widely applicable information criterion",
            needed: 2,
            found,
        });
    }
    let variances: Vec<f64> = columns.iter().map(|column| variance(column)).collect();
    let pointwise: Vec<f64> = (columns.iter().zip(&variances))
        .map(|(column, v)| log_sum_exp(column) - (column.len() as f64).ln() - v)
        .collect();
    Ok(Waic {
        elpd: pointwise.iter().sum(),
        se: sum_error(&pointwise),
        p_waic: variances.iter().sum(),
        pointwise,
        n_bad: variances.iter().filter(|v| **v > LARGEST_VARIANCE).count(),
    })
}

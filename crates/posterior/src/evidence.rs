//! The evidence ln Z = ln of the integral of p, bounded and estimated from log weights ln p - ln q of
//! independent draws of a normalized q.
//!
//! - ELBO: the mean log weight, L_1 <= ln Z.
//! - Importance-weighted bound L_K: the mean over blocks of ln (1/K) sum_k w_k, L_1 <= L_K <= L_K+1 <= ln Z
//!   ([burda-2016], Eq. 8 and theorem 1).
//! - ln of the mean weight after Pareto smoothing: consistent, to be trusted where k-hat is good
//!   ([vehtari-2024]); standard error by the delta method, sd(w) / (mean(w) sqrt S).
//!
//! Every one is linear in the free constant of ln p: only an absolute density gives an absolute evidence.
//! Cost O(S); [`importance`] O(S ln S).

use crate::ess::variance;
use crate::{PosteriorError, Psis};
use jensen_special::logspace::log_sum_exp;

/// A number that was estimated by Monte Carlo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its Monte Carlo standard error.
    pub se: f64,
}

/// The ELBO, nats, from log weights `[s]`; minus infinity, with an error of zero, where a draw lies outside
/// the support of the target.
///
/// # Errors
/// Fewer than two draws; a log weight that is NaN or plus infinity; every weight zero.
pub fn elbo(ln_weights: &[f64]) -> Result<Estimate, PosteriorError> {
    importance_weighted(ln_weights, 1)
}

/// The importance-weighted bound of K draws, nats, from log weights `[s]`: blocks of K by index, a rest
/// that fills no block left out.
///
/// # Errors
/// As [`elbo`], K of zero, and fewer than two blocks.
pub fn importance_weighted(ln_weights: &[f64], k: usize) -> Result<Estimate, PosteriorError> {
    crate::psis::largest(ln_weights)?;
    if k == 0 {
        return Err(PosteriorError::Range {
            what: "number of draws in the importance-weighted bound",
            expected: "at least 1",
            value: 0.0,
        });
    }
    if ln_weights.len() < 2 * k {
        return Err(PosteriorError::TooFewDraws {
            what: "a bound of the evidence with its standard error",
            needed: 2 * k,
            found: ln_weights.len(),
        });
    }
    let blocks: Vec<f64> = (ln_weights.chunks_exact(k))
        .map(|block| log_sum_exp(block) - (k as f64).ln())
        .collect();
    let n = blocks.len() as f64;
    let value = blocks.iter().sum::<f64>() / n;
    Ok(Estimate {
        value,
        se: match value.is_finite() {
            true => (variance(&blocks) / n).sqrt(),
            false => 0.0,
        },
    })
}

/// ln Z, nats, by Pareto-smoothed importance sampling from log weights ln p - ln q at draws of q, `[s]`, nats, with the
/// smoothed weights, `[s]`, that say whether to trust it.
///
/// # Errors
/// Fewer than two draws, and those of [`Psis::smooth`].
pub fn importance(ln_weights: &[f64]) -> Result<(Estimate, Psis), PosteriorError> {
    let psis = Psis::smooth(ln_weights)?;
    if ln_weights.len() < 2 {
        return Err(PosteriorError::TooFewDraws {
            what: "the evidence with its standard error",
            needed: 2,
            found: ln_weights.len(),
        });
    }
    Ok((psis.log_evidence(), psis))
}

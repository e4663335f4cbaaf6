//! Bridge sampling: the evidence from draws of the posterior itself and draws of a proposal g.
//!
//! Z = E_g[p h] / E_post[g h] for any bridge h; the optimal h is 1 / (s_1 p + s_2 Z g) [meng-1996], which has
//! Z in it, so Z_t+1 = mean_j l_j / (s_1 l_j + s_2 Z_t) / mean_i 1 / (s_1 l_i + s_2 Z_t) is iterated, with
//! l = p/g at n_2 draws j of g and n_1 draws i of the posterior ([gronau-2017]).
//! s_1 = N_1 / (N_1 + n_2), N_1 the effective number of posterior draws, s_2 = 1 - s_1.
//! Here g is the Gaussian of the first half of every chain; the second half is used for the means, so the
//! two do not share draws.
//!
//! Relative mean square error ([fruhwirthschnatter-2004]; [gronau-2017]), with
//! f_1 = p / (s_1 p + s_2 Z g) under g and f_2 = g / (s_1 p + s_2 Z g) under the posterior:
//! var(f_1) / (mean(f_1)^2 n_2) + var(f_2) / (mean(f_2)^2 ESS(f_2)).
//!
//! Cost n_1 + n_2 densities and O(d^3 + (n_1 + n_2) d^2). For posteriors that a Gaussian covers roughly,
//! in unconstrained coordinates.

use crate::ess::{self, variance};
use crate::{Approximation, Chains, Draws, Gaussian, PosteriorError};
use jensen_rng::Stream;

/// Relative change of Z at which the iteration has settled: far below any Monte Carlo error.
const SETTLED: f64 = 1e-10;
/// The iteration contracts; a run that needs more has no overlap to speak of.
const MAX_STEPS: usize = 1000;

/// The evidence by bridge sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bridge {
    /// ln Z, nats; as absolute as the log density.
    pub ln_evidence: f64,
    /// Root mean square error of Z relative to Z, which is also the standard error of ln Z while it is small.
    pub relative_error: f64,
    /// Steps of the iteration.
    pub n_steps: usize,
}

/// ln Z from posterior draws `[c, s, d]` in unconstrained coordinates; `log_density` is called at half of them and at
/// as many draws of the proposal; it is minus infinity outside the support.
///
/// # Errors
/// Too few draws for a covariance; draws that are not finite or dependent; a log density that is NaN or plus
/// infinity, or minus infinity at a posterior draw; a proposal that misses the support; no convergence.
pub fn bridge(
    draws: &Draws,
    mut log_density: impl FnMut(&[f64]) -> f64,
    stream: &Stream,
) -> Result<Bridge, PosteriorError> {
    let d = draws.dim();
    let half = draws.n_draws() / 2;
    let rows: Vec<&[f64]> = draws.rows().collect();
    let mut effective: Vec<f64> = Vec::with_capacity(d);
    for quantity in 0..d {
        let chains = draws.quantity(quantity)?;
        let second = chains
            .values()
            .iter()
            .map(|chain| chain[half..].to_vec())
            .collect();
        effective.push(ess::mean(&Chains::new(&draws.names()[quantity], second)?));
    }
    let parts = || rows.chunks_exact(draws.n_draws());
    let first: Vec<&[f64]> = parts().flat_map(|chain| &chain[..half]).copied().collect();
    let second: Vec<&[f64]> = parts().flat_map(|chain| &chain[half..]).copied().collect();
    let proposal = Gaussian::of_draws(first.iter().copied())?;

    let posterior: Vec<f64> = (second.iter())
        .map(|row| log_density(row) - proposal.ln_density(row))
        .collect();
    let mut position = vec![0.0; d];
    let proposed: Vec<f64> = (0..second.len() as u64)
        .map(|i| {
            let ln_g = proposal.sample(&mut stream.child("draw", i), &mut position);
            log_density(&position) - ln_g
        })
        .collect();
    of_log_ratios(
        &posterior,
        &proposed,
        draws.n_chains(),
        crate::interval::quantile(&effective, 0.5),
    )
}

/// ln Z from log ratios ln p - ln g, nats: at draws of the posterior `[c, s]`, chain after chain, whose
/// effective number is `effective`, and at independent draws of a normalized g.
///
/// # Errors
/// As [`bridge`].
fn of_log_ratios(
    posterior: &[f64],
    proposed: &[f64],
    n_chains: usize,
    effective: f64,
) -> Result<Bridge, PosteriorError> {
    let what = "log density minus log proposal at posterior draws";
    if let Some(index) = posterior.iter().position(|x| !x.is_finite()) {
        return Err(PosteriorError::Entry {
            what,
            index,
            value: posterior[index],
        });
    }
    crate::psis::largest(proposed)?;
    let center = crate::interval::quantile(posterior, 0.5);
    let n_proposed = proposed.len() as f64;
    let s_1 = effective / (effective + n_proposed);
    let s_2 = 1.0 - s_1;
    // r is Z in units of e^center. Written so that a ratio of zero and one of infinity both come out right.
    let above = |r: f64| {
        proposed
            .iter()
            .map(move |l| 1.0 / (s_1 + s_2 * r * (center - l).exp()))
    };
    let below = |r: f64| {
        posterior
            .iter()
            .map(move |l| 1.0 / (s_1 * (l - center).exp() + s_2 * r))
    };

    let (mut r, mut change, mut n_steps) = (1.0, f64::INFINITY, 0);
    while change > SETTLED {
        if n_steps == MAX_STEPS {
            return Err(PosteriorError::NotConverged {
                what: "bridge sampling",
                n_steps,
                change,
            });
        }
        let top = above(r).sum::<f64>() / n_proposed;
        let bottom = below(r).sum::<f64>() / posterior.len() as f64;
        let next = top / bottom;
        change = ((next - r) / next).abs();
        r = next;
        n_steps += 1;
    }
    let f_1: Vec<f64> = above(r).collect();
    let f_2: Vec<f64> = below(r).collect();
    let relative_variance = |f: &[f64]| {
        let mean = f.iter().sum::<f64>() / f.len() as f64;
        variance(f) / (mean * mean)
    };
    let chains = f_2
        .chunks_exact(f_2.len() / n_chains)
        .map(<[f64]>::to_vec)
        .collect();
    let ess_2 = ess::mean(&Chains::new("bridge", chains)?);
    let square = relative_variance(&f_1) / n_proposed + relative_variance(&f_2) / ess_2;
    Ok(Bridge {
        ln_evidence: center + r.ln(),
        relative_error: square.sqrt(),
        n_steps,
    })
}

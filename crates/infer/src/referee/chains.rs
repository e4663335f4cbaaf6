//! Judges Markov chains: they must have mixed, be long enough, and not have been broken off.

use super::{Check, Report};
use crate::mcmc::Sampled;
use jensen_density::LogDensity;
use jensen_posterior::{PosteriorError, ess, rhat};

/// Rank-normalized split R-hat of a good and of a hopeless answer ([vehtari-2021]).
const R_HAT: f64 = 1.02;
const R_HAT_FAR: f64 = 1.2;
/// Bulk and tail need this many effective draws ([vehtari-2021]: 100 for each of four chains).
const LEAST_DRAWS: f64 = 400.0;
/// Share of draws whose trajectory diverged.
const DIVERGENT: f64 = 0.005;
const DIVERGENT_FAR: f64 = 0.1;

/// Judges the draws after warmup, on the scale of the values.
///
/// # Errors
/// [`PosteriorError`] for draws that are too few or not finite.
pub fn judge_chains(target: &dyn LogDensity, sampled: &Sampled) -> Result<Report, PosteriorError> {
    let draws = sampled.constrained(target);
    let names = draws.names();
    let mut r_hats = Vec::new();
    let mut scarcities = Vec::new();
    for j in 0..draws.dim() {
        let chains = draws.quantity(j)?;
        let first = chains.values()[0][0];
        // A constant, such as the diagonal of a correlation matrix, is neither mixed nor unmixed.
        if chains.values().iter().flatten().all(|x| *x == first) {
            r_hats.push(1.0);
            scarcities.push(0.0);
            continue;
        }
        r_hats.push(rhat::rank(&chains));
        scarcities.push(LEAST_DRAWS / ess::bulk(&chains).min(ess::tail(&chains)));
    }
    let n_draws = (draws.n_chains() * draws.n_draws()) as f64;
    let divergent = sampled.divergences.len() as f64 / n_draws;
    Ok(Report::of(vec![
        Check::each("r_hat", &r_hats, names, R_HAT, R_HAT_FAR),
        Check::each("scarcity", &scarcities, names, 1.0, 10.0),
        Check::whole("divergent", divergent, DIVERGENT, DIVERGENT_FAR),
    ]))
}

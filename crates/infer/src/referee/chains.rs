//! Judges Markov chains: there must be some to compare, they must have mixed, be long enough, not have been broken
//! off, estimate moments that exist, not all have missed a mode (file `missed`), and not have run away or stayed on a
//! small scale (file `beyond`).

use super::beyond::beyond;
use super::blame::blamed;
use super::{Check, Moments, Report, Sense, drift::moments, missed::missed};
use super::{sd_check, squares, tail_shape};
use crate::InferError;
use crate::mcmc::{Diverged, SAMPLER_COLUMNS, Sampled};
use crate::watch::watched;
use jensen_density::{Cause, LogDensity};
use jensen_posterior::{Draws, PosteriorError, ess, rhat};
use jensen_rng::Stream;
use jensen_run::Observer;

/// One chain can be compared with itself only, whatever its R-hat.
const LEAST_CHAINS: f64 = 2.0;
const LEAST_CHAINS_FAR: f64 = 1.0;
/// Rank-normalized split R-hat of a good and of a hopeless answer ([vehtari-2021], Sect. 4).
const R_HAT: f64 = 1.01;
const R_HAT_FAR: f64 = 1.2;
/// Bulk and tail need this many effective draws ([vehtari-2021]: 100 for each of four chains).
const LEAST_DRAWS: f64 = 400.0;
/// A divergence is a place that the chains could not enter: none goes unmentioned. Where the density is zero beyond a
/// wall it is no fault of the step size, and has a check of its own (`outside_support`).
const DIVERGENT: f64 = 0.0;
const DIVERGENT_FAR: f64 = 0.1;
/// Bayesian fraction of missing information below which momenta do not reach all energies
/// ([betancourt-2017], Sect. 6.1).
const LEAST_E_BFMI: f64 = 0.3;
/// Shape of a value's tail from which on it has no variance, and with it no standard error of its mean, and
/// from which on it has no mean.
const NO_VARIANCE: f64 = 0.5;
const NO_MEAN: f64 = 1.0;
/// A coordinate that is this many standard deviations off on average where trajectories diverge is named.
const BLAMED: f64 = 1.0;

/// Judges the draws after warmup, on the scale of the values; also the gradients that the search for what
/// they missed used.
///
/// # Errors
/// [`PosteriorError`] for draws that are too few or not finite.
pub fn judge_chains(
    target: &dyn LogDensity,
    sampled: &Sampled,
    stream: &Stream,
) -> Result<(Report, u64), PosteriorError> {
    let draws = sampled.constrained(target);
    let names = draws.names();
    let n_draws = draws.n_chains() * draws.n_draws();
    let (mut r_hats, mut sizes) = (Vec::new(), Vec::new());
    let (mut tails, mut square_tails) = (Vec::new(), Vec::new());
    for j in 0..draws.dim() {
        let chains = draws.quantity(j)?;
        let first = chains.values()[0][0];
        // A constant, such as the diagonal of a correlation matrix, is neither mixed nor unmixed.
        if chains.values().iter().flatten().all(|x| *x == first) {
            r_hats.push(1.0);
            sizes.push(n_draws as f64);
            tails.push(0.0);
            square_tails.push(0.0);
            continue;
        }
        r_hats.push(rhat::rank(&chains));
        sizes.push(ess::bulk(&chains).min(ess::tail(&chains)));
        let values: Vec<f64> = chains.values().iter().flatten().copied().collect();
        let equal = vec![0.0; values.len()];
        let efficiency = ess::mean(&chains) / n_draws as f64;
        tails.push(tail_shape(&equal, &values, efficiency));
        let squares = squares(&values, chains.mean());
        square_tails.push(tail_shape(&equal, &squares, efficiency));
    }
    let is_outside = |diverged: &&Diverged| {
        let refused = diverged.divergence.refused.as_ref();
        refused.is_some_and(|said| said.contains(&Cause::OutsideSupport.to_string()))
    };
    let (outside, diverged): (Vec<&Diverged>, Vec<&Diverged>) =
        sampled.divergences.iter().partition(is_outside);
    let [outside_share, divergent] = [&outside, &diverged].map(|d| d.len() as f64 / n_draws as f64);
    let (least, most) = (Sense::AtLeast, Sense::AtMost);
    let n_chains = draws.n_chains() as f64;
    let mut checks = vec![
        Check::whole("n_chains", n_chains, least, LEAST_CHAINS, LEAST_CHAINS_FAR),
        Check::each("r_hat", &r_hats, names, most, R_HAT, R_HAT_FAR),
        Check::each("ess", &sizes, names, least, LEAST_DRAWS, 0.1 * LEAST_DRAWS),
        Check::whole("divergent", divergent, most, DIVERGENT, DIVERGENT_FAR)
            .blaming(|| where_divergent(sampled, &diverged)),
        Check::whole(
            "outside_support",
            outside_share,
            most,
            DIVERGENT,
            DIVERGENT_FAR,
        )
        .blaming(|| where_divergent(sampled, &outside)),
        Check::each("moment_k_hat", &tails, names, most, NO_VARIANCE, NO_MEAN),
        sd_check(&square_tails, names),
    ];
    let fraction = e_bfmi(&sampled.sampler);
    if fraction.is_finite() {
        let far = 0.1 * LEAST_E_BFMI;
        let check = Check::whole("e_bfmi", fraction, least, LEAST_E_BFMI, far);
        let rows: Vec<&[f64]> = draws.rows().collect();
        let energies = || sampled.sampler.column(column("energy__"));
        checks.push(check.blaming(|| blamed(&rows, &energies(), names)));
    }
    let (mean, sd) = moments(draws.rows(), draws.dim(), n_draws as f64);
    let of_values = Moments {
        mean: &mean,
        sd: &sd,
    };
    let (far, n_gradients) = missed(target, &sampled.draws, &of_values, stream);
    checks.extend(far);
    let rows: Vec<&[f64]> = sampled.draws.rows().collect();
    let (far, n_beyond) = beyond(target, &rows);
    checks.extend(far);
    Ok((Report::of(checks), n_gradients + n_beyond))
}

/// [`judge_chains`] of a method's chains under an observer.
///
/// # Errors
/// [`InferError::Stopped`] on request, [`InferError::Failed`] for draws that cannot be judged.
pub(crate) fn judge_watched(
    target: &dyn LogDensity,
    sampled: &Sampled,
    method: &'static str,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<(Report, u64), InferError> {
    let judged = watched(target, observer, |target| {
        judge_chains(target, sampled, stream)
    })?;
    judged.map_err(|error| InferError::Failed {
        method,
        reason: error.to_string(),
    })
}

/// The smallest Bayesian fraction of missing information of a chain, sum (E_t - E_{t-1})^2 / sum (E_t - E)^2;
/// infinite for samplers without momenta, whose energy is the log density and moves as slowly as they do.
fn e_bfmi(sampler: &Draws) -> f64 {
    let chains_of = |wanted: &str| sampler.chains_of(column(wanted));
    if chains_of("n_leapfrog__")
        .iter()
        .flatten()
        .all(|n| *n == 0.0)
    {
        return f64::INFINITY;
    }
    let chains = chains_of("energy__");
    let fraction = |energies: &Vec<f64>| {
        let mean = energies.iter().sum::<f64>() / energies.len() as f64;
        let spread: f64 = energies.iter().map(|e| (e - mean).powi(2)).sum();
        let moves: f64 = energies.windows(2).map(|e| (e[1] - e[0]).powi(2)).sum();
        if spread > 0.0 {
            moves / spread
        } else {
            f64::INFINITY
        }
    };
    chains.iter().map(fraction).fold(f64::INFINITY, f64::min)
}

/// The place of a column of the sampler.
fn column(wanted: &str) -> usize {
    let column = SAMPLER_COLUMNS.iter().position(|name| *name == wanted);
    column.expect("internal error: a column of the sampler")
}

/// The coordinates that are farthest from their means where trajectories diverged, the farthest first.
fn where_divergent(sampled: &Sampled, divergences: &[&Diverged]) -> Vec<String> {
    let draws = &sampled.draws;
    let d = draws.dim();
    let (mean, sd) = moments(draws.rows(), d, draws.rows().len() as f64);
    let places: Vec<&[f64]> = (divergences.iter())
        .map(|diverged| diverged.divergence.position.as_slice())
        .filter(|position| position.len() == d)
        .collect();
    if places.is_empty() {
        return Vec::new();
    }
    let (center, _) = moments(places.iter(), d, places.len() as f64);
    let off: Vec<f64> = (0..d)
        .map(|i| (center[i] - mean[i]).abs() / sd[i])
        .collect();
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|&i, &j| off[j].total_cmp(&off[i]));
    (order.iter().enumerate())
        .filter(|(rank, i)| *rank == 0 || off[**i] > BLAMED)
        .map(|(_, &i)| draws.names()[i].clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referee::Verdict;
    use crate::targets::Quadratic;

    /// Energies that go slowly, as the second of three coordinates does.
    #[test]
    fn slow_energies_name_what_moves_with_them() {
        let target = Quadratic::new(&[1.0; 3], &[0.0; 3]);
        let mut stream = Stream::from_seed(1);
        let (mut positions, mut columns) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut slow = 0.0;
            for _ in 0..1000 {
                slow = 0.97 * slow + 0.25 * stream.normal();
                positions.extend([stream.normal(), slow, stream.normal()]);
                columns.extend([0.0, 1.0, 1.0, 1.0, 1.0, 0.0, slow * slow]);
            }
        }
        let names = ["x[1]", "x[2]", "x[3]"].map(str::to_owned).to_vec();
        let sampled = Sampled {
            draws: Draws::new(names, 4, 1000, positions),
            sampler: Draws::new(
                SAMPLER_COLUMNS.map(str::to_owned).to_vec(),
                4,
                1000,
                columns,
            ),
            divergences: Vec::new(),
            chains: Vec::new(),
        };
        let (report, _) = judge_chains(&target, &sampled, &stream).unwrap();
        let check = report.checks.iter().find(|c| c.name == "e_bfmi").unwrap();
        assert!(check.verdict() > Verdict::Good, "{report}");
        assert_eq!(check.failing, ["x[2]"], "{report}");
    }
}

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
    use crate::mcmc::Divergence;
    use crate::referee::Verdict;
    use crate::targets::Quadratic;

    const N_DRAWS: usize = 1000;

    /// Four chains of three coordinates that a function of chain and stream makes, with energies.
    fn sampled(mut draw: impl FnMut(usize, &mut Stream) -> ([f64; 3], f64)) -> Sampled {
        let mut stream = Stream::from_seed(1);
        let (mut positions, mut columns) = (Vec::new(), Vec::new());
        for chain in 0..4 {
            for _ in 0..N_DRAWS {
                let (position, energy) = draw(chain, &mut stream);
                positions.extend(position);
                columns.extend([0.0, 1.0, 1.0, 1.0, 1.0, 0.0, energy]);
            }
        }
        let names = ["x[1]", "x[2]", "x[3]"].map(str::to_owned).to_vec();
        let columns_of = SAMPLER_COLUMNS.map(str::to_owned).to_vec();
        Sampled {
            draws: Draws::new(names, 4, N_DRAWS, positions),
            sampler: Draws::new(columns_of, 4, N_DRAWS, columns),
            divergences: Vec::new(),
            chains: Vec::new(),
        }
    }

    fn normals(stream: &mut Stream) -> [f64; 3] {
        [0; 3].map(|_| stream.normal())
    }

    /// The judgement of chains as of three unit normal laws.
    fn judged(sampled: &Sampled) -> Report {
        let target = Quadratic::new(&[1.0; 3], &[0.0; 3]);
        judge_chains(&target, sampled, &Stream::from_seed(2))
            .unwrap()
            .0
    }

    fn found<'r>(report: &'r Report, name: &str) -> &'r Check {
        report.checks.iter().find(|c| c.name == name).unwrap()
    }

    #[test]
    fn independent_draws_are_good() {
        let report = judged(&sampled(|_, stream| (normals(stream), stream.normal())));
        assert_eq!(report.verdict, Verdict::Good, "{report}");
    }

    #[test]
    fn a_chain_that_is_elsewhere_names_where() {
        let report = judged(&sampled(|chain, stream| {
            let mut x = normals(stream);
            x[1] += if chain == 3 { 0.5 } else { 0.0 };
            (x, stream.normal())
        }));
        let check = found(&report, "r_hat");
        assert_eq!(check.verdict(), Verdict::Doubtful, "{report}");
        assert_eq!(check.failing, ["x[2]"], "{report}");
    }

    #[test]
    fn a_slow_coordinate_has_too_few_draws() {
        let mut slow = 0.0;
        let report = judged(&sampled(|_, stream| {
            let mut x = normals(stream);
            slow = 0.9 * slow + 0.19f64.sqrt() * x[2];
            x[2] = slow;
            (x, stream.normal())
        }));
        let check = found(&report, "ess");
        assert_eq!(check.verdict(), Verdict::Doubtful, "{report}");
        assert_eq!(check.failing, ["x[3]"], "{report}");
    }

    #[test]
    fn a_divergence_names_the_coordinate_that_was_far_out() {
        let with = |refused: Option<String>| {
            let mut sampled = sampled(|_, stream| (normals(stream), stream.normal()));
            sampled.divergences.push(Diverged {
                chain_idx: 1,
                draw_idx: 7,
                divergence: Divergence {
                    position: vec![0.1, 3.0, -0.2],
                    energy_error: None,
                    refused,
                },
            });
            judged(&sampled)
        };
        let wall = Some(format!("line 3: {}", Cause::OutsideSupport));
        let solver = Some(format!("line 3: {}", Cause::SolverFailed));
        // A wall has a check of its own.
        for (refused, name, other) in [
            (None, "divergent", "outside_support"),
            (solver, "divergent", "outside_support"),
            (wall, "outside_support", "divergent"),
        ] {
            let report = with(refused);
            let check = found(&report, name);
            assert_eq!(check.value, 1.0 / (4 * N_DRAWS) as f64);
            assert_eq!(check.verdict(), Verdict::Doubtful, "{report}");
            assert_eq!(check.failing, ["x[2]"], "{report}");
            assert_eq!(found(&report, other).verdict(), Verdict::Good, "{report}");
        }
    }

    /// Energies that go slowly, as the second of three coordinates does.
    #[test]
    fn slow_energies_name_what_moves_with_them() {
        let mut slow = 0.0;
        let report = judged(&sampled(|_, stream| {
            let mut x = normals(stream);
            slow = 0.97 * slow + 0.25 * x[1];
            x[1] = slow;
            (x, slow * slow)
        }));
        let check = found(&report, "e_bfmi");
        assert!(check.verdict() > Verdict::Good, "{report}");
        assert_eq!(check.failing, ["x[2]"], "{report}");
    }
}

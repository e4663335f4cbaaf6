//! Missed modes: whether mass lies where an answer has none.
//!
//! Chains that all sit in one mode of two mix well, and nothing they measure tells of the other. So paths from
//! random starts, from draws of the answer, and from scouts in boxes around it (file `scouts`, with how far) look for
//! modes at which no draw ever was: no draw lies in the denser half of a path's Gaussian q on its side of what the
//! draws know (file `region`), the region R. A mode to which draws climb is asked too, since it may be narrow and
//! hold what none of them saw. What such modes are worth, r = Z_far / (Z + Z_far), says how the answer would change
//! with them:
//!
//! - **far_shift**: |mean - mean with the far modes| in standard deviations with them,
//! - **far_spread**: |ln (sd / sd with the far modes)|.
//!
//! Z_far is the mass of p in R over that of q, at most all the mass that importance weights find: of a mode that q
//! fits, both lose the same share, and of one that the draws know but q is too narrow for, R holds next to nothing. Z comes from a bridge between the
//! draws and the Gaussian with their moments ([gronau-2017]), which is taken only where there is a mode to be
//! weighed. Modes without weight, as local maxima of a likelihood often are, do not matter.
//!
//! It costs three paths, two dozen scouts, a few ascents from the draws with paths to what they find and, where a
//! mode was found, a thousand draws and twice half the draws of the answer.

use super::compare::{Moments, SPREAD, SPREAD_FAR};
use super::drift::moments;
use super::importance::{values_of, weighted_moments};
use super::region::Region;
use super::{Check, Sense};
use crate::importance::pool;
use crate::modes::is_same;
use crate::optimize::{Optimum, lbfgs::Lbfgs, maximize};
use crate::pathfinder::{self, Path, Pathfinder};
use crate::scouts::{StartBox, scout};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::bridge::bridge;
use jensen_posterior::{Approximation, Draws};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;
use rayon::prelude::*;

/// Paths from random starts.
const N_PATHS: usize = 3;
/// Rounds of scouts.
const N_ROUNDS: u64 = 2;
/// Draws from which ascents tell what the answer knows.
const N_ASCENTS: usize = 8;
/// Steps of such an ascent.
const MAX_STEPS: u64 = 200;
/// Draws by which far modes are weighed.
const N_WEIGHED: usize = 1000;
/// Far modes with less than this share of the mass move no mean that exists.
const LEAST_SHARE: f64 = 1e-6;
/// Means may shift by this many standard deviations: with two errors of a mean of 400 effective draws, a tenth,
/// it stays within the quarter that a good answer promises.
const SHIFT: f64 = 0.15;
const SHIFT_FAR: f64 = 1.0;

/// The checks of unconstrained draws `[c, s, d]` whose values have these moments, and the gradients used.
pub(crate) fn missed(
    target: &dyn LogDensity,
    draws: &Draws,
    of_values: &Moments<'_>,
    stream: &Stream,
) -> (Vec<Check>, u64) {
    let (far, n_gradients) = far_modes(target, draws, stream);
    let (checks, used) = weighed(target, draws, of_values, &far, stream);
    (checks, n_gradients + used)
}

/// The checks with these far modes, and the gradients used.
fn weighed(
    target: &dyn LogDensity,
    draws: &Draws,
    of_values: &Moments<'_>,
    far: &[Far],
    stream: &Stream,
) -> (Vec<Check>, u64) {
    let names = target.layout().value_names();
    let with = match far.is_empty() {
        true => With::default(),
        false => with_far(target, draws, of_values, far, stream),
    };
    let (shift, spread) = match &with.moments {
        None => (vec![0.0; names.len()], vec![0.0; names.len()]),
        Some((mean, sd)) => {
            let with = Moments { mean, sd };
            (of_values.shifts(&with), of_values.spreads(&with))
        }
    };
    let most = Sense::AtMost;
    let (limit, worst) = (SPREAD.ln(), SPREAD_FAR.ln());
    let checks = vec![
        Check::each("far_shift", &shift, &names, most, SHIFT, SHIFT_FAR),
        Check::each("far_spread", &spread, &names, most, limit, worst),
    ];
    (checks, with.n_gradients)
}

/// A path to a mode in whose denser half no draw is.
struct Far {
    path: Path,
    region: Region,
}

/// Paths to modes where no draw is, and the gradients used.
fn far_modes(target: &dyn LogDensity, draws: &Draws, stream: &Stream) -> (Vec<Far>, u64) {
    let d = draws.dim();
    let rows: Vec<&[f64]> = draws.rows().collect();
    let (center, sd) = moments(rows.iter(), d, rows.len() as f64);
    let options = Pathfinder::default();
    // Draws at equal distances are of every chain.
    let ascents: Vec<_> = (0..N_ASCENTS.min(rows.len()))
        .into_par_iter()
        .filter_map(|i| {
            let start = rows[(2 * i + 1) * rows.len() / (2 * N_ASCENTS.min(rows.len()))];
            let optimum = maximize(&Lbfgs::default(), target, start, MAX_STEPS).ok()?;
            Some((start, optimum))
        })
        .collect();
    let mut n_gradients: u64 = (ascents.iter())
        .map(|(_, optimum)| optimum.n_gradients)
        .sum();
    let mut found: Vec<Path> = Vec::new();
    let is_known =
        |found: &[Path], optimum: &Optimum| found.iter().any(|path| is_same(path, optimum));
    // Starts that the density refuses everywhere lead nowhere.
    if let Ok(begun) = pathfinder::tried(target, N_PATHS, &options, stream) {
        n_gradients += begun.n_gradients;
        found.extend(begun.found);
    }
    for (i, (start, optimum)) in ascents.iter().enumerate() {
        if !is_known(&found, optimum) {
            let stream = stream.child("ascent", i as u64);
            let (path, used) = pathfinder::counted(target, start, &options, &stream);
            n_gradients += used;
            found.extend(path);
        }
    }
    for round in 0..N_ROUNDS {
        let round = stream.child("round", round);
        let is_known = |optimum: &Optimum| is_known(&found, optimum);
        let scouted = scout(target, &StartBox::around(&center, &sd), &is_known, &round);
        n_gradients += scouted.n_gradients;
        found.extend(scouted.paths);
    }
    let ends = ascents
        .into_iter()
        .map(|(_, optimum)| optimum.place.position);
    let known: Vec<Vec<f64>> = ends.chain([center]).collect();
    let far = (found.into_iter()).filter_map(|path| unvisited(path, &rows, &known, stream));
    (far.collect(), n_gradients)
}

/// The path again, unless a draw lies in its region.
fn unvisited(path: Path, rows: &[&[f64]], known: &[Vec<f64>], stream: &Stream) -> Option<Far> {
    let q = &path.gaussian;
    let region = Region::new(q, known, stream);
    if rows.par_iter().any(|row| region.holds(q, row)) {
        return None;
    }
    Some(Far { path, region })
}

/// What an answer would be with far modes.
#[derive(Default)]
struct With {
    /// Means and standard deviations of the values, `[n_values]` each; none where the modes have no weight.
    moments: Option<(Vec<f64>, Vec<f64>)>,
    n_gradients: u64,
}

/// The moments of the values with far modes.
fn with_far(
    target: &dyn LogDensity,
    draws: &Draws,
    of_values: &Moments<'_>,
    far: &[Far],
    stream: &Stream,
) -> With {
    let proposals: Vec<&dyn Approximation> = (far.iter())
        .map(|mode| &mode.path.gaussian as &dyn Approximation)
        .collect();
    let Ok(sample) = pool(target, &proposals, N_WEIGHED, &stream.child("weigh", 0)) else {
        return With {
            moments: None,
            n_gradients: N_WEIGHED as u64,
        };
    };
    let mut evaluator = Evaluator::new(target);
    let ln_p = |position: &[f64]| evaluator.log_density(position);
    let known = bridge(draws, ln_p, &stream.child("bridge", 0));
    let is_inside = |row: &[f64]| {
        let mut modes = far.iter();
        modes.any(|mode| mode.region.holds(&mode.path.gaussian, row))
    };
    let inside: Vec<f64> = (sample.rows().zip(&sample.psis.ln_weights))
        .filter(|(row, _)| is_inside(row))
        .map(|(_, ln_w)| *ln_w)
        .collect();
    // Of several modes the smallest share makes the most of what was found.
    let shares = far.iter().map(|mode| mode.region.share);
    let of_q = shares.fold(1.0, f64::min);
    let ln_share = (log_sum_exp(&inside) - of_q.ln()).min(0.0);
    let ln_far = sample.psis.ln_mean_weight + ln_share;
    // Where the draws cannot be weighed, nothing says that they are worth more than the far modes.
    let ln_odds = known.map_or(0.0, |known| ln_far - known.ln_evidence);
    let share = 1.0 / (1.0 + (-ln_odds).exp());
    let mut with = With {
        moments: None,
        n_gradients: sample.n_gradients + evaluator.n_gradients(),
    };
    if share < LEAST_SHARE {
        return with;
    }
    let width = of_values.mean.len();
    let (far_mean, far_sd) = weighted_moments(&sample, &values_of(target, &sample), width);
    let mean: Vec<f64> = (of_values.mean.iter().zip(&far_mean))
        .map(|(m, far)| m + share * (far - m))
        .collect();
    let sd = (0..width)
        .map(|j| {
            let second = |m: f64, s: f64| s * s + (m - mean[j]).powi(2);
            let known = second(of_values.mean[j], of_values.sd[j]);
            let far = second(far_mean[j], far_sd[j]);
            ((1.0 - share) * known + share * far).sqrt()
        })
        .collect();
    with.moments = Some((mean, sd));
    with
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referee::Verdict;
    use jensen_testkit::targets::{Boxed, NormalMixture};

    /// A wide unit normal and, with this share, a narrow one within its basin, both normalized in d coordinates.
    fn nested(d: usize, share: f64, offset: f64, narrow: f64) -> Boxed {
        let parts = [(1.0 - share, 0.0, 1.0), (share, offset, narrow)];
        NormalMixture::new(&parts).joint(d).density
    }

    /// Independent unit normals in four chains, and their moments.
    fn wide_draws(d: usize) -> (Draws, Vec<f64>, Vec<f64>) {
        let mut stream = Stream::from_seed(2);
        let names = (1..=d).map(|i| format!("x[{i}]")).collect();
        let values = (0..4000 * d).map(|_| stream.normal()).collect();
        let draws = Draws::new(names, 4, 1000, values);
        let (mean, sd) = moments(draws.rows(), d, 4000.0);
        (draws, mean, sd)
    }

    fn verdict_of(checks: &[Check], name: &str) -> Option<Verdict> {
        let mut checks = checks.iter();
        checks.find(|check| check.name == name).map(Check::verdict)
    }

    /// Every draw climbs to the narrow mode, which holds nine tenths of the mass and none of them.
    #[test]
    fn a_narrow_mode_to_which_draws_climb_is_not_taken_for_visited() {
        let target = nested(10, 0.9, 0.5, 0.1);
        let (draws, mean, sd) = wide_draws(10);
        let (mean, sd) = (&mean[..], &sd[..]);
        for seed in 1..=5 {
            let stream = Stream::from_seed(seed);
            let (checks, _) = missed(target.as_ref(), &draws, &Moments { mean, sd }, &stream);
            let failed = checks.iter().any(|check| check.verdict() > Verdict::Good);
            assert!(failed, "seed {seed}: {checks:?}");
        }
        // Without the narrow mode, and with hardly any mass in it, nothing is missed.
        for target in [nested(10, 1e-9, 0.5, 1.0), nested(10, 1e-9, 0.5, 0.1)] {
            for seed in 1..=5 {
                let stream = Stream::from_seed(seed);
                let (checks, _) = missed(target.as_ref(), &draws, &Moments { mean, sd }, &stream);
                for name in ["far_shift", "far_spread"] {
                    assert_eq!(verdict_of(&checks, name), Some(Verdict::Good), "{checks:?}");
                }
            }
        }
    }
    /// Modes on both sides leave the mean and take the spread; one of them alone takes both, of that coordinate.
    #[test]
    fn modes_that_were_missed_are_told_by_mean_or_spread() {
        let (draws, mean, sd) = wide_draws(3);
        let (mean, sd) = (&mean[..], &sd[..]);
        for (sides, failing) in [
            (&[][..], &[][..]),
            (&[-12.0, 12.0], &["far_spread"]),
            (&[12.0], &["far_shift", "far_spread"]),
        ] {
            let modes: Vec<f64> = sides.iter().copied().chain([0.0]).collect();
            let target = NormalMixture::at(&modes).joint(3).density;
            let stream = Stream::from_seed(1);
            let (checks, _) = missed(target.as_ref(), &draws, &Moments { mean, sd }, &stream);
            for check in &checks {
                let is_missed = failing.contains(&check.name);
                let expected: &[&str] = if is_missed { &["x[1]"] } else { &[] };
                assert_eq!(check.failing, expected, "{sides:?}: {checks:?}");
                let is_bad = check.verdict() > Verdict::Good;
                assert_eq!(is_bad, is_missed, "{sides:?}: {checks:?}");
            }
        }
    }
}

//! Confirms the answer of an approximation: its moments against draws with importance weights.
//!
//! The answer is what the method says: its own draws, unweighted. Beside it stand two samples that know nothing of
//! each other; each is drawn from the answer and from the Gaussians of a few new paths of Pathfinder, and weighted
//! against the mixture of them all. The referee judges the samples (k-hat, agreement, Stein, drift), and two more
//! checks compare the answer with them:
//!
//! - **shift**: |mean of the answer - weighted mean| and two Monte Carlo standard errors of the latter, in weighted
//!   standard deviations: together they have to fit into the quarter that a good answer promises,
//! - **spread**: |ln (sd of the answer / weighted sd)|.
//!
//! - **unknown_modes**: the paths of samples whose scouts still found modes in the end; there must be none.
//!
//! Draws of the answer alone would weigh a mode that it missed by nothing; the paths are there to find it, and
//! scouts for what lies far from them (file `scouts`). An answer is good where the samples are and it agrees with
//! them. It costs the gradients of six paths and three dozen scouts (more where modes are many), four thousand draws,
//! and the trajectories of the drift check.

use super::compare::{Moments, SPREAD, SPREAD_FAR, in_units};
use super::importance::{
    ERRORS, PROMISED, PROMISED_FAR, judge_importance, values_of, weighted_errors, weighted_moments,
};
use super::{Check, Sense};
use crate::importance::{Sample, pool};
use crate::scouts::explore;
use jensen_density::LogDensity;
use jensen_posterior::Approximation;
use jensen_posterior::evidence::Estimate;
use jensen_posterior::psis::threshold;
use jensen_rng::Stream;

/// Paths that join the answer in each of the two samples.
const N_PATHS: usize = 3;
/// Draws of each sample.
const N_DRAWS: usize = 2000;

/// The answer to be confirmed.
pub(crate) struct Claim<'a> {
    /// Its moments.
    pub(crate) moments: Moments<'a>,
    /// What draws like it, where there is such a thing.
    pub(crate) proposal: Option<&'a dyn Approximation>,
}

/// What the samples say.
pub(crate) struct Confirmed {
    /// The checks of the referee and those of the comparison.
    pub(crate) checks: Vec<Check>,
    /// The log evidence by the weights, nats; it contains the free constant of the density.
    pub(crate) log_evidence: Option<Estimate>,
    /// Gradients used.
    pub(crate) n_gradients: u64,
}

/// Judges a claim.
pub(crate) fn confirm(target: &dyn LogDensity, claim: &Claim<'_>, stream: &Stream) -> Confirmed {
    let most = Sense::AtMost;
    let (mut n_gradients, mut n_unsettled) = (0, 0);
    let mut sample = |index: u64| -> Option<Sample> {
        let stream = stream.child("restart", index);
        // Without paths the answer has to do: whether that is enough, its weights say.
        let explored = explore(target, N_PATHS, &stream).unwrap_or_default();
        n_gradients += explored.n_gradients;
        if !explored.is_settled {
            n_unsettled += explored.paths.len();
        }
        let gaussians = (explored.paths.iter()).map(|path| &path.gaussian as &dyn Approximation);
        let first: Vec<&dyn Approximation> = claim.proposal.into_iter().chain(gaussians).collect();
        if first.is_empty() {
            return None;
        }
        let sample = pool(target, &first, N_DRAWS, &stream.child("draws", 0)).ok()?;
        n_gradients += sample.n_gradients;
        Some(sample)
    };
    let (Some(a), Some(b)) = (sample(0), sample(1)) else {
        // Nothing that could be drawn has any weight: any value may be the reason.
        let check = Check::whole("k_hat", f64::INFINITY, most, threshold(N_DRAWS), 1.0);
        return Confirmed {
            checks: vec![check.blaming(|| target.layout().value_names())],
            log_evidence: None,
            n_gradients,
        };
    };
    let samples = [&a, &b];
    let values = samples.map(|sample| values_of(target, sample));
    let judge = stream.child("referee", 0);
    let (report, used) = judge_importance(target, samples, [&values[0], &values[1]], &judge)
        .expect("internal error: values are not those of the samples");
    let names = target.layout().value_names();
    let moments = [0, 1].map(|i| weighted_moments(samples[i], &values[i], names.len()));
    let mut reference = (Vec::new(), Vec::new());
    for j in 0..names.len() {
        let gap = 0.5 * (moments[0].0[j] - moments[1].0[j]);
        let second = moments.each_ref().map(|(_, sd)| sd[j] * sd[j]);
        reference.0.push(0.5 * (moments[0].0[j] + moments[1].0[j]));
        (reference.1).push((0.5 * (second[0] + second[1]) + gap * gap).sqrt());
    }
    let reference = Moments {
        mean: &reference.0,
        sd: &reference.1,
    };
    let errors = [0, 1].map(|i| weighted_errors(samples[i], &values[i], &moments[i].0));
    let mut shifts = claim.moments.shifts(&reference);
    for (j, shift) in shifts.iter_mut().enumerate() {
        let error = 0.5 * errors[0][j].hypot(errors[1][j]);
        *shift += ERRORS * in_units(error, reference.sd[j]);
    }
    let spreads = claim.moments.spreads(&reference);
    let (limit, worst) = (SPREAD.ln(), SPREAD_FAR.ln());
    let mut checks = report.checks;
    checks.push(Check::each(
        "shift",
        &shifts,
        &names,
        most,
        PROMISED,
        PROMISED_FAR,
    ));
    checks.push(Check::each("spread", &spreads, &names, most, limit, worst));
    if n_unsettled > 0 {
        // As on the ladder: weights say nothing of modes that are still unknown.
        let n_modes = n_unsettled as f64;
        let check = Check::whole("unknown_modes", n_modes, most, 0.0, f64::INFINITY);
        checks.push(check.blaming(|| names.clone()));
    }
    let ln_z = samples.map(|sample| sample.psis.log_evidence());
    Confirmed {
        checks,
        log_evidence: Some(Estimate {
            value: 0.5 * (ln_z[0].value + ln_z[1].value),
            se: 0.5 * ln_z[0].se.hypot(ln_z[1].se),
        }),
        n_gradients: n_gradients + used,
    }
}

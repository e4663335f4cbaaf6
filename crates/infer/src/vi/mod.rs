//! Variational inference by stochastic gradients of bounds, and by matching scores.
//!
//! [`fit`] is the way in: a family, a start, no numbers to set. What it is made of can be had one by one:
//! [`Sgvi`] with an [`Estimator`], an [`Objective`] and a [`StepRule`]; [`Bam`], which matches scores;
//! [`Advi`], as published, for comparison.
//!
//! ```
//! use jensen_density::{Layout, LogDensity, Reject, Variable};
//! use jensen_infer::{family::FullRank, vi::{Stop, fit}};
//! use jensen_rng::Stream;
//! use jensen_run::Silent;
//!
//! /// x ~ N(3, 1), y | x ~ N(x, 1/10).
//! struct Pair(Layout);
//!
//! impl LogDensity for Pair {
//!     fn layout(&self) -> &Layout {
//!         &self.0
//!     }
//!     fn log_density_and_grad(&self, p: &[f64], grad: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
//!         let (a, b) = (p[0] - 3.0, 10.0 * (p[1] - p[0]));
//!         grad[0] = -a + 10.0 * b;
//!         grad[1] = -10.0 * b;
//!         Ok(-0.5 * (a * a + b * b))
//!     }
//! }
//!
//! let target = Pair(Layout::new(vec![Variable::real("x"), Variable::real("y")]));
//! let family = FullRank { dim: 2 };
//! let found = fit(&target, &family, &[0.0, 0.0], 10_000, &Stream::from_seed(1), &mut Silent)?;
//! assert_eq!(found.stop, Stop::Converged);
//! // The log evidence: ln(2 pi / 10).
//! assert!((found.elbo + 0.4647).abs() < 0.01);
//! # Ok::<(), jensen_infer::InferError>(())
//! ```

mod advi;
mod bam;
mod batch;
mod estimator;
mod objective;
mod sgvi;
mod step_size;

pub use advi::{Advi, AdviInfo, AdviPhase, AdviState, AdviStop};
pub use bam::{Bam, BamInfo, BamSchedule, BamStart, BamState};
pub use batch::Batch;
pub use estimator::{Baseline, Estimator, Problem, Reparameterization, Score};
pub use objective::Objective;
pub use sgvi::{Check, Sgvi, SgviInfo, SgviState};
pub use step_size::{Adam, Averaging, Distance, RobbinsMonro, StepRule, StepState};

use crate::InferError;
use crate::drive::{Flow, Keep, drive};
use crate::family::Family;
use crate::watch::watched;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::Approximation;
use jensen_rng::Stream;
use jensen_run::Observer;
use sgvi::mean_and_error;

/// What [`fit`] found.
pub struct Fit {
    /// The member of the family with the averaged parameters.
    pub approximation: Box<dyn Approximation>,
    /// Its parameters lambda, `[n_params]`.
    pub params: Vec<f64>,
    /// Its ELBO, nats, from fresh draws.
    pub elbo: f64,
    /// The standard error of the ELBO, nats.
    pub elbo_error: f64,
    /// Steps taken.
    pub n_steps: u64,
    /// Gradients of the log density used, all in all.
    pub n_gradients: u64,
    /// Draws that the density refused, left out of the steps.
    pub n_rejected: u64,
    /// Why it ended.
    pub stop: Stop,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The stop rule of [`Sgvi`] was satisfied.
    Converged,
    /// All steps were taken.
    StepLimit,
}

/// Draws for the ELBO of the answer: a standard error of 0.03 nats where ln w has a spread of one nat.
const N_ELBO_DRAWS: usize = 1000;
/// More refused draws than this share, after [`N_DRAWS_JUDGED`] draws, and the fit ends with an error: the
/// steps would follow what is left of the density.
const REJECTED_SHARE_MAX: f64 = 0.5;
const N_DRAWS_JUDGED: u64 = 200;

/// Fits a family from a start `[d]` by [`Sgvi`] with its defaults, at most `n_steps` steps; no step size is to
/// be set. The result says why it ended; whether it is any good says
/// [`judge_approximation`](crate::referee::judge_approximation). It keeps nothing:
/// [`fit_kept`] can be interrupted.
///
/// # Errors
/// Those of [`fit_kept`].
pub fn fit(
    target: &dyn LogDensity,
    family: &dyn Family,
    start: &[f64],
    n_steps: u64,
    stream: &Stream,
    observer: &mut dyn Observer,
) -> Result<Fit, InferError> {
    fit_kept(target, family, start, n_steps, stream, None, observer)
}

/// [`fit`] that goes on from the newest checkpoint of `keep`, to the bits of an unbroken run.
///
/// # Errors
/// [`InferError`] for a start that is not finite or refused, for a family of another dimension than the density,
/// for a density that refuses most draws, for checkpoints that cannot be read or are of another run, and
/// [`InferError::Stopped`] if the observer asks to stop; the state is kept then.
pub fn fit_kept(
    target: &dyn LogDensity,
    family: &dyn Family,
    start: &[f64],
    n_steps: u64,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Fit, InferError> {
    let sgvi = Sgvi::new(family);
    let driven = drive(
        &sgvi,
        target,
        start,
        n_steps,
        stream,
        keep,
        observer,
        |_, state, info| {
            let refused = state.n_draws >= N_DRAWS_JUDGED && refused_most(state).is_err();
            match info.converged || refused {
                true => Flow::Done,
                false => Flow::Continue,
            }
        },
    )?;
    if driven.stopped {
        return Err(InferError::Stopped);
    }
    let state = driven.state;
    refused_most(&state)?;
    let last = stream.child("elbo", 0);
    let (batch, n_gradients) = watched(target, observer, |target| {
        let mut evaluator = Evaluator::new(target);
        let batch = Batch::draw(family, &state.averaged, &mut evaluator, &last, N_ELBO_DRAWS);
        (batch, evaluator.n_gradients())
    })?;
    if let Some(reject) = batch.reject {
        refused(
            batch.n_rejected as u64,
            N_ELBO_DRAWS as u64,
            &reject.to_string(),
        )?;
    }
    let (elbo, elbo_error) = mean_and_error(&batch.ln_w);
    Ok(Fit {
        approximation: family.member(&state.averaged),
        elbo,
        elbo_error,
        n_steps: driven.step,
        n_gradients: state.n_gradients + n_gradients,
        n_rejected: state.n_rejected,
        stop: match state.converged() {
            true => Stop::Converged,
            false => Stop::StepLimit,
        },
        params: state.averaged,
    })
}

/// An error if the density refused most draws of the steps.
fn refused_most(state: &SgviState) -> Result<(), InferError> {
    let last = state.last_refusal.as_deref().unwrap_or_default();
    refused(state.n_rejected, state.n_draws, last)
}

/// An error if most draws were refused.
fn refused(n_rejected: u64, n_draws: u64, last: &str) -> Result<(), InferError> {
    match n_rejected as f64 > REJECTED_SHARE_MAX * n_draws as f64 {
        false => Ok(()),
        true => Err(InferError::Failed {
            method: "sgvi",
            reason: format!(
                "the density refused {n_rejected} of {n_draws} draws; the last: {last}"
            ),
        }),
    }
}

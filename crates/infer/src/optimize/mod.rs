//! Maximization of a log density: modes, and the paths to them that other methods use.
//!
//! What is maximized is the [`LogDensity`] itself, and that contains the log-determinant of the transform. So the
//! maximum of a posterior is the mode of its density over the unconstrained coordinates, which depends on how they
//! were chosen: of a scale tau with coordinate ln tau it is the mode of the density of ln tau, tau p(tau), and not
//! that of p(tau). For the same reason the maximum of a likelihood alone is the maximum-likelihood estimate only
//! where every variable is unconstrained, so that the determinant is 1; elsewhere the determinant acts as if it were
//! a prior. An estimate that does not depend on coordinates needs a density without the determinant.

pub mod adam;
pub mod gradient_descent;
pub mod lbfgs;
mod line_search;
pub mod newton;
pub mod trust_region;

use crate::dense::{max_abs, norm};
use crate::drive::check_start;
use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, LogDensity, Reject};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Where an ascent stands: shared by all methods of this folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The position, `[d]`.
    pub position: Vec<f64>,
    /// The log density there, nats.
    pub log_density: f64,
    /// Its gradient there, `[d]`.
    pub grad: Vec<f64>,
}

impl Place {
    /// The place at a starting position.
    pub(crate) fn start(
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
    ) -> Result<Self, InferError> {
        check_start(evaluator.target(), position)?;
        Self::at(evaluator, position.to_vec()).map_err(InferError::StartRefused)
    }

    /// The place at a position.
    pub(crate) fn at(evaluator: &mut Evaluator<'_>, position: Vec<f64>) -> Result<Self, Reject> {
        let mut grad = vec![0.0; position.len()];
        let log_density = evaluator.log_density_and_grad(&position, &mut grad)?;
        Ok(Self {
            position,
            log_density,
            grad,
        })
    }

    /// Moves on; `expected_gain` is that of a further step.
    fn move_to(&mut self, after: Self, expected_gain: f64) -> Info {
        let moved = after.position.iter().zip(&self.position);
        let step: Vec<f64> = moved.map(|(a, b)| a - b).collect();
        let info = Info {
            log_density: after.log_density,
            gain: after.log_density - self.log_density,
            expected_gain,
            grad_max: max_abs(&after.grad),
            step_norm: norm(&step),
            moved: true,
        };
        *self = after;
        info
    }

    /// Stays: the step found nothing better.
    fn stay(&self, expected_gain: f64) -> Info {
        Info {
            log_density: self.log_density,
            gain: 0.0,
            expected_gain,
            grad_max: max_abs(&self.grad),
            step_norm: 0.0,
            moved: false,
        }
    }
}

/// What a step of an ascent did.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The log density after the step, nats.
    pub log_density: f64,
    /// How much it rose, nats.
    pub gain: f64,
    /// How much a model of second order expects a further step to gain, nats; infinite where the method
    /// has no such model.
    pub expected_gain: f64,
    /// Largest component of the gradient.
    pub grad_max: f64,
    /// Length of the step.
    pub step_norm: f64,
    /// Whether the step moved at all.
    pub moved: bool,
}

/// Why an ascent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The expected or the actual gain fell below the tolerance.
    Converged,
    /// No step uphill was found, the gradient not being small.
    Stuck,
    /// The largest number of steps.
    MaxSteps,
}

/// Where an ascent ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimum {
    /// The best place.
    pub place: Place,
    /// Steps done.
    pub n_steps: u64,
    /// Gradients used.
    pub n_gradients: u64,
    /// Why it ended.
    pub stop: Stop,
}

/// An ascent is done when a step gains, and the next is expected to gain, less than this many nats: far
/// below what matters to any posterior, far above rounding of log densities up to 10^5 nats.
pub const GAIN_TOLERANCE: f64 = 1e-9;

/// Steps an ascent from a start `[d]`, unconstrained, until it is done ([`GAIN_TOLERANCE`]) or has made `max_steps`
/// steps; [`Optimum::stop`] tells which.
///
/// # Errors
/// Those of [`Algorithm::init`]: options out of range, a start of the wrong length, with a coordinate that is not finite, or
/// that the density refuses.
pub fn maximize<A>(
    method: &A,
    target: &dyn LogDensity,
    start: &[f64],
    max_steps: u64,
) -> Result<Optimum, InferError>
where
    A: Algorithm<Info = Info>,
    A::State: AsRef<Place>,
{
    maximize_watched(method, target, start, max_steps, &mut |_, _| {})
}

/// [`maximize`] with a look at every state, the first included, and at the evaluator, which has counted so far.
///
/// # Errors
/// Those of [`maximize`].
pub fn maximize_watched<A>(
    method: &A,
    target: &dyn LogDensity,
    start: &[f64],
    max_steps: u64,
    watch: &mut dyn FnMut(&A::State, &Evaluator<'_>),
) -> Result<Optimum, InferError>
where
    A: Algorithm<Info = Info>,
    A::State: AsRef<Place>,
{
    let mut evaluator = Evaluator::new(target);
    // Ascents draw nothing: any stream will do.
    let stream = Stream::from_seed(0);
    let mut state = method.init(&mut evaluator, start, &stream)?;
    watch(&state, &evaluator);
    let mut n_steps = 0;
    let mut stop = Stop::MaxSteps;
    while n_steps < max_steps {
        let info = method.step(&mut evaluator, &mut state, &stream);
        n_steps += 1;
        // Rounding of the log density hides gains smaller than this.
        let rounding = 4.0 * f64::EPSILON * info.log_density.abs();
        let small = GAIN_TOLERANCE.max(rounding);
        if info.moved {
            watch(&state, &evaluator);
        }
        if info.gain <= small && (info.expected_gain <= small || info.grad_max == 0.0) {
            stop = Stop::Converged;
            break;
        }
        if !info.moved {
            stop = Stop::Stuck;
            break;
        }
    }
    Ok(Optimum {
        place: state.as_ref().clone(),
        n_steps,
        n_gradients: evaluator.n_gradients(),
        stop,
    })
}

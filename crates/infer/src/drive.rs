//! The one loop: steps, a watcher, a stop on request, states that can be continued.

use crate::budget::{Budget, Paid};
use crate::identity::Identity;
use crate::watch::watched;
use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;
use jensen_run::{Checkpoint, Checkpoints, Observer};
use serde_json::json;

/// Where a long run keeps its states.
#[derive(Clone, Debug)]
pub struct Keep {
    /// The folder of checkpoints.
    pub checkpoints: Checkpoints,
    /// Steps between two checkpoints.
    pub every: u64,
}

/// Whether a run goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Another step.
    Continue,
    /// The method's own rule says that it is done.
    Done,
}

/// A state and how far it came.
#[derive(Clone, Debug)]
pub struct Driven<S> {
    /// The last state.
    pub state: S,
    /// Steps done, those of earlier processes included.
    pub step: u64,
    /// Whether it was stopped on request before its end; a checkpoint is kept if a place was given.
    pub stopped: bool,
}

/// Steps an algorithm from a start `[d]`, unconstrained, up to `n_steps` times or until `each`, which is shown the number
/// of steps done, the state and what the step measured, says that it is done. Step t draws from the
/// child `step`, t of the stream, so where a run is interrupted does not matter; with `keep` it goes on
/// from the newest checkpoint, and ends at once where `each` had said that it is done.
///
/// # Errors
/// Those of [`Algorithm::init`], [`InferError::Stopped`] if a stop is asked for before or amid it
/// or while a checkpoint is compared, and those of reading and writing checkpoints; [`InferError::OtherRun`] for a
/// checkpoint of another method, other options, another density, start or stream; [`InferError::Beyond`] for one of
/// more than `n_steps` steps.
pub fn drive<A: Algorithm>(
    algorithm: &A,
    target: &dyn LogDensity,
    start: &[f64],
    n_steps: u64,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
    mut each: impl FnMut(u64, &A::State, A::Info) -> Flow,
) -> Result<Driven<A::State>, InferError> {
    check_start(target, start)?;
    let settings = format!("{algorithm:?}");
    // Options print as `Name { .. }`, so that their first word is the method.
    let method = settings.split_whitespace().next().unwrap_or_default();
    let run = match keep {
        Some(_) => Some(watched(target, observer, |target| {
            Identity::new(method, settings.clone(), target, Some(start), stream)
        })?),
        None => None,
    };
    let kept = match keep.zip(run.as_ref()) {
        Some((keep, run)) => newest::<A::State>(keep, run, n_steps)?,
        None => None,
    };
    let meter = Budget::new(None);
    let target = &Paid {
        target,
        gate: &meter,
    };
    let Kept {
        mut step,
        mut state,
        mut finished,
        n_gradients: n_before,
    } = match kept {
        Some(kept) => kept,
        None => Kept {
            step: 0,
            state: watched(target, observer, |target| {
                algorithm.init(&mut Evaluator::new(target), start, &stream.child("init", 0))
            })??,
            finished: false,
            n_gradients: 0,
        },
    };
    let mut evaluator = Evaluator::new(target);
    let mut stopped = false;
    while step < n_steps && !stopped && !finished {
        let info = algorithm.step(&mut evaluator, &mut state, &stream.child("step", step));
        step += 1;
        if meter.has_refused() {
            // A step on refusals of a budget is none: the last checkpoint stands.
            return Ok(Driven {
                state,
                step,
                stopped: true,
            });
        }
        finished = each(step, &state, info) == Flow::Done;
        let done = finished || step == n_steps;
        stopped = !done && observer.stop_requested();
        if let Some((keep, run)) = keep.zip(run.as_ref())
            && (done || stopped || step.is_multiple_of(keep.every.max(1)))
        {
            let state = serde_json::to_value(&state)
                .expect("internal error: the state of an algorithm does not serialize");
            let n_gradients = n_before + meter.used();
            let json = json!({"run": run.to_json(), "finished": finished, "n_gradients": n_gradients, "state": state});
            keep.checkpoints.save(step, &[], &json)?;
            keep.checkpoints.keep(2)?;
        }
    }
    Ok(Driven {
        state,
        step,
        stopped,
    })
}

/// The newest checkpoint that can be read.
pub(crate) fn newest_checkpoint(keep: &Keep) -> Result<Option<Checkpoint>, InferError> {
    let mut recovered = keep.checkpoints.load_latest()?;
    match (recovered.checkpoint, recovered.skipped.is_empty()) {
        (None, false) => Err(recovered.skipped.remove(0).into()),
        (checkpoint, _) => Ok(checkpoint),
    }
}

/// Gradients that the newest checkpoint cost, those of chains that were stopped amid their work among them as far as
/// they were kept: a budget of a fit is one of all its processes.
pub(crate) fn spent(keep: Option<&Keep>) -> Result<u64, InferError> {
    let Some(keep) = keep else {
        return Ok(0);
    };
    let Some(checkpoint) = newest_checkpoint(keep)? else {
        return Ok(0);
    };
    let state = &checkpoint.state;
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    let chains = state["chains"].as_array().into_iter().flatten();
    let of_chains = chains.map(|chain| {
        let cost = &chain["cost"];
        number(&cost["n_gradients_warmup"]) + number(&cost["n_gradients"])
    });
    Ok(number(&state["n_gradients"]) + of_chains.sum::<u64>())
}

/// What was kept of a run.
struct Kept<S> {
    step: u64,
    state: S,
    /// Whether the method's own rule said that it is done.
    finished: bool,
    /// Gradients used to come so far.
    n_gradients: u64,
}

/// The newest checkpoint, if there is one; it has to be of this run and not beyond its end.
fn newest<S: serde::de::DeserializeOwned>(
    keep: &Keep,
    run: &Identity,
    n_steps: u64,
) -> Result<Option<Kept<S>>, InferError> {
    let Some(mut checkpoint) = newest_checkpoint(keep)? else {
        return Ok(None);
    };
    run.check(&checkpoint.state["run"])?;
    if checkpoint.step > n_steps {
        return Err(InferError::Beyond {
            n_steps,
            done: checkpoint.step,
        });
    }
    let state = serde_json::from_value(checkpoint.state["state"].take())
        .map_err(|error| unreadable(format!("step {}: {error}", checkpoint.step)))?;
    Ok(Some(Kept {
        step: checkpoint.step,
        state,
        finished: checkpoint.state["finished"] == true,
        n_gradients: checkpoint.state["n_gradients"].as_u64().unwrap_or(0),
    }))
}

/// The error of a checkpoint that is of this run and yet cannot be read.
pub(crate) fn unreadable(reason: String) -> InferError {
    InferError::Failed {
        method: "resume",
        reason: format!("the checkpoint cannot be read: {reason}"),
    }
}

/// Refuses a start that is not `[d]` finite numbers; whether the density accepts it is not asked.
///
/// # Errors
/// [`InferError::Empty`] for a density without coordinates, [`InferError::Length`], and [`InferError::Start`] with the
/// first coordinate that is not finite.
pub fn check_start(target: &dyn LogDensity, start: &[f64]) -> Result<(), InferError> {
    let d = target.dim();
    if d == 0 {
        return Err(InferError::Empty);
    }
    if start.len() != d {
        return Err(InferError::Length {
            expected: d,
            found: start.len(),
        });
    }
    match start.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(index) => Err(InferError::Start {
            coordinate: target.layout().coordinate(index),
            value: start[index],
        }),
    }
}

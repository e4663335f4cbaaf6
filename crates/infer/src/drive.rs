//! The one loop: steps, a watcher, a stop on request, states that can be continued.

use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;
use jensen_run::{Checkpoint, Checkpoints, Observer};

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

/// Steps an algorithm up to `n_steps` times or until `each` says that it is done. Step t draws from the
/// child `step`, t of the stream, so where a run is interrupted does not matter; with `keep` it goes on
/// from the newest checkpoint.
///
/// # Errors
/// Those of [`Algorithm::init`], and of reading and writing checkpoints.
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
    let mut evaluator = Evaluator::new(target);
    check_start(target, start)?;
    let kept = match keep {
        Some(keep) => newest::<A::State>(keep)?,
        None => None,
    };
    let (mut step, mut state) = match kept {
        Some(kept) => kept,
        None => (
            0,
            algorithm.init(&mut evaluator, start, &stream.child("init", 0))?,
        ),
    };
    let mut stopped = false;
    while step < n_steps && !stopped {
        let info = algorithm.step(&mut evaluator, &mut state, &stream.child("step", step));
        step += 1;
        let done = each(step, &state, info) == Flow::Done || step == n_steps;
        stopped = !done && observer.stop_requested();
        if let Some(keep) = keep
            && (done || stopped || step.is_multiple_of(keep.every.max(1)))
        {
            let json = serde_json::to_value(&state)
                .expect("internal error: the state of an algorithm does not serialize");
            keep.checkpoints.save(step, &[], &json)?;
            keep.checkpoints.keep(2)?;
        }
        if done {
            break;
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

/// The state of the newest checkpoint and its step.
fn newest<S: serde::de::DeserializeOwned>(keep: &Keep) -> Result<Option<(u64, S)>, InferError> {
    let Some(checkpoint) = newest_checkpoint(keep)? else {
        return Ok(None);
    };
    let state = serde_json::from_value(checkpoint.state).map_err(|error| InferError::Failed {
        method: "resume",
        reason: format!(
            "the checkpoint of step {} belongs to another method: {error}",
            checkpoint.step
        ),
    })?;
    Ok(Some((checkpoint.step, state)))
}

/// Refuses a start of the wrong length or with a coordinate that is not finite.
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

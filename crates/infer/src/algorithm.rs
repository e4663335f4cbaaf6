//! Contract of iterative algorithms over a density.

use crate::InferError;
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A method that goes on step by step; the value holds its options.
///
/// A state is plain data: stored and read back, it continues to the same bits. The `Debug` form of the value names
/// the type and every option: a state is continued only by a value with the same.
pub trait Algorithm: Sync + Debug {
    /// What it carries from step to step.
    type State: Clone + Send + Serialize + DeserializeOwned;
    /// What a step measured, as plain numbers.
    type Info;

    /// The state at a first position `[d]`.
    ///
    /// # Errors
    /// [`InferError`] for options that do not fit, or a position that the density refuses.
    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        stream: &Stream,
    ) -> Result<Self::State, InferError>;

    /// One step. `stream` is this step's own; numerical events are told in the info, not returned as errors.
    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut Self::State,
        stream: &Stream,
    ) -> Self::Info;
}

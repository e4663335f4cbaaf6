//! From a noisy gradient to a step, in the local coordinates of a family (`family/mod.rs`).
//!
//! In local coordinates a step of one changes q by about half a nat, so the numbers of the rules mean the same
//! for every model and no user has to set them. Every step is cut where a coordinate would change by more than
//! [`LONGEST`]: beyond, the local coordinates of the start of the step mean nothing.

mod adam;
mod averaging;
mod distance;
mod robbins_monro;

pub use adam::Adam;
pub use averaging::Averaging;
pub use distance::Distance;
pub use robbins_monro::RobbinsMonro;

use crate::InferError;
use serde::{Deserialize, Serialize};

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepRule {
    /// A schedule that falls with the number of steps.
    RobbinsMonro(RobbinsMonro),
    /// Coordinates scaled by running moments of their gradients.
    Adam(Adam),
    /// Parameter-free, by the distance travelled.
    Distance(Distance),
}

/// What the rules carry from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// Steps done.
    pub n_steps: u64,
    /// Running mean of the gradient, `[n]` ([`Adam`]).
    pub first: Vec<f64>,
    /// Running mean of its squares, `[n]` ([`Adam`]).
    pub second: Vec<f64>,
    /// The sum of all steps, `[n]` ([`Distance`]).
    pub moved: Vec<f64>,
    /// The largest distance from the start ([`Distance`]).
    pub distance: f64,
    /// The sum of squared gradients, weighted or not ([`Distance`]).
    pub squares: f64,
}

impl StepState {
    /// Before the first step in n coordinates.
    pub fn new(n: usize) -> Self {
        Self {
            n_steps: 0,
            first: vec![0.0; n],
            second: vec![0.0; n],
            moved: vec![0.0; n],
            distance: 0.0,
            squares: 0.0,
        }
    }
}

/// The largest change of a local coordinate in one step: half a standard deviation of q, or about half of its
/// logarithm. The whole step is scaled: cutting each coordinate by itself would turn the step, and the scales of
/// models with steep tails then run away.
const LONGEST: f64 = 0.5;

impl StepRule {
    /// Turns an ascent direction, `[n]`, into the step, in place.
    pub fn advance(&self, state: &mut StepState, gradient: &mut [f64]) {
        match self {
            Self::RobbinsMonro(rule) => rule.advance(state, gradient),
            Self::Adam(rule) => rule.advance(state, gradient),
            Self::Distance(rule) => rule.advance(state, gradient),
        }
        let largest = gradient.iter().fold(0.0, |a: f64, g| a.max(g.abs()));
        if largest > LONGEST {
            for g in gradient.iter_mut() {
                *g *= LONGEST / largest;
            }
        }
        for (moved, g) in state.moved.iter_mut().zip(gradient) {
            *moved += *g;
        }
        state.n_steps += 1;
    }

    /// Whether the numbers make sense.
    ///
    /// # Errors
    /// [`InferError::Option`] with what would fit.
    pub(crate) fn check(&self) -> Result<(), InferError> {
        match self {
            Self::RobbinsMonro(rule) => rule.check(),
            Self::Adam(rule) => rule.check(),
            Self::Distance(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_steps_are_cut_and_counted_as_cut() {
        let rule = StepRule::RobbinsMonro(RobbinsMonro {
            first: 1.0,
            ..RobbinsMonro::default()
        });
        let mut state = StepState::new(2);
        let mut g = [-4.0, 2.0];
        rule.advance(&mut state, &mut g);
        assert_eq!(g, [-0.5, 0.25]);
        assert_eq!((state.moved.as_slice(), state.n_steps), (g.as_slice(), 1));
    }
}

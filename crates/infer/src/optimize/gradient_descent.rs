//! Gradient ascent with backtracking: x' = x + a g, the simplest method that always rises.
//!
//! The step length a is halved until ln p rises by at least a |g|^2 / 2 (Armijo) and doubled after a success.
//! The error falls by a factor (k - 1) / (k + 1) a step, k the condition number: use it to see that, and
//! L-BFGS otherwise. Standard ([nocedal-2006], ch. 3.1 for the step, 3.3 for the rate).

use super::{Info, Place};
use crate::dense::dot;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Gradient ascent; it has no options.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GradientDescent;

/// A place and the step length that worked last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub place: Place,
    /// The next step length a, squared units of position a nat.
    pub rate: f64,
}

impl AsRef<Place> for State {
    fn as_ref(&self) -> &Place {
        &self.place
    }
}

/// Halvings before a step is given up: beyond the precision of any step.
const MAX_HALVINGS: usize = 60;

impl Algorithm for GradientDescent {
    type State = State;
    type Info = Info;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<State, InferError> {
        Ok(State {
            place: Place::start(evaluator, position)?,
            rate: 1.0,
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut State, _: &Stream) -> Info {
        let before = &state.place;
        let squared = dot(&before.grad, &before.grad);
        let mut found = None;
        for _ in 0..MAX_HALVINGS {
            let position = before.position.iter().zip(&before.grad);
            let position: Vec<f64> = position.map(|(x, g)| x + state.rate * g).collect();
            if position == before.position {
                break;
            }
            found = Place::at(evaluator, position)
                .ok()
                .filter(|p| p.log_density >= before.log_density + 0.5 * state.rate * squared);
            if found.is_some() {
                break;
            }
            state.rate *= 0.5;
        }
        let expected_gain = 0.5 * state.rate * squared;
        let Some(after) = found else {
            return state.place.stay(expected_gain);
        };
        state.rate *= 2.0;
        state.place.move_to(after, expected_gain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::{Stop, maximize};
    use crate::targets::Quadratic;

    #[test]
    fn it_reaches_the_mode_slowly() {
        let target = Quadratic::new(&[1.0, 10.0], &[1.0, -1.0]);
        let found = maximize(&GradientDescent, &target, &[20.0, 20.0], 10_000).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        assert!((found.place.position[1] + 1.0).abs() < 1e-2, "{found:?}");
        assert!((found.place.position[0] - 1.0).abs() < 1e-3, "{found:?}");
    }
}

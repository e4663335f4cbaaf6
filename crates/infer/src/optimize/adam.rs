//! Adam on the exact gradient of a density ([kingma-2015], Alg. 1), ascending.
//!
//! m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, x' = x + a m^ / (sqrt v^ + e). Its place is where
//! gradients are noisy; on a density it is here to be compared with.
//!
//! # Differences from the paper
//! A rate a in units of position fits targets of one scale only. By default each coordinate finds its own by the
//! distance r that it has travelled ([khaled-2023], Alg. 1, coordinate by coordinate):
//!
//! v = v + r^2 g^2, x' = x + r^2 m^ / sqrt v
//!
//! so that a coordinate of scale 10^-4 and one of 10^4 arrive in about as many steps; b2 and e play no part then.

use super::{Info, Place};
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The step size a.
    pub rate: Rate,
    /// Decay of the mean gradient, in [0, 1); default of the paper.
    pub beta1: f64,
    /// Decay of the mean squared gradient, in [0, 1); default of the paper.
    pub beta2: f64,
    /// Added to the denominator, above 0; default of the paper.
    pub epsilon: f64,
}

/// The step size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Found for each coordinate by the distance that it has travelled.
    Found,
    /// The same for all coordinates, units of position; above 0. The paper's method.
    Fixed(f64),
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            rate: Rate::Found,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        }
    }
}

/// A place and the moving averages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub place: Place,
    mean: Vec<f64>,
    square: Vec<f64>,
    /// Where it began, `[d]`, and the largest distance of each coordinate from there.
    start: Vec<f64>,
    distance: Vec<f64>,
    step: i32,
}

/// A coordinate's first distance relative to its size: that of [ivgi-2023]. It doubles in every step
/// until it is of use, so a smaller one would cost little.
const FIRST_DISTANCE: f64 = 1e-6;

impl AsRef<Place> for State {
    fn as_ref(&self) -> &Place {
        &self.place
    }
}

impl Adam {
    fn check(&self) -> Result<(), InferError> {
        let refuse = |option, expected: &str, found: f64| {
            Err(InferError::Option {
                option,
                expected: expected.to_owned(),
                found: found.to_string(),
            })
        };
        if let Rate::Fixed(rate) = self.rate
            && !(rate > 0.0 && rate.is_finite())
        {
            return refuse("rate", "a number above 0", rate);
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return refuse("epsilon", "a number above 0", self.epsilon);
        }
        for (option, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return refuse(option, "a decay in [0, 1)", beta);
            }
        }
        Ok(())
    }
}

impl Algorithm for Adam {
    type State = State;
    type Info = Info;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<State, InferError> {
        self.check()?;
        Ok(State {
            place: Place::start(evaluator, position)?,
            mean: vec![0.0; position.len()],
            square: vec![0.0; position.len()],
            start: position.to_vec(),
            distance: (position.iter())
                .map(|x| FIRST_DISTANCE * (1.0 + x.abs()))
                .collect(),
            step: 0,
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut State, _: &Stream) -> Info {
        state.step += 1;
        let (unbias1, unbias2) = (
            1.0 - self.beta1.powi(state.step),
            1.0 - self.beta2.powi(state.step),
        );
        let mut moved = state.place.position.clone();
        for (i, x) in moved.iter_mut().enumerate() {
            let g = state.place.grad[i];
            state.mean[i] = self.beta1 * state.mean[i] + (1.0 - self.beta1) * g;
            let mean = state.mean[i] / unbias1;
            match self.rate {
                Rate::Fixed(rate) => {
                    state.square[i] = self.beta2 * state.square[i] + (1.0 - self.beta2) * g * g;
                    *x += rate * mean / ((state.square[i] / unbias2).sqrt() + self.epsilon);
                }
                Rate::Found => {
                    let r = state.distance[i].max((*x - state.start[i]).abs());
                    state.distance[i] = r;
                    state.square[i] += (r * g).powi(2);
                    if state.square[i] > 0.0 {
                        *x += r * r * mean / state.square[i].sqrt();
                    }
                }
            }
        }
        let Ok(after) = Place::at(evaluator, moved) else {
            // The averages now point elsewhere: the next step tries from the same place.
            return state.place.stay(f64::INFINITY);
        };
        state.place.move_to(after, f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::maximize;
    use crate::targets::{Quadratic, rosenbrock};

    /// From 0 up a parabola with its top at 3, at rate 1: gradients 3 and 2, m^ = 3 and (0.9 0.3 + 0.2) / 0.19, v^ = 9
    /// and (0.999 0.009 + 0.004) / 0.001999, so that the first step is one and the second 2.4737 / 6.4987^1/2.
    #[test]
    fn two_steps_by_hand() {
        let target = Quadratic::new(&[1.0], &[3.0]);
        let adam = Adam {
            rate: Rate::Fixed(1.0),
            ..Adam::default()
        };
        for (n_steps, by_hand) in [(1, 0.999_999_996_666_666_7), (2, 1.970_352_121_146_802)] {
            let found = maximize(&adam, &target, &[0.0], n_steps).unwrap();
            let x = found.place.position[0];
            assert!((x - by_hand).abs() < 1e-12, "{n_steps}: {x}");
        }
    }

    #[test]
    fn it_comes_within_its_rate_of_the_mode() {
        let target = Quadratic::new(&[1.0, 5.0], &[1.0, -2.0]);
        let adam = Adam {
            rate: Rate::Fixed(0.05),
            ..Adam::default()
        };
        let found = maximize(&adam, &target, &[0.0, 0.0], 2000).unwrap();
        for (x, mean) in found.place.position.iter().zip(&target.mean) {
            assert!((x - mean).abs() < 0.05, "{found:?}");
        }
    }

    #[test]
    fn it_arrives_whatever_the_scales_are() {
        for (sd, mean) in [
            ([1e4, 1e4], [3e4, -2e4]),
            ([1e-4, 1e-4], [3e-4, -2e-4]),
            ([1e-4, 1e4], [2.0, 5e4]),
            ([1.0, 5.0], [1.0, -2.0]),
        ] {
            let target = Quadratic::new(&sd, &mean);
            let found = maximize(&Adam::default(), &target, &[0.0; 2], 2000).unwrap();
            for ((x, mean), sd) in found.place.position.iter().zip(mean).zip(sd) {
                assert!((x - mean).abs() < 1e-3 * sd, "{sd}: {found:?}");
            }
        }
        let found = maximize(&Adam::default(), &rosenbrock(), &[-1.2, 1.0], 20_000).unwrap();
        assert!((found.place.position[1] - 1.0).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn options_out_of_range_are_named() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let bad = Adam {
            beta2: 1.0,
            ..Adam::default()
        };
        let error = maximize(&bad, &target, &[0.0], 1).unwrap_err();
        assert!(matches!(
            error,
            InferError::Option {
                option: "beta2",
                ..
            }
        ));
    }
}

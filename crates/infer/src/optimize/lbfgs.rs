//! L-BFGS: quasi-Newton ascent that remembers a few steps ([nocedal-2006], Alg. 7.4 and 7.5).
//!
//! Direction H g with the inverse Hessian H of -ln p built from pairs s = x' - x, y = g - g', started from
//! H0 = (s.y / y.y) I. O(d m) a step beside the gradients, usually one or two. The method of choice for
//! modes; its pairs are what Pathfinder makes Gaussians of.

use super::{Info, Place, line_search};
use crate::dense::{dot, norm};
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Options of L-BFGS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    /// Pairs remembered, at least 1; the default is that of [zhang-2022].
    pub history: usize,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self { history: 6 }
    }
}

/// A place and the pairs that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub place: Place,
    /// The newest pairs (s, y), oldest first; y.s > 0.
    pub pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl AsRef<Place> for State {
    fn as_ref(&self) -> &Place {
        &self.place
    }
}

/// A pair with less curvature than this share of |s| |y| would make H singular and is left out.
const CURVATURE: f64 = 1e-10;

impl Algorithm for Lbfgs {
    type State = State;
    type Info = Info;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<State, InferError> {
        if self.history == 0 {
            return Err(InferError::Option {
                option: "history",
                expected: "at least 1 pair".to_owned(),
                found: "0".to_owned(),
            });
        }
        Ok(State {
            place: Place::start(evaluator, position)?,
            pairs: VecDeque::new(),
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut State, _: &Stream) -> Info {
        let before = state.place.clone();
        let mut direction = times_inverse_hessian(&state.pairs, &before.grad);
        let mut found = None;
        // Where the remembered curvature misleads, the gradient alone gets another chance.
        for fresh in [false, true] {
            if fresh {
                if state.pairs.is_empty() {
                    break;
                }
                state.pairs.clear();
                direction = before.grad.clone();
            }
            // Without curvature the first trial moves by at most one unit.
            let length = match state.pairs.is_empty() {
                true => (1.0 / norm(&direction)).min(1.0),
                false => 1.0,
            };
            found = line_search::wolfe(evaluator, &before, &direction, length);
            if found.is_some() {
                break;
            }
        }
        let Some(after) = found else {
            return state.place.stay(0.5 * dot(&before.grad, &direction));
        };
        let s = difference(&after.position, &before.position);
        let y = difference(&before.grad, &after.grad);
        if dot(&s, &y) > CURVATURE * norm(&s) * norm(&y) {
            if state.pairs.len() == self.history {
                state.pairs.pop_front();
            }
            state.pairs.push_back((s, y));
        }
        let expected = times_inverse_hessian(&state.pairs, &after.grad);
        let expected_gain = 0.5 * dot(&after.grad, &expected);
        state.place.move_to(after, expected_gain)
    }
}

/// H v by the two-loop recursion.
fn times_inverse_hessian(pairs: &VecDeque<(Vec<f64>, Vec<f64>)>, v: &[f64]) -> Vec<f64> {
    let mut r = v.to_vec();
    let mut shares = Vec::with_capacity(pairs.len());
    for (s, y) in pairs.iter().rev() {
        let share = dot(s, &r) / dot(s, y);
        add(&mut r, -share, y);
        shares.push(share);
    }
    if let Some((s, y)) = pairs.back() {
        let scale = dot(s, y) / dot(y, y);
        r.iter_mut().for_each(|r| *r *= scale);
    }
    for ((s, y), share) in pairs.iter().zip(shares.iter().rev()) {
        let other = dot(y, &r) / dot(s, y);
        add(&mut r, share - other, s);
    }
    r
}

fn add(r: &mut [f64], factor: f64, v: &[f64]) {
    for (r, v) in r.iter_mut().zip(v) {
        *r += factor * v;
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::{Stop, maximize};
    use crate::targets::{Quadratic, rosenbrock};

    #[test]
    fn the_mode_of_a_badly_scaled_gaussian() {
        let target = Quadratic::new(&[1e-4, 1.0, 1e4], &[3.0, -2.0, 5e4]);
        let found = maximize(&Lbfgs::default(), &target, &[0.5, 0.5, 0.5], 500).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        for ((x, mean), sd) in found
            .place
            .position
            .iter()
            .zip(&target.mean)
            .zip(&target.sd)
        {
            // A gain below 1e-9 nats leaves less than 1e-4 standard deviations.
            assert!((x - mean).abs() < 1e-4 * sd, "{found:?}");
        }
    }

    #[test]
    fn a_curved_valley() {
        let found = maximize(&Lbfgs::default(), &rosenbrock(), &[-1.2, 1.0], 500).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        assert!((found.place.position[0] - 1.0).abs() < 1e-3, "{found:?}");
        assert!(found.n_gradients < 100, "{}", found.n_gradients);
    }
}

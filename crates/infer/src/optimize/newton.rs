//! Newton's method on a dense Hessian, made safe where the density is not concave.
//!
//! Direction sum_i q_i (q_i . g) / max(|l_i|, floor) with the eigenpairs (l_i, q_i) of the Hessian of -ln p,
//! scaled to unit diagonal so that units of the coordinates do not matter; then a strong Wolfe line search.
//! d Hessian products and O(d^3) a step, quadratic convergence: the method that polishes modes of up to a
//! few hundred coordinates ([nocedal-2006], eq. 3.30 and ch. 3.4; absolute eigenvalues as in [dauphin-2014], Alg. 1).

use super::{Info, Place, line_search};
use crate::dense::{dot, max_abs};
use crate::{Algorithm, InferError, dense};
use faer::Mat;
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Newton's method; it has no options.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Newton;

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub place: Place,
}

impl AsRef<Place> for State {
    fn as_ref(&self) -> &Place {
        &self.place
    }
}

/// Eigenvalues of the scaled Hessian below this share of the largest count as flat.
const FLAT: f64 = 1e-12;

impl Algorithm for Newton {
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
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut State, _: &Stream) -> Info {
        let before = state.place.clone();
        let direction = direction(evaluator, &before).unwrap_or_else(|| before.grad.clone());
        let Some(after) = line_search::wolfe(evaluator, &before, &direction, 1.0) else {
            return state.place.stay(0.5 * dot(&before.grad, &direction));
        };
        let expected_gain = 0.5 * dot(&after.grad, &direction).abs();
        state.place.move_to(after, expected_gain)
    }
}

/// The safe Newton direction; `None` where the Hessian cannot be computed.
fn direction(evaluator: &mut Evaluator<'_>, place: &Place) -> Option<Vec<f64>> {
    let hessian = dense::hessian(evaluator, &place.position).ok()?;
    let d = place.position.len();
    let unit: Vec<f64> = (0..d)
        .map(|i| match hessian[(i, i)].abs().sqrt() {
            0.0 => 1.0,
            scale => 1.0 / scale,
        })
        .collect();
    let scaled = Mat::from_fn(d, d, |i, j| -hessian[(i, j)] * unit[i] * unit[j]);
    let (values, vectors) = dense::eigen(&scaled);
    let floor = FLAT * max_abs(&values).max(f64::MIN_POSITIVE);
    let mut direction = vec![0.0; d];
    for (k, value) in values.iter().enumerate() {
        let along: f64 = (0..d)
            .map(|i| vectors[(i, k)] * unit[i] * place.grad[i])
            .sum();
        let step = along / value.abs().max(floor);
        for i in 0..d {
            direction[i] += step * vectors[(i, k)] * unit[i];
        }
    }
    direction.iter().all(|x| x.is_finite()).then_some(direction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::{Stop, maximize};
    use crate::targets::{Quadratic, rosenbrock};

    #[test]
    fn one_step_solves_a_gaussian_of_any_scale() {
        let target = Quadratic::new(&[1e-5, 1.0, 1e5], &[3.0, -2.0, 1e4]);
        let found = maximize(&Newton, &target, &[0.0; 3], 20).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        assert!(found.n_steps <= 4, "{found:?}");
        for ((x, mean), sd) in found
            .place
            .position
            .iter()
            .zip(&target.mean)
            .zip(&target.sd)
        {
            assert!((x - mean).abs() < 1e-4 * sd, "{found:?}");
        }
    }

    #[test]
    fn convergence_in_a_curved_valley_is_quadratic() {
        let found = maximize(&Newton, &rosenbrock(), &[-1.2, 1.0], 100).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        assert!(found.n_steps < 40, "{found:?}");
        assert!((found.place.position[1] - 1.0).abs() < 1e-5, "{found:?}");
    }
}

//! Trust-region Newton with conjugate gradients: only products with the Hessian, for many coordinates.
//!
//! Each step maximizes the quadratic model within |u| <= radius by Steihaug's truncated conjugate gradients
//! ([nocedal-2006], Alg. 7.2) and moves the radius by the ratio of actual to expected gain (Alg. 4.1). The
//! optimizer of deterministic ADVI ([giordano-2024]). Up to d products a step, far fewer when the
//! eigenvalues cluster.

use super::{Info, Place};
use crate::dense::{dot, max_abs, norm};
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the trust-region method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrustRegion {
    /// First radius, units of position.
    pub radius: f64,
    /// Largest radius, units of position.
    pub max_radius: f64,
}

impl Default for TrustRegion {
    fn default() -> Self {
        Self {
            radius: 1.0,
            max_radius: 1e6,
        }
    }
}

/// A place and the radius in which the model is trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub place: Place,
    /// The radius, units of position.
    pub radius: f64,
}

impl AsRef<Place> for State {
    fn as_ref(&self) -> &Place {
        &self.place
    }
}

/// A step is taken if it gains at least this share of what was expected.
const ACCEPT: f64 = 1e-4;
/// The radius shrinks below the first ratio and grows above the second.
const SHRINK: f64 = 0.25;
const GROW: f64 = 0.75;
/// Radii tried in one step before it counts as stuck.
const MAX_RADII: usize = 30;

impl Algorithm for TrustRegion {
    type State = State;
    type Info = Info;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<State, InferError> {
        if !(self.radius > 0.0 && self.radius <= self.max_radius) {
            return Err(InferError::Option {
                option: "radius",
                expected: format!("above 0 and up to max_radius = {}", self.max_radius),
                found: self.radius.to_string(),
            });
        }
        Ok(State {
            place: Place::start(evaluator, position)?,
            radius: self.radius,
        })
    }

    fn step(&self, evaluator: &mut Evaluator<'_>, state: &mut State, _: &Stream) -> Info {
        let mut expected_gain = f64::INFINITY;
        for _ in 0..MAX_RADII {
            let (u, expected) = model_maximum(evaluator, &state.place, state.radius);
            expected_gain = expected;
            let length = norm(&u);
            let position: Vec<f64> = state
                .place
                .position
                .iter()
                .zip(&u)
                .map(|(x, u)| x + u)
                .collect();
            if length == 0.0 || position == state.place.position {
                break;
            }
            let after = Place::at(evaluator, position).ok();
            let gain = after.as_ref().map_or(f64::NEG_INFINITY, |after| {
                after.log_density - state.place.log_density
            });
            let ratio = gain / expected;
            if ratio < SHRINK || ratio.is_nan() {
                state.radius = SHRINK * length;
            } else if ratio > GROW && length > 0.99 * state.radius {
                state.radius = (2.0 * state.radius).min(self.max_radius);
            }
            if let Some(after) = after.filter(|_| ratio > ACCEPT) {
                return state.place.move_to(after, expected_gain);
            }
        }
        state.place.stay(expected_gain)
    }
}

/// The step that maximizes g.u + u.Hu/2 within the radius, and the gain that the model expects of it.
fn model_maximum(evaluator: &mut Evaluator<'_>, place: &Place, radius: f64) -> (Vec<f64>, f64) {
    let g = &place.grad;
    let d = g.len();
    let length = norm(g);
    let tolerance = length.sqrt().min(0.5) * length;
    let mut u = vec![0.0; d];
    let mut hu = vec![0.0; d];
    let mut residual = g.clone();
    let mut p = g.clone();
    let mut hp = vec![0.0; d];
    for _ in 0..2 * d {
        let squared = dot(&residual, &residual);
        if squared.sqrt() <= tolerance {
            break;
        }
        if evaluator
            .hessian_vector_product(&place.position, &p, &mut hp)
            .is_err()
        {
            break;
        }
        let curvature = -dot(&p, &hp);
        let mut along = squared / curvature;
        let outside = |along: f64| {
            let end: Vec<f64> = u.iter().zip(&p).map(|(u, p)| u + along * p).collect();
            norm(&end) >= radius
        };
        let stop = curvature <= 0.0 || outside(along);
        if stop {
            along = to_boundary(&u, &p, radius);
        }
        for i in 0..d {
            u[i] += along * p[i];
            hu[i] += along * hp[i];
        }
        if stop {
            break;
        }
        for i in 0..d {
            residual[i] += along * hp[i];
        }
        let ratio = dot(&residual, &residual) / squared;
        for i in 0..d {
            p[i] = residual[i] + ratio * p[i];
        }
    }
    if max_abs(&u) == 0.0 {
        // The Hessian could not be computed: the gradient within the radius is the best guess.
        let share = radius.min(length) / length.max(f64::MIN_POSITIVE);
        u = g.iter().map(|g| share * g).collect();
        return (u.clone(), dot(g, &u));
    }
    let expected = dot(g, &u) + 0.5 * dot(&u, &hu);
    (u, expected)
}

/// The positive t with |u + t p| = radius.
fn to_boundary(u: &[f64], p: &[f64], radius: f64) -> f64 {
    let (a, b, c) = (dot(p, p), dot(u, p), dot(u, u) - radius * radius);
    (-b + (b * b - a * c).max(0.0).sqrt()) / a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::{Stop, maximize};
    use crate::targets::{Quadratic, rosenbrock};

    #[test]
    fn gaussians_and_valleys() {
        let target = Quadratic::new(&[0.1, 1.0, 10.0], &[3.0, -2.0, 40.0]);
        let found = maximize(&TrustRegion::default(), &target, &[0.0; 3], 100).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        for ((x, mean), sd) in found
            .place
            .position
            .iter()
            .zip(&target.mean)
            .zip(&target.sd)
        {
            assert!((x - mean).abs() < 1e-4 * sd, "{found:?}");
        }
        let found = maximize(&TrustRegion::default(), &rosenbrock(), &[-1.2, 1.0], 200).unwrap();
        assert_eq!(found.stop, Stop::Converged);
        assert!((found.place.position[1] - 1.0).abs() < 1e-3, "{found:?}");
    }
}

//! Line search for the strong Wolfe conditions on an ascent direction ([nocedal-2006], Alg. 3.5 and 3.6).
//!
//! With phi(a) = -ln p(x + a u): phi(a) <= phi(0) + c1 a phi'(0) and |phi'(a)| <= c2 |phi'(0)|. A position
//! that the density refuses counts as infinitely high, so the search draws back from it.

use super::Place;
use crate::dense::dot;
use jensen_density::Evaluator;

/// Sufficient gain, and curvature: the customary values for quasi-Newton methods.
const C1: f64 = 1e-4;
const C2: f64 = 0.9;
/// Trials of one search; a bracket shrinks at least by a tenth each time.
const MAX_TRIALS: usize = 40;
/// A trial that does not go far enough is followed by one this much longer.
const EXPANSION: f64 = 4.0;
/// Interpolated points keep this share of the bracket from its ends.
const MARGIN: f64 = 0.1;

/// A point on the line.
struct Trial {
    length: f64,
    phi: f64,
    slope: f64,
    place: Place,
}

/// A place uphill of `from` along `direction`, first tried at `length`; `None` if there is none.
pub(super) fn wolfe(
    evaluator: &mut Evaluator<'_>,
    from: &Place,
    direction: &[f64],
    length: f64,
) -> Option<Place> {
    let slope_0 = -dot(&from.grad, direction);
    if slope_0.is_nan() || slope_0 >= 0.0 {
        return None;
    }
    let phi_0 = -from.log_density;
    let mut low = Trial {
        length: 0.0,
        phi: phi_0,
        slope: slope_0,
        place: from.clone(),
    };
    // The other end: its length, and phi and slope unless it was refused.
    let mut high: Option<(f64, Option<(f64, f64)>)> = None;
    let mut length = length;
    for _ in 0..MAX_TRIALS {
        match trial(evaluator, from, direction, length) {
            None => high = Some((length, None)),
            Some(t) if t.phi > phi_0 + C1 * length * slope_0 || t.phi >= low.phi => {
                high = Some((length, Some((t.phi, t.slope))));
            }
            Some(t) if t.slope.abs() <= C2 * slope_0.abs() => return Some(t.place),
            Some(t) => {
                let turned = match high {
                    Some((end, _)) => t.slope * (end - low.length) >= 0.0,
                    None => t.slope >= 0.0,
                };
                if turned {
                    high = Some((low.length, Some((low.phi, low.slope))));
                }
                low = t;
            }
        }
        length = match high {
            None => low.length.max(length) * EXPANSION,
            Some((end, values)) => between(&low, end, values),
        };
        if length == low.length || !length.is_finite() {
            break;
        }
    }
    // Sufficient gain without the curvature condition is still a step uphill.
    (low.length > 0.0).then_some(low.place)
}

fn trial(
    evaluator: &mut Evaluator<'_>,
    from: &Place,
    direction: &[f64],
    length: f64,
) -> Option<Trial> {
    let position = from.position.iter().zip(direction);
    let position: Vec<f64> = position.map(|(x, u)| x + length * u).collect();
    if position == from.position {
        return None;
    }
    let place = Place::at(evaluator, position).ok()?;
    Some(Trial {
        length,
        phi: -place.log_density,
        slope: -dot(&place.grad, direction),
        place,
    })
}

/// The minimum of the cubic through both ends, kept off them; the middle where an end was refused.
fn between(low: &Trial, end: f64, values: Option<(f64, f64)>) -> f64 {
    let width = end - low.length;
    let Some((phi, slope)) = values else {
        return low.length + 0.5 * width;
    };
    // [nocedal-2006], eq. 3.59.
    let d1 = low.slope + slope - 3.0 * (phi - low.phi) / width;
    let d2 = (d1 * d1 - low.slope * slope).max(0.0).sqrt() * width.signum();
    let share = 1.0 - (slope + d2 - d1) / (slope - low.slope + 2.0 * d2);
    let share = if share.is_finite() { share } else { 0.5 };
    low.length + share.clamp(MARGIN, 1.0 - MARGIN) * width
}

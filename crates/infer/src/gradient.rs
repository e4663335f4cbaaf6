//! Whether a gradient is that of its density, by differences along random lines.
//!
//! A wrong gradient is the mistake that costs most: ascents and trajectories go on for millions of evaluations, and what
//! they find is doubted for reasons that say nothing of it. Along a unit vector v the density has the slope
//! g . v, which central differences (f(x + h v) - f(x - h v)) / 2 h give with an error of order h^2 and of rounding
//! over h. Of steps h a tenth of each other the first three that agree on a slope other than zero decide; where none do,
//! as with a density of few digits or one that goes in steps, nothing is said. What is wrong at two of three random places is wrong; a gradient that is off
//! somewhere else, or by less than a hundredth along every line, is not found.

use crate::{InferError, starts};
use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;

/// Random places, lines through each of them, and how many places have to agree that it is wrong.
const N_PLACES: u64 = 3;
const N_LINES: u64 = 4;
const N_WRONG: usize = 2;
/// The largest step, in units of the coordinates, and how many there are, each a tenth of the one before.
const FIRST_STEP: f64 = 1e-2;
const N_STEPS: i32 = 6;
/// Relative difference up to which slopes agree, and how many have to: of values in multiples of a quantum two may
/// agree by chance.
const AGREE: f64 = 1e-3;
const N_AGREE: usize = 3;
/// Share of the sum of |g_i v_i| by which a slope may be off.
const OFF: f64 = 1e-2;

/// Compares the gradient of a density with differences at random starting positions; returns the evaluations that
/// this took, some 100 in any number of coordinates, and 12 more for each coordinate where it is wrong.
///
/// # Errors
/// [`InferError::Gradient`] with the coordinate that is off by most, [`InferError::RefusedEverywhere`] or
/// [`InferError::Empty`] where there is no place to look at.
pub fn check_gradient(target: &dyn LogDensity, stream: &Stream) -> Result<u64, InferError> {
    let mut evaluator = Evaluator::new(target);
    let d = evaluator.dim();
    let mut wrong: Vec<Vec<f64>> = Vec::new();
    for index in 0..N_PLACES {
        let stream = stream.child("place", index);
        let place = starts::accepted(&mut evaluator, &stream)?;
        let mut grad = vec![0.0; d];
        if evaluator.log_density_and_grad(&place, &mut grad).is_err() {
            continue;
        }
        let is_off = (0..N_LINES).any(|line| {
            let mut draws = stream.child("line", line);
            let normal: Vec<f64> = (0..d).map(|_| draws.normal()).collect();
            let length = normal.iter().map(|v| v * v).sum::<f64>().sqrt();
            let along: Vec<f64> = normal.iter().map(|v| v / length).collect();
            off(&mut evaluator, &place, &grad, &along).is_some()
        });
        if is_off {
            wrong.push(place);
        }
    }
    let Some(place) = wrong.first().filter(|_| wrong.len() >= N_WRONG) else {
        return Ok(evaluator.n_gradients());
    };
    let mut grad = vec![0.0; d];
    let log_density = evaluator.log_density_and_grad(place, &mut grad);
    log_density.map_err(InferError::StartRefused)?;
    let mut worst: Option<(usize, f64)> = None;
    for i in 0..d {
        let mut along = vec![0.0; d];
        along[i] = 1.0;
        let found = off(&mut evaluator, place, &grad, &along);
        let gap = |slope: f64, i: usize| (slope - grad[i]).abs();
        if let Some(slope) = found
            && worst.is_none_or(|(j, known)| gap(slope, i) > gap(known, j))
        {
            worst = Some((i, slope));
        }
    }
    match worst {
        None => Ok(evaluator.n_gradients()),
        Some((i, slope)) => Err(InferError::Gradient {
            coordinate: target.layout().coordinate(i),
            value: place[i],
            given: grad[i],
            slope,
        }),
    }
}

/// The slope along a line by differences, if it is known and not that of the gradient.
fn off(evaluator: &mut Evaluator<'_>, place: &[f64], grad: &[f64], along: &[f64]) -> Option<f64> {
    let terms = || grad.iter().zip(along).map(|(g, v)| g * v);
    let (given, size) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
    let (mut before, mut n_agree) = (f64::NAN, 1);
    for k in 0..N_STEPS {
        let h = FIRST_STEP * 0.1f64.powi(k);
        let mut at = |h: f64| {
            let position: Vec<f64> = place.iter().zip(along).map(|(x, v)| x + h * v).collect();
            evaluator.log_density(&position)
        };
        let slope = (at(h) - at(-h)) / (2.0 * h);
        // Comparisons with NaN fail.
        let agrees = slope != 0.0 && (before - slope).abs() <= AGREE * slope.abs();
        n_agree = if agrees { n_agree + 1 } else { 1 };
        if n_agree == N_AGREE {
            return ((slope - given).abs() > OFF * size.max(slope.abs())).then_some(slope);
        }
        before = slope;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Target;

    /// A correlated normal law of scales from 1e-3 to 1e3, whose gradient this changes.
    fn altered(d: usize, change: impl Fn(&mut [f64]) + Sync) -> impl LogDensity {
        Target::new(d, move |x: &[f64], grad: &mut [f64]| {
            let scale = |i: usize| 10f64.powi(i as i32 % 7 - 3);
            let u: Vec<f64> = x.iter().enumerate().map(|(i, x)| x / scale(i)).collect();
            let mut value = 0.0;
            for i in 0..d {
                let e = u[i] - if i > 0 { 0.5 * u[i - 1] } else { 0.0 };
                value -= 0.5 * e * e;
                grad[i] -= e / scale(i) + grad[i];
                if i > 0 {
                    grad[i - 1] += 0.5 * e / scale(i - 1);
                }
            }
            change(grad);
            value
        })
    }

    #[test]
    fn right_gradients_pass_and_wrong_ones_are_named() {
        for d in [1, 2, 7, 50] {
            for seed in 1..=5 {
                let stream = Stream::from_seed(seed);
                let used = check_gradient(&altered(d, |_| {}), &stream).unwrap();
                assert!(used < 200, "{used}");
                let flipped = altered(d, |grad| grad[0] = -grad[0]);
                match check_gradient(&flipped, &stream) {
                    Err(InferError::Gradient {
                        coordinate,
                        given,
                        slope,
                        ..
                    }) => {
                        assert_eq!(coordinate, "x[1]", "{d}");
                        assert!(
                            (given + slope).abs() < 1e-2 * slope.abs(),
                            "{given} {slope}"
                        );
                    }
                    other => panic!("{d}, seed {seed}: {other:?}"),
                }
            }
        }
    }

    /// Steps, whose gradient is zero where there is one; six digits; a wall beside every start.
    #[test]
    fn what_differences_cannot_tell_is_not_blamed() {
        let steps = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = 0.0;
            -(10.0 * x[0]).floor().abs()
        });
        let digits = Target::new(2, |x: &[f64], grad: &mut [f64]| {
            grad.copy_from_slice(&[-x[0], -x[1]]);
            let value = -1e3 - 0.5 * (x[0] * x[0] + x[1] * x[1]);
            f64::from(value as f32)
        });
        let walled = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -1.0;
            if x[0] < 0.0 { f64::NEG_INFINITY } else { -x[0] }
        });
        let targets: [&dyn LogDensity; 3] = [&steps, &digits, &walled];
        for target in targets {
            for seed in 1..=20 {
                check_gradient(target, &Stream::from_seed(seed)).unwrap();
            }
        }
    }
}

//! Drift under a few Hamiltonian steps: draws of the posterior stay where they are on average.
//!
//! Each draw makes two Metropolis-corrected trajectories ([neal-2011], Sect. 3.2), with the draws' standard
//! deviations as scales. The step leaves the posterior invariant, so means that move say that the draws are
//! not from it. It sees what weights cannot: a region beside the draws where mass is missing. With n draws a
//! mean is seen to move from about 4 / n^(1/2) standard deviations on; smaller errors are for the Stein checks,
//! which use all draws.

use jensen_density::{Evaluator, LogDensity};
use jensen_rng::Stream;
use rayon::prelude::*;

/// Leapfrog steps of the trajectories, one after the other. They differ, since two that each take half a period of a
/// Gaussian, as six steps do in two coordinates, bring back what was off: the mean of a Gaussian of the scales used goes
/// to cos(t_1) cos(t_2) of its distance, which is below 0.4 in 1 to 200 coordinates.
const N_LEAPFROG: [usize; 2] = [7, 3];
/// Step size in standard deviations over d^(1/4) ([neal-2011], Sect. 4.4), before it is halved.
const STEP: f64 = 0.6;
/// The step size is halved until this share of trajectories is accepted.
const ACCEPT: f64 = 0.6;
const MAX_HALVINGS: usize = 5;
/// Standard errors of the movement that are put down to chance.
const CHANCE: f64 = 3.0;

/// How far means of the draws' values move, beyond chance, in standard deviations `[n_values]`, with the
/// gradients used.
///
/// `draws` are `[n, d]`, unconstrained, equally weighted.
pub fn drift(target: &dyn LogDensity, draws: &[&[f64]], stream: &Stream) -> (Vec<f64>, u64) {
    let d = target.dim();
    let n = draws.len() as f64;
    let (_, sd) = moments(draws.iter(), d, n);
    let scale: Vec<f64> = sd.iter().map(|s| s.max(f64::MIN_POSITIVE)).collect();
    let mut step = STEP / (d as f64).powf(0.25);
    let mut n_gradients = 0;
    let mut moved = Vec::new();
    for _ in 0..=MAX_HALVINGS {
        let results: Vec<(Vec<f64>, f64, u64)> = draws
            .par_iter()
            .enumerate()
            .map_init(
                || Evaluator::new(target),
                |evaluator, (i, row)| {
                    let before = evaluator.n_gradients();
                    let stream = stream.child("draw", i as u64);
                    let (end, accepted) = walk(evaluator, row, &scale, step, &stream);
                    (end, accepted, evaluator.n_gradients() - before)
                },
            )
            .collect();
        n_gradients += results.iter().map(|r| r.2).sum::<u64>();
        let accepted = results.iter().map(|r| r.1).sum::<f64>() / n;
        moved = results.into_iter().map(|r| r.0).collect();
        if accepted >= ACCEPT {
            break;
        }
        step *= 0.5;
    }
    let n_values = target.layout().n_values();
    let values = |position: &[f64]| {
        let mut values = vec![0.0; n_values];
        target.constrain(position, &mut values);
        values
    };
    let before: Vec<Vec<f64>> = draws.iter().map(|row| values(row)).collect();
    let shifts: Vec<Vec<f64>> = (moved.iter().zip(&before))
        .map(|(end, before)| values(end).iter().zip(before).map(|(a, b)| a - b).collect())
        .collect();
    let (_, spread) = moments(before.into_iter(), n_values, n);
    let (shift, shift_sd) = moments(shifts.into_iter(), n_values, n);
    let beyond = (0..n_values)
        .map(|j| {
            let chance = CHANCE * shift_sd[j] / n.sqrt();
            let beyond = shift[j].abs() - chance;
            // What cannot be computed has moved by any amount.
            match beyond <= 0.0 {
                true => 0.0,
                false if (beyond / spread[j]).is_nan() => f64::INFINITY,
                false => beyond / spread[j],
            }
        })
        .collect();
    (beyond, n_gradients)
}

/// The end of some trajectories from a draw, and the share accepted.
fn walk(
    evaluator: &mut Evaluator<'_>,
    start: &[f64],
    scale: &[f64],
    step: f64,
    stream: &Stream,
) -> (Vec<f64>, f64) {
    let d = start.len();
    let mut position = start.to_vec();
    let mut n_accepted = 0.0;
    for (trajectory, n_leapfrog) in N_LEAPFROG.into_iter().enumerate() {
        let mut draws = stream.child("trajectory", trajectory as u64);
        let mut momentum: Vec<f64> = (0..d).map(|_| draws.normal()).collect();
        let energy =
            |ln_p: f64, momentum: &[f64]| 0.5 * momentum.iter().map(|p| p * p).sum::<f64>() - ln_p;
        let mut grad = vec![0.0; d];
        let Ok(ln_p) = evaluator.log_density_and_grad(&position, &mut grad) else {
            break;
        };
        let first = energy(ln_p, &momentum);
        let mut z = position.clone();
        let mut last = f64::INFINITY;
        for leap in 0..n_leapfrog {
            for i in 0..d {
                momentum[i] += 0.5 * step * scale[i] * grad[i];
                z[i] += step * scale[i] * momentum[i];
            }
            let Ok(ln_p) = evaluator.log_density_and_grad(&z, &mut grad) else {
                last = f64::INFINITY;
                break;
            };
            for i in 0..d {
                momentum[i] += 0.5 * step * scale[i] * grad[i];
            }
            if leap + 1 == n_leapfrog {
                last = energy(ln_p, &momentum);
            }
        }
        if draws.uniform_open().ln() < first - last {
            position = z;
            n_accepted += 1.0;
        }
    }
    (position, n_accepted / N_LEAPFROG.len() as f64)
}

/// Means and standard deviations (divisor n - 1) of n rows of equal weight; sums are of distances to the first row, so
/// that values far from zero lose no digits.
pub(crate) fn moments(
    rows: impl Iterator<Item = impl AsRef<[f64]>> + Clone,
    width: usize,
    n: f64,
) -> (Vec<f64>, Vec<f64>) {
    let Some(first) = rows.clone().next() else {
        return (vec![0.0; width], vec![0.0; width]);
    };
    let first = first.as_ref().to_vec();
    let mut mean = vec![0.0; width];
    for row in rows.clone() {
        for (m, (x, o)) in mean.iter_mut().zip(row.as_ref().iter().zip(&first)) {
            *m += (x - o) / n;
        }
    }
    mean.iter_mut().zip(&first).for_each(|(m, o)| *m += o);
    let mut sd = vec![0.0; width];
    for row in rows {
        for (j, x) in row.as_ref().iter().enumerate() {
            sd[j] += (x - mean[j]).powi(2) / (n - 1.0).max(1.0);
        }
    }
    sd.iter_mut().for_each(|v| *v = v.sqrt());
    (mean, sd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_far_from_zero_keep_their_digits() {
        const FAR: f64 = 1e8;
        let mut stream = Stream::from_seed(1);
        let near: Vec<[f64; 1]> = (0..4000).map(|_| [stream.normal()]).collect();
        let far: Vec<[f64; 1]> = near.iter().map(|x| [x[0] + FAR]).collect();
        let n = near.len() as f64;
        let (mean, sd) = moments(near.iter(), 1, n);
        let (far_mean, far_sd) = moments(far.iter(), 1, n);
        // Two units in the last place of the mean.
        assert!((far_mean[0] - FAR - mean[0]).abs() < 3e-8, "{far_mean:?}");
        assert!((far_sd[0] / sd[0] - 1.0).abs() < 1e-8, "{far_sd:?}");
        assert_eq!(moments([[0.0; 2]; 0].iter(), 2, 0.0).0, [0.0; 2]);
    }
}

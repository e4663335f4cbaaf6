//! Modes: which ends of ascents lie at the same one.
//!
//! Two ends are at the same mode if they are near each other in standard deviations, or if the density does not fall on
//! the straight line between them: ascents along a ridge end here and there, and of a log-concave density all ends are
//! of one mode. Ascents that have no end are one as well.

use crate::optimize::{Optimum, Stop};
use crate::pathfinder::Path;
use jensen_density::Evaluator;

/// Ends of ascents that are nearer than this in standard deviations, in every coordinate, are the same mode.
const SAME: f64 = 0.5;
/// Nats by which the density has to fall between two modes: less is no valley that a draw would notice.
const VALLEY: f64 = 0.5;
/// Where a line is looked at, as shares of its length: uneven, so that peaks at equal distances are not all there is.
const BETWEEN: [f64; 5] = [0.5, 0.31, 0.69, 0.12, 0.88];

/// Whether a position is the mode at the end of a path.
pub(crate) fn same_mode(path: &Path, position: &[f64]) -> bool {
    near(&path.optimum.place.position, &path.sd, position)
}

/// Whether an ascent has come to the mode at the end of a path; all ascents that have no end are one, since each
/// is somewhere else on its way to infinity.
pub(crate) fn is_same(path: &Path, optimum: &Optimum) -> bool {
    let is_endless = |optimum: &Optimum| optimum.stop == Stop::MaxSteps;
    same_mode(path, &optimum.place.position) || (is_endless(&path.optimum) && is_endless(optimum))
}

/// For each path the index of the first one at the same mode.
pub(crate) fn modes(evaluator: &mut Evaluator<'_>, paths: &[&Path]) -> Vec<usize> {
    let mut modes: Vec<usize> = Vec::with_capacity(paths.len());
    for (i, path) in paths.iter().enumerate() {
        let mode = mode_of(evaluator, &paths[..i], &modes, &path.optimum);
        modes.push(mode.unwrap_or(i));
    }
    modes
}

/// The mode, of paths with these modes, to which an ascent has come.
pub(crate) fn mode_of(
    evaluator: &mut Evaluator<'_>,
    paths: &[&Path],
    modes: &[usize],
    optimum: &Optimum,
) -> Option<usize> {
    if let Some(k) = paths.iter().position(|path| is_same(path, optimum)) {
        return Some(modes[k]);
    }
    let end = &optimum.place.position;
    let far = |path: &Path| -> f64 {
        let gaps = end.iter().zip(&path.optimum.place.position).zip(&path.sd);
        gaps.map(|((x, m), s)| (x - m).abs() / s)
            .fold(0.0, f64::max)
    };
    let each = paths.iter().map(|path| far(path)).enumerate();
    let (nearest, _) = each.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let is_one = !has_valley(evaluator, &paths[nearest].optimum, optimum);
    is_one.then_some(modes[nearest])
}

/// Whether the density falls between two ends, or refuses a place there.
fn has_valley(evaluator: &mut Evaluator<'_>, a: &Optimum, b: &Optimum) -> bool {
    let (a, b) = (&a.place, &b.place);
    let least = a.log_density.min(b.log_density) - VALLEY;
    BETWEEN.into_iter().any(|share| {
        let line = a.position.iter().zip(&b.position);
        let place: Vec<f64> = line.map(|(a, b)| a + share * (b - a)).collect();
        evaluator.log_density(&place) < least
    })
}

/// Whether a position is a mode, to half a standard deviation in every coordinate: on average over many coordinates,
/// modes that lie far apart along one of them would be the same.
fn near(mode: &[f64], sd: &[f64], position: &[f64]) -> bool {
    let mut gaps = position.iter().zip(mode).zip(sd);
    gaps.all(|((x, m), s)| (x - m).abs() < SAME * s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::Place;
    use crate::targets::Target;
    use jensen_density::LogDensity;
    use std::f64::consts::TAU;

    #[test]
    fn modes_apart_along_one_coordinate_of_many_are_two() {
        for d in [1, 10, 100, 1000] {
            let (mode, sd) = (vec![1.0; d], vec![0.1; d]);
            let mut end = mode.clone();
            assert!(near(&mode, &sd, &end));
            end[d - 1] += 0.06;
            assert!(!near(&mode, &sd, &end), "{d}");
            // An ascent that ends a little off in every coordinate is at the mode.
            let end = vec![1.04; d];
            assert!(near(&mode, &sd, &end), "{d}");
        }
    }

    /// An end of an ascent at a place.
    fn end(target: &dyn LogDensity, position: &[f64]) -> Optimum {
        let place = Place::at(&mut Evaluator::new(target), position.to_vec()).unwrap();
        Optimum {
            place,
            n_steps: 1,
            n_gradients: 1,
            stop: Stop::Stuck,
        }
    }

    /// exp(-x^2 / 2 - y^2 / 2e6) is one mode, wherever on its ridge ascents end; peaks at whole numbers are many,
    /// neighbours or not.
    #[test]
    fn ends_on_a_ridge_are_one_and_peaks_are_many() {
        let ridge = Target::new(2, |x: &[f64], grad: &mut [f64]| {
            grad.copy_from_slice(&[-x[0], -x[1] / 1e6]);
            -0.5 * (x[0] * x[0] + x[1] * x[1] / 1e6)
        });
        let mut evaluator = Evaluator::new(&ridge);
        let (a, b) = (end(&ridge, &[0.1, 900.0]), end(&ridge, &[-0.1, -700.0]));
        assert!(!has_valley(&mut evaluator, &a, &b));
        let peaks = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -x[0] / 100.0 - 10.0 * TAU * (TAU * x[0]).sin();
            -0.005 * x[0] * x[0] + 10.0 * (TAU * x[0]).cos()
        });
        let mut evaluator = Evaluator::new(&peaks);
        for (a, b) in [(0.0, 1.0), (-1.0, 1.0), (-3.0, 4.0), (-10.0, 10.0)] {
            let ends = (end(&peaks, &[a]), end(&peaks, &[b]));
            assert!(has_valley(&mut evaluator, &ends.0, &ends.1), "{a} and {b}");
        }
    }
}

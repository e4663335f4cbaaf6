//! Verdicts of normal draws, held against densities that go on otherwise.

use super::*;
use crate::referee::Verdict;
use crate::targets::{Quadratic, Target};
use jensen_rng::Stream;
use jensen_testkit::targets::OfLog;

/// The verdicts on tail, moments and spread of unit normal draws, held against a density.
fn judged(d: usize, target: &dyn LogDensity) -> [Verdict; 3] {
    let mut stream = Stream::from_seed(1);
    let rows: Vec<Vec<f64>> = (0..1000)
        .map(|_| (0..d).map(|_| stream.normal()).collect())
        .collect();
    let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
    let (checks, n_gradients) = beyond(target, &rows);
    assert!(n_gradients > 0);
    ["tail", "moments", "beyond_spread"].map(|name| {
        let check = checks.iter().find(|check| check.name == name);
        check.expect("the check was made").verdict()
    })
}

const GOOD: [Verdict; 3] = [Verdict::Good; 3];

/// A product of Student-t laws; without degrees of freedom it is improper.
fn student(d: usize, dof: f64) -> impl LogDensity {
    Target::new(d, move |x: &[f64], grad: &mut [f64]| {
        let each = x.iter().zip(grad).map(|(x, g)| {
            *g = -(dof + 1.0) * x / (1.0 + x * x);
            -0.5 * (dof + 1.0) * (x * x).ln_1p()
        });
        each.sum()
    })
}

#[test]
fn tails_are_told_by_their_order() {
    for (dof, tail, moments) in [
        (4.0, Verdict::Good, Verdict::Good),
        (2.5, Verdict::Good, Verdict::Good),
        (1.5, Verdict::Good, Verdict::Doubtful),
        (1.0, Verdict::Good, Verdict::Wrong),
        (0.5, Verdict::Good, Verdict::Wrong),
        (0.0, Verdict::Wrong, Verdict::Wrong),
        (-1.0, Verdict::Wrong, Verdict::Wrong),
    ] {
        for d in [1, 3] {
            let found = judged(d, &student(d, dof));
            assert_eq!((found[0], found[1]), (tail, moments), "{dof} in {d}");
        }
    }
}

/// Normal draws of many coordinates are far from the mean in some of them, and from the top in all.
#[test]
fn draws_of_a_gaussian_miss_nothing_in_any_number_of_coordinates() {
    for d in [1, 2, 10, 50, 300] {
        let target = Quadratic::new(&vec![1.0; d], &vec![0.0; d]);
        assert_eq!(judged(d, &target), GOOD, "{d}");
    }
}

/// A wall on one side, an exponential tail on the other, numbers that end far out: nothing to doubt.
#[test]
fn proper_densities_are_not_doubted() {
    let wall = Target::new(1, |x: &[f64], grad: &mut [f64]| {
        grad[0] = -1.0;
        if x[0] < -2.0 {
            f64::NEG_INFINITY
        } else {
            -x[0]
        }
    });
    assert_eq!(judged(1, &wall), GOOD);
    // ln of a half-normal scale: the slope goes to 1 on the left.
    let scale = Target::new(1, |x: &[f64], grad: &mut [f64]| {
        let square = (2.0 * x[0]).exp();
        grad[0] = 1.0 - square;
        x[0] - 0.5 * square
    });
    assert_eq!(judged(1, &scale), GOOD);
    let ends = Target::new(1, |x: &[f64], grad: &mut [f64]| {
        grad[0] = -x[0];
        if x[0].abs() > 20.0 {
            f64::NAN
        } else {
            -0.5 * x[0] * x[0]
        }
    });
    assert_eq!(judged(1, &ends), GOOD);
}

/// Numbers that end before anything could be seen are no wall.
#[test]
fn what_cannot_be_looked_at_has_failed() {
    let up_to = |end: f64, beyond: f64| {
        Target::new(1, move |x: &[f64], grad: &mut [f64]| {
            grad[0] = -x[0];
            if x[0] > end {
                beyond
            } else {
                -0.5 * x[0] * x[0]
            }
        })
    };
    let stream = Stream::from_seed(3);
    let rows: Vec<f64> = (0..1000).map(|i| stream.child("x", i).normal()).collect();
    let rows: Vec<&[f64]> = rows.iter().map(std::slice::from_ref).collect();
    // Radii are 4, 8, 16; the draws reach less than 3.9.
    for end in [3.9, 5.0, 12.0] {
        for (beyond, verdict) in [
            (f64::NAN, Verdict::Doubtful),
            (f64::INFINITY, Verdict::Doubtful),
            (f64::NEG_INFINITY, Verdict::Good),
        ] {
            let (checks, _) = self::beyond(&up_to(end, beyond), &rows);
            let unseen = checks.iter().find(|check| check.name == "tail_unseen");
            let unseen = unseen.unwrap();
            assert_eq!(unseen.verdict(), verdict, "{end}: {unseen:?}");
            let n_named = usize::from(verdict != Verdict::Good);
            assert_eq!(unseen.failing.len(), n_named, "{unseen:?}");
        }
    }
    // Not one draw that the density accepts.
    let nowhere = up_to(f64::NEG_INFINITY, f64::NAN);
    assert_eq!(judged(1, &nowhere), [Verdict::Wrong; 3]);
}

#[test]
fn moments_of_values_that_overflow_are_told_by_what_comes_before() {
    // A tail x^-(a + 1) on both sides of ln x; one that is wide overflows at the first, second .. radius.
    for exponent in [0.6, 0.45, 0.3, 3.0] {
        for width in [1.0, 3.0, 10.0, 30.0, 100.0, 300.0] {
            let target = OfLog::new(
                1.0,
                Target::new(1, move |z: &[f64], grad: &mut [f64]| {
                    grad[0] = -exponent * z[0].signum();
                    -exponent * z[0].abs()
                }),
            );
            let mut stream = Stream::from_seed(4);
            let rows: Vec<f64> = (0..1000).map(|_| width * stream.normal()).collect();
            let rows: Vec<&[f64]> = rows.iter().map(std::slice::from_ref).collect();
            let (checks, _) = beyond(&target, &rows);
            let moments = checks.iter().find(|check| check.name == "moments").unwrap();
            let is_good = moments.verdict() == Verdict::Good;
            assert_eq!(is_good, exponent > 2.0, "{exponent} {width}: {moments:?}");
        }
    }
    // Student-t on the scale of ln x: no moment at all.
    let target = OfLog::new(
        1.0,
        Target::new(1, |z: &[f64], grad: &mut [f64]| {
            grad[0] = -4.0 * z[0] / (3.0 + z[0] * z[0]);
            -2.0 * (z[0] * z[0] / 3.0).ln_1p()
        }),
    );
    assert_eq!(judged(1, &target)[1], Verdict::Wrong);
}

/// A direction that the data say nothing of, no coordinate among them.
#[test]
fn a_flat_side_and_a_flat_direction_are_seen() {
    let side = Target::new(2, |x: &[f64], grad: &mut [f64]| {
        grad[0] = if x[0] < 0.0 { 0.0 } else { -x[0] };
        grad[1] = -x[1];
        -0.5 * (x[0].max(0.0).powi(2) + x[1] * x[1])
    });
    assert_eq!(judged(2, &side)[0], Verdict::Wrong);
    // Draws along the ridge, which is one of their principal directions.
    let ridge = Target::new(2, |x: &[f64], grad: &mut [f64]| {
        grad.fill(-(x[0] + x[1]));
        -0.5 * (x[0] + x[1]).powi(2)
    });
    let mut stream = Stream::from_seed(2);
    let rows: Vec<[f64; 2]> = (0..500)
        .flat_map(|_| {
            let (along, across) = (10.0 * stream.normal(), 0.5 * stream.normal());
            // In pairs, so that the principal directions are exact.
            [
                [along + across, across - along],
                [along - across, -along - across],
            ]
        })
        .collect();
    let rows: Vec<&[f64]> = rows.iter().map(|row| &row[..]).collect();
    let (checks, _) = beyond(&ridge, &rows);
    let tail = checks.iter().find(|check| check.name == "tail").unwrap();
    assert_eq!(tail.verdict(), Verdict::Wrong, "{tail:?}");
    assert_eq!(tail.failing, ["x[1]", "x[2]"]);
}

/// Half of the mass in a component that is a hundred times wider, in all coordinates or in the first.
#[test]
fn a_wide_component_beneath_the_draws_is_seen() {
    for (d, n_wide) in [(1, 1), (2, 2), (10, 10), (2, 1), (10, 1)] {
        let target = Target::new(d, move |x: &[f64], grad: &mut [f64]| {
            let wide = |i: usize| if i < n_wide { 100.0 } else { 1.0 };
            let ln_wide: f64 = (x.iter().enumerate())
                .map(|(i, x)| -0.5 * (x / wide(i)).powi(2) - f64::ln(wide(i)))
                .sum();
            let ln_narrow = -0.5 * x.iter().map(|x| x * x).sum::<f64>();
            let top = ln_wide.max(ln_narrow);
            let (a, b) = ((ln_wide - top).exp(), (ln_narrow - top).exp());
            for (i, (g, x)) in grad.iter_mut().zip(x).enumerate() {
                *g = -x * (a / wide(i).powi(2) + b) / (a + b);
            }
            top + (a + b).ln()
        });
        assert_eq!(judged(d, &target)[2], Verdict::Wrong, "{n_wide} of {d}");
    }
}

//! Laws over the catalogue of transforms: inverse, log-determinant, adjoint, extreme positions, refusals; and the
//! values of Stan.
//!
//! `stan_transforms.tsv` was made with stanli 0.24.0 (Stan 2.40): one program for each row, with one parameter of
//! the type named in the first column and the density sum_i w_i v_i, w_i = cos(i) with i from 1 in the order of
//! storage. Columns: type, position, log density with the log-determinant, its gradient.

use jensen_bijector::{Bijector, CATALOGUE};
use jensen_rng::Stream;
use jensen_testkit::gradient;

fn examples() -> Vec<(&'static str, Box<dyn Bijector>)> {
    (CATALOGUE.iter())
        .flat_map(|entry| (entry.examples)().into_iter().map(|b| (entry.name, b)))
        .collect()
}

fn forward(b: &dyn Bijector, position: &[f64]) -> (Vec<f64>, f64) {
    let mut value = vec![f64::NAN; b.n_values()];
    let log_det = b.forward(position, &mut value);
    (value, log_det)
}

fn inverse(b: &dyn Bijector, value: &[f64]) -> Vec<f64> {
    let mut position = vec![f64::NAN; b.n_coordinates()];
    if let Err(misfit) = b.inverse(value, &mut position) {
        panic!("{}: {misfit}", b.describe());
    }
    position
}

fn adjoint(b: &dyn Bijector, position: &[f64], by_value: &[f64]) -> Vec<f64> {
    let (value, _) = forward(b, position);
    let mut grad = vec![0.0; b.n_coordinates()];
    b.adjoint(position, &value, by_value, &mut grad);
    grad
}

/// Standard normal positions, three for each transform.
fn positions(b: &dyn Bijector) -> Vec<Vec<f64>> {
    let mut stream = Stream::from_seed(3).child(&b.describe(), 0);
    let mut position = || (0..b.n_coordinates()).map(|_| stream.normal()).collect();
    (0..3).map(|_| position()).collect()
}

/// Which numbers of the value move freely: the measure of the log-determinant. `None` where it is area.
fn free(name: &str, b: &dyn Bijector) -> Option<Vec<usize>> {
    let m = b.n_values();
    let k = (m as f64).sqrt() as usize;
    let lower = |n_rows: usize, from: usize| {
        (0..m)
            .filter(move |at| at % n_rows >= at / n_rows + from)
            .collect::<Vec<_>>()
    };
    match name {
        "sum_to_zero" | "unit_vector" => None,
        "simplex" => Some((0..m - 1).collect()),
        "corr_matrix" | "cholesky_factor_corr" => Some(lower(k, 1)),
        "cov_matrix" => Some(lower(k, 0)),
        // 3 by 3 and 4 by 2.
        "cholesky_factor_cov" => Some(lower(if m == 9 { 3 } else { 4 }, 0)),
        _ => Some((0..m).collect()),
    }
}

/// ln |det| of an n by n matrix by elimination with pivots.
fn log_abs_det(mut rows: Vec<Vec<f64>>) -> f64 {
    let n = rows.len();
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|&a, &b| rows[a][k].abs().total_cmp(&rows[b][k].abs()));
        rows.swap(k, pivot.unwrap());
        sum += rows[k][k].abs().ln();
        for i in k + 1..n {
            let factor = rows[i][k] / rows[k][k];
            let pivot = rows[k].clone();
            for (entry, p) in rows[i].iter_mut().zip(pivot) {
                *entry -= factor * p;
            }
        }
    }
    sum
}

/// ln sqrt(det(J' J)) of the rows of a tall Jacobian J: area on the surface for volume of coordinates.
fn log_area(rows: Vec<Vec<f64>>) -> f64 {
    let n = rows[0].len();
    let inner = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum();
    0.5 * log_abs_det(
        (0..n)
            .map(|i| (0..n).map(|j| inner(i, j)).collect())
            .collect(),
    )
}

/// What differences with a step of 1e-3 leave for maps with derivatives of the order of one.
const DIFFERENCES: f64 = 1e-8;
const STEP: f64 = 1e-3;

#[test]
fn the_inverse_returns() {
    for (name, b) in examples() {
        for position in positions(&*b) {
            let (value, _) = forward(&*b, &position);
            let back = inverse(&*b, &value);
            let (again, _) = forward(&*b, &back);
            for (a, v) in again.iter().zip(&value) {
                assert!(
                    (a - v).abs() < 1e-12 * (1.0 + v.abs()),
                    "{}: {a} {v}",
                    b.describe()
                );
            }
            // The length of a unit vector's position is lost.
            if name != "unit_vector" {
                for (p, x) in back.iter().zip(&position) {
                    assert!((p - x).abs() < 1e-9, "{}: {p} {x}", b.describe());
                }
            }
        }
    }
}

#[test]
fn the_log_determinant_is_that_of_the_jacobian() {
    for (name, b) in examples() {
        // Its length has a law of its own, below.
        if name == "unit_vector" {
            continue;
        }
        for position in positions(&*b) {
            let row = |at: usize| gradient(|x| forward(&*b, x).0[at], &position, STEP);
            let expected = match free(name, &*b) {
                Some(free) => log_abs_det(free.into_iter().map(row).collect()),
                None => log_area((0..b.n_values()).map(row).collect()),
            };
            let (_, log_det) = forward(&*b, &position);
            let wrong = (log_det - expected).abs();
            assert!(
                wrong < DIFFERENCES,
                "{}: {log_det} {expected}",
                b.describe()
            );
        }
    }
}

#[test]
fn coordinates_of_a_unit_vector_are_standard_normal_where_it_is_uniform() {
    let mut value = [0.0; 2];
    let log_det = jensen_bijector::UnitVector::new(2)
        .unwrap()
        .forward(&[3.0, -4.0], &mut value);
    assert_eq!((value, log_det), ([0.6, -0.8], -12.5));
}

/// A place y = r u has volume r^(n - 1) dr du: with the law of r of n normal coordinates, by differences of y / |y| along
/// the sphere's tangent, the density of u comes out the same everywhere.
#[test]
fn a_unit_vector_has_the_jacobian_of_its_tangent() {
    const N: usize = 3;
    let b = jensen_bijector::UnitVector::new(N).unwrap();
    let unit = |y: &[f64]| {
        let mut value = [0.0; N];
        let log_det = b.forward(y, &mut value);
        (value, log_det)
    };
    for y in [[1.0, 0.0, 0.0], [3.0, -4.0, 12.0], [0.3, 0.2, -0.1]] {
        // Two tangents and the radius at y, orthonormal by Gram and Schmidt.
        let (u, log_det) = unit(&y);
        let r = y.iter().map(|y| y * y).sum::<f64>().sqrt();
        let mut basis: Vec<Vec<f64>> = vec![u.to_vec()];
        for axis in 0..N {
            let mut v: Vec<f64> = (0..N).map(|i| f64::from(u8::from(i == axis))).collect();
            for known in &basis {
                let along: f64 = known.iter().zip(&v).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(known).for_each(|(v, k)| *v -= along * k);
            }
            let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
            if length > 0.1 && basis.len() < N {
                basis.push(v.iter().map(|v| v / length).collect());
            }
        }
        let tangents = &basis[1..];
        // ln of the area on the sphere that a square of the tangent plane is mapped to.
        let row = |at: usize| {
            let along = |t: &[f64]| {
                let moved: Vec<f64> = (0..N)
                    .map(|i| y[i] + t[0] * tangents[0][i] + t[1] * tangents[1][i])
                    .collect();
                unit(&moved).0[at]
            };
            gradient(along, &[0.0, 0.0], STEP * r)
        };
        let area = log_area((0..N).map(row).collect());
        assert!(
            (area + (N - 1) as f64 * r.ln()).abs() < DIFFERENCES,
            "{area}"
        );
        // Of N standard normal coordinates exp(-r^2 / 2) is what is left when the volume r^(N - 1) of the shell is
        // taken by the area: the log determinant is that of the map of a shell, times the law of its radius.
        let ln_law_of_radius = (N - 1) as f64 * r.ln() - 0.5 * r * r;
        assert!(
            (log_det - (area + ln_law_of_radius)).abs() < DIFFERENCES,
            "{log_det}"
        );
    }
}

#[test]
fn the_adjoint_is_the_gradient_of_function_and_log_determinant() {
    for (_, b) in examples() {
        let by_value: Vec<f64> = (1..=b.n_values()).map(|i| (i as f64).cos()).collect();
        let f = |x: &[f64]| {
            let (value, log_det) = forward(&*b, x);
            log_det + value.iter().zip(&by_value).map(|(v, w)| v * w).sum::<f64>()
        };
        for position in positions(&*b) {
            let expected = gradient(f, &position, STEP);
            let grad = adjoint(&*b, &position, &by_value);
            for (g, e) in grad.iter().zip(&expected) {
                let wrong = (g - e).abs();
                assert!(
                    wrong < DIFFERENCES * (1.0 + e.abs()),
                    "{}: {g} {e}",
                    b.describe()
                );
            }
        }
    }
}

/// Whether a value satisfies the constraint, borders included, as far as rounding allows.
fn is_inside(name: &str, b: &dyn Bijector, value: &[f64]) -> bool {
    let rises = |v: &[f64]| v.windows(2).all(|pair| pair[0] <= pair[1]);
    let is_one = |x: f64| (x - 1.0).abs() < 1e-12;
    let squares = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    let bounds = b.describe();
    let bound = |key: &str| {
        let part = bounds.split(", ").find_map(|part| part.strip_prefix(key));
        part.map_or(f64::NAN, |number| number.parse().unwrap())
    };
    let (k, n_rows) = (
        (value.len() as f64).sqrt() as usize,
        if value.len() == 8 { 4 } else { 3 },
    );
    let is_lower = |n_rows: usize| {
        (value.iter().enumerate()).all(|(at, v)| at % n_rows >= at / n_rows || *v == 0.0)
            && (0..value.len() / n_rows).all(|i| value[i * (n_rows + 1)] >= 0.0)
    };
    match name {
        "identity" | "offset_multiplier" => true,
        "lower" => value.iter().all(|v| *v >= bound("lower=")),
        "upper" => value.iter().all(|v| *v <= bound("upper=")),
        "interval" => value
            .iter()
            .all(|v| bound("lower=") <= *v && *v <= bound("upper=")),
        "ordered" => rises(value),
        "positive_ordered" => value[0] > 0.0 && rises(value),
        "simplex" => value.iter().all(|v| *v > 0.0) && is_one(value.iter().sum()),
        "sum_to_zero" => value.iter().sum::<f64>().abs() < 1e-12,
        "unit_vector" => is_one(squares(value)),
        "cholesky_factor_corr" => {
            is_lower(k) && (0..k).all(|i| is_one((0..k).map(|l| value[i + l * k].powi(2)).sum()))
        }
        "cholesky_factor_cov" => is_lower(n_rows),
        "corr_matrix" => {
            (0..k).all(|i| value[i * (k + 1)] == 1.0)
                && (0..k * k).all(|at| value[at] == value[at / k + at % k * k])
                && value.iter().all(|v| v.abs() <= 1.0)
        }
        "cov_matrix" => {
            (0..k).all(|i| value[i * (k + 1)] > 0.0)
                && (0..k * k).all(|at| value[at] == value[at / k + at % k * k])
        }
        other => panic!("no constraint for `{other}`"),
    }
}

#[test]
fn extreme_positions_stay_inside_and_finite() {
    for (name, b) in examples() {
        let n = b.n_coordinates();
        let patterns: [fn(usize) -> f64; 4] = [
            |_| 40.0,
            |_| -40.0,
            |i| if i % 2 == 0 { 40.0 } else { -40.0 },
            |i| [40.0, 0.0, -40.0][i % 3],
        ];
        for pattern in patterns {
            let position: Vec<f64> = (0..n).map(pattern).collect();
            let (value, log_det) = forward(&*b, &position);
            assert!(
                value.iter().all(|v| v.is_finite()),
                "{}: {value:?}",
                b.describe()
            );
            assert!(log_det.is_finite(), "{}: {log_det}", b.describe());
            assert!(is_inside(name, &*b, &value), "{}: {value:?}", b.describe());
            let grad = adjoint(&*b, &position, &vec![1.0; b.n_values()]);
            assert!(
                grad.iter().all(|g| g.is_finite()),
                "{}: {grad:?}",
                b.describe()
            );
        }
    }
}

/// Without the log-determinant: gradient of the function alone.
#[test]
fn the_pullback_is_the_gradient_of_the_function() {
    for (_, b) in examples() {
        let by_value: Vec<f64> = (1..=b.n_values()).map(|i| (i as f64).cos()).collect();
        let f = |x: &[f64]| {
            let (value, _) = forward(&*b, x);
            value.iter().zip(&by_value).map(|(v, w)| v * w).sum::<f64>()
        };
        for position in positions(&*b) {
            let (value, _) = forward(&*b, &position);
            let mut grad = vec![0.0; b.n_coordinates()];
            b.pullback(&position, &value, &by_value, &mut grad);
            for (g, e) in grad.iter().zip(&gradient(f, &position, STEP)) {
                let wrong = (g - e).abs();
                assert!(
                    wrong < DIFFERENCES * (1.0 + e.abs()),
                    "{}: {g} {e}",
                    b.describe()
                );
            }
        }
    }
}

#[test]
fn constraints_that_are_none_are_refused_with_what_they_should_be() {
    use jensen_bijector::*;
    let nan = f64::NAN;
    let refusals = [
        Lower::new(f64::INFINITY, 1).map(drop),
        Upper::new(nan, 1).map(drop),
        Interval::new(1.0, 1.0, 1).map(drop),
        Interval::new(-f64::MAX, f64::MAX, 1).map(drop),
        OffsetMultiplier::new(0.0, 0.0, 1).map(drop),
        OffsetMultiplier::new(nan, 1.0, 1).map(drop),
        Simplex::new(0).map(drop),
        SumToZero::new(0).map(drop),
        UnitVector::new(0).map(drop),
        CholeskyFactorCorr::new(0).map(drop),
        CholeskyFactorCov::new(2, 3).map(drop),
        CorrMatrix::new(0).map(drop),
        CovMatrix::new(0).map(drop),
    ];
    for (refusal, i) in refusals.iter().zip(0..) {
        assert!(refusal.is_err(), "{i}");
    }
    let refusal = Interval::new(2.0, 1.0, 1).unwrap_err();
    assert_eq!(
        (refusal.constraint, refusal.found),
        ("interval", vec![2.0, 1.0])
    );
}

#[test]
fn what_is_not_a_number_is_a_misfit_for_every_transform() {
    for (_, b) in examples() {
        let position = &positions(&*b)[0];
        let (value, _) = forward(&*b, position);
        for index in 0..value.len() {
            let mut value = value.clone();
            value[index] = f64::NAN;
            let outcome = b.inverse(&value, &mut vec![0.0; b.n_coordinates()]);
            // Above the diagonal a factor has to be zero, which a NaN is not either.
            assert!(outcome.is_err(), "{} at {index}", b.describe());
        }
    }
}

#[test]
fn values_outside_are_misfits_that_name_the_number() {
    use jensen_bijector::*;
    let check = |b: &dyn Bijector, value: &[f64], index: usize, found: f64| {
        let misfit = b
            .inverse(value, &mut vec![0.0; b.n_coordinates()])
            .unwrap_err();
        assert_eq!(
            (misfit.index, misfit.found),
            (index, found),
            "{}: {misfit}",
            b.describe()
        );
    };
    check(&Lower::new(2.0, 2).unwrap(), &[3.0, 1.0], 1, 1.0);
    check(&Upper::new(2.0, 2).unwrap(), &[1.0, 2.0], 1, 2.0);
    check(&Interval::new(0.0, 1.0, 2).unwrap(), &[0.5, 1.5], 1, 1.5);
    check(
        &OffsetMultiplier::new(0.0, 2.0, 1).unwrap(),
        &[f64::INFINITY],
        0,
        f64::INFINITY,
    );
    check(
        &Identity::new(1),
        &[f64::NEG_INFINITY],
        0,
        f64::NEG_INFINITY,
    );
    check(&Ordered::new(3), &[1.0, 2.0, 2.0], 2, 2.0);
    check(&PositiveOrdered::new(2), &[-1.0, 2.0], 0, -1.0);
    check(&Simplex::new(3).unwrap(), &[0.5, 0.0, 0.5], 1, 0.0);
    check(&Simplex::new(2).unwrap(), &[0.5, 0.75], 1, 1.25);
    check(&SumToZero::new(2).unwrap(), &[1.0, -0.5], 1, 0.5);
    check(&UnitVector::new(2).unwrap(), &[1.0, 1.0], 1, 2.0);
    check(
        &CholeskyFactorCorr::new(2).unwrap(),
        &[1.0, 0.6, 0.0, 0.6],
        3,
        0.36 + 0.36,
    );
    check(
        &CholeskyFactorCorr::new(2).unwrap(),
        &[1.0, 0.6, 0.1, 0.8],
        2,
        0.1,
    );
    check(
        &CholeskyFactorCov::new(2, 2).unwrap(),
        &[1.0, 0.6, 0.0, -0.8],
        3,
        -0.8,
    );
    check(&CorrMatrix::new(2).unwrap(), &[1.0, 1.5, 1.5, 1.0], 3, 1.0);
    check(&CorrMatrix::new(2).unwrap(), &[1.0, 0.5, 0.5, 2.0], 3, 2.0);
    check(&CovMatrix::new(2).unwrap(), &[2.0, 0.5, 0.4, 2.0], 2, 0.4);
}

/// Both sides sum a few terms in f64.
const SAME_FORMULA: f64 = 1e-12;

#[test]
fn values_are_those_of_stan() {
    let numbers =
        |cell: &str| -> Vec<f64> { cell.split(' ').map(|x| x.parse().unwrap()).collect() };
    let mut n_rows = 0;
    for line in include_str!("stan_transforms.tsv").lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let (_, b) = (examples().into_iter())
            .find(|(name, b)| format!("{name} {}", b.describe()) == cells[0])
            .unwrap_or_else(|| panic!("no example `{}`", cells[0]));
        let (position, expected, expected_grad) =
            (numbers(cells[1]), numbers(cells[2])[0], numbers(cells[3]));
        let weights: Vec<f64> = (1..=b.n_values()).map(|i| (i as f64).cos()).collect();
        let (value, log_det) = forward(&*b, &position);
        let density = log_det + value.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>();
        let wrong = (density - expected).abs();
        assert!(
            wrong < SAME_FORMULA * (1.0 + expected.abs()),
            "{}: {density} {expected}",
            cells[0]
        );
        for (g, e) in adjoint(&*b, &position, &weights).iter().zip(&expected_grad) {
            assert!(
                (g - e).abs() < SAME_FORMULA * (1.0 + e.abs()),
                "{}: {g} {e}",
                cells[0]
            );
        }
        n_rows += 1;
    }
    assert_eq!(n_rows, examples().len() - 1, "all but the identity");
}

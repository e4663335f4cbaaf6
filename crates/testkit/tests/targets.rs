//! The targets against finite differences, against Stan, against their reference draws, and against quadrature.
//!
//! `stan_log_densities.tsv` was made with stanli 0.24.0 (Stan 2.40): for every posterior three positions, the
//! log density with log-determinants, and its gradient. The first position is the unconstrained reference mean,
//! the second lies about two standard deviations from it, the third is uniform on (-1, 1). For lotka_volterra
//! the solver's tolerances in the program were set to 1e-10, so that the table has no error of its own. For
//! mcycle_gp-accel_gp, of which no draws are there, the second position is a unit normal step from the first.

use jensen_density::{Cause, Evaluator, LogDensity, Reject};
use jensen_rng::Stream;
use jensen_testkit::targets::{
    Banana, Bimodal, Counted, EightSchools, Funnel, NanIsland, NormalMixture, Parameterization,
    Rejecting, StudentT, Target, posteriordb, posteriordb_draws, synthetic,
};
use jensen_testkit::{gradient, integrate_line};

fn evaluate(density: &dyn LogDensity, position: &[f64]) -> (f64, Vec<f64>) {
    let mut grad = vec![0.0; density.dim()];
    let value = Evaluator::new(density).log_density_and_grad(position, &mut grad);
    (value.unwrap_or_else(|reject| panic!("{reject}")), grad)
}

fn constrained(target: &Target, position: &[f64]) -> Vec<f64> {
    let mut values = vec![0.0; target.density.layout().n_values()];
    target.density.constrain(position, &mut values);
    values
}

/// Step of the finite differences: its fourth power is below the tolerance, also where a series of 200 errors is
/// a polynomial of that degree in a coefficient.
const STEP: f64 = 5e-4;
/// Truncation of the differences, relative.
const TRUNCATION: f64 = 1e-6;
/// Rounding of sums of some thousand terms, relative to the value; it is divided by the step.
const ROUNDING: f64 = 1e-14;
/// The same for a value that an ODE solver with a relative tolerance of 1e-8 gives: its steps change with the
/// position, so that errors of positions near to each other do not cancel.
const SOLVER_NOISE: f64 = 1e-9;

fn check_gradient(target: &Target, positions: usize, half_width: f64) {
    let mut stream = Stream::from_seed(1).child(&target.name, 0);
    let noise = match target.name.ends_with("lotka_volterra") {
        true => SOLVER_NOISE,
        false => ROUNDING,
    };
    for _ in 0..positions {
        let position: Vec<f64> = (0..target.density.dim())
            .map(|_| half_width * (2.0 * stream.uniform() - 1.0))
            .collect();
        let (value, grad) = evaluate(&*target.density, &position);
        let size = grad.iter().fold(0.0f64, |top, g| top.max(g.abs()));
        let by_value = gradient(|x| evaluate(&*target.density, x).0, &position, STEP);
        for (i, (exact, difference)) in grad.iter().zip(&by_value).enumerate() {
            let allowed =
                TRUNCATION * (exact.abs() + 1e-3 * size + 1.0) + noise / STEP * value.abs();
            assert!(
                (exact - difference).abs() < allowed,
                "{} at {position:?}, coordinate {i}: {exact} by formula, {difference} by difference",
                target.name
            );
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let mixture = || NormalMixture::new(&[(0.2, -1.0, 0.5), (0.8, 1.0, 1.5)]);
    for target in (synthetic().into_iter()).chain([mixture().joint(3), mixture().product(3)]) {
        check_gradient(&target, 5, 2.0);
    }
    for target in posteriordb().unwrap_or_default() {
        check_gradient(&target, 5, 1.0);
    }
}

#[test]
fn values_have_the_names_of_the_reference() {
    for target in synthetic()
        .into_iter()
        .chain(posteriordb().unwrap_or_default())
    {
        let names = target.density.layout().value_names();
        assert_eq!(names, target.reference.names, "{}", target.name);
        let reference = &target.reference;
        assert_eq!(reference.mean.len(), names.len());
        assert!(reference.sd.iter().all(|sd| *sd > 0.0), "{}", target.name);
        assert_eq!(target.worst_error(&reference.mean).0, 0.0);
    }
}

/// Rounding where both sides sum a thousand terms in different orders, relative to the values.
const SAME_FORMULA: f64 = 1e-11;
/// What the ODE solver leaves at a relative tolerance of 1e-8, in nats and in relative gradient.
const ODE: f64 = 1e-5;

#[test]
fn log_densities_are_those_of_stan() {
    let Some(targets) = posteriordb() else { return };
    let table = include_str!("stan_log_densities.tsv");
    let numbers =
        |cell: &str| -> Vec<f64> { cell.split(' ').map(|x| x.parse().unwrap()).collect() };
    let mut n_rows = 0;
    for target in &targets {
        let tolerance = match target.name.ends_with("lotka_volterra") {
            true => ODE,
            false => SAME_FORMULA,
        };
        let rows = table
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let rows: Vec<_> = rows.filter(|row| row[0] == target.name).collect();
        assert_eq!(rows.len(), 3, "{}", target.name);
        let mut gap = None;
        for row in rows {
            let (position, expected, expected_grad) =
                (numbers(row[1]), numbers(row[2])[0], numbers(row[3]));
            let (value, grad) = evaluate(&*target.density, &position);
            // The free constant is the gap at the first position.
            let constant = *gap.get_or_insert(value - expected);
            let wrong = (value - expected - constant).abs();
            assert!(
                wrong <= tolerance * (1.0 + value.abs()),
                "{}: {value} - {expected} is not {constant}",
                target.name
            );
            let size = expected_grad.iter().fold(0.0f64, |top, g| top.max(g.abs()));
            for (g, e) in grad.iter().zip(&expected_grad) {
                let allowed = 10.0 * tolerance * (1.0 + size + value.abs());
                assert!(
                    (g - e).abs() <= allowed,
                    "{}: {grad:?} {expected_grad:?}",
                    target.name
                );
            }
            n_rows += 1;
        }
    }
    assert_eq!(n_rows, 3 * 36);
}

#[test]
fn the_unconstrained_reference_mean_gives_the_reference_mean() {
    let Some(targets) = posteriordb() else { return };
    let table = include_str!("stan_log_densities.tsv");
    for target in &targets {
        let row = table
            .lines()
            .find(|line| line.split('\t').next() == Some(&target.name));
        let cell = row.unwrap().split('\t').nth(1).unwrap();
        let position: Vec<f64> = cell.split(' ').map(|x| x.parse().unwrap()).collect();
        let (error, name) = target.worst_error(&constrained(target, &position));
        assert!(error < 1e-9, "{} {name}: {error}", target.name);
    }
}

#[test]
fn stored_moments_are_those_of_the_draws() {
    for target in posteriordb().unwrap_or_default() {
        let reference = &target.reference;
        let Some((names, draws)) = posteriordb_draws(&target.name) else {
            assert_eq!(
                target.name, "mcycle_gp-accel_gp",
                "the only one without draws"
            );
            continue;
        };
        assert_eq!(names, reference.names);
        let (k, n) = (names.len(), reference.n_draws.unwrap());
        assert_eq!(draws.len(), n * k, "{}", target.name);
        for (i, name) in names.iter().enumerate() {
            let column = || draws.iter().skip(i).step_by(k);
            let mean = column().sum::<f64>() / n as f64;
            let squares: f64 = column().map(|x| (x - mean).powi(2)).sum();
            let sd = (squares / (n - 1) as f64).sqrt();
            assert!(
                (mean - reference.mean[i]).abs() < 1e-10 * sd,
                "{} {}",
                target.name,
                name
            );
            // The stored mean square has 15 digits, of which the square of the mean takes some.
            assert!(
                (sd / reference.sd[i] - 1.0).abs() < 1e-4,
                "{} {}",
                target.name,
                name
            );
        }
    }
}

#[test]
fn eight_schools_by_quadrature_and_by_draws_agree() {
    let exact = EightSchools::embedded(Parameterization::Noncentered).target();
    let drawn = posteriordb().unwrap_or_default();
    for target in drawn
        .iter()
        .filter(|target| target.name.starts_with("eight_schools"))
    {
        let reference = &target.reference;
        for (i, name) in reference.names.iter().enumerate() {
            let error = exact.reference.mean[i] - reference.mean[i];
            assert!(error.abs() < 5.0 * reference.mcse[i], "{name}: {error}");
            // The spread of tau has a heavy tail: the SD of 10 000 draws is known to some per cent.
            assert!(
                (exact.reference.sd[i] / reference.sd[i] - 1.0).abs() < 0.05,
                "{name}"
            );
        }
    }
}

/// The tanh-sinh rule and the trapezoidal rule below leave less than this of a normalizer or moment.
const QUADRATURE: f64 = 1e-8;

/// Checks mean, SD and normalizer of the coordinate `i` against weights of that coordinate's values.
fn check_moments(target: &Target, i: usize, moment: impl Fn(u32) -> f64) {
    let reference = &target.reference;
    let total = moment(0);
    let mean = moment(1) / total;
    let sd = (moment(2) / total - mean * mean).sqrt();
    let name = &target.name;
    let log_normalizer = reference.log_normalizer.unwrap();
    assert!(
        (total.ln() - log_normalizer).abs() < QUADRATURE,
        "{name}: {}",
        total.ln()
    );
    assert!(
        (mean - reference.mean[i]).abs() < QUADRATURE,
        "{name}: {mean}"
    );
    assert!(
        (sd / reference.sd[i] - 1.0).abs() < QUADRATURE,
        "{name}: {sd}"
    );
}

#[test]
fn moments_and_normalizers_agree_with_quadrature() {
    let mixture = || NormalMixture::new(&[(1.0, -3.0, 0.5), (2.0, 1.0, 1.5), (1.0, 4.0, 1.0)]);
    for target in [
        Bimodal::new(1, 6.0, 0.3).target(),
        StudentT::new(1, 9, 1.0, 2.0).target(),
        mixture().joint(1),
        mixture().product(1),
    ] {
        let density = &*target.density;
        check_moments(&target, 0, |power| {
            integrate_line(
                |x| x.powi(power as i32) * evaluate(density, &[x]).0.exp(),
                0.0,
                3.0,
            )
        });
    }
    // In two dimensions: the inner integral first, over a line that follows the mass.
    let banana = Banana::new(1.5, 0.4).target();
    let funnel = Funnel::new(2).target();
    let mass = |density: &dyn LogDensity, x: [f64; 2]| evaluate(density, &x).0.exp();
    for i in 0..2 {
        check_moments(&banana, i, |power| {
            trapezoid(-15.0, 15.0, 400, |x| {
                let center = 0.4 * (x * x - 2.25);
                trapezoid(center - 10.0, center + 10.0, 100, |y| {
                    [x, y][i].powi(power as i32) * mass(&*banana.density, [x, y])
                })
            })
        });
        check_moments(&funnel, i, |power| {
            trapezoid(-40.0, 40.0, 600, |v| {
                let sd = (0.5 * v).exp();
                trapezoid(-10.0 * sd, 10.0 * sd, 100, |x| {
                    [v, x][i].powi(power as i32) * mass(&*funnel.density, [v, x])
                })
            })
        });
    }
    for mixtures in [mixture().joint(2), mixture().product(2)] {
        for i in 0..2 {
            check_moments(&mixtures, i, |power| {
                trapezoid(-15.0, 15.0, 300, |x| {
                    trapezoid(-15.0, 15.0, 300, |y| {
                        [x, y][i].powi(power as i32) * mass(&*mixtures.density, [x, y])
                    })
                })
            });
        }
    }
    // One school: its standardized effect u is normal given mean and spread, over ten deviations each way.
    let (y, s) = (3.0, 4.0);
    for parameterization in [Parameterization::Noncentered, Parameterization::Centered] {
        let school = EightSchools::new(vec![y], vec![s], parameterization).target();
        let total = trapezoid(-30.0, 30.0, 240, |log_tau| {
            let tau = log_tau.exp();
            let precision = 1.0 + (tau / s).powi(2);
            trapezoid(-50.0, 50.0, 120, |mu| {
                let center = tau * (y - mu) / (s * s * precision);
                let half = 10.0 / precision.sqrt();
                trapezoid(center - half, center + half, 80, |u| {
                    let (effect, volume) = match parameterization {
                        Parameterization::Noncentered => (u, 1.0),
                        Parameterization::Centered => (mu + tau * u, tau),
                    };
                    volume * evaluate(&*school.density, &[effect, mu, log_tau]).0.exp()
                })
            })
        });
        let known = school.reference.log_normalizer.unwrap();
        let name = &school.name;
        assert!(
            (total.ln() - known).abs() < QUADRATURE,
            "{name}: {} {known}",
            total.ln()
        );
    }
}

/// The trapezoidal rule for a function that vanishes with all derivatives at both ends.
fn trapezoid(low: f64, high: f64, n: usize, mut f: impl FnMut(f64) -> f64) -> f64 {
    let step = (high - low) / n as f64;
    step * (0..=n).map(|i| f(low + step * i as f64)).sum::<f64>()
}

/// Half of the width of positions where exponentials are far from one, yet not beyond the numbers.
const FAR: f64 = 15.0;

#[test]
fn far_positions_are_answered_or_refused_with_a_place() {
    let mut stream = Stream::from_seed(2);
    for target in synthetic()
        .into_iter()
        .chain(posteriordb().unwrap_or_default())
    {
        let mut evaluator = Evaluator::new(&*target.density);
        let mut grad = vec![0.0; evaluator.dim()];
        for _ in 0..20 {
            let position: Vec<f64> = (0..evaluator.dim())
                .map(|_| FAR * (2.0 * stream.uniform() - 1.0))
                .collect();
            if let Err(reject) = evaluator.log_density_and_grad(&position, &mut grad) {
                assert!(!reject.place.is_empty(), "{}: {reject}", target.name);
            }
        }
    }
}

#[test]
fn an_ode_that_is_too_hard_is_refused_as_such() {
    for target in posteriordb().unwrap_or_default() {
        if target.name.ends_with("lotka_volterra") {
            // Rates of exp(8) a year: thousands of oscillations, each with spikes.
            let position = [8.0, 0.0, 8.0, 0.0, 3.0, 3.0, 0.0, 0.0];
            let outcome = target
                .density
                .log_density_and_grad(&position, &mut [0.0; 8], &mut []);
            let expected = Reject::at("integrate_ode_rk45", Cause::SolverFailed);
            assert_eq!(outcome, Err(expected));
        }
    }
}

#[test]
fn the_broken_targets_are_refused_where_they_are_broken() {
    assert_eq!(
        Evaluator::new(&Rejecting::new(2)).log_density(&[0.0; 2]),
        f64::NEG_INFINITY
    );
    let island = NanIsland::new(vec![1.0, 1.0], 0.5);
    let mut evaluator = Evaluator::new(&island);
    assert_eq!(evaluator.log_density(&[1.2, 0.9]), f64::NEG_INFINITY);
    assert_eq!(evaluator.log_density(&[0.0, 2.0]), -2.0);
    assert_eq!(evaluator.n_rejected(), 1);
}

#[test]
fn a_counted_density_is_the_same_and_says_what_it_was_asked_for() {
    let target = EightSchools::embedded(Parameterization::Centered).target();
    let plain = target.density.as_ref();
    let counted = Counted::new(plain, true);
    let mut position = vec![0.3; plain.dim()];
    position[1] = -0.7;
    for _ in 0..3 {
        assert_eq!(evaluate(&counted, &position), evaluate(plain, &position));
    }
    assert_eq!((counted.n(), counted.reset(), counted.n()), (3, 3, 0));
    let [mut values, mut expected] = [0.0, 1.0].map(|x| vec![x; plain.layout().n_values()]);
    counted.constrain(&position, &mut values);
    plain.constrain(&position, &mut expected);
    assert_eq!(values, expected);
}

#[test]
fn the_worst_value_names_the_error() {
    let target = StudentT::new(3, 5, 1.0, 2.0).target();
    let sd = target.reference.sd[1];
    let (error, name) = target.worst_error(&[1.0, 1.0 - 0.5 * sd, 1.0 + 0.25 * sd]);
    assert!((error - 0.5).abs() < 1e-12 && name == "x[2]");
    assert_eq!(
        target.worst_error(&[1.0, f64::NAN, 1.0]),
        (f64::INFINITY, "x[2]")
    );
}

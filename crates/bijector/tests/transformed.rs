//! Densities of constrained variables on unconstrained coordinates: gradients against differences, a hierarchical
//! model against its hand-written form, maxima with and without the Jacobian, and what is refused.

use jensen_bijector::{
    BadDeclaration, CholeskyFactorCorr, CovMatrix, Declared, Ordered, Simplex, Transformed,
};
use jensen_density::{Cause, Evaluator, LogDensity, Reject};
use jensen_rng::Stream;
use jensen_testkit::gradient;
use jensen_testkit::targets::{EightSchools, Parameterization};

/// What differences with a step of 1e-3 leave for functions with derivatives of the order of ten.
const DIFFERENCES: f64 = 1e-7;
const STEP: f64 = 1e-3;
/// Both sides sum some dozens of terms.
const ROUNDING: f64 = 1e-12;

/// sum_i cos(i) v_i - v_i^2 / 10: every value has a gradient of its own.
fn waves(values: &[f64], by: &mut [f64]) -> Result<f64, Reject> {
    let mut sum = 0.0;
    for (i, (v, by)) in values.iter().zip(by).enumerate() {
        sum += (i as f64).cos() * v - 0.1 * v * v;
        *by += (i as f64).cos() - 0.2 * v;
    }
    Ok(sum)
}

/// Scalars, vectors and matrices, with arguments that are numbers, vectors and variables of variables.
fn variables() -> Vec<Declared> {
    vec![
        Declared::real("mu", &[]),
        Declared::lower("tau", &[], 0.0),
        Declared::new("p", &[3], Simplex::new(3).unwrap()),
        Declared::new("cuts", &[2], Ordered::new(2)),
        Declared::lower("above", &[2], "cuts"),
        Declared::interval("between", &[3], "mu", vec![4.0, 5.0, 6.0]),
        Declared::upper("below", &[2, 2], vec![1.0, -1.0, 0.5, 2.0]),
        Declared::offset_multiplier("theta", &[3], "between", "tau"),
        Declared::new("s", &[2, 2], CovMatrix::new(2).unwrap()),
        Declared::new("l", &[3, 3], CholeskyFactorCorr::new(3).unwrap()),
        Declared::interval("late", &[], 0.0, "tau"),
    ]
}

fn positions(d: usize, n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::from_seed(6);
    let mut position = || (0..d).map(|_| 0.5 * stream.normal()).collect();
    (0..n).map(|_| position()).collect()
}

#[test]
fn gradients_agree_with_differences() {
    let with = Transformed::new(variables(), waves).unwrap();
    let without = Transformed::new(variables(), waves)
        .unwrap()
        .without_jacobian();
    for target in [&with, &without] {
        let mut evaluator = Evaluator::new(target);
        for position in positions(target.dim(), 5) {
            let mut grad = vec![0.0; target.dim()];
            evaluator
                .log_density_and_grad(&position, &mut grad)
                .unwrap();
            let expected = gradient(|x| evaluator.log_density(x), &position, STEP);
            for (i, (g, e)) in grad.iter().zip(&expected).enumerate() {
                let name = target.layout().coordinate(i);
                assert!(
                    (g - e).abs() < DIFFERENCES * (1.0 + e.abs()),
                    "{name}: {g} {e}"
                );
            }
        }
    }
}

#[test]
fn values_come_back_to_their_positions() {
    let target = Transformed::new(variables(), waves).unwrap();
    let n = target.layout().n_values();
    for position in positions(target.dim(), 5) {
        let mut values = vec![f64::NAN; n];
        target.constrain(&position, &mut values);
        let mut back = vec![f64::NAN; target.dim()];
        target.unconstrain(&values, &mut back).unwrap();
        for (b, x) in back.iter().zip(&position) {
            assert!((b - x).abs() < 1e-9, "{b} {x}");
        }
        let at = target.values_of("between").unwrap();
        let mu = values[target.values_of("mu").unwrap().start];
        assert!(
            values[at.clone()]
                .iter()
                .zip([4.0, 5.0, 6.0])
                .all(|(v, b)| mu < *v && *v < b)
        );
        values[at.start + 1] = 7.0;
        let error = target.unconstrain(&values, &mut back).unwrap_err();
        assert_eq!(
            (error.variable.as_str(), error.misfit.index),
            ("between", 1)
        );
    }
    assert_eq!(
        target.layout().variables()[7].constraint,
        "offset=between, multiplier=tau"
    );
    assert_eq!(target.layout().variables()[0].constraint, "");
}

/// The same posterior with its effects declared by offset and multiplier; there they stand first.
#[test]
fn noncentered_schools_are_those_written_by_hand() {
    const EFFECTS: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
    const ERRORS: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];
    let variables = vec![
        Declared::real("mu", &[]),
        Declared::lower("tau", &[], 0.0),
        Declared::offset_multiplier("theta", &[8], "mu", "tau"),
    ];
    let target = Transformed::new(variables, |values: &[f64], by: &mut [f64]| {
        let (mu, tau) = (values[0], values[1]);
        let scaled = tau / 5.0;
        let mut value = -0.5 * (mu / 5.0).powi(2) - (scaled * scaled).ln_1p();
        by[0] = -mu / 25.0;
        by[1] = -2.0 * scaled / 5.0 / (1.0 + scaled * scaled);
        for i in 0..8 {
            let theta = values[2 + i];
            let (u, z) = ((theta - mu) / tau, (EFFECTS[i] - theta) / ERRORS[i]);
            value -= 0.5 * (u * u + z * z) + tau.ln();
            by[2 + i] = z / ERRORS[i] - u / tau;
            by[0] += u / tau;
            by[1] += (u * u - 1.0) / tau;
        }
        Ok(value)
    })
    .unwrap();
    let by_hand = EightSchools::embedded(Parameterization::Noncentered);
    let (mut ours, mut theirs) = (Evaluator::new(&target), Evaluator::new(&by_hand));
    let mut shift = None;
    for position in positions(10, 20) {
        let moved: Vec<f64> = (2..10).chain([0, 1]).map(|i| position[i]).collect();
        let (mut grad, mut expected) = ([0.0; 10], [0.0; 10]);
        let found = ours.log_density_and_grad(&position, &mut grad).unwrap();
        let value = theirs.log_density_and_grad(&moved, &mut expected).unwrap();
        // One constant may differ, and only one.
        let shift = *shift.get_or_insert(found - value);
        assert!(
            (found - value - shift).abs() < ROUNDING * 100.0,
            "{found} {value}"
        );
        for (i, e) in (2..10).chain([0, 1]).zip(expected) {
            assert!(
                (grad[i] - e).abs() < ROUNDING * (1.0 + e.abs()),
                "{i}: {} {e}",
                grad[i]
            );
        }
        let (mut values, mut other) = ([0.0; 10], [0.0; 10]);
        target.constrain(&position, &mut values);
        by_hand.constrain(&moved, &mut other);
        assert!((values[2] - other[0]).abs() < ROUNDING && (values[1] - other[9]).abs() < ROUNDING);
    }
}

/// Seven of ten: the likelihood is largest at 0.7; as a density of the log-odds with the Jacobian p (1 - p) the
/// largest is at 8/12.
#[test]
fn the_maximum_without_the_jacobian_is_that_of_the_likelihood() {
    let binomial = |values: &[f64], by: &mut [f64]| {
        let p = values[0];
        by[0] = 7.0 / p - 3.0 / (1.0 - p);
        Ok(7.0 * p.ln() + 3.0 * (-p).ln_1p())
    };
    let chance = || vec![Declared::interval("chance", &[], 0.0, 1.0)];
    let maximum = |target: &dyn LogDensity| {
        let mut evaluator = Evaluator::new(target);
        // The gradient falls, so halving finds its zero.
        let (mut low, mut high) = (-10.0, 10.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let mut grad = [0.0];
            evaluator
                .log_density_and_grad(&[middle], &mut grad)
                .unwrap();
            if grad[0] > 0.0 {
                low = middle
            } else {
                high = middle
            }
        }
        let mut value = [0.0];
        target.constrain(&[low], &mut value);
        value[0]
    };
    let with = Transformed::new(chance(), binomial).unwrap();
    let without = Transformed::new(chance(), binomial)
        .unwrap()
        .without_jacobian();
    assert!((maximum(&without) - 0.7).abs() < ROUNDING);
    assert!((maximum(&with) - 8.0 / 12.0).abs() < ROUNDING);
}

#[test]
fn declarations_that_do_not_fit_are_refused() {
    let error = |variables: Vec<Declared>| Transformed::new(variables, waves).unwrap_err();
    let twice = vec![Declared::real("x", &[]), Declared::real("x", &[2])];
    assert_eq!(error(twice), BadDeclaration::Twice { name: "x".into() });
    let shape = vec![Declared::new("p", &[4], Simplex::new(3).unwrap())];
    let expected = BadDeclaration::Shape {
        name: "p".into(),
        expected: 4,
        found: 3,
    };
    assert_eq!(error(shape), expected);
    let later = vec![Declared::lower("x", &[], "mu"), Declared::real("mu", &[])];
    let expected = BadDeclaration::Unknown {
        name: "x".into(),
        role: "lower",
        argument: "mu".into(),
    };
    assert_eq!(error(later), expected);
    let length = vec![Declared::upper("x", &[3], vec![1.0, 2.0])];
    let expected = BadDeclaration::Length {
        name: "x".into(),
        role: "upper",
        expected: 3,
        found: 2,
    };
    assert_eq!(error(length), expected);
    let crossed = vec![Declared::interval("x", &[2], vec![0.0, 3.0], 1.0)];
    let BadDeclaration::Constraint { index, source, .. } = error(crossed) else {
        panic!("bounds that cross are no constraint");
    };
    assert_eq!((index, source.found), (1, vec![3.0, 1.0]));
}

/// Bounds that are variables may cross, and a multiplier may be negative: such positions are refused by name.
#[test]
fn arguments_that_are_none_reject_the_position() {
    let variables = || {
        vec![
            Declared::real("low", &[]),
            Declared::interval("x", &[], "low", 1.0),
            Declared::offset_multiplier("y", &[], 0.0, "low"),
        ]
    };
    let target = Transformed::new(variables(), waves).unwrap();
    let mut evaluator = Evaluator::new(&target);
    let mut at = |low: f64| evaluator.log_density_and_grad(&[low, 0.3, 0.1], &mut [0.0; 3]);
    assert!(at(0.5).is_ok());
    assert_eq!(at(1.5), Err(Reject::at("x", Cause::OutsideSupport)));
    assert_eq!(at(-0.5), Err(Reject::at("y", Cause::OutsideSupport)));
    let mut values = [0.0; 3];
    target.constrain(&[1.5, 0.3, 0.1], &mut values);
    assert!(values.iter().all(|v| v.is_nan()));
    // What the function itself refuses passes through.
    let refuses = |_: &[f64], _: &mut [f64]| Err(Reject::at("line 3", Cause::SolverFailed));
    let target = Transformed::new(variables(), refuses).unwrap();
    let found = Evaluator::new(&target).log_density_and_grad(&[0.5, 0.3, 0.1], &mut [0.0; 3]);
    assert_eq!(found, Err(Reject::at("line 3", Cause::SolverFailed)));
}

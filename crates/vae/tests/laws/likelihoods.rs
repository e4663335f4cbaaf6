//! Laws over the catalogue of likelihoods: each integrates to one, its gradients are right, its mean
//! and its samples are those of its density.

use crate::common::{matrix, mean_and_error};
use burn::tensor::Device;
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use jensen_testkit::{gradient, integrate, integrate_line};
use jensen_vae::ledger::to_f64;
use jensen_vae::likelihood::{CATALOGUE, DataFacts, Likelihood};
use jensen_vae::part::{find, overlay};
use jensen_vae::recipe::RecipeError;

/// What the density is defined on.
#[derive(Clone, Copy, Debug)]
enum Support {
    Line,
    Unit,
    Levels(u32),
}

struct Case {
    name: &'static str,
    options: &'static str,
    support: Support,
}

const CASES: &[Case] = &[
    Case {
        name: "bernoulli",
        options: "",
        support: Support::Levels(2),
    },
    Case {
        name: "continuous_bernoulli",
        options: "",
        support: Support::Unit,
    },
    Case {
        name: "gaussian",
        options: "scale = 0.3",
        support: Support::Line,
    },
    Case {
        name: "gaussian",
        options: "scale = 'shared'",
        support: Support::Line,
    },
    Case {
        name: "gaussian",
        options: "scale = 'per_value'",
        support: Support::Line,
    },
    Case {
        name: "laplace",
        options: "scale = 0.7",
        support: Support::Line,
    },
    Case {
        name: "laplace",
        options: "scale = 'shared'",
        support: Support::Line,
    },
    Case {
        name: "laplace",
        options: "scale = 'per_value'",
        support: Support::Line,
    },
    Case {
        name: "discretized_logistic_mixture",
        options: "components = 3",
        support: Support::Levels(17),
    },
    Case {
        name: "categorical",
        options: "",
        support: Support::Levels(5),
    },
];

/// f32 sums of exponentials in the densities.
const INTEGRAL_TOLERANCE: f64 = 2e-5;
/// Rounding of f32 values of up to about 10 nats over a step of 0.02.
const GRADIENT_TOLERANCE: f64 = 2e-3;

fn build(case: &Case, facts: &DataFacts) -> (Box<dyn Likelihood>, Params) {
    let entry = find(CATALOGUE, case.name, "test").unwrap();
    let mut table = (entry.defaults)();
    overlay(&mut table, &case.options.parse().unwrap(), "test").unwrap();
    let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
    let likelihood = (entry.build)(&table, facts, &mut builder).unwrap();
    (likelihood, builder.finish())
}

fn facts(case: &Case) -> DataFacts {
    DataFacts {
        min: 0.0,
        max: 1.0,
        levels: match case.support {
            Support::Levels(n) => Some(n),
            Support::Line | Support::Unit => None,
        },
    }
}

/// Outputs for one value, of moderate size.
fn outputs(n: usize, seed: u64) -> Vec<f64> {
    let mut stream = Stream::from_seed(seed).child("outputs", n as u64);
    (0..n).map(|_| 0.8 * stream.normal()).collect()
}

fn log_p(likelihood: &dyn Likelihood, params: &Params, outputs: &[f64], x: f64) -> f64 {
    let n = outputs.len();
    to_f64(likelihood.log_prob(params, matrix(outputs, n), matrix(&[x], 1)))[0]
}

/// The integral of f(x) p(x) over the support.
fn expectation(case: &Case, p: impl Fn(f64) -> f64, f: impl Fn(f64) -> f64) -> f64 {
    match case.support {
        Support::Line => {
            // A Laplace density has a kink at its location: both sides are smooth there.
            integrate_line(|x| f(x) * p(x), 0.0, 2.0)
        }
        Support::Unit => integrate(|x| f(x) * p(x), 0.0, 1.0),
        Support::Levels(n) => (0..n)
            .map(|level| f64::from(level) / f64::from(n - 1))
            .map(|x| f(x) * p(x))
            .sum(),
    }
}

#[test]
fn every_entry_of_the_catalogue_is_a_case() {
    for entry in CATALOGUE {
        assert!(
            CASES.iter().any(|case| case.name == entry.kind),
            "{}",
            entry.kind
        );
    }
}

#[test]
fn each_integrates_to_one_and_its_mean_is_the_mean() {
    for case in CASES {
        let (likelihood, params) = build(case, &facts(case));
        for seed in 0..3 {
            let mut at = outputs(likelihood.n_params(), seed);
            if matches!(case.support, Support::Line) {
                at[0] = 0.0;
            }
            let p = |x: f64| log_p(likelihood.as_ref(), &params, &at, x).exp();
            let total = expectation(case, p, |_| 1.0);
            let place = format!("{} {{{}}} at {at:?}", case.name, case.options);
            // The kink of a Laplace density limits the quadrature on the other side of the split.
            assert!(
                (total - 1.0).abs() < INTEGRAL_TOLERANCE,
                "{place}: integral {total}"
            );
            let stated = to_f64(likelihood.mean(&params, matrix(&at, at.len())))[0];
            if case.name == "discretized_logistic_mixture" {
                // Its stated mean is that before discretization: within half a level of the range.
                assert!((0.0..=1.0).contains(&stated), "{place}: mean {stated}");
                continue;
            }
            let mean = expectation(case, p, |x| x);
            assert!(
                (mean - stated).abs() < INTEGRAL_TOLERANCE,
                "{place}: mean {mean}, {stated}"
            );
        }
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    for case in CASES {
        let (likelihood, params) = build(case, &facts(case));
        let n = likelihood.n_params();
        for x in [0.0, 0.25, 1.0] {
            let x = if case.name == "bernoulli" {
                f64::round(x)
            } else {
                x
            };
            let at = outputs(n, 7);
            let expected = gradient(|o| log_p(likelihood.as_ref(), &params, o, x), &at, 0.02);
            let leaf = matrix(&at, n).autodiff().require_grad();
            let value = likelihood.log_prob(&params, leaf.clone(), matrix(&[x], 1));
            let mut grads = value.sum().backward();
            let found = to_f64(leaf.grad_remove(&mut grads).unwrap());
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let scale = expected.abs().max(1.0);
                assert!(
                    (found - expected).abs() < GRADIENT_TOLERANCE * scale,
                    "{} {{{}}}, output {i} at x = {x}: {found}, {expected}",
                    case.name,
                    case.options
                );
            }
        }
    }
}

#[test]
fn samples_have_the_moments_of_the_density() {
    for case in CASES {
        let (likelihood, params) = build(case, &facts(case));
        let mut at = outputs(likelihood.n_params(), 3);
        if matches!(case.support, Support::Line) {
            at[0] = 0.0;
        }
        let n_draws = 20_000;
        let mut stream = Stream::from_seed(5);
        let rows = matrix(&at.repeat(n_draws), at.len());
        let draws = to_f64(likelihood.sample(&params, rows, &mut stream));
        let p = |x: f64| log_p(likelihood.as_ref(), &params, &at, x).exp();
        for power in [1, 2] {
            let moment = expectation(case, p, |x| x.powi(power));
            let powers: Vec<f64> = draws.iter().map(|x| x.powi(power)).collect();
            let (mean, error) = mean_and_error(&powers);
            assert!(
                (mean - moment).abs() < 5.0 * error + INTEGRAL_TOLERANCE,
                "{} {{{}}}, moment {power}: {mean} +- {error}, {moment}",
                case.name,
                case.options
            );
        }
    }
}

#[test]
fn rows_belong_to_examples_in_groups() {
    for case in CASES {
        let (likelihood, params) = build(case, &facts(case));
        let n = likelihood.n_params();
        let both: Vec<f64> = (0..4).flat_map(|row| outputs(n, row)).collect();
        let x = [0.0, 1.0];
        let together = to_f64(likelihood.log_prob(&params, matrix(&both, n), matrix(&x, 1)));
        for (row, together) in together.iter().enumerate() {
            let alone = log_p(
                likelihood.as_ref(),
                &params,
                &both[row * n..(row + 1) * n],
                x[row / 2],
            );
            assert!(
                (together - alone).abs() < 1e-5,
                "{}: {together}, {alone}",
                case.name
            );
        }
    }
}

#[test]
fn data_outside_the_support_are_refused_with_an_offer() {
    let symmetric = DataFacts {
        min: -1.0,
        max: 1.0,
        levels: Some(256),
    };
    for name in ["bernoulli", "continuous_bernoulli"] {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        let (likelihood, _) = build(case, &facts(case));
        let error = likelihood.accepts(&symmetric).unwrap_err();
        assert!(matches!(error, RecipeError::LikelihoodRange { .. }));
        let text = error.to_string();
        assert!(
            text.contains("[-1, 1]") && text.contains("likelihood=gaussian"),
            "{text}"
        );
    }
    let real = DataFacts {
        levels: None,
        ..symmetric
    };
    for name in ["categorical", "discretized_logistic_mixture"] {
        let entry = find(CATALOGUE, name, "test").unwrap();
        let mut builder = Builder::new(Stream::from_seed(1), &Device::flex());
        let error = (entry.build)(&(entry.defaults)(), &real, &mut builder)
            .err()
            .unwrap();
        assert!(error.to_string().contains("gaussian"), "{error}");
    }
}

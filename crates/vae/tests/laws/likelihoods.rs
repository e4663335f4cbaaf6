//! Laws over the catalogue of likelihoods: each integrates to one, its gradients are right, its mean
//! and its samples are those of its density.

use crate::common::{matrix, mean_and_error, parameter, set_parameter};
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
    /// What log odds of (1 - 2 e) x + e make of the line.
    Odds(f64),
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
        name: "logit_laplace",
        options: "scale = 0.5",
        support: Support::Odds(0.1),
    },
    Case {
        name: "logit_laplace",
        options: "scale = 'shared'\nepsilon = 0.01",
        support: Support::Odds(0.01),
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
            Support::Line | Support::Unit | Support::Odds(_) => None,
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

/// The integral of f(x) p(x) over the support, p the density at these outputs.
fn expectation(
    case: &Case,
    outputs: &[f64],
    p: impl Fn(f64) -> f64,
    f: impl Fn(f64) -> f64,
) -> f64 {
    match case.support {
        // The first output is the location, where a Laplace density has a kink: both sides are smooth there.
        Support::Line => integrate_line(|x| f(x) * p(x), outputs[0], 2.0),
        Support::Unit => integrate(|x| f(x) * p(x), 0.0, 1.0),
        // Log odds beyond are so rare at scales of at most 1, and f32 so coarse beside the ends, that they are left
        // out.
        Support::Odds(epsilon) => {
            let width = 1.0 - 2.0 * epsilon;
            let at = |odds: f64| {
                let y = 1.0 / (1.0 + (-odds).exp());
                let x = (y - epsilon) / width;
                f(x) * p(x) * y * (1.0 - y) / width
            };
            integrate(at, -14.0, outputs[0]) + integrate(at, outputs[0], 14.0)
        }
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
            let at = outputs(likelihood.n_params(), seed);
            let p = |x: f64| log_p(likelihood.as_ref(), &params, &at, x).exp();
            let total = expectation(case, &at, p, |_| 1.0);
            let place = format!("{} {{{}}} at {at:?}", case.name, case.options);
            // The kink of a Laplace density limits the quadrature on the other side of the split.
            assert!(
                (total - 1.0).abs() < INTEGRAL_TOLERANCE,
                "{place}: integral {total}"
            );
            let stated = to_f64(likelihood.mean(&params, matrix(&at, at.len())))[0];
            let mean = expectation(case, &at, p, |x| x);
            let tolerance = match (case.name, case.support) {
                // Its stated mean is that before rounding to levels.
                ("discretized_logistic_mixture", Support::Levels(n)) => 0.5 / f64::from(n - 1),
                _ => INTEGRAL_TOLERANCE,
            };
            assert!(
                (mean - stated).abs() < tolerance,
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

/// The learned scale is one number for all values; its raw value is bounded below by a bend at -6.
#[test]
fn the_gradient_of_a_shared_scale_agrees_with_finite_differences() {
    let (outputs, x) = ([0.0, 0.4, -1.0, 0.1, 0.2, -0.7], [0.003, 0.9, 0.1]);
    for case in CASES.iter().filter(|case| case.options.contains("shared")) {
        let (likelihood, params) = build(case, &facts(case));
        // Six rows of one value, two for each example.
        let value =
            |params: &Params| likelihood.log_prob(params, matrix(&outputs, 1), matrix(&x, 1));
        for raw in [-7.0, -6.0, -3.0, 0.0, 1.5] {
            let at = |raw: &[f64]| {
                let mut params = params.clone();
                set_parameter(&mut params, "raw_log_scale", raw);
                params
            };
            let total = |raw: &[f64]| -> f64 { to_f64(value(&at(raw))).iter().sum() };
            let expected = gradient(total, &[raw], 0.02)[0];
            let tracked = at(&[raw]).tracked();
            let mut grads = value(&tracked).sum().backward();
            let scale = parameter::<2>(&tracked, "raw_log_scale");
            let found = to_f64(scale.grad_remove(&mut grads).unwrap())[0];
            assert!(
                (found - expected).abs() < GRADIENT_TOLERANCE * expected.abs().max(1.0),
                "{} at {raw}: {found}, {expected}",
                case.name
            );
        }
    }
}

const LOGISTIC: Case = Case {
    name: "discretized_logistic_mixture",
    options: "components = 3",
    support: Support::Levels(256),
};
/// Rounding of a position in f32 in units of the smallest scale, e^-7, at both edges of a bin.
const EDGE_TOLERANCE: f64 = 1e-4;

/// From scales far below a level, where a logistic is a step, to scales far beyond the range.
#[test]
fn a_logistic_mixture_survives_extreme_scales() {
    let (likelihood, params) = build(&LOGISTIC, &facts(&LOGISTIC));
    let levels: Vec<f64> = (0..256).map(|level| f64::from(level) / 255.0).collect();
    // On a level, on the edge of two levels, between, on the last level, and outside.
    for mean in [1.0 / 255.0, 0.0, 0.3, 1.0, -1.5, 40.0] {
        for log_scale in [-30.0, -7.0, -4.0, 0.0, 14.0] {
            let at = [
                [0.3, -1.0, 0.2],
                [mean, -mean, 0.1],
                [log_scale, log_scale + 0.5, log_scale],
            ]
            .concat();
            let place = format!("mean {mean}, log scale {log_scale}");
            let leaf = matrix(&at.repeat(256), 9).autodiff().require_grad();
            let log_p = likelihood.log_prob(&params, leaf.clone(), matrix(&levels, 1));
            let total: f64 = to_f64(log_p.clone()).iter().map(|log_p| log_p.exp()).sum();
            assert!((total - 1.0).abs() < EDGE_TOLERANCE, "{place}: sum {total}");
            assert!(
                to_f64(log_p.clone()).iter().all(|p| p.is_finite()),
                "{place}"
            );
            let mut grads = log_p.sum().backward();
            let grads = to_f64(leaf.grad_remove(&mut grads).unwrap());
            assert!(grads.iter().all(|g| g.is_finite()), "{place}: gradients");
        }
    }
}

/// The stated mean leaves out the rounding to levels: at most half a level, and a hundredth of one as
/// soon as the scale is a level wide.
#[test]
fn the_mean_of_a_logistic_mixture_is_that_of_its_levels_but_for_their_rounding() {
    for n_levels in [2, 17, 256] {
        let case = Case {
            support: Support::Levels(n_levels),
            ..LOGISTIC
        };
        let (likelihood, params) = build(&case, &facts(&case));
        let level = 1.0 / f64::from(n_levels - 1);
        for mean in [-3.0, -1.0, -0.4, 0.123, 0.99] {
            // In levels; the components are on [-1, 1], where a level is twice as wide.
            for scale in [0.1, 0.5, 1.0, 3.0, 20.0] {
                let log_scale = f64::ln(2.0 * level * scale);
                let at = [[0.3, -1.0, 0.2], [mean, -mean, 0.1], [log_scale; 3]].concat();
                let p = |x: f64| log_p(likelihood.as_ref(), &params, &at, x).exp();
                let exact = expectation(&case, &at, p, |x| x);
                let stated = to_f64(likelihood.mean(&params, matrix(&at, 9)))[0];
                let share = if scale < 1.0 { 0.5 } else { 1.0 / 96.0 };
                assert!(
                    (stated - exact).abs() < share * level + INTEGRAL_TOLERANCE,
                    "{n_levels} levels, mean {mean}, scale {scale}: {stated}, {exact}"
                );
            }
        }
    }
}

#[test]
fn samples_have_the_moments_of_the_density() {
    for case in CASES {
        let (likelihood, params) = build(case, &facts(case));
        let at = outputs(likelihood.n_params(), 3);
        let n_draws = 20_000;
        let mut stream = Stream::from_seed(5);
        let rows = matrix(&at.repeat(n_draws), at.len());
        let draws = to_f64(likelihood.sample(&params, rows, &mut stream));
        let p = |x: f64| log_p(likelihood.as_ref(), &params, &at, x).exp();
        for power in [1, 2] {
            let moment = expectation(case, &at, p, |x| x.powi(power));
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
    for name in ["bernoulli", "continuous_bernoulli", "logit_laplace"] {
        let case = CASES.iter().find(|case| case.name == name).unwrap();
        let (likelihood, _) = build(case, &facts(case));
        let error = likelihood.accepts(&symmetric).unwrap_err();
        assert!(matches!(error, RecipeError::LikelihoodRange { .. }));
        let text = error.to_string();
        assert!(
            text.contains("[-1, 1]") && text.contains("likelihood=gaussian"),
            "{text}"
        );
        // An option divides numbers from 0 on by the largest; it can do nothing for negative ones.
        for (min, max, offer) in [
            (0.0, 255.0, Some("data.max_value=255`")),
            (0.5, 16.25, Some("data.max_value=16.25`")),
            (0.0, 1e20, Some("data.max_value=1e20`")),
            (-0.5, 255.0, None),
            (-0.5, 1.0, None),
        ] {
            let real = DataFacts {
                min,
                max,
                levels: None,
            };
            let text = likelihood.accepts(&real).unwrap_err().to_string();
            let at = |part: &str| text.find(part);
            let gaussian = at("--set likelihood=gaussian");
            assert!(gaussian.is_some(), "{text}");
            match offer {
                Some(offer) => assert!(at(offer).is_some() && at(offer) < gaussian, "{text}"),
                None => assert_eq!(at("max_value"), None, "{text}"),
            }
        }
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

#[test]
fn probabilities_of_levels_are_those_of_the_density() {
    for case in CASES {
        let facts = facts(case);
        let (likelihood, params) = build(case, &facts);
        let (rows, n_values) = (2, 3);
        let n = likelihood.n_params();
        let outputs = matrix(&outputs(rows * n * n_values, 6), n * n_values);
        let found = likelihood.level_probs(&params, outputs.clone());
        let Support::Levels(n_levels) = case.support else {
            assert!(found.is_none(), "{}", case.name);
            continue;
        };
        let found = found.unwrap();
        assert_eq!(found.dims(), [rows, n_levels as usize, n_values]);
        let found = to_f64(found);
        for row in 0..rows {
            let of_row = outputs.clone().narrow(0, row, 1);
            for p in 0..n_values {
                let at =
                    |level: u32| found[(row * n_levels as usize + level as usize) * n_values + p];
                // By differences: the level of one value changes, those of the others stay.
                let log_p = |level: u32| {
                    let mut x = vec![0.0; n_values];
                    x[p] = f64::from(level) / f64::from(n_levels - 1);
                    to_f64(likelihood.log_prob(&params, of_row.clone(), matrix(&x, n_values)))[0]
                };
                let total: f64 = (0..n_levels).map(at).sum();
                assert!(
                    (total - 1.0).abs() < INTEGRAL_TOLERANCE,
                    "{}: {total}",
                    case.name
                );
                for level in 1..n_levels {
                    let (ratio, expected) = (at(level) / at(0), (log_p(level) - log_p(0)).exp());
                    // Sums of some nats in f32.
                    let close = (ratio / expected - 1.0).abs() < 1e-4;
                    assert!(close, "{}, {level}: {ratio}, {expected}", case.name);
                }
            }
        }
    }
}

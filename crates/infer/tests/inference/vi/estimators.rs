//! Estimators against the closed-form gradient of the ELBO of a Gaussian target, and against each other.

use super::targets::Gaussian;
use super::{STANDARD_ERRORS, column, summary};
use jensen_density::{Evaluator, Factored};
use jensen_infer::family::{Family, FullRank, MeanField};
use jensen_infer::vi::{Baseline, Batch, Estimator, Objective, Problem, Reparameterization, Score};
use jensen_rng::Stream;
use jensen_testkit::gradient;

const N_DRAWS: usize = 20_000;

const PLAIN: Estimator = Estimator::Reparameterization(Reparameterization::Plain);
const STICKING: Estimator = Estimator::Reparameterization(Reparameterization::StickingTheLanding);

fn score(baseline: Baseline, rao_blackwell: bool) -> Estimator {
    Estimator::Score(Score {
        baseline,
        rao_blackwell,
    })
}

/// Gradients `[G, n_params]` on the mild Gaussian.
fn gradients(
    family: &dyn Family,
    params: &[f64],
    objective: Objective,
    estimator: Estimator,
    seed: u64,
) -> Vec<f64> {
    gradients_on(
        &Gaussian::mild(),
        family,
        params,
        objective,
        estimator,
        seed,
    )
}

fn gradients_on(
    target: &Gaussian,
    family: &dyn Family,
    params: &[f64],
    objective: Objective,
    estimator: Estimator,
    seed: u64,
) -> Vec<f64> {
    let mut evaluator = Evaluator::new(target);
    let batch = Batch::draw(
        family,
        params,
        &mut evaluator,
        &Stream::from_seed(seed),
        N_DRAWS,
    );
    let problem = Problem {
        family,
        params,
        objective,
        factored: Some(target as &dyn Factored),
        baseline: Some(-1.0),
    };
    estimator.try_gradients(problem, &batch).unwrap()
}

/// The trace of the covariance of one row.
fn variance(rows: &[f64], len: usize) -> f64 {
    let n = (rows.len() / len) as f64;
    (0..len)
        .map(|i| summary(&column(rows, len, i)).1.powi(2) * n)
        .sum()
}

fn start(family: &dyn Family) -> Vec<f64> {
    let mut params = family.start(&[0.0, -0.5, 0.4], &[0.8, 1.1, 0.6]);
    for (k, p) in params.iter_mut().enumerate().skip(6) {
        *p = 0.2 - 0.1 * k as f64 / 6.0;
    }
    params
}

#[test]
fn every_estimator_has_the_closed_form_gradient_as_mean() {
    let target = Gaussian::mild();
    let families: [&dyn Family; 2] = [&MeanField { dim: 3 }, &FullRank { dim: 3 }];
    for family in families {
        let params = start(family);
        let exact = gradient(|x| target.elbo_of(x), &params, 1e-2);
        let mut estimators = vec![
            PLAIN,
            STICKING,
            score(Baseline::None, false),
            score(Baseline::RunningMean, false),
            score(Baseline::LeaveOneOut, false),
        ];
        if family.as_product().is_some() {
            estimators.push(score(Baseline::None, true));
            estimators.push(score(Baseline::LeaveOneOut, true));
        }
        for (seed, estimator) in estimators.into_iter().enumerate() {
            let rows = gradients(family, &params, Objective::Kl, estimator, seed as u64);
            for (i, exact) in exact.iter().enumerate() {
                let (mean, error) = summary(&column(&rows, params.len(), i));
                assert!(
                    (mean - exact).abs() < STANDARD_ERRORS * error + 1e-9,
                    "{estimator:?} of {}, parameter {i}: {mean} +- {error}, exactly {exact}",
                    family.name()
                );
            }
        }
    }
}

#[test]
fn estimators_of_the_bounds_with_several_draws_agree_in_mean() {
    let family = FullRank { dim: 3 };
    let params = start(&family);
    let n = params.len();
    for objective in [
        Objective::ImportanceWeighted { n_samples: 4 },
        Objective::Renyi {
            alpha: 0.5,
            n_samples: 4,
        },
        Objective::Renyi {
            alpha: 2.0,
            n_samples: 4,
        },
    ] {
        let reference = gradients(&family, &params, objective, STICKING, 20);
        for (seed, estimator) in [
            (21, PLAIN),
            (22, score(Baseline::None, false)),
            (23, score(Baseline::LeaveOneOut, false)),
        ] {
            let rows = gradients(&family, &params, objective, estimator, seed);
            for i in 0..n {
                let (a, a_error) = summary(&column(&reference, n, i));
                let (b, b_error) = summary(&column(&rows, n, i));
                assert!(
                    (a - b).abs() < STANDARD_ERRORS * a_error.hypot(b_error),
                    "{objective:?}, {estimator:?}, parameter {i}: {a} +- {a_error}, {b} +- {b_error}"
                );
            }
        }
    }
}

#[test]
fn each_trick_lowers_the_variance() {
    // A log density has a free constant. Where it makes the evidence one, zero happens to be a good baseline;
    // here it does not, and leave-one-out does not see it.
    let family = MeanField { dim: 3 };
    let params = start(&family);
    let of = |estimator, constant: f64| {
        let mut target = Gaussian::mild();
        target.constant = constant;
        let rows = gradients_on(&target, &family, &params, Objective::Kl, estimator, 30);
        variance(&rows, 6)
    };
    let none = of(score(Baseline::None, false), -10.0);
    let left_out = of(score(Baseline::LeaveOneOut, false), -10.0);
    let blackwell = of(score(Baseline::None, true), -10.0);
    let both = of(score(Baseline::LeaveOneOut, true), -10.0);
    let plain = of(PLAIN, -10.0);
    let found = format!("{none} {left_out} {blackwell} {both} {plain}");
    // The estimates share their draws; variances of 20000 draws are known to a few per cent.
    assert!(left_out < 0.5 * none && blackwell < 0.5 * none, "{found}");
    assert!(both < 0.95 * left_out && both < 0.95 * blackwell, "{found}");
    assert!(plain < 0.95 * both, "{found}");
    let unshifted = of(score(Baseline::LeaveOneOut, false), 0.0);
    assert!(
        (left_out / unshifted - 1.0).abs() < 1e-9,
        "{left_out} {unshifted}"
    );
}

#[test]
fn sticking_the_landing_has_no_variance_at_the_exact_posterior() {
    let family = FullRank { dim: 3 };
    let target = Gaussian::mild();
    let params = target.exact();
    assert!(target.elbo_of(&params).abs() < 1e-13);
    // Rounding of a few operations on numbers of size ten.
    const ROUNDING: f64 = 1e-12;
    let rows = gradients(&family, &params, Objective::Kl, STICKING, 40);
    assert!(rows.iter().all(|g| g.abs() < ROUNDING));
    assert!(variance(&gradients(&family, &params, Objective::Kl, PLAIN, 40), 9) > 1.0);
}

#[test]
fn more_draws_tighten_the_bound_from_below() {
    let family = MeanField { dim: 3 };
    let target = Gaussian::mild();
    let mut evaluator = Evaluator::new(&target);
    let params = start(&family);
    let batch = Batch::draw(
        &family,
        &params,
        &mut evaluator,
        &Stream::from_seed(50),
        40_000,
    );
    let bound = |n_samples: usize| {
        let objective = Objective::ImportanceWeighted { n_samples };
        let values: Vec<f64> = batch
            .ln_w
            .chunks_exact(n_samples)
            .map(|w| objective.value(w))
            .collect();
        summary(&values)
    };
    let exact = target.elbo_of(&params);
    let (elbo, error) = bound(1);
    assert!(
        (elbo - exact).abs() < STANDARD_ERRORS * error,
        "{elbo} +- {error}, exactly {exact}"
    );
    let bounds = [1, 5, 50].map(bound);
    for pair in bounds.windows(2) {
        assert!(
            pair[0].0 + STANDARD_ERRORS * pair[0].1.hypot(pair[1].1) < pair[1].0,
            "{bounds:?}"
        );
    }
    // The log evidence is zero.
    assert!(bounds[2].0 < STANDARD_ERRORS * bounds[2].1, "{bounds:?}");
}

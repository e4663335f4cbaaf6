//! Evidence, leave-one-out and WAIC on a model whose answers are known: y_i ~ N(z, 1), z ~ N(0, 4), and on
//! targets with heavy tails and a known constant.

use jensen_posterior::bridge::bridge;
use jensen_posterior::evidence::{elbo, importance, importance_weighted};
use jensen_posterior::loo::loo;
use jensen_posterior::waic::waic;
use jensen_posterior::{
    Approximation, Draws, Gaussian, PosteriorError, Scale, StudentT, Weighted, kl_gaussian,
    summarize,
};
use jensen_rng::Stream;
use std::f64::consts::TAU;

const Y: [f64; 8] = [0.3, 1.9, -0.4, 1.1, 0.8, 2.6, 1.4, 0.2];
const PRIOR_VARIANCE: f64 = 4.0;
/// Standard errors within which estimates have to lie.
const N_ERRORS: f64 = 5.0;

fn ln_normal(x: f64, mean: f64, variance: f64) -> f64 {
    -0.5 * (TAU * variance).ln() - 0.5 * (x - mean).powi(2) / variance
}

fn ln_joint(z: f64) -> f64 {
    ln_normal(z, 0.0, PRIOR_VARIANCE) + Y.iter().map(|y| ln_normal(*y, z, 1.0)).sum::<f64>()
}

/// Mean and variance of z given all y but one.
fn posterior(without: Option<usize>) -> (f64, f64) {
    let left = || (0..Y.len()).filter(|i| Some(*i) != without);
    let variance = 1.0 / (1.0 / PRIOR_VARIANCE + left().count() as f64);
    (variance * left().map(|i| Y[i]).sum::<f64>(), variance)
}

/// ln N(y; 0, I + 4 1 1^T) by the determinant lemma.
fn ln_evidence() -> f64 {
    let n = Y.len() as f64;
    let (sum, squares) = (Y.iter().sum::<f64>(), Y.iter().map(|y| y * y).sum::<f64>());
    let total = 1.0 + n * PRIOR_VARIANCE;
    -0.5 * (n * TAU.ln() + total.ln() + squares - PRIOR_VARIANCE * sum * sum / total)
}

fn gaussian(mean: f64, variance: f64) -> Gaussian {
    Gaussian {
        mean: vec![mean],
        scale: Scale::Diagonal(vec![variance.sqrt()]),
    }
}

fn ln_weights(q: &dyn Approximation, n: usize, seed: u64) -> Vec<f64> {
    let names = vec!["z".to_owned()];
    let stream = Stream::from_seed(seed);
    let draws = Weighted::importance(q, names, |z| ln_joint(z[0]), n, &stream).unwrap();
    draws.ln_ratios().to_vec()
}

#[test]
fn bounds_rise_to_the_evidence() {
    let (m, v) = posterior(None);
    let exact = gaussian(m, v);
    let tight = elbo(&ln_weights(&exact, 100, 1)).unwrap();
    assert!((tight.value - ln_evidence()).abs() < 1e-12 && tight.se < 1e-12);

    let q = gaussian(m + 0.3, 1.8 * v);
    let weights = ln_weights(&q, 40_000, 2);
    let first = elbo(&weights).unwrap();
    // ln Z - ELBO = KL(q || posterior).
    let gap = kl_gaussian(&q, &exact);
    assert!((first.value - ln_evidence() + gap).abs() < N_ERRORS * first.se);
    let ten = importance_weighted(&weights, 10).unwrap();
    assert!(first.value + 0.5 * gap < ten.value && ten.value < ln_evidence());
    let (all, psis) = importance(&weights).unwrap();
    assert!(
        (all.value - ln_evidence()).abs() < N_ERRORS * all.se,
        "{all:?}"
    );
    assert!(psis.is_good() && all.se < 0.01);
}

#[test]
fn standard_errors_of_the_evidence_are_those_of_repetitions() {
    let (m, v) = posterior(None);
    let q = gaussian(m + 0.2, 1.5 * v);
    let runs: Vec<(f64, f64)> = (0..200)
        .map(|seed| {
            let (estimate, _) = importance(&ln_weights(&q, 1000, 100 + seed)).unwrap();
            (estimate.value - ln_evidence(), estimate.se)
        })
        .collect();
    let root = |x: f64| (x / runs.len() as f64).sqrt();
    let error = root(runs.iter().map(|r| r.0 * r.0).sum());
    let told = root(runs.iter().map(|r| r.1 * r.1).sum());
    // A standard deviation of 200 numbers is known to 5 %; four of those.
    assert!((error / told - 1.0).abs() < 0.2, "{error} {told}");
}

/// Posterior draws of a t with 7 degrees of freedom whose density is scaled by e^7: chains of 500.
fn heavy_target(seed: u64) -> (StudentT, Draws) {
    let scale = Scale::Lower(vec![1.0, 0.0, 0.0, 0.8, 0.6, 0.0, -2.0, 1.0, 3.0]);
    let target = StudentT::new(vec![1.0, 0.0, -5.0], scale, 7.0).unwrap();
    let mut stream = Stream::from_seed(seed);
    let mut values = vec![0.0; 4 * 500 * 3];
    for row in values.chunks_exact_mut(3) {
        target.sample(&mut stream, row);
    }
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    (target, Draws::new(names, 4, 500, values))
}

#[test]
fn bridge_sampling_finds_a_constant_and_its_own_error() {
    let runs: Vec<(f64, f64)> = (0..100)
        .map(|seed| {
            let (target, draws) = heavy_target(seed);
            let stream = Stream::from_seed(1000 + seed);
            let found = bridge(&draws, |z| target.ln_density(z) + 7.0, &stream).unwrap();
            (found.ln_evidence - 7.0, found.relative_error)
        })
        .collect();
    let root = |x: f64| (x / runs.len() as f64).sqrt();
    let mean = runs.iter().map(|r| r.0).sum::<f64>() / runs.len() as f64;
    let error = root(runs.iter().map(|r| r.0 * r.0).sum());
    let told = root(runs.iter().map(|r| r.1 * r.1).sum());
    assert!(mean.abs() < N_ERRORS * error / 10.0, "{mean} {error}");
    // A standard deviation of 100 numbers is known to 7 %; four of those.
    assert!(
        (error / told - 1.0).abs() < 0.28 && error < 0.05,
        "{error} {told}"
    );
}

#[test]
fn bridge_sampling_refuses_what_it_cannot_do() {
    let (target, draws) = heavy_target(1);
    let stream = Stream::from_seed(1);
    let outside = bridge(&draws, |_| f64::NEG_INFINITY, &stream);
    assert!(matches!(
        outside,
        Err(PosteriorError::Entry { index: 0, .. })
    ));
    let mut left = 1000;
    let half = |z: &[f64]| {
        left -= 1;
        // The first thousand calls are at posterior draws.
        if left >= 0 {
            target.ln_density(z)
        } else {
            f64::NEG_INFINITY
        }
    };
    assert!(matches!(
        bridge(&draws, half, &stream),
        Err(PosteriorError::NoWeight { .. })
    ));
    let constant = Draws::new(vec!["x".to_owned()], 2, 20, vec![1.0; 40]);
    let dependent = bridge(&constant, |_| 0.0, &stream);
    assert!(matches!(
        dependent,
        Err(PosteriorError::NotPositiveDefinite { .. })
    ));
}

/// Log likelihoods `[s, 8]` at independent draws of the posterior.
fn ln_likelihoods(n_draws: usize) -> Vec<f64> {
    let (m, v) = posterior(None);
    let mut stream = Stream::from_seed(44);
    let draws: Vec<f64> = (0..n_draws)
        .map(|_| m + v.sqrt() * stream.normal())
        .collect();
    draws
        .iter()
        .flat_map(|z| Y.map(|y| ln_normal(y, *z, 1.0)))
        .collect()
}

#[test]
fn leave_one_out_of_a_conjugate_model() {
    let n_draws = 20_000;
    let ln_likelihood = ln_likelihoods(n_draws);
    let found = loo(&ln_likelihood, Y.len(), 1.0).unwrap();
    let (m, v) = posterior(None);
    let (mut elpd, mut all) = (0.0, 0.0);
    for (i, y) in Y.iter().enumerate() {
        let (m_i, v_i) = posterior(Some(i));
        let known = ln_normal(*y, m_i, 1.0 + v_i);
        // 1 / mean(1/p) has the relative standard error of 1/p over its mean.
        let inverse: Vec<f64> = ln_likelihood
            .iter()
            .skip(i)
            .step_by(Y.len())
            .map(|l| (-l).exp())
            .collect();
        let mean = inverse.iter().sum::<f64>() / n_draws as f64;
        let square = inverse.iter().map(|x| x * x).sum::<f64>() / n_draws as f64;
        let error = ((square / (mean * mean) - 1.0) / n_draws as f64).sqrt();
        assert!(
            (found.pointwise[i] - known).abs() < N_ERRORS * error,
            "point {i}"
        );
        elpd += known;
        all += ln_normal(*y, m, 1.0 + v);
    }
    assert_eq!(found.n_bad, 0);
    assert!((found.elpd - elpd).abs() < 0.02);
    assert!((found.p_loo - (all - elpd)).abs() < 0.02);
}

#[test]
fn threads_do_not_change_a_bit() {
    let ln_likelihood = ln_likelihoods(300);
    let with = |n| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap();
        pool.install(|| {
            (
                loo(&ln_likelihood, Y.len(), 1.0),
                summarize(&heavy_target(2).1),
            )
        })
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn waic_of_a_conjugate_model() {
    let found = waic(&ln_likelihoods(20_000), Y.len()).unwrap();
    let (m, v) = posterior(None);
    // The variance of (y - z)^2 / 2 under N(m, v) is (y - m)^2 v + v^2 / 2.
    let p: f64 = Y.iter().map(|y| (y - m).powi(2) * v + 0.5 * v * v).sum();
    let all: f64 = Y.iter().map(|y| ln_normal(*y, m, 1.0 + v)).sum();
    // Variances of 20000 draws are known to about 1 to 2 %.
    assert!(
        (found.p_waic / p - 1.0).abs() < 0.05,
        "{} {p}",
        found.p_waic
    );
    assert!((found.elpd - (all - p)).abs() < 0.05);
    assert_eq!(found.n_bad, 0);
}

#[test]
fn a_point_that_drives_the_posterior_is_counted_as_bad() {
    // The last point lies where hardly any draw has likelihood: its weights are e^(z^2) and have no mean.
    let mut stream = Stream::from_seed(3);
    let ln_likelihood: Vec<f64> = (0..1000)
        .flat_map(|_| {
            let z = stream.normal();
            [-0.1 * z * z, -z * z]
        })
        .collect();
    let found = loo(&ln_likelihood, 2, 1.0).unwrap();
    assert!(
        found.k_hat[0] < 0.5 && found.k_hat[1] > 0.7,
        "{:?}",
        found.k_hat
    );
    assert_eq!(found.n_bad, 1);
    let nan = loo(&[0.0, f64::NAN], 1, 1.0);
    assert!(matches!(nan, Err(PosteriorError::Entry { index: 1, .. })));
    assert!(matches!(
        loo(&[0.0; 5], 2, 1.0),
        Err(PosteriorError::Length { .. })
    ));
    assert!(matches!(waic(&[], 0), Err(PosteriorError::Length { .. })));
    let one_draw = waic(&[-1.0, -2.0], 2);
    assert!(matches!(
        one_draw,
        Err(PosteriorError::TooFewDraws {
            needed: 2,
            found: 1,
            ..
        })
    ));
}

#[test]
fn a_point_whose_weights_are_worth_few_draws_is_counted_as_bad() {
    // Ten draws of a thousand have nearly all weight for the first point, and as much each.
    let ln_likelihood: Vec<f64> = (0..1000)
        .flat_map(|i| [if i < 10 { -20.0 } else { 0.0 }, -1.0])
        .collect();
    let found = loo(&ln_likelihood, 2, 1.0).unwrap();
    assert!(found.k_hat[0] < 0.0, "{:?}", found.k_hat);
    assert_eq!(found.n_bad, 1);
}

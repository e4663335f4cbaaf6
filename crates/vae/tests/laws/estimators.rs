//! The three gradients of the importance-weighted bound on a model whose bound is known by quadrature:
//! which are unbiased, which vary less, and how their signal-to-noise ratio moves with K.
//!
//! The model is p(z) = N(0, 1), p(x|z) = N(a z + b, s^2), with one q(z) = N(m, v) for the one x.

use crate::common::{matrix, mean_and_error, parameter, recipe, set_parameter, site};
use burn::tensor::Device;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_testkit::gradient;
use jensen_vae::ledger::to_f64;
use jensen_vae::model::Model;

const SLOPE: f64 = 1.2;
const OFFSET: f64 = 0.3;
const SCALE: f64 = 0.5;
const X: f64 = 1.5;
/// Mean and raw log variance of a q that is too wide and on the wrong side, as early in training.
const ROUGH: [f64; 2] = [0.3, -1.0];
const LN_TAU: f64 = 1.837_877_066_409_345_3;

/// The latent's bound on log variances, `log_var_bound`.
fn log_var(raw: f64) -> f64 {
    10.0 * (raw / 10.0).tanh()
}

/// Mean and raw log variance of the exact posterior.
fn exact_posterior() -> [f64; 2] {
    let precision = 1.0 + (SLOPE / SCALE).powi(2);
    let mean = SLOPE * (X - OFFSET) / SCALE.powi(2) / precision;
    [mean, 10.0 * (-precision.ln() / 10.0).atanh()]
}

/// Draws of the bound's gradient with respect to mean and raw log variance of q, one list for each.
fn draws(estimator: &str, k: usize, q: [f64; 2], n_draws: u64) -> [Vec<f64>; 2] {
    let recipe = recipe(&format!(
        "
        encoder = {{ kind = 'mlp', hidden = [] }}
        decoder = {{ kind = 'mlp', hidden = [] }}
        likelihood = {{ kind = 'gaussian', scale = {SCALE} }}
        latent = {{ z = {{ kind = 'gaussian', dim = 1 }} }}
        bound = {{ kind = 'importance', samples = {k}, gradient = '{estimator}' }}
        "
    ));
    let (model, mut params) = Model::assemble(&recipe, &site(1), &Device::flex()).unwrap();
    set_parameter(&mut params, "latent.z.head.weight", &[0.0, 0.0]);
    set_parameter(&mut params, "latent.z.head.bias", &q);
    set_parameter(&mut params, "decoder.out.weight", &[SLOPE]);
    set_parameter(&mut params, "decoder.out.bias", &[OFFSET]);
    let draw = |params: &Params, stream: &Stream| {
        let tracked = params.tracked();
        let (ledger, _) = model.ledger(&tracked, matrix(&[X], 1), 0.0, stream);
        let mut grads = ledger.loss().backward();
        let bias = parameter::<1>(&tracked, "latent.z.head.bias");
        to_f64(bias.grad_remove(&mut grads).unwrap())
    };
    let mut columns = [Vec::new(), Vec::new()];
    for index in 0..n_draws {
        let loss = draw(
            &params,
            &Stream::from_seed(k as u64).child(estimator, index),
        );
        for (column, loss) in columns.iter_mut().zip(loss) {
            column.push(-loss);
        }
    }
    columns
}

/// E_q[log (w_1 + w_2) / 2] by the trapezoidal rule over both samples' noise.
fn bound_of_two(q: &[f64]) -> f64 {
    let log_var = log_var(q[1]);
    let step = 0.02;
    let nodes: Vec<(f64, f64)> = (-400..=400)
        .map(|i| {
            let u = step * f64::from(i);
            let z = q[0] + (0.5 * log_var).exp() * u;
            let residual = (X - SLOPE * z - OFFSET) / SCALE;
            let log_joint = -0.5 * (z * z + residual * residual) - SCALE.ln() - LN_TAU;
            let log_q = -0.5 * (u * u + log_var + LN_TAU);
            (step * (-0.5 * (u * u + LN_TAU)).exp(), log_joint - log_q)
        })
        .collect();
    let inner = |(mass, log_w): (f64, f64)| -> f64 {
        let pair = |other: &(f64, f64)| {
            let (mass_2, log_w_2) = *other;
            let log_sum = log_w.max(log_w_2) + (-(log_w - log_w_2).abs()).exp().ln_1p();
            mass * mass_2 * (log_sum - std::f64::consts::LN_2)
        };
        nodes.iter().map(pair).sum()
    };
    nodes.iter().map(|&node| inner(node)).sum()
}

#[test]
fn plain_and_doubly_estimate_the_gradient_of_the_bound_and_sticking_does_not() {
    let exact = gradient(bound_of_two, &ROUGH, 1e-2);
    for (estimator, is_unbiased) in [("plain", true), ("doubly", true), ("sticking", false)] {
        let found = draws(estimator, 2, ROUGH, 4000).map(|column| mean_and_error(&column));
        let agrees =
            |((mean, error), exact): (&(f64, f64), &f64)| (mean - exact).abs() < 5.0 * error;
        assert_eq!(
            found.iter().zip(&exact).all(agrees),
            is_unbiased,
            "{estimator}: {found:?}, quadrature {exact:?}"
        );
    }
}

/// |mean| / standard deviation.
fn signal_to_noise(draws: &[f64]) -> f64 {
    let (mean, error) = mean_and_error(draws);
    mean.abs() / (error * (draws.len() as f64).sqrt())
}

/// The signal-to-noise ratio of `plain` falls as 1 / sqrt(K), that of `doubly` does not ([tucker-2019]).
#[test]
fn doubly_varies_less_and_keeps_its_signal_as_samples_grow() {
    let n_draws = 2000;
    let [few, many] = [8, 256];
    let of = |estimator, k| draws(estimator, k, ROUGH, n_draws);
    let plain = [of("plain", few), of("plain", many)];
    let doubly = [of("doubly", few), of("doubly", many)];
    for (plain, doubly) in plain.iter().zip(&doubly) {
        for (plain, doubly) in plain.iter().zip(doubly) {
            let (error_1, error_2) = (mean_and_error(plain).1, mean_and_error(doubly).1);
            assert!(error_2 < 0.5 * error_1, "{error_2}, {error_1}");
        }
    }
    for (few, many) in doubly[0].iter().zip(&doubly[1]) {
        let (few, many) = (signal_to_noise(few), signal_to_noise(many));
        assert!(many > few, "doubly: {few}, then {many}");
    }
    // For the mean of q; that of the variance is lost in the noise already with few samples.
    let (few, many) = (signal_to_noise(&plain[0][0]), signal_to_noise(&plain[1][0]));
    assert!(many < 0.5 * few, "plain: {few}, then {many}");
}

/// Rounding of log densities of a few nats in f32 over a posterior scale of 0.4.
const ROUNDING: f64 = 1e-4;

#[test]
fn the_gradient_without_the_score_vanishes_at_the_exact_posterior() {
    let q = exact_posterior();
    for (estimator, k) in [("sticking", 1), ("doubly", 1), ("doubly", 8)] {
        for found in draws(estimator, k, q, 50) {
            let largest = found
                .iter()
                .fold(0.0, |largest: f64, g| largest.max(g.abs()));
            assert!(largest < ROUNDING, "{estimator}, K = {k}: {largest}");
        }
    }
    for found in draws("plain", 1, q, 50) {
        let (_, error) = mean_and_error(&found);
        assert!(error * 50f64.sqrt() > 0.3, "plain varies: {error}");
    }
}

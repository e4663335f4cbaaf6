//! ELBO <= importance-weighted bound <= log p(x) in expectation, and the gradients of the bound.

use crate::common::{assemble, bars, matrix, mean_and_error, recipe, site};
use burn::tensor::Device;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::ledger::{Role, to_f64};
use jensen_vae::metric::importance::log_evidence;
use jensen_vae::model::Model;

/// p(z) = N(0, 1), p(x|z) = N(a z + b, s^2) with the encoder away from the exact posterior.
fn linear_model() -> (Model, Params) {
    let recipe = recipe(
        "
        encoder = { kind = 'mlp', hidden = [] }
        decoder = { kind = 'mlp', hidden = [] }
        likelihood = { kind = 'gaussian', scale = 0.5 }
        latent = { z = { kind = 'gaussian', dim = 1 } }
        ",
    );
    let (model, mut params) = Model::assemble(&recipe, &site(1), &Device::flex()).unwrap();
    let mut host = params.to_host();
    let bias = host
        .iter_mut()
        .find(|t| t.name == "latent.z.head.bias")
        .unwrap();
    // Variance e, wider than the exact posterior: importance weights are bounded then.
    bias.values[1] = 1.0;
    params.load(&host).unwrap();
    (model, params)
}

/// log N(x; b, a^2 + s^2) of the linear model.
fn exact(params: &Params, x: f64) -> f64 {
    let host = params.to_host();
    let value = |name: &str| {
        let tensor = host.iter().find(|tensor| tensor.name == name).unwrap();
        f64::from(tensor.values[0])
    };
    let var = value("decoder.out.weight").powi(2) + 0.25;
    let distance = (x - value("decoder.out.bias")).powi(2) / var;
    -0.5 * (distance + var.ln() + std::f64::consts::TAU.ln())
}

#[test]
fn bounds_are_ordered_in_expectation_and_reach_the_evidence() {
    let (model, params) = linear_model();
    let evidence = |x: f64, k: usize, stream: &Stream| {
        let x = matrix(&[x], 1);
        log_evidence(&model, &params, &x.clone().into(), k, stream, &mut || true).unwrap()[0]
    };
    for x in [-1.0, 0.2, 2.0] {
        let log_p = exact(&params, x);
        let estimate = |k: usize, n: u64| {
            let runs: Vec<f64> = (0..n)
                .map(|run| {
                    let stream = Stream::from_seed(run).child("k", k as u64);
                    evidence(x, k, &stream)
                })
                .collect();
            mean_and_error(&runs)
        };
        // K = 1 is the ELBO.
        let bounds = [estimate(1, 4000), estimate(5, 1500), estimate(50, 600)];
        for pair in bounds.windows(2) {
            let slack = 5.0 * (pair[0].1.powi(2) + pair[1].1.powi(2)).sqrt();
            assert!(pair[0].0 <= pair[1].0 + slack, "x = {x}: {bounds:?}");
        }
        assert!(
            bounds[2].0 <= log_p + 5.0 * bounds[2].1,
            "x = {x}: {bounds:?}, {log_p}"
        );
        assert!(
            bounds[0].0 < log_p - 5.0 * bounds[0].1,
            "the ELBO has a gap here"
        );
        let many = evidence(x, 200_000, &Stream::from_seed(1));
        assert!((many - log_p).abs() < 0.01, "x = {x}: {many}, {log_p}");
    }
}

fn importance_recipe(gradient: &str, samples: usize) -> String {
    format!(
        "
        encoder = {{ kind = 'mlp', hidden = [8] }}
        decoder = {{ kind = 'mlp', hidden = [8] }}
        latent = {{ z = {{ kind = 'gaussian', dim = 2 }} }}
        bound = {{ kind = 'importance', samples = {samples}, gradient = '{gradient}' }}
        data = {{ validation = 0.0 }}
        "
    )
}

/// Mean gradient of every parameter's first entries over many draws, with standard errors, and the
/// variances.
fn gradients(text: &str, n_runs: u64) -> (Vec<(f64, f64)>, f64) {
    let recipe = recipe(text);
    let (feed, model, params) = assemble(&recipe, bars(4, 1));
    let x = feed.batch(&[0, 1, 2, 3], &Stream::from_seed(0));
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for run in 0..n_runs {
        let tracked = params.tracked();
        let stream = Stream::from_seed(1000 + run);
        let (ledger, _) = model.ledger(&tracked, x.clone(), 0.0, &stream);
        let mut grads = ledger.loss().backward();
        let mut row = Vec::new();
        for (index, entry) in tracked.entries().iter().enumerate() {
            let values = match entry.shape.len() {
                1 => to_f64(tracked.at::<1>(index).grad_remove(&mut grads).unwrap()),
                _ => to_f64(tracked.at::<2>(index).grad_remove(&mut grads).unwrap()),
            };
            row.extend(values.into_iter().take(6));
        }
        columns.resize(row.len(), Vec::new());
        columns
            .iter_mut()
            .zip(row)
            .for_each(|(column, value)| column.push(value));
    }
    let means: Vec<(f64, f64)> = columns
        .iter()
        .map(|column| mean_and_error(column))
        .collect();
    let variance = means
        .iter()
        .map(|(_, error)| error * error * n_runs as f64)
        .sum();
    (means, variance)
}

/// Doubly reparameterized and plain gradients estimate the same vector; for K = 1 so does sticking.
#[test]
fn gradient_estimators_agree_in_mean() {
    for (one, other, samples) in [("plain", "doubly", 5), ("plain", "sticking", 1)] {
        let (a, _) = gradients(&importance_recipe(one, samples), 400);
        let (b, _) = gradients(&importance_recipe(other, samples), 400);
        for (i, (a, b)) in a.iter().zip(&b).enumerate() {
            let slack = 5.0 * (a.1.powi(2) + b.1.powi(2)).sqrt() + 1e-6;
            assert!(
                (a.0 - b.0).abs() < slack,
                "{one}, {other}, K = {samples}, entry {i}: {a:?}, {b:?}"
            );
        }
    }
}

/// With the ELBO the bound's gradient is that of its own terms.
#[test]
fn the_importance_bound_with_one_sample_is_an_elbo() {
    let recipe = recipe(&importance_recipe("plain", 1));
    let (feed, model, params) = assemble(&recipe, bars(4, 1));
    let stream = Stream::from_seed(3);
    let x = feed.batch(&[0, 1, 2, 3], &stream);
    let read = model.ledger(&params, x, 0.0, &stream).0.read();
    let bound = read.sum_of(Role::Bound);
    for (bound, elbo) in bound.iter().zip(read.elbo()) {
        assert!((bound - elbo).abs() < 1e-4, "{bound}, {elbo}");
    }
    assert_eq!(read.loss(), bound.iter().map(|b| -b).collect::<Vec<_>>());
}

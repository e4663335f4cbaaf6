//! A mixture fitted after training, on its whole way: fit, save, load, density, samples.

use crate::common::{assemble, bars, parameter, recipe};
use burn::tensor::{Device, Tensor};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{RunFolder, Silent};
use jensen_vae::ledger::to_f64;
use jensen_vae::metric::aggregate;
use jensen_vae::model::Model;
use jensen_vae::train::{Task, train};
use jensen_vae::{noise, store};

/// The square [-8, 8]^2 in cells, and each cell in points: a step of 0.04, far below any component.
const CELLS: usize = 20;
const POINTS: usize = 20;
const HALF_WIDTH: f64 = 8.0;
const N_DRAWS: usize = 20_000;

/// log p(z) of codes, row-major `[n, 2]`.
fn log_prob(model: &Model, params: &Params, codes: &[f64]) -> Vec<f64> {
    let values: Vec<f32> = codes.iter().map(|&z| z as f32).collect();
    let z: Tensor<2> = noise::upload(values, codes.len() / 2, 2, &Device::flex());
    to_f64(model.prior_log_prob(params, &[z]))
}

/// The cell of a code, or none outside the square.
fn cell(z: &[f64]) -> Option<usize> {
    let index = |z: f64| ((z + HALF_WIDTH) / (2.0 * HALF_WIDTH) * CELLS as f64).floor();
    let range = 0.0..CELLS as f64;
    let [row, column] = [index(z[0]), index(z[1])];
    (range.contains(&row) && range.contains(&column))
        .then_some(row as usize * CELLS + column as usize)
}

#[test]
fn a_post_hoc_mixture_survives_the_disk_and_its_samples_follow_its_density() {
    let recipe = recipe(
        "
        encoder = { kind = 'mlp', hidden = [16] }
        decoder = { kind = 'mlp', hidden = [16] }
        latent = { z = { kind = 'gaussian', dim = 2 } }
        prior = { z = { kind = 'mixture', components = 4, fit = 'post_hoc' } }
        data = { batch = 20, validation = 0.0 }
        train = { epochs = 20, optimizer = { lr = 5e-3 } }
        ",
    );
    let (feed, model, params) = assemble(&recipe, bars(400, 1));
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let task = Task {
        recipe: &recipe,
        model: &model,
        train: &feed,
        validation: None,
        run: &run,
    };
    let trained = train(&task, params, &mut Silent, &mut |_, _, _| Ok(())).unwrap();
    let mut params = trained.params;
    let stream = Stream::from_seed(1);
    let codes = aggregate::encode(&model, &params, &feed, &stream, &mut |_| true).unwrap();
    let sample = codes[0].sample.clone();
    let mean = |params: &Params| {
        let log_p = log_prob(&model, params, &sample);
        log_p.iter().sum::<f64>() / log_p.len() as f64
    };
    let before = mean(&params);
    assert_eq!(
        model.fit_priors(
            &mut params,
            std::slice::from_ref(&sample),
            &stream,
            &mut || true
        ),
        ["z"]
    );
    assert!(mean(&params) > before, "{} after {before}", mean(&params));

    store::save(&run, &recipe, &model, &params, &codes).unwrap();
    let stored = store::load(&run, &Device::flex()).unwrap();
    assert_eq!(stored.params.to_host(), params.to_host());
    assert_eq!(
        to_f64(parameter::<1>(&stored.params, "prior.z.fitted")),
        [1.0]
    );

    let n = CELLS * POINTS;
    let step = 2.0 * HALF_WIDTH / n as f64;
    let point = |i: usize| (i as f64 + 0.5) * step - HALF_WIDTH;
    let grid: Vec<f64> = (0..n * n)
        .flat_map(|i| [point(i / n), point(i % n)])
        .collect();
    let mut mass = vec![0.0; CELLS * CELLS];
    let density = log_prob(&stored.model, &stored.params, &grid);
    for (z, log_p) in grid.chunks_exact(2).zip(density) {
        mass[cell(z).unwrap()] += log_p.exp() * step * step;
    }
    let total: f64 = mass.iter().sum();
    assert!(
        (total - 1.0).abs() < 1e-4,
        "the density integrates to {total}"
    );

    let drawn = stored.model.prior_sample(&stored.params, N_DRAWS, &stream);
    let mut counts = vec![0.0; CELLS * CELLS];
    for z in to_f64(drawn[0].clone()).chunks_exact(2) {
        counts[cell(z).expect("a draw outside the square")] += 1.0;
    }
    let mut n_filled = 0;
    for (cell, (count, mass)) in counts.iter().zip(&mass).enumerate() {
        let expected = N_DRAWS as f64 * mass;
        n_filled += usize::from(expected > 100.0);
        // Five standard errors; the five draws are for cells where few are expected.
        assert!(
            (count - expected).abs() < 5.0 * expected.sqrt() + 5.0,
            "cell {cell}: {count} draws, {expected} expected"
        );
    }
    assert!(n_filled > 10, "the draws are spread over {n_filled} cells");
}

//! Terms of the objective against their definitions, and what clipping, skipping and averaging do.

use crate::common::{assemble, bars, matrix, mean_and_error, recipe, trained};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::ledger::{Readout, Role, to_f64};
use jensen_vae::metric::{samples_per_example, score};
use jensen_vae::recipe::Recipe;

const N: usize = 12;
/// f32 sums of a few dozen terms.
const ROUNDING: f64 = 1e-4;

fn small(objective: &str) -> Recipe {
    small_of("gaussian", objective)
}

fn small_of(latent: &str, objective: &str) -> Recipe {
    recipe(&format!(
        "
        encoder = {{ kind = 'mlp', hidden = [8] }}
        decoder = {{ kind = 'mlp', hidden = [8] }}
        latent = {{ z = {{ kind = '{latent}', dim = 3 }} }}
        data = {{ batch = {N}, validation = 0.0 }}
        {objective}
        "
    ))
}

struct Pass {
    read: Readout,
    /// The loss that is trained on.
    loss: f64,
    /// KL per example and dimension, `[N, 3]`, or `[N]` where it does not split.
    kl: Vec<f64>,
    mean: Vec<f64>,
    /// L of the covariance L L^T of z given x, column by column: what the sampler makes of unit vectors, `[N, 3, 3]`.
    columns: Vec<f64>,
    z: Vec<f64>,
}

fn pass(objective: &str, progress: f64) -> Pass {
    pass_of("gaussian", objective, progress)
}

fn pass_of(latent: &str, objective: &str, progress: f64) -> Pass {
    let (feed, model, params) = assemble(&small_of(latent, objective), bars(N, 1));
    let stream = Stream::from_seed(4);
    let x = feed.batch(&(0..N).collect::<Vec<_>>(), &stream);
    let (ledger, draw) = model.ledger(&params, x, progress, &stream);
    let latent = &draw.latents[0];
    let mean = to_f64(latent.posterior.mean());
    let unit = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0].repeat(N);
    let moved = to_f64(latent.posterior.sample(matrix(&unit, 3)));
    let columns = moved.iter().enumerate();
    let columns = columns.map(|(at, moved)| moved - mean[at / 9 * 3 + at % 3]);
    Pass {
        columns: columns.collect(),
        read: ledger.read(),
        loss: to_f64(ledger.loss())[0],
        kl: to_f64(latent.rate_per_dim.clone()),
        mean,
        z: to_f64(latent.z.clone()),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean loss without the log-likelihood.
fn regularization(pass: &Pass) -> f64 {
    mean(&pass.read.loss()) + mean(&pass.read.sum_of(Role::LogLikelihood))
}

#[test]
fn the_rate_is_weighted_scheduled_targeted_and_granted_free_bits() {
    let total = |pass: &Pass| pass.kl.iter().sum::<f64>() / N as f64;
    let close = |a: f64, b: f64| assert!((a - b).abs() < ROUNDING, "{a}, {b}");

    let beta = pass("objective = { rate = { z = { weight = 4.0 } } }", 0.3);
    close(regularization(&beta), 4.0 * total(&beta));
    close(mean(&beta.read.sum_of(Role::Rate)), total(&beta));

    let schedule = "{ kind = 'linear', from = 0.0, to = 2.0, until = 0.5 }";
    let annealed = pass(
        &format!("objective = {{ rate = {{ z = {{ weight = {schedule} }} }} }}"),
        0.25,
    );
    close(regularization(&annealed), total(&annealed));

    let capacity = pass(
        "objective = { rate = { z = { weight = 3.0, capacity = 5.0 } } }",
        0.3,
    );
    close(
        regularization(&capacity),
        3.0 * (total(&capacity) - 5.0).abs(),
    );

    let column =
        |pass: &Pass, i: usize| mean(&pass.kl[i..].iter().step_by(3).copied().collect::<Vec<_>>());
    // Free bits between the smallest and the largest KL, so that some dimensions get them.
    let mut columns: Vec<f64> = (0..3).map(|i| column(&beta, i)).collect();
    columns.sort_by(f64::total_cmp);
    let bits = (columns[0] + columns[2]) / 2.0;
    let options = format!("objective = {{ rate = {{ z = {{ free_bits = {bits} }} }} }}");
    let expected = columns.iter().map(|kl| kl.max(bits)).sum();
    close(regularization(&pass(&options, 0.3)), expected);

    let whole = "objective = { rate = { z = { free_bits = 9.0, free_bits_group = 'latent' } } }";
    close(regularization(&pass(whole, 0.3)), 9.0);
}

/// log N(z; m, L L^T) in nats by forward substitution, L lower triangular, column by column.
fn ln_normal(z: &[f64], m: &[f64], columns: &[f64]) -> f64 {
    let mut white: Vec<f64> = Vec::new();
    let mut ln_density = 0.0;
    for i in 0..z.len() {
        let before = white.iter().enumerate();
        let before: f64 = before
            .map(|(j, white)| columns[j * z.len() + i] * white)
            .sum();
        let pivot = columns[i * z.len() + i];
        white.push((z[i] - m[i] - before) / pivot);
        ln_density -= 0.5 * (white[i].powi(2) + std::f64::consts::TAU.ln()) + pivot.ln();
    }
    ln_density
}

#[test]
fn total_correlation_is_its_definition() {
    for latent in ["gaussian", "gaussian_full"] {
        let objective = "objective = { tc = { z = { weight = 2.0 } } }";
        let pass = pass_of(latent, objective, 0.3);
        let off_diagonal = (0..9).filter(|at| at / 3 != at % 3);
        let is_full = off_diagonal
            .into_iter()
            .any(|at| pass.columns[at].abs() > 0.01);
        assert_eq!(is_full, latent == "gaussian_full");
        let row = |of: &[f64], i: usize| of[i * 3..(i + 1) * 3].to_vec();
        let columns = |j: usize| &pass.columns[j * 9..(j + 1) * 9];
        let joint =
            |i: usize, j: usize| ln_normal(&row(&pass.z, i), &row(&pass.mean, j), columns(j));
        // A coordinate has the sum of squares of its row of L as variance.
        let marginal = |i: usize, j: usize, d: usize| {
            let variance: f64 = (0..3).map(|c| columns(j)[c * 3 + d].powi(2)).sum();
            let at = |of: &[f64], i: usize| of[i * 3 + d];
            ln_normal(&[at(&pass.z, i)], &[at(&pass.mean, j)], &[variance.sqrt()])
        };
        // The training part has N examples and so has the batch.
        let log_pairs = ((N * N) as f64).ln();
        let log_mean =
            |of: &dyn Fn(usize) -> f64| (0..N).map(|j| of(j).exp()).sum::<f64>().ln() - log_pairs;
        let tc: Vec<f64> = (0..N)
            .map(|i| {
                let marginals = (0..3).map(|d| log_mean(&|j| marginal(i, j, d)));
                log_mean(&|j| joint(i, j)) - marginals.sum::<f64>()
            })
            .collect();
        let terms = &pass.read.terms;
        let found = terms.iter().find(|term| term.name == "tc.z").unwrap();
        for (found, expected) in found.nats.iter().zip(&tc) {
            assert!(
                (found - expected).abs() < ROUNDING,
                "{latent}: {found}, {expected}"
            );
        }
        let expected = 2.0 * mean(&tc) + pass.kl.iter().sum::<f64>() / N as f64;
        assert!((regularization(&pass) - expected).abs() < ROUNDING);
    }
}

/// Schedules with their values by hand at the beginning, at a quarter and at the end of a run.
const SCHEDULES: [(&str, [f64; 3]); 4] = [
    ("1.5", [1.5, 1.5, 1.5]),
    (
        "{ kind = 'linear', from = 0.0, to = 2.0, until = 0.5 }",
        [0.0, 1.0, 2.0],
    ),
    (
        "{ kind = 'sigmoid', from = 1.0, to = 3.0, until = 0.5 }",
        [1.0, 2.0, 3.0],
    ),
    (
        "{ kind = 'cyclical', from = 0.0, to = 4.0, cycles = 3, ramp = 1.0 }",
        [0.0, 3.0, 4.0],
    ),
];
const MOMENTS: [f64; 3] = [0.0, 0.25, 1.0];
/// Weights are computed in f64 by a few operations.
const WEIGHT_ROUNDING: f64 = 1e-12;

#[test]
fn any_weight_follows_its_schedule() {
    for (kind, options, term) in [
        ("rate", "", "kl.z"),
        ("rate", "free_bits = 0.1, ", "free_bits.z"),
        ("rate", "capacity = 1.0, ", "capacity.z"),
        ("tc", "", "tc.z"),
        ("mmd", "", "mmd.z"),
    ] {
        for (schedule, expected) in SCHEDULES {
            let objective =
                format!("objective = {{ {kind} = {{ z = {{ {options}weight = {schedule} }} }} }}");
            for (progress, expected) in MOMENTS.into_iter().zip(expected) {
                let Pass { read, loss, .. } = pass(&objective, progress);
                let term = read.terms.iter().find(|it| it.name == term);
                let term = term.unwrap_or_else(|| panic!("{objective}"));
                let weight = term.weight;
                assert!(
                    (weight - expected).abs() < WEIGHT_ROUNDING,
                    "{objective} at {progress}: {weight} for {expected}"
                );
                // It is this weight that training feels, beside those of the other terms.
                let others = |it: &&jensen_vae::ledger::ReadTerm| it.name != term.name;
                let others = read.terms.iter().filter(others);
                let others: f64 = others.map(|it| it.weight * mean(&it.nats)).sum();
                let found = loss - others;
                let expected = expected * mean(&term.nats);
                assert!((found - expected).abs() < ROUNDING, "{found}, {expected}");
            }
        }
    }
}

/// [burgess-2018], equation 8: gamma |KL - C| with C growing over the run.
#[test]
fn a_growing_capacity_moves_the_target_of_the_rate() {
    for (schedule, expected) in SCHEDULES {
        let objective =
            format!("objective = {{ rate = {{ z = {{ weight = 3.0, capacity = {schedule} }} }} }}");
        for (progress, capacity) in MOMENTS.into_iter().zip(expected) {
            let pass = pass(&objective, progress);
            let kl = pass.kl.iter().sum::<f64>() / N as f64;
            let term = pass.read.terms.iter().find(|it| it.name == "capacity.z");
            for found in &term.unwrap().nats {
                let expected = (kl - capacity).abs();
                assert!(
                    (found - expected).abs() < ROUNDING,
                    "{schedule} at {progress}: {found} for {expected}"
                );
            }
            let expected = 3.0 * (kl - capacity).abs();
            assert!((regularization(&pass) - expected).abs() < ROUNDING);
        }
    }
}

/// One step of gradient descent with rate 1 and these options; the parameters before and after.
fn one_step(options: &str) -> (Params, Params) {
    let recipe = small(&format!(
        "[train]\nepochs = 1\noptimizer = {{ kind = 'sgd', lr = 1.0, momentum = 0.0 }}\n{options}"
    ));
    let (feed, model, params) = assemble(&recipe, bars(N, 1));
    let trained = trained(&recipe, (&feed, &model), params.clone()).unwrap();
    assert_eq!(trained.step, 1);
    (params, trained.params)
}

/// All differences of two lists of parameters.
fn difference((from, to): &(Params, Params)) -> Vec<f64> {
    let values = |params: &Params| -> Vec<f64> {
        let host = params.to_host().into_iter();
        host.flat_map(|t| t.values).map(f64::from).collect()
    };
    values(to)
        .iter()
        .zip(values(from))
        .map(|(to, from)| to - from)
        .collect()
}

#[test]
fn gradients_are_clipped_skipped_and_weights_averaged() {
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let free = difference(&one_step(""));
    assert!(
        norm(&free) > 2.0,
        "the gradient is large enough to be clipped"
    );
    let clipped = difference(&one_step("clip = 2.0"));
    assert!((norm(&clipped) - 2.0).abs() < 1e-3, "{}", norm(&clipped));
    let factor = 2.0 / norm(&free);
    let worst = free
        .iter()
        .zip(&clipped)
        .map(|(f, c)| (f * factor - c).abs())
        .fold(0.0, f64::max);
    assert!(worst < 1e-5, "clipping keeps the direction");
    assert_eq!(norm(&difference(&one_step("skip = 2.0"))), 0.0);
    assert_eq!(difference(&one_step("clip = 1e9\nskip = 1e9")), free);

    // In the first step the average has the decay 1 / 10 of its warm-up.
    let averaged = difference(&one_step("ema = 0.999"));
    let (mean, _) = mean_and_error(
        &free
            .iter()
            .zip(&averaged)
            .map(|(f, a)| (f * 0.9 - a).abs())
            .collect::<Vec<_>>(),
    );
    assert!(mean < 1e-6, "{mean}");
}

const CONVOLUTIONS: &str = "
    encoder = { kind = 'conv', channels = [3, 4], fc = 6 }
    decoder = { kind = 'conv', channels = [3, 4], fc = 6 }
    latent = { z = { kind = 'gaussian', dim = 3 } }
    data = { batch = 12, validation = 0.0 }
";

/// The largest singular values of the convolutions whose names begin so, by the eigenvalues of W W^T.
fn sum_of_singular_values(params: &Params, part: &str) -> f64 {
    let host = params.to_host().into_iter();
    let weights = host.filter(|tensor| tensor.shape.len() == 4 && tensor.name.starts_with(part));
    weights
        .map(|tensor| {
            let n = tensor.shape[0];
            let row = |i: usize| {
                let width = tensor.values.len() / n;
                tensor.values[i * width..(i + 1) * width].iter()
            };
            let gram = faer::Mat::from_fn(n, n, |i, j| {
                let pairs = row(i).zip(row(j));
                pairs
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum::<f64>()
            });
            let values = gram.self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
            values.iter().copied().fold(0.0, f64::max).sqrt()
        })
        .sum()
}

#[test]
fn the_spectral_term_is_the_sum_of_singular_values_of_its_parts() {
    for (parts, list) in [
        (&["encoder"][..], "['encoder']"),
        (&["encoder", "decoder"], "['encoder', 'decoder.']"),
    ] {
        let recipe = recipe(&format!(
            "{CONVOLUTIONS}
            [objective.spectral]
            weight = {{ kind = 'linear', from = 2.0, to = 1.0, until = 0.5 }}
            parts = {list}
            iterations = 200
            "
        ));
        let (feed, model, params) = assemble(&recipe, bars(N, 1));
        let stream = Stream::from_seed(4);
        let x = feed.batch(&(0..N).collect::<Vec<_>>(), &stream);
        let (ledger, _) = model.ledger(&params, x, 0.25, &stream);
        let read = ledger.read();
        let term = read.terms.iter().find(|term| term.name == "spectral");
        let term = term.unwrap();
        let expected: f64 = parts
            .iter()
            .map(|part| sum_of_singular_values(&params, part))
            .sum();
        assert_eq!((term.role, term.weight), (Role::Penalty, 1.5));
        assert_eq!(term.nats.len(), N);
        for found in &term.nats {
            assert!((found - expected).abs() < ROUNDING, "{found}, {expected}");
        }
        let without: f64 = (read.terms.iter())
            .filter(|term| term.name != "spectral")
            .map(|term| term.weight * term.nats.iter().sum::<f64>() / N as f64)
            .sum();
        let loss = to_f64(ledger.loss())[0];
        assert!((loss - without - 1.5 * expected).abs() < ROUNDING, "{loss}");
    }
}

#[test]
fn the_spectral_term_makes_singular_values_smaller() {
    let after = |weight: f64| {
        let recipe = recipe(&format!(
            "{CONVOLUTIONS}
            objective.spectral = {{ weight = {weight:?}, parts = ['decoder'] }}
            train = {{ epochs = 60, optimizer = {{ kind = 'adam', lr = 1e-2 }} }}
            "
        ));
        let (feed, model, first) = assemble(&recipe, bars(N, 1));
        let trained = trained(&recipe, (&feed, &model), first).unwrap();
        sum_of_singular_values(&trained.params, "decoder")
    };
    let (free, held) = (after(0.0), after(3.0));
    assert!(held < 0.8 * free, "{held}, {free}");
}

/// The parts by hand, from a pass with the same noise.
#[test]
fn scores_are_those_of_the_elbo_whatever_is_trained() {
    for trained in [
        "objective = { rate = { z = { weight = 4.0 } } }",
        "bound = { kind = 'importance', samples = 5 }",
    ] {
        let recipe = recipe(&format!(
            "
            encoder = {{ kind = 'mlp', hidden = [8, 8] }}
            decoder = {{ kind = 'mlp', hidden = [8, 8] }}
            data = {{ batch = {N}, validation = 0.0 }}
            {trained}
            [latent]
            z = {{ kind = 'gaussian', dim = 3 }}
            y = {{ kind = 'gaussian_full', dim = 2, port = 'h1' }}
            "
        ));
        let (feed, model, params) = assemble(&recipe, bars(N, 1));
        let stream = Stream::from_seed(4);
        let scores = score(&model, &params, &feed, 0, &stream, &mut |_| true).unwrap();

        // Few examples get many samples, and passes hold as many rows as without them.
        let k = samples_per_example(N);
        assert_eq!(
            (k, samples_per_example(10_000), samples_per_example(20_000)),
            (100, 1, 1)
        );
        let all: Vec<usize> = (0..N).collect();
        for indices in all.chunks(500 / k) {
            let noise = stream.child("elbo", 0).child("batch", indices[0] as u64);
            let x = feed.batch(indices, &noise);
            let draw = model.draw(&params, x, k, &noise);
            let log_likelihood = to_f64(draw.log_likelihood);
            let rates: Vec<Vec<f64>> = draw.latents.iter().map(|it| to_f64(it.rate())).collect();
            for (row, &i) in indices.iter().enumerate() {
                let mean = log_likelihood[row * k..][..k].iter().sum::<f64>() / k as f64;
                let kl = rates[0][row] + rates[1][row];
                for (found, expected) in [
                    (scores.reconstruction[i], -mean),
                    (scores.kl[i], kl),
                    (scores.neg_elbo[i], kl - mean),
                ] {
                    // Means over samples in f32.
                    assert!(
                        (found - expected).abs() < 1e-5 * expected.abs(),
                        "{found} for {expected}"
                    );
                }
            }
        }
    }
}

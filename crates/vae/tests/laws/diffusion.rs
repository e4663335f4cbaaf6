//! Laws over the second stage and its diffusion: same bits after any interruption, nothing else moves, and -ELBO is a
//! bound.

use crate::common::{assemble, recipe, trained, vectors};
use crate::training::{StopAfter, bits, fit};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_vae::ledger::to_f64;
use jensen_vae::metric::score::elbo_parts;
use jensen_vae::train::Ending;
use std::cell::Cell;

/// An auto-encoder of six epochs of six steps, then ten steps of its prior, which are two epochs.
const TWO_STAGES: &str = "
    encoder = { kind = 'mlp', hidden = [16] }
    decoder = { kind = 'mlp', hidden = [16] }
    latent = { z = { kind = 'gaussian', dim = 3 } }
    prior = { z = { kind = 'diffusion', widths = [8, 8], steps = 10, timesteps = 20, strides = 5 } }
    data = { batch = 20, validation = 0.0 }
    train = { epochs = 3, ema = 0.9, log_every = 7 }
";

#[test]
fn a_run_stopped_in_either_stage_ends_with_the_same_bits() {
    let recipe = recipe(TWO_STAGES);
    let folder = tempfile::tempdir().unwrap();
    let whole = fit(&recipe, &folder.path().join("whole"), &mut Silent).unwrap();
    assert_eq!((whole.ending, whole.step), (Ending::Completed, 18 + 12));
    let mut stream = Stream::from_seed(12);
    for trial in 0..4 {
        let broken = folder.path().join(format!("broken-{trial}"));
        let last = loop {
            let mut observer = StopAfter {
                n_steps: 2 + stream.below(9) as u64,
                n_asked: Cell::new(0),
            };
            let part = fit(&recipe, &broken, &mut observer).unwrap();
            if part.ending == Ending::Completed {
                break part;
            }
        };
        assert_eq!(bits(&last.params), bits(&whole.params), "trial {trial}");
    }
}

#[test]
fn the_second_stage_moves_its_prior_alone() {
    let text = TWO_STAGES.replace("ema = 0.9, ", "");
    let folder = tempfile::tempdir().unwrap();
    let run = |text: &str, name: &str| {
        let path = folder.path().join(name);
        let trained = fit(&recipe(text), &path, &mut Silent).unwrap();
        bits(&trained.params)
    };
    let both = run(&text, "both");
    let first = run(
        &text.replace(
            "kind = 'diffusion', widths = [8, 8], steps = 10, timesteps = 20, strides = 5",
            "kind = 'normal'",
        ),
        "first",
    );
    for (name, values) in &first {
        let (_, found) = both.iter().find(|(other, _)| other == name).unwrap();
        assert_eq!(found, values, "{name}");
    }
    let moved = |name: &str| {
        both.iter()
            .find(|(other, _)| other == name)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(moved("prior.z.begun"), [1f32.to_bits()]);
    assert!(
        moved("prior.z.scale")
            .iter()
            .any(|&scale| scale != 1f32.to_bits())
    );
}

/// Gaussian data with correlation 0.8, of which nothing but the prior is learned.
#[test]
fn in_the_space_of_the_data_the_bound_is_near_the_entropy() {
    let text = "
        encoder = 'none'
        decoder = 'none'
        latent = { z = { kind = 'identity', noise = 0.1 } }
        prior = { z = { kind = 'diffusion', widths = [32, 32], steps = 1500, timesteps = 100, strides = 0, eta = 1.0 } }
        likelihood = { kind = 'gaussian', scale = 0.1 }
        data = { batch = 128, validation = 0.0 }
        train = { epochs = 1, ema = 0.99, optimizer = { lr = 3e-3 } }
    ";
    let draw = |n: usize, seed: u64| {
        let mut stream = Stream::from_seed(seed);
        let row = |_| {
            let (a, b) = (stream.normal(), stream.normal());
            [(3.0 + a) as f32, (0.8 * a + 0.6 * b) as f32]
        };
        vectors(2, (0..n).flat_map(row).collect())
    };
    let recipe = recipe(text);
    let (feed, model, first) = assemble(&recipe, draw(4000, 1));
    let fitted = trained(&recipe, (&feed, &model), first).unwrap();
    // The first stage has nothing to train.
    assert_eq!(fitted.step, 1504);
    let (test, ..) = assemble(&recipe, draw(2000, 2));
    let stream = Stream::from_seed(3);
    let [neg_elbo, ..] = elbo_parts(&model, &fitted.params, &test, &stream, &mut |_| true).unwrap();
    // ln(2 pi e) + ln(0.6), and what the noise of z costs: 0.5 tr(0.01 (covariance + 0.01)^-1), about.
    let entropy = std::f64::consts::TAU.ln() + 1.0 + 0.6f64.ln();
    assert!(neg_elbo > entropy - 0.1, "{neg_elbo}, entropy {entropy}");
    assert!(neg_elbo < entropy + 0.3, "{neg_elbo}, entropy {entropy}");
    let z = model.prior_sample(&fitted.params, 4000, &stream).remove(0);
    let z = to_f64(z);
    let mean = |of: &dyn Fn(&[f64]) -> f64| z.chunks_exact(2).map(of).sum::<f64>() / 4000.0;
    let center = [mean(&|z| z[0]), mean(&|z| z[1])];
    assert!(
        (center[0] - 3.0).abs() < 0.1 && center[1].abs() < 0.1,
        "{center:?}"
    );
    for (found, expected) in [
        (mean(&|z| (z[0] - center[0]).powi(2)), 1.01),
        (mean(&|z| (z[1] - center[1]).powi(2)), 1.01),
        (mean(&|z| (z[0] - center[0]) * (z[1] - center[1])), 0.8),
    ] {
        assert!((found - expected).abs() < 0.12, "{found}, {expected}");
    }
}

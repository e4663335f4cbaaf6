//! Every built-in recipe from the first step to samples: small networks, few examples, few steps.

use super::{Call, jensen};
use jensen::recipes::{BUILTIN, RecipeRequest};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Every recipe in small; the options that it does not have are left out. Lists keep their length.
const SMALL: [(&str, usize); 14] = [
    ("encoder.hidden", 12),
    ("decoder.hidden", 12),
    ("encoder.channels", 4),
    ("decoder.channels", 4),
    ("encoder.fc", 12),
    ("decoder.fc", 12),
    ("latent.z.dim", 3),
    ("latent.z.channels", 2),
    ("prior.z.components", 5),
    ("prior.z.steps", N_STEPS),
    ("prior.z.timesteps", 20),
    ("prior.z.strides", 4),
    ("prior.z.widths", 16),
    ("bound.samples", 3),
];
/// 24 steps: two passes over the 360 examples that are left for training, in batches of 32.
const N_STEPS: usize = 24;
const SHORT: [&str; 5] = [
    "data.limit=400",
    "data.validation=0.1",
    "data.batch=32",
    "train.min_steps=0",
    "train.epochs=2",
];

/// A fit may end with codes that carry nothing after so few steps.
#[track_caller]
fn fitted(call: Call) -> Value {
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    call.json()
}

/// What training makes small, at every step: the loss, or -ELBO where part of the loss is that of an adversary.
fn losses(run: &Path, has_adversary: bool) -> Vec<f64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["split"] == "train")
        .map(|line| match has_adversary {
            true => -line["elbo"].as_f64().unwrap(),
            false => line["loss"].as_f64().unwrap(),
        })
        .collect()
}

#[test]
fn every_built_in_recipe_trains_is_measured_and_samples() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for builtin in BUILTIN {
        let name = builtin.name;
        let recipe = RecipeRequest::of(name).resolve().unwrap();
        let table = recipe.to_table();
        let smaller = |&(key, number): &(&str, usize)| {
            let (section, rest) = key.split_once('.').unwrap();
            let mut keys = rest.split('.');
            let own = keys.try_fold(&table[section], |value, key| value.get(key))?;
            // What is off stays off.
            let own = Some(own).filter(|own| own.as_integer() != Some(0))?;
            Some(match own.as_array() {
                Some(list) => format!("{key}={:?}", vec![number; list.len()]),
                None => format!("{key}={number}"),
            })
        };
        let small: Vec<String> = SMALL.iter().filter_map(smaller).collect();
        let small = small.iter().map(String::as_str);
        let sets = small.chain(SHORT).chain(["train.log_every=1"]);
        let sets: Vec<&str> = sets.flat_map(|pair| ["--set", pair]).collect();
        let fit = ["fit", name, "--out", name, "--json"];
        let value = fitted(jensen(folder, &[&fit[..], &sets].concat()));

        // What the recipe is about is what was trained.
        let config = folder.join(name).join("config.toml");
        let trained = RecipeRequest::of(config.to_str().unwrap()).resolve();
        let trained = trained.unwrap();
        assert_eq!(trained.objective, recipe.objective, "{name}");
        assert_eq!(trained.likelihood, recipe.likelihood, "{name}");
        let parts = [
            (&trained.bound, &recipe.bound),
            (&trained.encoder, &recipe.encoder),
            (&trained.decoder, &recipe.decoder),
        ];
        let priors = trained.prior.values().zip(recipe.prior.values());
        for (trained, own) in parts.into_iter().chain(priors) {
            assert_eq!(trained["kind"], own["kind"], "{name}");
        }
        let latents = [&trained, &recipe].map(|recipe| recipe.latent.keys().collect::<Vec<_>>());
        assert_eq!(latents[0], latents[1], "{name}");

        // The loss falls in each stage, from five steps to the last five.
        let has_adversary = recipe.objective.contains_key("adversary");
        let losses = losses(&folder.join(name), has_adversary);
        assert_eq!(losses.len() % N_STEPS, 0, "{name}");
        for stage in losses.chunks(N_STEPS) {
            let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
            let (first, last) = (mean(&stage[..5]), mean(&stage[N_STEPS - 5..]));
            assert!(last < first, "{name}: {first} to {last}");
        }

        // Everything that the recipe promises is measured, in the fit and afterwards.
        let evaluate = ["evaluate", name, "--samples", "100", "--json"];
        let evaluated = jensen(folder, &evaluate).expect(0).json();
        for metric in recipe.expect.keys().filter(|key| !key.contains('/')) {
            for value in [&value, &evaluated] {
                let found = value["metrics"][metric].as_f64();
                assert!(found.is_some_and(f64::is_finite), "{name}: {metric}");
            }
        }
        let of_fit = value["metrics"]["test_neg_elbo"].as_f64();
        assert_eq!(of_fit, evaluated["metrics"]["test_neg_elbo"].as_f64());

        let sample = ["sample", name, "-n", "4", "--out", "samples.csv"];
        jensen(folder, &sample).expect(0);
        let samples = fs::read_to_string(folder.join("samples.csv")).unwrap();
        let cells: Vec<f64> = (samples.lines().skip(1))
            .flat_map(|line| line.split(',').map(|cell| cell.parse().unwrap()))
            .collect();
        assert_eq!(cells.len(), 4 * 64, "{name}");
        assert!(cells.iter().all(|cell| cell.is_finite()), "{name}");
        let is_constant = cells[..64].iter().all(|cell| *cell == cells[0]);
        assert!(!is_constant, "{name}: a sample without a picture");
    }
}

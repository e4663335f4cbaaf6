//! Parameter groups own their optimizer: the trainer's steps against steps by hand in f64, each group with
//! its own rule, rate and norm for clipping.

use crate::common::{assemble, bars, recipe, trained};
use jensen_data::Batches;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::feed::Feed;
use jensen_vae::model::Model;
use jensen_vae::optimizer::Gradient;
use jensen_vae::recipe::Recipe;
use std::collections::BTreeMap;

const N: usize = 24;
const BATCH: usize = 8;
const N_STEPS: u64 = 6;
/// Of a step's size; parameters are f32 around 1, and the smallest steps are some 1e-3.
const ROUNDING: f64 = 1e-3;

/// The weight moves, so that the steps also show the progress that the trainer tells.
/// Adam's epsilon is large, because g / (|g| + epsilon) would otherwise make much of the rounding of
/// gradients that nearly vanish.
fn two_groups(more: &str) -> Recipe {
    recipe(&format!(
        "
        encoder = {{ kind = 'mlp', hidden = [8] }}
        decoder = {{ kind = 'mlp', hidden = [8] }}
        latent = {{ z = {{ kind = 'gaussian', dim = 3 }} }}
        data = {{ batch = {BATCH}, validation = 0.0 }}
        objective.rate.z.weight = {{ kind = 'linear', from = 0.0, to = 2.0, until = 0.5 }}
        [train]
        epochs = 2
        {more}
        [train.optimizer]
        kind = 'adam'
        lr = 0.01
        beta_1 = 0.8
        beta_2 = 0.99
        epsilon = 0.01
        weight_decay = 0.1
        [train.groups.encoder]
        prefix = 'encoder.'
        optimizer = {{ kind = 'sgd', lr = 3e-3, momentum = 0.5 }}
        "
    ))
}

/// One parameter with what its rule remembers.
struct ByHand {
    values: Vec<f64>,
    moment_1: Vec<f64>,
    moment_2: Vec<f64>,
}

/// v = 0.5 v + g, w = w - 0.003 v, with v = g in the first step, which is v = 0 before it.
fn sgd(it: &mut ByHand, gradient: &[f64]) {
    for (i, g) in gradient.iter().enumerate() {
        it.moment_1[i] = 0.5 * it.moment_1[i] + g;
        it.values[i] -= 3e-3 * it.moment_1[i];
    }
}

/// [kingma-2015], Algorithm 1, with the decay of [loshchilov-2019]; `time` counts from 1.
fn adam(it: &mut ByHand, gradient: &[f64], time: i32) {
    let lr = 0.01;
    for (i, g) in gradient.iter().enumerate() {
        it.moment_1[i] = 0.8 * it.moment_1[i] + 0.2 * g;
        it.moment_2[i] = 0.99 * it.moment_2[i] + 0.01 * g * g;
        let mean = it.moment_1[i] / (1.0 - 0.8f64.powi(time));
        let square = it.moment_2[i] / (1.0 - 0.99f64.powi(time));
        it.values[i] -= lr * (0.1 * it.values[i] + mean / (square.sqrt() + 0.01));
    }
}

fn values(params: &Params) -> BTreeMap<String, Vec<f64>> {
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
    let host = params.to_host().into_iter();
    host.map(|tensor| (tensor.name, wide(tensor.values)))
        .collect()
}

/// The gradients of the loss in the trainer's step `step`, with its batch and its noise.
fn gradients(
    model: &Model,
    params: &Params,
    feed: &Feed,
    batches: &mut Batches,
    root: &Stream,
    step: u64,
) -> BTreeMap<String, Vec<f64>> {
    let stream = root.child("step", step);
    let x = feed.batch(batches.next_batch(), &stream);
    let progress = step as f64 / N_STEPS as f64;
    let tracked = params.tracked();
    let mut grads = model
        .ledger(&tracked, x, progress, &stream)
        .0
        .loss()
        .backward();
    let named = tracked.entries().iter().enumerate().map(|(index, entry)| {
        let gradient = Gradient::take(&tracked, index, &mut grads).unwrap();
        let wide = gradient.to_host().into_iter().map(f64::from).collect();
        (entry.name.clone(), wide)
    });
    named.collect()
}

/// The parameters after all steps by hand, and how many norms of a group's gradient were clipped to `clip`.
fn by_hand(
    recipe: &Recipe,
    (feed, model, first): (&Feed, &Model, &Params),
    clip: f64,
) -> (BTreeMap<String, Vec<f64>>, [usize; 2]) {
    let root = Stream::from_seed(recipe.train.seed);
    let mut batches = Batches::new(N, BATCH, root.child("batches", 0));
    let mut params = first.clone();
    let mut state: BTreeMap<String, ByHand> = (values(first).into_iter())
        .map(|(name, values)| {
            let zeros = vec![0.0; values.len()];
            let (moment_1, moment_2) = (zeros.clone(), zeros);
            (
                name,
                ByHand {
                    values,
                    moment_1,
                    moment_2,
                },
            )
        })
        .collect();
    let mut n_clipped = [0; 2];
    for step in 0..N_STEPS {
        let gradients = gradients(model, &params, feed, &mut batches, &root, step);
        for (group, is_encoder) in [true, false].into_iter().enumerate() {
            let of_group = || {
                let named = gradients.iter();
                named.filter(|(name, _)| name.starts_with("encoder.") == is_encoder)
            };
            let square: f64 = of_group().flat_map(|(_, g)| g).map(|g| g * g).sum();
            let factor = (clip / square.sqrt()).min(1.0);
            n_clipped[group] += usize::from(factor < 1.0);
            for (name, gradient) in of_group() {
                let gradient: Vec<f64> = gradient.iter().map(|g| factor * g).collect();
                let it = state.get_mut(name).unwrap();
                match is_encoder {
                    true => sgd(it, &gradient),
                    false => adam(it, &gradient, step as i32 + 1),
                }
            }
        }
        let mut host = params.to_host();
        for tensor in &mut host {
            tensor.values = (state[&tensor.name].values.iter())
                .map(|&v| v as f32)
                .collect();
        }
        params.load(&host).unwrap();
    }
    let end = state.into_iter().map(|(name, it)| (name, it.values));
    (end.collect(), n_clipped)
}

/// Trains with these options and compares with the steps by hand; how many norms were clipped.
fn check(options: &str, clip: f64) -> [usize; 2] {
    let recipe = two_groups(options);
    let (feed, model, first) = assemble(&recipe, bars(N, 1));
    let trained = trained(&recipe, (&feed, &model), first.clone()).unwrap();
    assert_eq!(trained.step, N_STEPS);
    let (expected, n_clipped) = by_hand(&recipe, (&feed, &model, &first), clip);
    let (before, found) = (values(&first), values(&trained.params));
    for (name, expected) in &expected {
        let norm = |of: &dyn Fn(usize) -> f64| -> f64 {
            let squares = (0..expected.len()).map(|i| of(i).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let moved = norm(&|i| expected[i] - before[name][i]);
        let error = norm(&|i| found[name][i] - expected[i]);
        assert!(moved > 0.0, "{name} does not move");
        assert!(
            error < ROUNDING * moved,
            "{options:?}: {name} is {error} from its place after a way of {moved}"
        );
    }
    n_clipped
}

#[test]
fn each_group_takes_the_steps_of_its_own_optimizer() {
    assert_eq!(check("", f64::INFINITY), [0, 0]);
}

/// At this norm the large gradient of the decoder is clipped and the encoder's is not, or rarely.
#[test]
fn each_group_is_clipped_by_its_own_norm() {
    let [encoder, others] = check("clip = 2.0", 2.0);
    assert!(
        encoder < N_STEPS as usize && others > encoder,
        "{encoder} {others}"
    );
}

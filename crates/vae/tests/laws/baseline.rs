//! The best model without a latent against closed forms.

use crate::common::{assemble, bars, recipe, vectors};
use jensen_data::{Examples, Layout, Values};
use jensen_rng::Stream;
use jensen_vae::metric::baseline::without_latent;

/// f32 sums over some hundred examples, and a search that ends within a fraction of its last step.
const TOLERANCE: f64 = 2e-3;

/// The mean cost of examples without a latent, nats.
fn cost(likelihood: &str, examples: Examples) -> f64 {
    let scored = examples.clone();
    cost_of(likelihood, examples, scored)
}

/// The mean cost of `scored` under what was fitted to `train`, nats.
fn cost_of(likelihood: &str, train: Examples, scored: Examples) -> f64 {
    let text = format!("encoder.hidden = [4]\ndecoder.hidden = [4]\nlikelihood = {likelihood}");
    let (feed, model, params) = assemble(&recipe(&text), train);
    let stream = Stream::from_seed(3);
    let scored = feed.with_examples(scored);
    let costs = without_latent(&model, &params, &feed, &scored, &stream, &mut |_| true).unwrap();
    assert_eq!(costs.len(), scored.len());
    costs.iter().sum::<f64>() / costs.len() as f64
}

/// n examples of two numbers, one far from zero and one of little spread.
fn unlike(n: usize) -> Vec<f32> {
    let mut stream = Stream::from_seed(1);
    let pair = |_| {
        [
            40.0 + 3.0 * stream.normal() as f32,
            0.01 * stream.normal() as f32,
        ]
    };
    (0..n).flat_map(pair).collect()
}

/// Of n values of an example, mean and variance over the examples and the one of overall means.
fn moments(values: &[f32], p: usize) -> Vec<(f64, f64)> {
    let overall = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
    let n = (values.len() / p) as f64;
    let of = |i: usize| {
        let column = || values.iter().skip(i).step_by(p).map(|&x| f64::from(x));
        // Where the search ends, and what the examples themselves cost there.
        let mean = (column().sum::<f64>() + overall) / (n + 1.0);
        (mean, column().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
    };
    (0..p).map(of).collect()
}

#[test]
fn gaussians_stand_at_the_means() {
    let values = unlike(300);
    let scale = 0.7f64;
    let constant = scale.ln() + 0.5 * std::f64::consts::TAU.ln();
    let expected: f64 = (moments(&values, 2).iter())
        .map(|(_, variance)| constant + variance / (2.0 * scale * scale))
        .sum();
    let found = cost("{ kind = 'gaussian', scale = 0.7 }", vectors(2, values));
    assert!(
        (found - expected).abs() < TOLERANCE * expected.abs(),
        "{found} {expected}"
    );
}

#[test]
fn a_learned_scale_is_fitted_too() {
    // log s^2 + 1 is what a Gaussian costs, in units of half a nat, at the scale s of its residuals.
    let values = unlike(300);
    let moments = moments(&values, 2);
    let cost_at = |variance: f64| 0.5 * (1.0 + (std::f64::consts::TAU * variance).ln());
    let shared = moments.iter().map(|(_, variance)| variance).sum::<f64>() / 2.0;
    let found = cost(
        "{ kind = 'gaussian', scale = 'shared' }",
        vectors(2, values),
    );
    // The example more, the overall mean, is 20 from both and moves the scale by a little.
    let expected = 2.0 * cost_at(shared);
    assert!((found - expected).abs() < 0.1, "{found} {expected}");
    // Without such an example the minimum itself is found.
    let alike: Vec<f32> = (0..400).map(|i| [0.3, -0.3][i / 2 % 2]).collect();
    let found = cost("{ kind = 'gaussian', scale = 'shared' }", vectors(2, alike));
    // The example more, at 0, is of no cost but counts: 200 of 201 have the variance 0.09.
    let variance = 0.09 * 200.0 / 201.0;
    let expected = 2.0 * (0.5 * (std::f64::consts::TAU * variance).ln() + 0.09 / (2.0 * variance));
    assert!(
        (found - expected).abs() < TOLERANCE * expected.abs(),
        "{found} {expected}"
    );
}

#[test]
fn sorted_examples_are_no_other_data() {
    // Two classes, one after the other, each larger than what is looked at.
    let n = 3000;
    let bits = |class: usize, i: usize| {
        let noise = i.wrapping_mul(2_654_435_761) >> 7 & 7;
        [class as f32, f32::from(u8::from(noise == 0))]
    };
    let sorted: Vec<f32> = (0..n).flat_map(|i| bits(i / (n / 2), i)).collect();
    let shuffled: Vec<f32> = (0..n).flat_map(|i| bits(i % 2, i)).collect();
    let scored = || vectors(2, shuffled.clone());
    for likelihood in ["'bernoulli'", "{ kind = 'gaussian', scale = 'shared' }"] {
        let a = cost_of(likelihood, vectors(2, sorted.clone()), scored());
        let b = cost_of(likelihood, scored(), scored());
        assert!(
            (a - b).abs() < 0.02 * (1.0 + b.abs()),
            "{likelihood}: {a} {b}"
        );
    }
}

#[test]
fn large_examples_are_looked_at_in_parts() {
    // Of 100,000 outputs an example 20 fit into a pass.
    let (n, p) = (60, 100_000);
    let values: Vec<f32> = (0..n * p)
        .map(|i| if i / p % 4 == 0 { 1.0 } else { 0.0 })
        .collect();
    // A quarter are ones, and one example more is a quarter everywhere.
    let m = (15.0 + 0.25) / 61.0f64;
    let expected = p as f64 * -(0.25 * m.ln() + 0.75 * (1.0 - m).ln());
    let found = cost("'bernoulli'", vectors(p, values));
    assert!(
        (found - expected).abs() < TOLERANCE * expected,
        "{found} {expected}"
    );
}

#[test]
fn bernoulli_values_cost_their_entropy() {
    let examples = bars(200, 5);
    let mut values = vec![0.0; 200 * 36];
    examples.gather(&(0..200).collect::<Vec<_>>(), &mut values);
    let moments = moments(&values, 36);
    let expected: f64 = (values.iter().enumerate())
        .map(|(i, &x)| {
            let (x, m) = (f64::from(x), moments[i % 36].0);
            -x * m.ln() - (1.0 - x) * (1.0 - m).ln()
        })
        .sum::<f64>()
        / 200.0;
    let found = cost("'bernoulli'", examples);
    assert!(
        (found - expected).abs() < TOLERANCE * expected,
        "{found} {expected}"
    );
}

#[test]
fn levels_cost_the_logarithm_of_their_frequency() {
    // Of four examples with levels 0 to 2: three zeros and a two; the overall mean is level 1 (0.625 x 2).
    let bytes = vec![0u8, 2, 0, 2, 0, 2, 2, 2];
    let values = Values::U8 {
        bytes: bytes.into(),
        max: 2,
    };
    let layout = Layout::Image {
        channels: 1,
        height: 1,
        width: 2,
    };
    // One count is shared by the three levels.
    let share = 1.0 / 3.0;
    let of = |count: f64| -((count + share) / 6.0f64).ln();
    let expected = (3.0 * of(3.0) + of(1.0)) / 4.0 + of(4.0);
    for likelihood in ["'categorical'", "'discretized_logistic_mixture'"] {
        let found = cost(likelihood, Examples::new(layout, values.clone(), None));
        assert!(
            (found - expected).abs() < 1e-9,
            "{likelihood}: {found} {expected}"
        );
    }
}

#[test]
fn a_stop_is_heard() {
    let (feed, model, params) = assemble(&recipe(""), bars(20, 5));
    let stream = Stream::from_seed(3);
    assert!(without_latent(&model, &params, &feed, &feed, &stream, &mut |_| false).is_none());
}

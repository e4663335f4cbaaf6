//! The best model without a latent against closed forms.

use crate::common::{assemble, bars, recipe, vectors};
use jensen_data::{Examples, Layout, Values};
use jensen_rng::Stream;
use jensen_vae::metric::baseline::without_latent;

/// f32 sums over some hundred examples, and a search that ends within a fraction of its last step.
const TOLERANCE: f64 = 2e-3;

/// The mean cost of examples without a latent, nats.
fn cost(likelihood: &str, examples: Examples) -> f64 {
    let text = format!("encoder.hidden = [4]\ndecoder.hidden = [4]\nlikelihood = {likelihood}");
    let (feed, model, params) = assemble(&recipe(&text), examples);
    let stream = Stream::from_seed(3);
    let costs = without_latent(&model, &params, &feed, &feed, &stream, &mut |_| true).unwrap();
    assert_eq!(costs.len(), feed.len());
    costs.iter().sum::<f64>() / costs.len() as f64
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
    // Far from zero and of different spread, as data without a scale are.
    let mut stream = Stream::from_seed(1);
    let values: Vec<f32> = (0..300)
        .flat_map(|_| {
            [
                40.0 + 3.0 * stream.normal() as f32,
                0.01 * stream.normal() as f32,
            ]
        })
        .collect();
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

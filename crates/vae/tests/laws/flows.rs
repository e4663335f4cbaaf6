//! Laws over flows: densities integrate to one, samples have them, gradients are slopes, and both stages learn.

use crate::common::{assemble, matrix, recipe, trained, vectors};
use burn::tensor::{Device, Tensor};
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use jensen_testkit::gradient;
use jensen_vae::latent::Posterior;
use jensen_vae::ledger::to_f64;
use jensen_vae::metric::score::elbo_parts;
use jensen_vae::part::{find, overlay};
use jensen_vae::prior::{self, Prior, PriorContext, PriorSite};
use std::f64::consts::TAU;

const CASES: [(&str, &str); 3] = [
    ("flow", "layers = 3\nhidden = [8]"),
    ("maf", "layers = 2\nhidden = [8, 8]"),
    ("maf", "layers = 2\nhidden = [8]\nfast = 'samples'"),
];

/// A flow whose parameters are far from the first ones.
fn build((kind, options): (&str, &str), dim: usize) -> (Box<dyn Prior>, Params) {
    let entry = find(prior::CATALOGUE, kind, "test").unwrap();
    let mut table = (entry.defaults)();
    overlay(&mut table, &options.parse().unwrap(), "test").unwrap();
    let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
    let site = PriorSite {
        dim,
        map: None,
        book: None,
        vocabulary: None,
        context: None,
        n_values: 1,
        data_mean: vec![0.0],
    };
    let prior = (entry.build)(&table, "prior.z", &site, &mut builder).unwrap();
    let mut params = builder.finish();
    let mut stream = Stream::from_seed(6);
    let mut host = params.to_host();
    for value in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *value += 0.12 * stream.normal() as f32;
    }
    params.load(&host).unwrap();
    (prior, params)
}

fn with<T>(params: &Params, of: impl FnOnce(&PriorContext<'_>) -> T) -> T {
    let posterior =
        |_: Tensor<2>| -> Box<dyn Posterior> { unreachable!("a flow asks no posterior") };
    of(&PriorContext {
        params,
        posterior: &posterior,
        code_book: None,
        condition: None,
        context: None,
    })
}

/// z = sinh(v) for v in [-4.5, 4.5] reaches into far tails with small steps in the middle; points along v.
const HALF: f64 = 4.5;
const POINTS: usize = 500;

#[test]
fn densities_integrate_to_one_and_samples_have_their_moments() {
    for case in CASES {
        let (prior, params) = build(case, 2);
        let step = 2.0 * HALF / POINTS as f64;
        let point = |i: usize| (i as f64 + 0.5) * step - HALF;
        let n = POINTS * POINTS;
        let places = || (0..n).map(|i| [point(i / POINTS), point(i % POINTS)]);
        let grid: Vec<f64> = places().flat_map(|v| v.map(f64::sinh)).collect();
        let cells = places().map(|v| step * step * v[0].cosh() * v[1].cosh());
        let log_p = to_f64(with(&params, |c| prior.log_prob(c, matrix(&grid, 2))));
        let mass: Vec<f64> = (log_p.iter().zip(cells))
            .map(|(log_p, cell)| log_p.exp() * cell)
            .collect();
        let total: f64 = mass.iter().sum();
        assert!((total - 1.0).abs() < 1e-3, "{case:?}: {total}");
        let draws = with(&params, |c| {
            prior.sample(c, 40_000, &mut Stream::from_seed(2))
        });
        let draws = to_f64(draws);
        type Moment = fn(&[f64]) -> f64;
        let moments: [Moment; 5] = [
            |z| z[0],
            |z| z[1],
            |z| z[0] * z[0],
            |z| z[0] * z[1],
            |z| z[1] * z[1],
        ];
        for (i, moment) in moments.into_iter().enumerate() {
            let exact: f64 = grid
                .chunks_exact(2)
                .zip(&mass)
                .map(|(z, m)| moment(z) * m)
                .sum();
            let found: Vec<f64> = draws.chunks_exact(2).map(moment).collect();
            let (mean, error) = crate::common::mean_and_error(&found);
            let most = 5.0 * error + 2e-3;
            assert!(
                (mean - exact).abs() < most,
                "{case:?}, {i}: {mean} +- {error}, {exact}"
            );
        }
    }
}

/// Rounding of f32 sums of about ten nats over a step of 0.02.
const GRADIENT_TOLERANCE: f64 = 1e-2;

#[test]
fn gradients_agree_with_finite_differences() {
    let z = matrix(&[0.3, -1.0, 0.8, 1.5, 0.2, -0.4, -0.7, 0.1, 0.9], 3);
    for case in CASES {
        let (prior, params) = build(case, 3);
        let tracked = params.tracked();
        let total = with(&tracked, |c| prior.log_prob(c, z.clone())).sum();
        let mut grads = total.backward();
        let mut largest = 0.0f64;
        for (index, tensor) in params.to_host().into_iter().enumerate() {
            let found = match tensor.shape.len() {
                1 => to_f64(tracked.at::<1>(index).grad_remove(&mut grads).unwrap()),
                _ => to_f64(tracked.at::<2>(index).grad_remove(&mut grads).unwrap()),
            };
            let value = |values: &[f64]| -> f64 {
                let mut params = params.clone();
                params.set_at(index, values.iter().map(|&v| v as f32).collect());
                to_f64(with(&params, |c| prior.log_prob(c, z.clone())))
                    .iter()
                    .sum()
            };
            let start: Vec<f64> = tensor.values.iter().map(|&v| f64::from(v)).collect();
            for (found, expected) in found.iter().zip(gradient(value, &start, 0.02)) {
                assert!(
                    (found - expected).abs() < GRADIENT_TOLERANCE * expected.abs().max(1.0),
                    "{case:?}, {}: {found}, {expected}",
                    tensor.name
                );
                largest = largest.max(expected.abs());
            }
        }
        assert!(largest > 1.0, "{case:?}: {largest}");
    }
}

/// A ring, of which nothing but the prior is learned: with the network, or afterwards.
#[test]
fn a_flow_learns_a_ring_in_either_stage() {
    let ring = |n: usize, seed: u64| {
        let mut stream = Stream::from_seed(seed);
        let row = |_| {
            let (angle, radius) = (TAU * stream.uniform(), 2.0 + 0.2 * stream.normal());
            [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
        };
        vectors(2, (0..n).flat_map(row).collect())
    };
    // The entropy of a Gaussian with the ring's covariance, and that of the ring, about.
    let [gaussian, least] = [2.838 + 2.04f64.ln(), (TAU * 2.0).ln() + 1.419 + 0.2f64.ln()];
    for (kind, options) in [
        ("flow", "layers = 6, hidden = [32, 32], steps = 1200"),
        ("maf", "layers = 6, hidden = [32, 32]"),
    ] {
        let text = format!(
            "
            encoder = 'none'
            decoder = 'none'
            latent = {{ z = {{ kind = 'identity', noise = 0.05 }} }}
            prior = {{ z = {{ kind = '{kind}', {options} }} }}
            likelihood = {{ kind = 'gaussian', scale = 0.05 }}
            data = {{ batch = 128, validation = 0.0 }}
            train = {{ epochs = 1, min_steps = 1200, optimizer = {{ lr = 3e-3 }} }}
            "
        );
        let recipe = recipe(&text);
        let (feed, model, first) = assemble(&recipe, ring(4000, 1));
        let fitted = trained(&recipe, (&feed, &model), first).unwrap();
        let (test, ..) = assemble(&recipe, ring(2000, 2));
        let stream = Stream::from_seed(3);
        let [cost, ..] = elbo_parts(&model, &fitted.params, &test, &stream, &mut |_| true).unwrap();
        assert!(cost > least - 0.1, "{kind}: {cost}, {least}");
        assert!(
            cost < 0.5 * (least + gaussian),
            "{kind}: {cost} between {least} and {gaussian}"
        );
    }
}

//! Laws of decoders that go top-down: densities against quadrature and sums over all codes, draws against densities,
//! gradients against differences, and a single latent against the plain bound.

use crate::common::{assemble, matrix, mean_and_error, recipe, set_parameter, trained};
use crate::discrete::{codes, host};
use burn::tensor::{Device, Tensor};
use jensen_data::{Examples, Layout, Values};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_testkit::gradient;
use jensen_vae::generate;
use jensen_vae::latent::{Diagonal, Posterior};
use jensen_vae::ledger::{to_f32, to_f64};
use jensen_vae::metric::importance::log_evidence;
use jensen_vae::model::Model;
use jensen_vae::noise;
use jensen_vae::part::{find, overlay};
use jensen_vae::recipe::Recipe;

/// n binary images with `side` x `side` pixels.
fn pixels(n: usize, side: usize) -> Examples {
    let mut stream = Stream::from_seed(3);
    let bytes: Vec<u8> = (0..n * side * side)
        .map(|_| 255 * (stream.uniform() < 0.4) as u8)
        .collect();
    let layout = Layout::Image {
        channels: 1,
        height: side,
        width: side,
    };
    let values = Values::U8 {
        bytes: bytes.into(),
        max: 255,
    };
    Examples::new(layout, values, None)
}

/// A model for such images with parameters far from the first ones, and some examples.
fn example(text: &str, side: usize, spread: f64) -> (Model, Params, Tensor<2>) {
    let recipe = recipe(text);
    let (feed, model, mut params) = assemble(&recipe, pixels(8, side));
    let mut stream = Stream::from_seed(7);
    let mut host = params.to_host();
    for value in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *value += (spread * stream.normal()) as f32;
    }
    params.load(&host).unwrap();
    let x = feed.batch(&[0, 1, 2], &Stream::from_seed(1)).x;
    (model, params, x)
}

/// Two latents of one number each, the second given the first.
const CHAIN: &str = "
    latent.z = { kind = 'gaussian_residual', dim = 1, hidden = 3, activation = 'silu', ports = ['bottom*2'] }
    prior.z = { kind = 'conditional', hidden = 3, activation = 'silu' }
    encoder = { kind = 'pyramid', channels = [4], blocks = [1], activation = 'silu' }
    decoder = { kind = 'top_down', channels = [4], blocks = [1], activation = 'silu' }
    data = { batch = 3, validation = 0.0 }
";

/// Points and weights of the trapezoid rule on [-9, 9], which is exact to rounding for smooth densities that are at
/// least some tenths wide.
fn grid() -> (Vec<f64>, f64) {
    let n = 181;
    let step = 18.0 / f64::from(n - 1);
    ((0..n).map(|i| f64::from(i) * step - 9.0).collect(), step)
}

/// All pairs of points.
fn plane() -> ([Vec<f64>; 2], f64) {
    let (points, step) = grid();
    let first = points.iter().flat_map(|&z| vec![z; points.len()]);
    let second = points.repeat(points.len());
    ([first.collect(), second], step * step)
}

#[test]
fn the_evidence_of_a_chain_of_latents_is_its_integral() {
    let (model, params, x) = example(CHAIN, 2, 0.3);
    let ([first, second], cell) = plane();
    let z = [matrix(&first, 1), matrix(&second, 1)];
    let log_p = to_f64(model.prior_log_prob(&params, &z));
    let total: f64 = log_p.iter().map(|log_p| log_p.exp() * cell).sum();
    assert!((total - 1.0).abs() < 1e-4, "{total}");

    let outputs = model.decode(&params, &z);
    let estimates: Vec<Vec<f64>> = (0..30)
        .map(|seed| {
            let stream = Stream::from_seed(seed);
            log_evidence(
                &model,
                &params,
                &x.clone().into(),
                1000,
                &stream,
                &mut || true,
            )
            .unwrap()
        })
        .collect();
    for row in 0..3 {
        let x = x.clone().narrow(0, row, 1).repeat_dim(0, first.len());
        let log_x = to_f64(model.likelihood().log_prob(&params, outputs.clone(), x));
        let joint = log_p.iter().zip(&log_x).map(|(z, x)| (z + x).exp() * cell);
        let expected = joint.sum::<f64>().ln();
        // The estimate of p(x) has no bias, that of its logarithm has.
        let ratios: Vec<f64> = estimates
            .iter()
            .map(|of| (of[row] - expected).exp())
            .collect();
        let (mean, error) = mean_and_error(&ratios);
        assert!(error < 0.05, "{error}");
        assert!((mean - 1.0).abs() < 5.0 * error, "{row}: {mean} +- {error}");
    }
}

#[test]
fn draws_from_a_chain_of_priors_have_its_moments() {
    let (model, mut params, _) = example(CHAIN, 2, 0.3);
    // A state that the first latent moves, and a second prior that sees it.
    let weights: Vec<f64> = (0..12).map(|i| [1.0, -0.7, 0.4][i % 3]).collect();
    set_parameter(&mut params, "decoder.latent1.in.weight", &weights[..4]);
    set_parameter(&mut params, "prior.z2.head.conv3.weight", &weights[..6]);
    let ([first, second], cell) = plane();
    let z = [matrix(&first, 1), matrix(&second, 1)];
    let log_p = to_f64(model.prior_log_prob(&params, &z));
    let drawn = model.prior_sample(&params, 20_000, &Stream::from_seed(5));
    let [a, b] = [0, 1].map(|i| to_f64(drawn[i].clone()));
    let moments: [fn(f64, f64) -> f64; 5] =
        [|a, _| a, |_, b| b, |a, _| a * a, |_, b| b * b, |a, b| a * b];
    for (i, of) in moments.into_iter().enumerate() {
        let points = first.iter().zip(&second).zip(&log_p);
        let expected: f64 = points.map(|((&a, &b), p)| of(a, b) * p.exp() * cell).sum();
        let values: Vec<f64> = a.iter().zip(&b).map(|(&a, &b)| of(a, b)).collect();
        let (mean, error) = mean_and_error(&values);
        assert!(
            (mean - expected).abs() < 5.0 * error + 1e-4,
            "{i}: {mean} +- {error}, {expected}"
        );
    }
    // The second does depend on the first.
    let given = |z: f64| {
        let both = [matrix(&[z, z], 1), matrix(&[0.0, 1.0], 1)];
        let log_p = to_f64(model.prior_log_prob(&params, &both));
        log_p[0] - log_p[1]
    };
    assert!(
        (given(-2.0) - given(2.0)).abs() > 0.05,
        "{} {}",
        given(-2.0),
        given(2.0)
    );
}

#[test]
fn the_rate_of_a_residual_is_the_divergence_of_two_gaussians() {
    let entry = find(jensen_vae::latent::CATALOGUE, "gaussian_residual", "test").unwrap();
    let mut table = (entry.defaults)();
    overlay(&mut table, &"dim = 2\nhidden = 3".parse().unwrap(), "test").unwrap();
    let port = jensen_vae::encoder::Port {
        name: "bottom".to_owned(),
        width: 12,
        map: Some([3, 2, 2]),
    };
    let mut builder = jensen_nets::Builder::new(Stream::from_seed(3), &Device::flex());
    let latent = (entry.build.build)(&table, "latent.z", &port, &mut builder).unwrap();
    let mut params = builder.finish();
    let mut host = params.to_host();
    for value in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *value *= 2.0;
    }
    params.load(&host).unwrap();
    let (rows, d, k) = (3, 8, 20_000);
    assert_eq!((latent.dim(), latent.map()), (d, Some([2, 2, 2])));
    let normal = |seed, rows, columns| {
        noise::normal(&mut Stream::from_seed(seed), rows, columns, &Device::flex())
    };
    let prior = Diagonal {
        mean: normal(1, rows, d) * 2.0,
        log_var: normal(2, rows, d),
    };
    let features = normal(3, rows, 12) * 20.0;
    let q = latent.posterior_from(&params, features.clone(), Some(&prior));
    let kl = to_f64(prior.kl_from(q.as_ref()).unwrap());
    let [mean_q, mean_p] = [q.mean(), prior.mean.clone()].map(to_f64);
    let [log_q, log_p] = [q.gaussian().unwrap().log_var(), prior.log_var.clone()].map(to_f64);
    for i in 0..rows * d {
        let distance = (mean_q[i] - mean_p[i]).powi(2);
        let expected =
            0.5 * (log_p[i] - log_q[i] + (log_q[i].exp() + distance) / log_p[i].exp() - 1.0);
        assert!(
            (kl[i] - expected).abs() < 1e-4 * (1.0 + expected),
            "{}, {expected}",
            kl[i]
        );
    }
    // The same number whatever the prior: what is given is relative to it.
    let other = Diagonal {
        mean: normal(4, rows, d),
        log_var: normal(5, rows, d),
    };
    let moved = latent.posterior_from(&params, features, Some(&other));
    for (a, b) in kl
        .iter()
        .zip(to_f64(other.kl_from(moved.as_ref()).unwrap()))
    {
        assert!((a - b).abs() < 1e-4 * (1.0 + a), "{a}, {b}");
    }
    let z = q.sample(normal(6, rows * k, d));
    let repeated = |x: &Tensor<2>| {
        x.clone()
            .reshape([rows, 1, d])
            .repeat_dim(1, k)
            .reshape([rows * k, d])
    };
    let many = Diagonal {
        mean: repeated(&prior.mean),
        log_var: repeated(&prior.log_var),
    };
    let ratio = to_f64(q.log_prob(z.clone()) - many.log_prob(z));
    for (row, ratio) in ratio.chunks_exact(k).enumerate() {
        let closed: f64 = kl[row * d..(row + 1) * d].iter().sum();
        let (mean, error) = mean_and_error(ratio);
        assert!(closed > 0.5, "{closed}");
        assert!(
            (mean - closed).abs() < 5.0 * error,
            "{mean} +- {error}, {closed}"
        );
    }
}

#[test]
fn one_latent_under_a_normal_prior_is_the_plain_bound() {
    let text = CHAIN.replace("'bottom*2'", "'bottom'");
    let text = text.replace(
        "kind = 'conditional', hidden = 3, activation = 'silu'",
        "kind = 'normal'",
    );
    let (model, params, x) = example(&text, 2, 0.3);
    let k = 5;
    let stream = Stream::from_seed(2);
    let draw = model.draw(&params, x.clone(), k, &stream);
    let q = &model.posteriors(&params, x.clone())[0];
    let closed = q.gaussian().unwrap().kl_standard_normal();
    let rates = to_f64(draw.latents[0].rate_per_dim.clone());
    for (closed, rate) in to_f64(closed).into_iter().zip(rates) {
        assert!((closed - rate).abs() < 1e-6, "{closed}, {rate}");
    }
    let z = draw.latents[0].z.clone();
    let noise = noise::normal(&mut stream.child("latent", 0), 3 * k, 1, &Device::flex());
    for (a, b) in to_f64(q.sample(noise)).into_iter().zip(to_f64(z.clone())) {
        assert!((a - b).abs() < 1e-6, "{a}, {b}");
    }
    let outputs = model.decode(&params, std::slice::from_ref(&z));
    let log_x = model.likelihood().log_prob(&params, outputs, x);
    assert_eq!(to_f64(log_x), to_f64(draw.log_likelihood));
    let log_p = to_f64(model.prior_log_prob(&params, std::slice::from_ref(&z)));
    for (z, log_p) in to_f64(z).into_iter().zip(log_p) {
        let normal = -0.5 * (z * z + std::f64::consts::TAU.ln());
        assert!((log_p - normal).abs() < 1e-5);
    }
}

/// Rounding of f32 sums of some ten nats over a step of 0.02.
const GRADIENT_TOLERANCE: f64 = 5e-3;

#[test]
fn gradients_of_a_chain_agree_with_finite_differences() {
    let text = CHAIN
        .replace("channels = [4]", "channels = [2]")
        .replace("hidden = 3", "hidden = 2");
    let (model, params, x) = example(&text, 2, 0.3);
    let stream = Stream::from_seed(2);
    let loss = |params: &Params| model.ledger(params, x.clone(), 1.0, &stream).0.loss();
    let tracked = params.tracked();
    let mut grads = loss(&tracked).backward();
    let mut largest = 0.0f64;
    for (index, tensor) in params.to_host().into_iter().enumerate() {
        let found = match tensor.shape.len() {
            1 => to_f64(tracked.at::<1>(index).grad_remove(&mut grads).unwrap()),
            2 => to_f64(tracked.at::<2>(index).grad_remove(&mut grads).unwrap()),
            _ => to_f64(tracked.at::<4>(index).grad_remove(&mut grads).unwrap()),
        };
        let value = |values: &[f64]| -> f64 {
            let mut params = params.clone();
            params.set_at(index, values.iter().map(|&v| v as f32).collect());
            to_f64(loss(&params))[0]
        };
        let start: Vec<f64> = tensor.values.iter().map(|&v| f64::from(v)).collect();
        for (found, expected) in found.iter().zip(gradient(value, &start, 0.02)) {
            assert!(
                (found - expected).abs() < GRADIENT_TOLERANCE * expected.abs().max(1.0),
                "{}: {found}, {expected}",
                tensor.name
            );
            largest = largest.max(expected.abs());
        }
    }
    assert!(largest > 0.3, "{largest}");
}

/// One of three codes above, one of two at each of 2 x 2 places below.
const CODES: &str = "
    latent.top = { kind = 'fsq', levels = [3] }
    latent.low = { kind = 'fsq', levels = [2], port = 'h1' }
    prior.top = { kind = 'transformer', width = 4, layers = 1, heads = 2 }
    prior.low = { kind = 'transformer', width = 4, layers = 1, heads = 2 }
    encoder = { kind = 'pyramid', channels = [4, 4], blocks = [1, 0] }
    decoder = { kind = 'top_down', channels = [4, 4], blocks = [1, 0] }
    data = { batch = 3, validation = 0.0 }
";

/// Latents go by the order of their names: `low` is the first.
const LOW: usize = 0;
const TOP: usize = 1;

/// z of every pair of codes, the upper one changing slowest; `[low, top]`.
fn all_codes(model: &Model, params: &Params) -> [Tensor<2>; 2] {
    let books: Vec<_> = model.code_books().into_iter().flatten().collect();
    let low = (0..3 * 16 * 4)
        .map(|i| (i / 4 % 16) >> (i % 4) & 1)
        .collect();
    let top = (0..3 * 16).map(|i| i / 16).collect();
    [
        books[LOW].embed(params, codes(low, 4)),
        books[TOP].embed(params, codes(top, 1)),
    ]
}

#[test]
fn codes_below_are_given_those_above_and_their_draws_too() {
    let (model, params, _) = example(CODES, 4, 0.7);
    let z = all_codes(&model, &params);
    let log_p = to_f64(model.prior_log_prob(&params, &z));
    let p: Vec<f64> = log_p.iter().map(|log_p| log_p.exp()).collect();
    let total: f64 = p.iter().sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");

    // Given another code above, those below have other probabilities.
    let of_top: Vec<f64> = p.chunks(16).map(|chunk| chunk.iter().sum()).collect();
    let farthest = (0..16).map(|i| (p[i] / of_top[0] - p[32 + i] / of_top[2]).abs());
    let farthest = farthest.fold(0.0, f64::max);
    assert!(farthest > 0.01, "{farthest}");

    let n = 20_000;
    let drawn = model.prior_sample(&params, n, &Stream::from_seed(5));
    let books: Vec<_> = model.code_books().into_iter().flatten().collect();
    let [low, top] = [LOW, TOP].map(|i| host(books[i].codes(&params, drawn[i].clone())));
    let mut counts = vec![0.0; 48];
    for (low, top) in low.chunks(4).zip(top) {
        let low = (0..4).map(|i| (low[i] as usize) << i).sum::<usize>();
        counts[top as usize * 16 + low] += 1.0;
    }
    for (count, p) in counts.iter().zip(&p) {
        let (expected, scale) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
        assert!(
            (count - expected).abs() < 5.0 * scale + 1.0,
            "{count}, {expected}"
        );
    }
}

#[test]
fn codes_above_do_not_know_those_below() {
    let (model, params, x) = example(CODES, 4, 0.7);
    // Parameters that only the lower latent has.
    let mut changed = params.clone();
    for (index, entry) in params.entries().iter().enumerate() {
        if ["latent.low.", "prior.low.", "decoder.latent2."]
            .iter()
            .any(|of| entry.name.starts_with(of))
        {
            let n = entry.shape.iter().product();
            changed.set_at(index, vec![0.3; n]);
        }
    }
    let [before, after] = [&params, &changed].map(|params| model.posteriors(params, x.clone()));
    assert_eq!(to_f64(before[TOP].mean()), to_f64(after[TOP].mean()));
    let z = all_codes(&model, &params);
    let of_top = |params: &Params| -> Vec<f64> {
        let log_p = to_f64(model.prior_log_prob(params, &z));
        let sum = |chunk: &[f64]| chunk.iter().map(|log_p| log_p.exp()).sum();
        log_p.chunks(16).map(sum).collect()
    };
    for (a, b) in of_top(&params).into_iter().zip(of_top(&changed)) {
        assert!((a - b).abs() < 1e-5, "{a}, {b}");
    }
    // The lower posterior sees what is above.
    let mut changed = params.clone();
    let index = params
        .entries()
        .iter()
        .position(|entry| entry.name == "decoder.latent1.in.weight");
    let n = params.entries()[index.unwrap()].shape.iter().product();
    changed.set_at(index.unwrap(), vec![2.0; n]);
    let [before, after] = [&params, &changed].map(|params| {
        let draw = model.draw(params, x.clone(), 1, &Stream::from_seed(1));
        (
            to_f64(draw.latents[LOW].rate()),
            to_f64(draw.latents[TOP].rate()),
        )
    });
    assert_ne!(before.0, after.0);
    assert_eq!(before.1, after.1);
}

#[test]
fn a_reconstruction_is_the_decoded_mean_of_every_group() {
    let (model, params, x) = example(CHAIN, 2, 0.3);
    let means = generate::means(&model, &params, x.clone());
    let decoded = model
        .likelihood()
        .mean(&params, model.decode(&params, &means));
    assert_eq!(
        generate::reconstruct(&model, &params, x.clone()),
        to_f32(decoded)
    );
    // The middle of the priors, each given the middle of those before.
    let middle = model.prior_middle(&params);
    let ([first, second], cell) = plane();
    let log_p = to_f64(model.prior_log_prob(&params, &[matrix(&first, 1), matrix(&second, 1)]));
    let mean: f64 = first
        .iter()
        .zip(&log_p)
        .map(|(z, p)| z * p.exp() * cell)
        .sum();
    assert!((to_f64(middle[0].clone())[0] - mean).abs() < 1e-3);
}

#[test]
fn training_lowers_the_bound_of_groups_at_several_levels() {
    let text = "
        latent.z = { kind = 'gaussian_residual', dim = 2, hidden = 4, ports = ['bottom', 'h1*2'] }
        prior.z = { kind = 'conditional', hidden = 4 }
        objective.rate.z = { free_bits = 0.1, free_bits_group = 'latent' }
        encoder = { kind = 'pyramid', channels = [8, 8], blocks = [1, 1] }
        decoder = { kind = 'top_down', channels = [8, 8], blocks = [1, 1] }
        data = { batch = 32, validation = 0.0, binarize = 'dynamic' }
        train = { epochs = 15, optimizer = { kind = 'adam', lr = 3e-3 } }
    ";
    let recipe = recipe(text);
    let (feed, model, first) = assemble(&recipe, crate::common::bars(320, 1));
    assert_eq!(model.latent_names().collect::<Vec<_>>(), ["z1", "z2", "z3"]);
    let mean = |params: &Params| {
        let stream = Stream::from_seed(9);
        let parts =
            jensen_vae::metric::score::elbo_parts(&model, params, &feed, &stream, &mut |_| true);
        parts.unwrap()[0]
    };
    let before = mean(&first);
    let trained = trained(&recipe, (&feed, &model), first).unwrap();
    let after = mean(&trained.params);
    assert!(after < 0.75 * before, "{before} to {after}");
}

#[test]
fn several_samples_are_as_many_walks() {
    let penalty = |text: &str| {
        let (model, params, x) = example(text, 4, 0.3);
        let (ledger, draw) = model.ledger(&params, x, 1.0, &Stream::from_seed(1));
        let read = ledger.read();
        assert!(read.terms.iter().all(|term| term.nats.len() == 3));
        let found = read
            .terms
            .into_iter()
            .find(|term| term.name == "commitment.low");
        (found.unwrap().nats, draw.latents[LOW].z.dims()[0])
    };
    let text = CODES.replace(
        "kind = 'fsq', levels = [2]",
        "kind = 'vq', codes = 2, dim = 2",
    );
    let one = penalty(&text);
    let three = penalty(&format!("{text}\nbound.samples = 3"));
    assert_eq!((one.1, three.1), (3, 9));
    // What is above is a code, so that all walks are the same.
    for (a, b) in one.0.iter().zip(&three.0) {
        assert!((a - b).abs() < 1e-6 * (1.0 + a), "{a}, {b}");
    }
}

#[test]
fn what_does_not_go_top_down_is_refused() {
    let refused = |change: &dyn Fn(&str) -> String, says: &str| {
        let recipe: Recipe = recipe(&change(CHAIN));
        let (feed, ..) = assemble(
            &crate::common::recipe("encoder = { kind = 'mlp', hidden = [3] }"),
            pixels(8, 2),
        );
        let error = Model::assemble(&recipe, &feed.site(), &Device::flex()).err();
        let error = error.expect("it is refused").to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(
        &|text| {
            text.replace(
                "kind = 'conditional', hidden = 3, activation = 'silu'",
                "kind = 'vamp'",
            )
        },
        "vamp",
    );
    refused(
        &|text| {
            text.replace("'top_down'", "'conv'").replace(
                ", blocks = [1], activation = 'silu' }\n    data",
                " }\n    data",
            )
        },
        "top_down",
    );
    refused(
        &|text| format!("{text}\nbound = {{ kind = 'importance', samples = 3 }}"),
        "plain",
    );
    refused(
        &|text| format!("{text}\nobjective.tc.z.weight = 1.0"),
        "depends on other latents",
    );
    refused(&|text| text.replace("bottom*2", "h1"), "h1");
    let text =
        format!("{CHAIN}\nbound = {{ kind = 'importance', samples = 3, gradient = 'plain' }}");
    let (model, params, x) = example(&text, 2, 0.3);
    let (ledger, _) = model.ledger(&params, x, 1.0, &Stream::from_seed(1));
    assert!(to_f64(ledger.loss())[0].is_finite());
}

//! Laws over latents and priors: closed-form KL against Monte Carlo, normalization, gradients.

use crate::common::{
    assemble, bars, matrix, mean_and_error, parameter, recipe, set_parameter, site,
};
use burn::tensor::{Device, Tensor};
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use jensen_testkit::{gradient, integrate_line};
use jensen_vae::encoder::Port;
use jensen_vae::latent::{self, Latent, Posterior};
use jensen_vae::ledger::to_f64;
use jensen_vae::metric::aggregate;
use jensen_vae::model::Model;
use jensen_vae::noise;
use jensen_vae::part::{find, overlay};
use jensen_vae::prior::{self, Prior, PriorContext, PriorSite};

const N_FEATURES: usize = 4;

fn build_latent(kind: &str, dim: usize) -> (Box<dyn Latent>, Params) {
    let entry = find(latent::CATALOGUE, kind, "test").unwrap();
    let mut table = (entry.defaults)();
    overlay(&mut table, &format!("dim = {dim}").parse().unwrap(), "test").unwrap();
    let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
    let latent = (entry.build.build)(&table, "latent.z", &port(), &mut builder).unwrap();
    (latent, builder.finish())
}

fn port() -> Port {
    Port {
        name: "bottom".to_owned(),
        width: N_FEATURES,
        map: None,
    }
}

/// The kinds of latents that are densities of numbers and learned.
fn gaussians() -> impl Iterator<Item = &'static str> {
    let entries = latent::CATALOGUE.iter();
    entries
        .filter(|entry| entry.build.prior == "normal" && (entry.defaults)().contains_key("dim"))
        .map(|entry| entry.kind)
}

fn features(rows: usize) -> Tensor<2> {
    noise::normal(&mut Stream::from_seed(8), rows, N_FEATURES, &Device::flex()) * 2.0
}

#[test]
fn closed_kl_equals_monte_carlo() {
    for kind in gaussians() {
        let (latent, params) = build_latent(kind, 3);
        let (rows, k) = (4, 20_000);
        let posterior = latent.posterior(&params, features(rows));
        let closed = posterior
            .gaussian()
            .unwrap()
            .kl_standard_normal()
            .sum_dim(1);
        let z = posterior.sample(noise::normal(
            &mut Stream::from_seed(1),
            rows * k,
            3,
            &Device::flex(),
        ));
        let log_p = z.clone().square().sum_dim(1) * -0.5 - 1.5 * std::f64::consts::TAU.ln();
        let ratio = to_f64(posterior.log_prob(z) - log_p.reshape([rows * k]));
        for (row, closed) in to_f64(closed).iter().enumerate() {
            let (mean, error) = mean_and_error(&ratio[row * k..(row + 1) * k]);
            assert!(*closed >= 0.0);
            assert!(
                (mean - closed).abs() < 5.0 * error,
                "{}: {mean} +- {error}, {closed}",
                kind
            );
        }
    }
}

/// The definition over the posterior's own density of all pairs of examples.
#[test]
fn mutual_information_is_that_of_the_posterior() {
    let n = 40;
    for kind in gaussians() {
        let recipe = recipe(&format!(
            "
            encoder = {{ kind = 'mlp', hidden = [8] }}
            decoder = {{ kind = 'mlp', hidden = [8] }}
            latent = {{ z = {{ kind = '{}', dim = 3 }} }}
            data = {{ batch = {n}, validation = 0.0 }}
            ",
            kind
        ));
        let (feed, model, mut params) = assemble(&recipe, bars(n, 1));
        // Large enough for coordinates that depend strongly on each other, where they can.
        let name = "latent.z.head.weight";
        let weight = to_f64(parameter::<2>(&params, name));
        let weight: Vec<f64> = weight.iter().map(|w| 20.0 * w).collect();
        set_parameter(&mut params, name, &weight);

        let stream = Stream::from_seed(5);
        let codes = aggregate::encode(&model, &params, &feed, &stream, &mut |_| true).unwrap();
        let found = aggregate::mutual_information(&codes, n, &mut || true).unwrap();

        let noise = stream.child("batch", 0);
        let x = feed.batch(&(0..n).collect::<Vec<_>>(), &noise);
        let draw = model.draw(&params, x, 1, &noise).latents.remove(0);
        let log_q = to_f64(draw.posterior.log_prob(draw.z.repeat_dim(0, n)));
        let information = |i: usize| {
            let mixture: f64 = (0..n).map(|j| log_q[j * n + i].exp()).sum::<f64>() / n as f64;
            log_q[i * n + i] - mixture.ln()
        };
        let expected = (0..n).map(information).sum::<f64>() / n as f64;
        assert!(found > 0.1, "{}: {found}", kind);
        // The densities come from f32 tensors.
        let close = (found - expected).abs() < 1e-4;
        assert!(close, "{}: {found}, {expected}", kind);
    }
}

#[test]
fn one_z_and_many_have_the_same_density() {
    for kind in gaussians() {
        let (latent, params) = build_latent(kind, 3);
        let posterior = latent.posterior(&params, features(2));
        let few = noise::normal(&mut Stream::from_seed(1), 2, 3, &Device::flex());
        let many = few.clone().reshape([2, 1, 3]).repeat_dim(1, 9);
        let one = to_f64(posterior.log_prob(few));
        let nine = to_f64(posterior.log_prob(many.reshape([18, 3])));
        for (row, expected) in one.iter().enumerate() {
            for found in &nine[9 * row..9 * (row + 1)] {
                // Two ways to one number in f32.
                let close = (found - expected).abs() < 1e-4 * (1.0 + expected.abs());
                assert!(close, "{}: {found}, {expected}", kind);
            }
        }
    }
}

#[test]
fn a_posterior_integrates_to_one_and_has_the_stated_moments() {
    for kind in gaussians() {
        let (latent, params) = build_latent(kind, 1);
        let posterior = latent.posterior(&params, features(1));
        let mean = to_f64(posterior.mean())[0];
        let scale = (to_f64(posterior.gaussian().unwrap().log_var())[0] / 2.0).exp();
        let density = |z: f64| to_f64(posterior.log_prob(matrix(&[z], 1)))[0].exp();
        let total = integrate_line(density, mean, scale);
        assert!((total - 1.0).abs() < 1e-5, "{}: {total}", kind);
        let var = integrate_line(|z| (z - mean).powi(2) * density(z), mean, scale);
        assert!(
            (var - scale * scale).abs() < 1e-5 * (1.0 + var),
            "{}: {var}",
            kind
        );
    }
}

/// The gradient of E_q[f(z)] by reparameterization and by the score function agree in mean.
#[test]
fn reparameterized_and_score_function_gradients_agree_in_mean() {
    for kind in gaussians() {
        let (latent, params) = build_latent(kind, 2);
        let h = features(1);
        let f = |z: Tensor<2>| (z.clone().sin() + z.square() * 0.3).sum_dim(1);
        let n_runs = 300;
        let k = 400;
        let mut both: [Vec<Vec<f64>>; 2] = [Vec::new(), Vec::new()];
        for run in 0..n_runs {
            let noise = noise::normal(&mut Stream::from_seed(run), k, 2, &Device::flex());
            for (which, gradients) in both.iter_mut().enumerate() {
                let tracked = params.tracked();
                let posterior = latent.posterior(&tracked, h.clone());
                let z = posterior.sample(noise.clone());
                let objective = if which == 0 {
                    f(z).mean()
                } else {
                    let z = z.detach();
                    let score = posterior.log_prob(z.clone()).reshape([k, 1]);
                    (score * f(z)).mean()
                };
                let mut grads = objective.backward();
                let bias = tracked.at::<1>(1).grad_remove(&mut grads).unwrap();
                gradients.push(to_f64(bias));
            }
        }
        for i in 0..both[0][0].len() {
            let column = |which: usize| -> Vec<f64> { both[which].iter().map(|g| g[i]).collect() };
            let (reparameterized, error_1) = mean_and_error(&column(0));
            let (score, error_2) = mean_and_error(&column(1));
            let error = (error_1.powi(2) + error_2.powi(2)).sqrt();
            assert!(
                (reparameterized - score).abs() < 5.0 * error + 1e-7,
                "{}, parameter {i}: {reparameterized} and {score} +- {error}",
                kind
            );
            assert!(
                error_1 <= error_2 + 1e-7,
                "{}: the score function varies less",
                kind
            );
        }
    }
}

#[test]
fn a_gaussian_map_has_the_layer_of_a_place_at_each() {
    let map = Port {
        name: "bottom".to_owned(),
        width: 24,
        map: Some([4, 2, 3]),
    };
    let (maps, params) = crate::discrete::build_at("gaussian", "channels = 2", &map);
    let (places, of_place) = build_latent("gaussian", 2);
    assert_eq!((maps.map(), maps.dim()), (Some([2, 2, 3]), 12));
    assert_eq!(params.to_host(), of_place.to_host());
    let x = noise::normal(&mut Stream::from_seed(8), 5, 24, &Device::flex());
    let whole = maps.posterior(&params, x.clone());
    let (mean, log_var) = (
        to_f64(whole.mean()),
        to_f64(whole.gaussian().unwrap().log_var()),
    );
    for place in 0..6 {
        let columns = (0..4).map(|channel| x.clone().narrow(1, 6 * channel + place, 1));
        let one = places.posterior(&of_place, Tensor::cat(columns.collect(), 1));
        let (one_mean, one_log_var) = (
            to_f64(one.mean()),
            to_f64(one.gaussian().unwrap().log_var()),
        );
        for row in 0..5 {
            for channel in 0..2 {
                let (at, of) = (row * 12 + channel * 6 + place, row * 2 + channel);
                assert!((mean[at] - one_mean[of]).abs() < 1e-5);
                assert!((log_var[at] - one_log_var[of]).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn the_identity_is_its_features_with_the_stated_noise() {
    let (latent, _) = crate::discrete::build_at("identity", "noise = 0.3", &port());
    let x = features(3);
    let posterior = latent.posterior(
        &Builder::new(Stream::from_seed(1), &Device::flex()).finish(),
        x.clone(),
    );
    assert_eq!(to_f64(posterior.mean()), to_f64(x));
    let scales = to_f64(posterior.gaussian().unwrap().log_var());
    assert!(scales.iter().all(|v| ((v / 2.0).exp() - 0.3).abs() < 1e-6));
}

fn build_prior(kind: &str, options: &str, dim: usize) -> (Box<dyn Prior>, Params) {
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
        n_values: N_FEATURES,
        data_mean: vec![0.2; N_FEATURES],
    };
    let prior = (entry.build)(&table, "prior.z", &site, &mut builder).unwrap();
    (prior, builder.finish())
}

#[test]
fn priors_integrate_to_one_and_their_samples_have_their_moments() {
    let cases = [
        ("normal", ""),
        ("mixture", "components = 3"),
        ("mixture", "components = 3\nfit = 'post_hoc'"),
        ("vamp", "components = 5"),
        // Before it is trained; afterwards it is a bound and has laws of its own.
        ("diffusion", "widths = [4]"),
        ("maf", "layers = 2\nhidden = [4]"),
        ("maf", "fast = 'samples'\nhidden = [4]"),
    ];
    for entry in prior::CATALOGUE {
        assert!(
            // Codes have laws of their own, and so have latents that depend on others.
            ["uniform", "transformer", "pixelcnn", "conditional"].contains(&entry.kind)
                // Two dimensions at least: see the laws of flows.
                || entry.kind == "flow"
                || cases.iter().any(|(kind, _)| *kind == entry.kind),
            "{}",
            entry.kind
        );
    }
    for latent_kind in gaussians() {
        let (latent, latent_params) = build_latent(latent_kind, 1);
        let posterior =
            |x: Tensor<2>| -> Box<dyn Posterior> { latent.posterior(&latent_params, x) };
        for (kind, options) in cases {
            let (prior, params) = build_prior(kind, options, 1);
            let context = PriorContext {
                params: &params,
                posterior: &posterior,
                code_book: None,
                condition: None,
                context: None,
            };
            let density = |z: f64| to_f64(prior.log_prob(&context, matrix(&[z], 1)))[0].exp();
            let total = integrate_line(density, 0.0, 1.0);
            assert!((total - 1.0).abs() < 1e-5, "{kind} {options}: {total}");
            let draws = to_f64(prior.sample(&context, 20_000, &mut Stream::from_seed(2)));
            for power in [1, 2] {
                let moment = integrate_line(|z| z.powi(power) * density(z), 0.0, 1.0);
                let powers: Vec<f64> = draws.iter().map(|z| z.powi(power)).collect();
                let (mean, error) = mean_and_error(&powers);
                assert!(
                    (mean - moment).abs() < 5.0 * error,
                    "{kind}: {mean} +- {error}, {moment}"
                );
            }
        }
    }
}

/// Rounding of f32 sums of about ten nats over a step of 0.05.
const GRADIENT_TOLERANCE: f64 = 2e-3;

/// All values one after the other.
fn flat(params: &Params) -> Vec<f64> {
    let host = params.to_host().into_iter();
    host.flat_map(|tensor| tensor.values)
        .map(f64::from)
        .collect()
}

/// The same parameters with these values.
fn with_values(params: &Params, values: &[f64]) -> Params {
    let mut host = params.to_host();
    let mut values = values.iter();
    for slot in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *slot = *values.next().unwrap() as f32;
    }
    let mut changed = params.clone();
    changed.load(&host).unwrap();
    changed
}

/// What a joint prior learns: the mixture's weights, means and variances; the pseudo-inputs of a
/// VampPrior and, through its components, the encoder.
#[test]
fn gradients_of_joint_priors_agree_with_finite_differences() {
    let z = noise::normal(&mut Stream::from_seed(5), 6, 2, &Device::flex());
    for latent_kind in gaussians() {
        for (kind, options) in [("mixture", "components = 3"), ("vamp", "components = 4")] {
            let (latent, encoder) = build_latent(latent_kind, 2);
            let (prior, params) = build_prior(kind, options, 2);
            let mut stream = Stream::from_seed(9);
            // Away from the start, where all components have the same weight.
            let start: Vec<f64> = flat(&params)
                .iter()
                .map(|v| v + 0.5 * stream.normal())
                .collect();
            let both = [with_values(&params, &start), encoder];
            let log_p = |[params, encoder]: &[Params; 2]| {
                let posterior = |x: Tensor<2>| latent.posterior(encoder, x);
                let context = PriorContext {
                    params,
                    posterior: &posterior,
                    code_book: None,
                    condition: None,
                    context: None,
                };
                prior.log_prob(&context, z.clone())
            };
            let tracked = both.clone().map(|params| params.tracked());
            let mut grads = log_p(&tracked).sum().backward();
            let learned = if kind == "vamp" { 2 } else { 1 };
            for which in 0..learned {
                let mut found = Vec::new();
                for (index, entry) in tracked[which].entries().iter().enumerate() {
                    found.extend(match entry.shape.len() {
                        1 => to_f64(
                            tracked[which]
                                .at::<1>(index)
                                .grad_remove(&mut grads)
                                .unwrap(),
                        ),
                        _ => to_f64(
                            tracked[which]
                                .at::<2>(index)
                                .grad_remove(&mut grads)
                                .unwrap(),
                        ),
                    });
                }
                let value = |values: &[f64]| -> f64 {
                    let mut changed = both.clone();
                    changed[which] = with_values(&both[which], values);
                    to_f64(log_p(&changed)).iter().sum()
                };
                let expected = gradient(value, &flat(&both[which]), 0.05);
                assert!(expected.iter().any(|g| g.abs() > 0.1), "{kind}");
                for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    assert!(
                        (found - expected).abs() < GRADIENT_TOLERANCE * expected.abs().max(1.0),
                        "{kind} over {}, list {which}, value {i}: {found}, {expected}",
                        latent_kind
                    );
                }
            }
        }
    }
}

#[test]
fn a_post_hoc_mixture_is_normal_until_it_is_fitted() {
    let text = "
        encoder = { kind = 'mlp', hidden = [8] }
        decoder = { kind = 'mlp', hidden = [8] }
        likelihood = 'gaussian'
        latent = { z = { kind = 'gaussian', dim = 1 } }
        prior = { z = { kind = 'mixture', components = 2, fit = 'post_hoc' } }
    ";
    let recipe = crate::common::recipe(text);
    let (model, mut params) = Model::assemble(&recipe, &site(3), &Device::flex()).unwrap();
    let at = |params: &Params, z: f64| to_f64(model.prior_log_prob(params, &[matrix(&[z], 1)]))[0];
    let normal = -0.5 * 9.0 - 0.5 * std::f64::consts::TAU.ln();
    assert!((at(&params, 3.0) - normal).abs() < 1e-5);
    let mut stream = Stream::from_seed(1);
    let codes: Vec<f64> = (0..2000)
        .map(|i| if i % 2 == 0 { 3.0 } else { -3.0 } + 0.1 * stream.normal())
        .collect();
    assert_eq!(
        model.fit_priors(&mut params, &[codes], &stream, &mut || true),
        ["z"]
    );
    // Half a Gaussian of scale 0.1 at its middle.
    let peak = 0.5f64.ln() - 0.1f64.ln() - 0.5 * std::f64::consts::TAU.ln();
    assert!((at(&params, 3.0) - peak).abs() < 0.1);
    assert!(at(&params, 0.0) < -100.0);
}

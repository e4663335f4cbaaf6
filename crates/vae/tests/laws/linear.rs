//! The linear Gaussian VAE against the closed form of probabilistic PCA.
//!
//! x = W z + m + s e: the marginal is N(m, W W^T + s^2 I), whose maximum-likelihood value follows from
//! the eigenvalues of the sample covariance. Sources: [tipping-1999], equations 7 and 8;
//! [lucas-2019] (a linear VAE has no other maxima).

use crate::common::{assemble, mean_and_error, recipe, trained, vectors};
use jensen_data::Examples;
use jensen_rng::Stream;
use jensen_vae::metric::score;
use jensen_vae::recipe::Recipe;

const N: usize = 600;
const P: usize = 5;
const D: usize = 2;

/// Data with two strong directions and noise, `[N, P]`.
fn data() -> Examples {
    let mut stream = Stream::from_seed(17);
    let loadings: Vec<f64> = (0..P * D).map(|_| stream.normal()).collect();
    let mut values = Vec::with_capacity(N * P);
    for _ in 0..N {
        let z = [stream.normal(), stream.normal()];
        for i in 0..P {
            let signal = loadings[i * D] * z[0] + loadings[i * D + 1] * z[1];
            values.push((signal + 0.4 * stream.normal() + i as f64 * 0.3) as f32);
        }
    }
    vectors(P, values)
}

/// The maximum over W, m, s of the mean log-likelihood, nats per example.
fn closed_form(examples: &Examples) -> f64 {
    let mut x = vec![0f32; N * P];
    examples.gather(&(0..N).collect::<Vec<_>>(), &mut x);
    let at = |i: usize, j: usize| f64::from(x[i * P + j]);
    let mean: Vec<f64> = (0..P)
        .map(|j| (0..N).map(|i| at(i, j)).sum::<f64>() / N as f64)
        .collect();
    let covariance = faer::Mat::from_fn(P, P, |j, k| {
        (0..N)
            .map(|i| (at(i, j) - mean[j]) * (at(i, k) - mean[k]))
            .sum::<f64>()
            / N as f64
    });
    let mut values = covariance
        .self_adjoint_eigenvalues(faer::Side::Lower)
        .unwrap();
    values.sort_by(|a, b| b.total_cmp(a));
    let noise = values[D..].iter().sum::<f64>() / (P - D) as f64;
    let log_det = values[..D].iter().map(|v| v.ln()).sum::<f64>() + (P - D) as f64 * noise.ln();
    -0.5 * (P as f64 * std::f64::consts::TAU.ln() + log_det + P as f64)
}

fn linear_recipe(epochs: usize) -> Recipe {
    recipe(&format!(
        "
        encoder = {{ kind = 'mlp', hidden = [] }}
        decoder = {{ kind = 'mlp', hidden = [] }}
        likelihood = {{ kind = 'gaussian', scale = 'shared' }}
        latent = {{ z = {{ kind = 'gaussian_full', dim = {D} }} }}
        [data]
        batch = {N}
        validation = 0.0
        [bound]
        kind = 'elbo'
        samples = 8
        [train]
        epochs = {epochs}
        optimizer = {{ kind = 'adam', lr = 1e-2 }}
        ema = 0.99
        "
    ))
}

/// Nats per example by which a trained bound may miss the exact evidence.
const GOAL: f64 = 0.01;
/// One sample of log p(x|z) strays by about a nat, so 600 examples a thousand times make the standard
/// error of the reported ELBO about 0.0014, a seventh of the goal.
const N_PASSES: u64 = 1000;

#[test]
fn a_linear_vae_reaches_probabilistic_pca() {
    let recipe = linear_recipe(2500);
    let examples = data();
    let exact = closed_form(&examples);
    let (feed, model, params) = assemble(&recipe, examples);
    let trained = trained(&recipe, (&feed, &model), params).unwrap();

    let stream = Stream::from_seed(3);
    let k = 256;
    let scores = score(&model, &trained.params, &feed, k, &stream, &mut |_| true).unwrap();
    let nll = scores.nll.unwrap();
    let iwae = -nll.iter().sum::<f64>() / N as f64;
    assert!(
        (iwae - exact).abs() < GOAL,
        "IWAE-{k} {iwae}, closed form {exact}"
    );

    // log p(x, z) - log q(z|x) with one sample: its mean is the ELBO, its variance vanishes where q is exact.
    let one = score(&model, &trained.params, &feed, 1, &stream, &mut |_| true).unwrap();
    let (elbo, error) =
        mean_and_error(&one.nll.unwrap().iter().map(|nll| -nll).collect::<Vec<_>>());
    assert!(
        (elbo - exact).abs() < GOAL,
        "ELBO {elbo}, closed form {exact}"
    );
    assert!(elbo < iwae + 5.0 * error, "{elbo} exceeds {iwae}");

    // The ELBO as it is reported, with the KL in closed form.
    let reported: Vec<f64> = (0..N_PASSES)
        .map(|pass| {
            let stream = stream.child("pass", pass);
            let scores = score(&model, &trained.params, &feed, 0, &stream, &mut |_| true).unwrap();
            -scores.neg_elbo.iter().sum::<f64>() / N as f64
        })
        .collect();
    let (reported, error) = mean_and_error(&reported);
    assert!(error < 0.2 * GOAL, "standard error {error}");
    assert!(
        (reported - exact).abs() < GOAL,
        "reported ELBO {reported}, closed form {exact}"
    );
}

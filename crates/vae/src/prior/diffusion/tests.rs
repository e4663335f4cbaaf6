//! The learned noise against the exact one, the bound against the density, walks against each other.

use super::*;
use crate::latent::{LN_TAU, Posterior};
use crate::ledger::to_f64;
use crate::optimizer::{self, Gradient};

/// z_0 ~ N((1, -2), ((1, 0.8), (0.8, 4))).
const MEAN: [f64; 2] = [1.0, -2.0];
const COVARIANCE: [f64; 3] = [1.0, 0.8, 4.0];

fn codes(n: usize, stream: &mut Stream) -> Vec<f64> {
    let [a, b, c] = COVARIANCE;
    let row = |_| {
        let (x, y) = (stream.normal(), stream.normal());
        let along = b / a.sqrt();
        [
            MEAN[0] + a.sqrt() * x,
            MEAN[1] + along * x + (c - along * along).sqrt() * y,
        ]
    };
    (0..n).flat_map(row).collect()
}

fn build(options: &str, site: &PriorSite) -> (Diffusion, Params) {
    let mut table = part::defaults::<Options>();
    part::overlay(&mut table, &options.parse().unwrap(), "prior.z").unwrap();
    let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
    let prior = Diffusion::new(&table, "prior.z", site, &mut builder).unwrap();
    (prior, builder.finish())
}

fn site(dim: usize, map: Option<[usize; 3]>) -> PriorSite {
    PriorSite {
        dim,
        map,
        book: None,
        vocabulary: None,
        context: None,
        n_values: 1,
        data_mean: vec![0.0],
    }
}

fn with<T>(params: &Params, of: impl FnOnce(&PriorContext<'_>) -> T) -> T {
    let posterior =
        |_: Tensor<2>| -> Box<dyn Posterior> { unreachable!("a diffusion asks no posterior") };
    of(&PriorContext {
        params,
        posterior: &posterior,
        code_book: None,
        condition: None,
        context: None,
    })
}

fn upload(values: &[f64], dim: usize) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    noise::upload(values.clone(), values.len() / dim, dim, &Device::flex())
}

/// Trained on fresh codes; the moving average of the parameters.
fn fitted(options: &str, steps: u64) -> (Diffusion, Params) {
    let (prior, mut params) = build(options, &site(2, None));
    let mut stream = Stream::from_seed(5);
    prior.begin(&mut params, &codes(20_000, &mut stream));
    let mut table = part::defaults::<optimizer::adam::Options>();
    table.insert("lr".into(), 3e-3.into());
    table.insert("kind".into(), "adam".into());
    let mut adam = optimizer::build(&table, "test").unwrap();
    let mut average = params.clone();
    for step in 0..steps {
        let z = upload(&codes(256, &mut stream), 2);
        let tracked = params.tracked();
        let loss = with(&tracked, |context| prior.loss(context, z, &mut stream)).mean();
        let mut grads = loss.backward();
        // Down to nothing, as the error is to be that of the network alone.
        let rate = 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
        for index in 0..params.entries().len() {
            if let Some(gradient) = Gradient::take(&tracked, index, &mut grads) {
                adam.step(&mut params, index, gradient, rate);
            }
        }
        average.approach(&params, 0.02);
    }
    (prior, average)
}

/// E[epsilon | z_t] of standard codes, `[R, 2]`: sqrt(1 - a) (a S + (1 - a) I)^-1 z_t with the covariance S of standard
/// codes, whose coordinates have variance 1.
fn exact(noisy: &[f64], [signal, spread]: [f64; 2]) -> Vec<f64> {
    let [a, b, c] = COVARIANCE;
    let correlation = signal * signal * b / (a * c).sqrt();
    let variance = signal * signal + spread * spread;
    let determinant = variance * variance - correlation * correlation;
    let row = |z: &[f64]| {
        [
            spread * (variance * z[0] - correlation * z[1]) / determinant,
            spread * (variance * z[1] - correlation * z[0]) / determinant,
        ]
    };
    noisy.chunks_exact(2).flat_map(row).collect()
}

const SMALL: &str = "widths = [64, 64]\ntimesteps = 100\n";

/// At every step the network tells what there is to be known, up to a twentieth of what it is told of, whose numbers
/// have a mean square of one.
fn check_told(prior: &Diffusion, params: &Params) {
    let n = 2000;
    let target = prior.options.target;
    let mut stream = Stream::from_seed(7);
    let [mean, scale] = prior.moments(params);
    let standard = (upload(&codes(n, &mut stream), 2) - mean) / scale;
    for t in 1..=prior.schedule.n_steps() {
        let scales = prior.schedule.scales(t);
        let noise = noise::normal(&mut stream, n, 2, &Device::flex());
        let steps = vec![t; n];
        let noisy = prior.noisy(standard.clone(), noise, &steps);
        let found = to_f64(prior.told(params, noisy.clone(), &steps, None));
        let noisy = to_f64(noisy);
        let [of_code, of_noise] = target.factors(scales);
        let expected = exact(&noisy, scales)
            .into_iter()
            .zip(&noisy)
            .map(|(noise, z)| {
                let code = (z - scales[1] * noise) / scales[0];
                of_code * code + of_noise * noise
            });
        let errors = found.iter().zip(expected).map(|(a, b)| (a - b).powi(2));
        let rms = (errors.sum::<f64>() / found.len() as f64).sqrt();
        assert!(rms < 0.05, "{target:?}, t = {t}: {rms}");
    }
}

/// The error of the score relative to the exact one, over all steps.
fn relative_error(prior: &Diffusion, params: &Params) -> f64 {
    let n = 500;
    let mut stream = Stream::from_seed(8);
    let [mean, scale] = prior.moments(params);
    let standard = (upload(&codes(n, &mut stream), 2) - mean) / scale;
    let (mut errors, mut squares) = (0.0, 0.0);
    for t in 1..=prior.schedule.n_steps() {
        let noise = noise::normal(&mut stream, n, 2, &Device::flex());
        let steps = vec![t; n];
        let noisy = prior.noisy(standard.clone(), noise, &steps);
        let found = to_f64(prior.epsilon(params, noisy.clone(), &steps, None));
        for (a, b) in found
            .iter()
            .zip(exact(&to_f64(noisy), prior.schedule.scales(t)))
        {
            errors += (a - b).powi(2);
            squares += b * b;
        }
    }
    (errors / squares).sqrt()
}

/// -log p is at least the entropy in the mean, and the bound of it is not far above.
fn check_bound(prior: &Diffusion, params: &Params) {
    let n = 20_000;
    let z = codes(n, &mut Stream::from_seed(8));
    let found = to_f64(with(params, |context| {
        prior.log_prob(context, upload(&z, 2))
    }));
    let [a, b, c] = COVARIANCE;
    let entropy = LN_TAU + 1.0 + 0.5 * (a * c - b * b).ln();
    let cost = -found.iter().sum::<f64>() / n as f64;
    assert!(cost > entropy - 0.02, "{cost}, {entropy}");
    assert!(cost < entropy + 0.1, "{cost}, {entropy}");
}

fn check_draws(prior: &Diffusion, params: &Params) {
    let n = 4000;
    let draws = with(params, |c| prior.sample(c, n, &mut Stream::from_seed(2)));
    let z = to_f64(draws);
    let mean = |of: &dyn Fn(&[f64]) -> f64| z.chunks_exact(2).map(of).sum::<f64>() / n as f64;
    let center = [mean(&|z| z[0]), mean(&|z| z[1])];
    let eta = prior.options.eta;
    for (found, expected) in center.iter().zip(MEAN) {
        assert!((found - expected).abs() < 0.15, "eta {eta}: {found}");
    }
    let (x, y) = (|z: &[f64]| z[0] - center[0], |z: &[f64]| z[1] - center[1]);
    let found = [
        mean(&|z| x(z).powi(2)),
        mean(&|z| x(z) * y(z)),
        mean(&|z| y(z).powi(2)),
    ];
    for (found, expected) in found.iter().zip(COVARIANCE) {
        let most = 0.1 * expected + 0.05;
        assert!(
            (found - expected).abs() < most,
            "eta {eta}: {found}, {expected}"
        );
    }
}

#[test]
fn on_gaussian_data_score_bound_and_draws_are_the_exact_ones() {
    let (mut prior, params) = fitted(SMALL, 1200);
    check_told(&prior, &params);
    let error = relative_error(&prior, &params);
    assert!(error < 0.05, "{error}");
    check_bound(&prior, &params);
    prior.options.strides = 0;
    for eta in [0.0, 1.0] {
        prior.options.eta = eta;
        check_draws(&prior, &params);
    }
}

#[test]
fn noise_and_code_are_learned_as_well() {
    for (target, schedule) in [("epsilon", "linear"), ("x0", "cosine")] {
        let options = format!("{SMALL}target = '{target}'\nschedule = '{schedule}'");
        let (prior, params) = fitted(&options, 1500);
        check_told(&prior, &params);
    }
}

/// A map's network with parameters far from the first ones.
fn spread_out(options: &str) -> (Diffusion, Params) {
    let (prior, mut params) = build(options, &site(2 * 3 * 5, Some([2, 3, 5])));
    let mut stream = Stream::from_seed(6);
    prior.begin(
        &mut params,
        &(0..300).map(|_| stream.normal()).collect::<Vec<f64>>(),
    );
    (prior, params)
}

#[test]
fn a_draw_does_not_depend_on_those_beside_it() {
    let (prior, params) = spread_out("widths = [4, 8]\ntimesteps = 10\neta = 0.5");
    let draw = |n: usize| {
        let draws = with(&params, |c| prior.sample(c, n, &mut Stream::from_seed(2)));
        to_f64(draws)
    };
    let (one, many) = (draw(1), draw(3));
    assert_eq!(many.len(), 90);
    for (a, b) in one.iter().zip(&many) {
        // Sums of other shapes round otherwise.
        assert!((a - b).abs() < 1e-4, "{a}, {b}");
    }
}

#[test]
fn without_eta_nothing_is_drawn_after_the_start() {
    for eta in [0.0, 1.0] {
        let options = format!("widths = [4]\ntimesteps = 10\neta = {eta:?}");
        let (prior, params) = spread_out(&options);
        let mut streams = [Stream::from_seed(4)];
        let mut start = Stream::from_seed(4);
        start.fill_normal(&mut [0.0; 30]);
        prior.walk(&params, &mut streams, None);
        assert_eq!(streams[0].next_u64() == start.next_u64(), eta == 0.0);
    }
}

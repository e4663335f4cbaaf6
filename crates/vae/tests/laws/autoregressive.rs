//! Laws over autoregressive priors: probabilities of all sequences add up to one, draws have them, gradients are
//! slopes, and a fit finds what codes have to do with each other.

use crate::common::{assemble, bars, recipe, trained};
use crate::discrete::{build, codes, host, map, vector};
use burn::tensor::Device;
use burn::tensor::Tensor;
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use jensen_testkit::gradient;
use jensen_vae::latent::Latent;
use jensen_vae::ledger::to_f64;
use jensen_vae::metric::{EvaluateOptions, evaluate};
use jensen_vae::part::{find, overlay};
use jensen_vae::prior::{self, Prior, PriorContext, PriorSite};

/// Codes at a position.
const K: usize = 3;

/// Kinds with the options of small ones: the first over 5 places without order in space, the others over maps of 2 x 3.
const CASES: [(&str, &str); 2] = [
    (
        "transformer",
        "width = 4\nlayers = 1\nheads = 2\nactivation = 'silu'\n",
    ),
    ("pixelcnn", "width = 4\nlayers = 2\n"),
];

struct Example {
    latent: Box<dyn Latent>,
    latent_params: Params,
    prior: Box<dyn Prior>,
    params: Params,
    /// Positions.
    n: usize,
}

impl Example {
    /// A prior whose parameters are far from the first ones.
    fn new((kind, small): (&str, &str), options: &str) -> Self {
        let port = match kind {
            "transformer" => vector(),
            _ => map(),
        };
        let (latent, latent_params) = build("fsq", "levels = [3]", &port);
        let n = latent.code_book().unwrap().n_positions();
        let entry = find(prior::CATALOGUE, kind, "test").unwrap();
        let mut table = (entry.defaults)();
        overlay(
            &mut table,
            &(small.to_owned() + options).parse().unwrap(),
            "test",
        )
        .unwrap();
        let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
        let site = PriorSite {
            dim: latent.dim(),
            map: latent.map(),
            book: Some([n, K]),
            vocabulary: None,
            context: None,
            n_values: 4,
            data_mean: vec![0.0; 4],
        };
        let prior = (entry.build)(&table, "prior.z", &site, &mut builder).unwrap();
        let mut params = builder.finish();
        let mut stream = Stream::from_seed(6);
        let mut host = params.to_host();
        for value in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
            *value += 0.7 * stream.normal() as f32;
        }
        params.load(&host).unwrap();
        Self {
            latent,
            latent_params,
            prior,
            params,
            n,
        }
    }

    fn with<T>(&self, params: &Params, of: impl FnOnce(&PriorContext<'_>) -> T) -> T {
        let posterior = |_: Tensor<2>| unreachable!("an autoregressive prior asks no posterior");
        of(&PriorContext {
            params,
            posterior: &posterior,
            code_book: self.latent.code_book(),
            condition: None,
            context: None,
        })
    }

    /// How many sequences there are.
    fn n_all(&self) -> usize {
        K.pow(self.n as u32)
    }

    /// z `[3^n, d]` of every sequence; the first code changes slowest.
    fn all(&self) -> Tensor<2> {
        let n = self.n;
        let digit = |i: usize| (i / n / K.pow((n - 1 - i % n) as u32) % K) as i64;
        let all = (0..self.n_all() * n).map(digit).collect();
        let book = self.latent.code_book().unwrap();
        book.embed(&self.latent_params, codes(all, n))
    }

    fn log_prob(&self, params: &Params, z: Tensor<2>) -> Tensor<1> {
        self.with(params, |context| self.prior.log_prob(context, z))
    }

    fn probabilities(&self) -> Vec<f64> {
        let log_p = to_f64(self.log_prob(&self.params, self.all()));
        log_p.into_iter().map(f64::exp).collect()
    }

    /// How often each sequence is drawn.
    fn counts(&self, n: usize) -> Vec<f64> {
        let z = self.with(&self.params, |context| {
            self.prior.sample(context, n, &mut Stream::from_seed(1))
        });
        let drawn = host(
            self.latent
                .code_book()
                .unwrap()
                .codes(&self.latent_params, z),
        );
        let mut counts = vec![0.0; self.n_all()];
        for codes in drawn.chunks_exact(self.n) {
            counts[codes.iter().fold(0, |at, &code| at * K + code as usize)] += 1.0;
        }
        counts
    }
}

#[test]
fn probabilities_of_all_sequences_add_up_to_one() {
    for case in CASES {
        let p = Example::new(case, "").probabilities();
        let total: f64 = p.iter().sum();
        // Some hundred terms of f32.
        assert!((total - 1.0).abs() < 1e-5, "{}: {total}", case.0);
        // The example is not the uniform one.
        let most = p.iter().copied().fold(0.0, f64::max);
        assert!(most > 3.0 / p.len() as f64, "{}: {most}", case.0);
    }
}

#[test]
fn draws_have_the_probabilities_of_the_prior() {
    CASES.into_iter().for_each(check_draws);
}

fn check_draws(case: (&str, &str)) {
    let n = 20_000;
    let example = Example::new(case, "");
    let (p, counts) = (example.probabilities(), example.counts(n));
    let n = f64::from(n as u32);
    // Pearson's statistic of the sequences that are expected at least 5 times, the others in one class.
    let (mut statistic, mut n_classes) = (0.0, 0.0f64);
    let (mut rare, mut rare_count) = (0.0, 0.0);
    for (p, count) in p.iter().zip(&counts) {
        match n * p >= 5.0 {
            true => {
                statistic += (count - n * p).powi(2) / (n * p);
                n_classes += 1.0;
            }
            false => {
                rare += n * p;
                rare_count += count;
            }
        }
    }
    statistic += (rare_count - rare).powi(2) / f64::max(rare, 5.0);
    assert!(n_classes > 50.0, "{n_classes}");
    // Five standard deviations of a chi-squared number.
    assert!(
        statistic < n_classes + 5.0 * (2.0 * n_classes).sqrt(),
        "{statistic} with {n_classes} classes"
    );
}

#[test]
fn the_most_probable_code_each_time_is_one_sequence() {
    CASES.into_iter().for_each(check_greedy);
}

fn check_greedy(case: (&str, &str)) {
    let greedy = Example::new(case, "top_k = 1");
    let counts = greedy.counts(50);
    let p = greedy.probabilities();
    // Descends the tree of sums over what comes after.
    let (mut from, mut len) = (0, p.len());
    while len > 1 {
        len /= K;
        let share = |code: usize| -> f64 { p[from + code * len..][..len].iter().sum() };
        from += len
            * (0..K)
                .max_by(|&a, &b| share(a).total_cmp(&share(b)))
                .unwrap();
    }
    assert_eq!(counts[from], 50.0);
}

/// Rounding of f32 sums of some hundred nats over a step of 0.05.
const GRADIENT_TOLERANCE: f64 = 5e-3;

#[test]
fn gradients_agree_with_finite_differences() {
    CASES.into_iter().for_each(check_gradients);
}

fn check_gradients(case: (&str, &str)) {
    let example = Example::new(case, "");
    let z = example.all().narrow(0, 100, 12);
    let tracked = example.params.tracked();
    let mut grads = example.log_prob(&tracked, z.clone()).sum().backward();
    let mut largest = 0.0f64;
    for (index, tensor) in example.params.to_host().into_iter().enumerate() {
        let found = match tensor.shape.len() {
            1 => to_f64(tracked.at::<1>(index).grad_remove(&mut grads).unwrap()),
            2 => to_f64(tracked.at::<2>(index).grad_remove(&mut grads).unwrap()),
            _ => to_f64(tracked.at::<4>(index).grad_remove(&mut grads).unwrap()),
        };
        let value = |values: &[f64]| -> f64 {
            let mut params = example.params.clone();
            params.set_at(index, values.iter().map(|&v| v as f32).collect());
            to_f64(example.log_prob(&params, z.clone())).iter().sum()
        };
        let start: Vec<f64> = tensor.values.iter().map(|&v| f64::from(v)).collect();
        for (found, expected) in found.iter().zip(gradient(value, &start, 0.05)) {
            assert!(
                (found - expected).abs() < GRADIENT_TOLERANCE * expected.abs().max(1.0),
                "{}: {found}, {expected}",
                tensor.name
            );
            largest = largest.max(expected.abs());
        }
    }
    assert!(largest > 1.0, "{largest}");
}

#[test]
fn a_fit_learns_what_codes_have_to_do_with_each_other() {
    let text = "
        latent.z = { kind = 'vq', codes = 16, dim = 4 }
        prior.z = { kind = 'transformer', width = 16, layers = 1, heads = 2 }
        encoder = { kind = 'conv', channels = [8], kernel = 4, stride = 2, padding = 1, fc = 0 }
        decoder = { kind = 'conv', channels = [8], kernel = 4, stride = 2, padding = 1, fc = 0 }
        likelihood = { kind = 'gaussian', scale = 0.1 }
        data = { batch = 32, validation = 0.0 }
        train = { epochs = 20, optimizer = { kind = 'adam', lr = 3e-3 } }
    ";
    let recipe = recipe(text);
    let (feed, model, first) = assemble(&recipe, bars(640, 1));
    let trained = trained(&recipe, (&feed, &model), first).unwrap();
    let (test, ..) = assemble(&recipe, bars(200, 2));
    let options = EvaluateOptions {
        iwae_samples: 0,
        seed: 1,
    };
    let found = evaluate(&model, &trained.params, &test, None, &options, &mut |_| {
        true
    })
    .unwrap();
    // A bar that leans: nine places, of which each tells much about those below and beside it.
    let uniform = 9.0 * 16f64.ln();
    let (rate, perplexity) = (found.metrics["test_rate"], found.metrics["perplexity_z"]);
    assert!(perplexity > 4.0, "{perplexity}");
    // Codes that knew nothing of each other would cost n times the entropy of their use.
    let apart = 9.0 * perplexity.ln();
    assert!(
        rate < 0.7 * apart,
        "{rate}, apart {apart}, uniform {uniform}"
    );
}

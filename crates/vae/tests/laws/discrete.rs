//! Laws over latents of codes: codes and vectors correspond, a posterior is one code, and the uniform prior over
//! them adds up to one.

use crate::common::{assemble, bars, recipe, trained};
use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_nets::{Builder, Params};
use jensen_rng::Stream;
use jensen_vae::encoder::Port;
use jensen_vae::latent::{self, Latent};
use jensen_vae::ledger::to_f64;
use jensen_vae::noise;
use jensen_vae::part::{find, overlay};
use jensen_vae::prior::{self, PriorContext, PriorSite};

/// Kinds, options, the number of codes at a position, and positions at a place.
const CASES: [(&str, &str, usize, usize); 10] = [
    ("fsq", "levels = [8, 6, 5]", 240, 1),
    ("fsq", "levels = [2, 3, 4, 2]", 48, 1),
    ("fsq", "levels = [7]", 7, 1),
    ("vq", "codes = 40\ndim = 3", 40, 1),
    ("vq", "codes = 7\ndim = 2\ncosine = true", 7, 1),
    ("vq", "codes = 9\ndim = 1\ndecay = 0.0", 9, 1),
    ("lfq", "bits = 5", 32, 1),
    ("lfq", "bits = 1", 2, 1),
    ("rvq", "codes = 9\nbooks = 2\ndim = 3", 9, 2),
    ("rvq", "codes = 4\nbooks = 3\ndim = 1\ndecay = 0.0", 4, 3),
];

pub(crate) fn map() -> Port {
    Port {
        name: "bottom".to_owned(),
        width: 24,
        map: Some([4, 2, 3]),
    }
}

pub(crate) fn vector() -> Port {
    Port {
        name: "bottom".to_owned(),
        width: 24,
        map: None,
    }
}

pub(crate) fn build(kind: &str, options: &str, port: &Port) -> (Box<dyn Latent>, Params) {
    match port.map {
        None => build_at(kind, &format!("{options}\npositions = 5"), port),
        Some(_) => build_at(kind, options, port),
    }
}

/// Any latent with these options at this port.
pub(crate) fn build_at(kind: &str, options: &str, port: &Port) -> (Box<dyn Latent>, Params) {
    let entry = find(latent::CATALOGUE, kind, "test").unwrap();
    let mut table = (entry.defaults)();
    overlay(&mut table, &options.parse().unwrap(), "test").unwrap();
    let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
    let latent = (entry.build.build)(&table, "latent.z", port, &mut builder).unwrap();
    (latent, builder.finish())
}

pub(crate) fn codes(values: Vec<i64>, positions: usize) -> Tensor<2, Int> {
    let shape = [values.len() / positions, positions];
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

pub(crate) fn host(codes: Tensor<2, Int>) -> Vec<i64> {
    codes.into_data().convert::<i64>().try_into_vec().unwrap()
}

#[test]
fn every_discrete_latent_has_a_case() {
    for entry in latent::CATALOGUE
        .iter()
        .filter(|entry| entry.build.prior == "uniform")
    {
        assert!(
            CASES.iter().any(|(kind, ..)| *kind == entry.kind),
            "{}",
            entry.kind
        );
    }
}

#[test]
fn codes_and_vectors_correspond() {
    for port in [map(), vector()] {
        for (kind, options, n_codes, per_place) in CASES {
            let (latent, params) = build(kind, options, &port);
            let book = latent.code_book().unwrap();
            let n = book.n_positions();
            assert_eq!(
                (book.n_codes(), n),
                (n_codes, per_place * if port.map.is_some() { 6 } else { 5 })
            );
            // Every code at every position, each row another mixture of them.
            let all: Vec<i64> = (0..n_codes * n)
                .map(|i| ((i / n + i % n) % n_codes) as i64)
                .collect();
            let z = book.embed(&params, codes(all.clone(), n));
            assert_eq!(z.dims(), [n_codes, latent.dim()]);
            assert_eq!(host(book.codes(&params, z)), all, "{kind} {options}");
        }
    }
}

#[test]
fn a_posterior_is_one_code() {
    let device = Device::flex();
    for port in [map(), vector()] {
        for (kind, options, ..) in CASES {
            let (latent, params) = build(kind, options, &port);
            let features = noise::normal(&mut Stream::from_seed(8), 7, port.width, &device) * 3.0;
            let posterior = latent.posterior(&params, features);
            let z = posterior.sample(noise::normal(
                &mut Stream::from_seed(9),
                21,
                latent.dim(),
                &device,
            ));
            let found = posterior.codes().unwrap();
            let embedded = latent.code_book().unwrap().embed(&params, found.clone());
            let expected: Vec<f64> = to_f64(embedded);
            let z = to_f64(z);
            for (row, z) in z.chunks_exact(latent.dim()).enumerate() {
                let expected = &expected[row / 3 * latent.dim()..][..latent.dim()];
                for (z, expected) in z.iter().zip(expected) {
                    // Sums and differences in f32.
                    assert!(
                        (z - expected).abs() < 1e-5,
                        "{kind} {options}: {z}, {expected}"
                    );
                }
            }
            assert!(posterior.gaussian().is_none());
            assert_eq!(to_f64(posterior.log_prob(posterior.mean())), vec![0.0; 7]);
        }
    }
}

#[test]
fn the_map_of_z_has_the_places_of_the_features() {
    for (kind, options, ..) in CASES {
        let (latent, params) = build(kind, options, &map());
        let width = latent.dim() / 6;
        assert_eq!(latent.map(), Some([width, 2, 3]));
        // Features that differ at one place move z at that place alone.
        let place = 4;
        let base = vec![0.3f32; 24];
        let mut other = base.clone();
        (0..4).for_each(|channel| other[channel * 6 + place] = -5.0);
        let both = Tensor::from_data(
            TensorData::new([base, other].concat(), [2, 24]),
            &Device::flex(),
        );
        let z = to_f64(latent.posterior(&params, both).mean());
        for i in (0..latent.dim()).filter(|i| i % 6 != place) {
            assert_eq!(z[i], z[latent.dim() + i], "{kind} {options}: {i}");
        }
    }
}

#[test]
fn the_uniform_prior_adds_up_to_one_and_draws_every_code_alike() {
    let entry = find(prior::CATALOGUE, "uniform", "test").unwrap();
    let (latent, params) = build("fsq", "levels = [3, 2]", &vector());
    let site = PriorSite {
        dim: latent.dim(),
        map: None,
        book: Some([5, 6]),
        vocabulary: None,
        context: None,
        n_values: 4,
        data_mean: vec![0.0; 4],
    };
    let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
    let prior = (entry.build)(&(entry.defaults)(), "prior.z", &site, &mut builder).unwrap();
    let posterior = |_: Tensor<2>| unreachable!("a uniform prior asks no posterior");
    let book = latent.code_book();
    let context = PriorContext {
        params: &params,
        posterior: &posterior,
        code_book: book,
        condition: None,
        context: None,
    };
    let n = 4000;
    let z = prior.sample(&context, n, &mut Stream::from_seed(1));
    let total = 6f64.powi(5) * to_f64(prior.log_prob(&context, z.clone()))[0].exp();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let drawn = host(book.unwrap().codes(&params, z));
    for code in 0..6 {
        let count = drawn.iter().filter(|&&drawn| drawn == code).count() as f64;
        let (mean, variance) = (5.0 * n as f64 / 6.0, 5.0 * n as f64 * 5.0 / 36.0);
        assert!(
            (count - mean).abs() < 5.0 * variance.sqrt(),
            "{code}: {count}"
        );
    }
}

#[test]
fn priors_of_the_other_kind_are_refused() {
    for (kind, options, ..) in CASES {
        let text = |prior: &str| {
            format!(
                "latent.z = {{ kind = '{kind}', positions = 3, {} }}\nprior.z.kind = '{prior}'\n\
                 encoder = {{ hidden = [8] }}\ndecoder = {{ hidden = [8] }}\ndata.batch = 8",
                options.replace('\n', ", ")
            )
        };
        assemble(&recipe(&text("uniform")), bars(20, 1));
        for prior in ["normal", "mixture", "vamp"] {
            let recipe = recipe(&text(prior));
            let feed =
                jensen_vae::feed::Feed::new(bars(20, 1), &recipe.data, &Device::flex()).unwrap();
            let refused =
                jensen_vae::model::Model::assemble(&recipe, &feed.site(), &Device::flex());
            let error = refused.err().unwrap().to_string();
            assert!(
                error.contains("this latent has codes; take kind = \"uniform\""),
                "{error}"
            );
        }
    }
    let gaussian = recipe(
        "latent.z.dim = 2\nprior.z.kind = 'uniform'\nencoder.hidden = [8]\ndecoder.hidden = [8]",
    );
    let feed = jensen_vae::feed::Feed::new(bars(20, 1), &gaussian.data, &Device::flex()).unwrap();
    let refused = jensen_vae::model::Model::assemble(&gaussian, &feed.site(), &Device::flex());
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("this latent is continuous")
    );
}

#[test]
fn a_fit_uses_all_of_256_codes() {
    let text = "
        latent.z.kind = 'vq'
        encoder = { kind = 'conv', channels = [16], fc = 0 }
        decoder = { kind = 'conv', channels = [16], fc = 0 }
        likelihood = { kind = 'gaussian', scale = 0.2 }
        data = { batch = 128, validation = 0.0 }
        train.epochs = 40
    ";
    let recipe = recipe(text);
    let data = jensen_data::open("digits", &jensen_data::OpenOptions::default()).unwrap();
    let n_batches = data.train.len().div_ceil(128) as u64;
    let (feed, model, first) = assemble(&recipe, data.train);
    assert_eq!(model.code_books()[0].unwrap().n_codes(), 256);
    let usage = |params: &Params| {
        let measures = model.measures(params, n_batches);
        let usage = measures.iter().find(|(name, _)| name == "usage.z");
        usage.unwrap().1
    };
    let trained = trained(&recipe, (&feed, &model), first).unwrap();
    let found = usage(&trained.params);
    assert!(found >= 0.99, "{found}");
    // A code that no vector chose in an epoch would have been counted.
    let mut other = trained.params.clone();
    let mut host = other.to_host();
    let age = host
        .iter_mut()
        .find(|tensor| tensor.name == "latent.z.age")
        .unwrap();
    age.values[..64].fill(n_batches as f32);
    other.load(&host).unwrap();
    assert!(usage(&other) <= 0.75, "{}", usage(&other));
}

#[test]
fn each_book_leaves_less_over() {
    let text = "
        latent.z = { kind = 'rvq', codes = 8, books = 3, dim = 4 }
        encoder = { kind = 'conv', channels = [8], fc = 0 }
        decoder = { kind = 'conv', channels = [8], fc = 0 }
        likelihood = { kind = 'gaussian', scale = 0.1 }
        data = { batch = 32, validation = 0.0 }
        train = { epochs = 10, optimizer = { kind = 'adam', lr = 3e-3 } }
    ";
    let recipe = recipe(text);
    let (feed, model, first) = assemble(&recipe, bars(640, 1));
    let trained = trained(&recipe, (&feed, &model), first).unwrap();
    let stream = Stream::from_seed(2);
    let x = feed.batch(&(0..200).collect::<Vec<usize>>(), &stream);
    let seen = model.posteriors(&trained.params, x.x)[0].seen().unwrap();
    let left = |book: usize| -> f64 {
        let rows = seen.vectors.chunks_exact(12);
        let numbers = rows.flat_map(|row| &row[4 * book..][..4]);
        numbers.map(|&r| f64::from(r).powi(2)).sum()
    };
    let left = [0, 1, 2].map(left);
    assert!(
        left[1] < 0.5 * left[0] && left[2] < 0.7 * left[1],
        "{left:?}"
    );
}

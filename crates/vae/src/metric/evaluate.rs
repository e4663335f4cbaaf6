//! The metric battery of a trained model on the test part.

use super::{Advance, Scores, aggregate, disentanglement, images, score};
use crate::features::Classifier;
use crate::feed::Feed;
use crate::likelihood::Support;
use crate::model::Model;
use crate::objective::mmd;
use burn::tensor::{Tensor, TensorData};
use jensen_data::{Factors, Layout};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluateOptions {
    /// K of the importance-weighted estimate of -log p(x); 0 leaves it out, and so does a prior that only gives a bound.
    pub iwae_samples: usize,
    /// Seed of the samples.
    pub seed: u64,
}

/// Results of an evaluation, all per example and in nats unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Metrics by name.
    pub metrics: BTreeMap<String, f64>,
    /// Mean KL of each dimension of all latents, one after the other.
    pub kl_per_dim: Vec<f64>,
    /// Number of latent dimensions whose mean responds to the data.
    pub active_units: usize,
    /// Number of latent dimensions.
    pub n_units: usize,
    /// What the means of the bound and its parts are taken over.
    #[serde(skip)]
    pub scores: Scores,
}

/// Measures a model on a feed; a classifier gives the space in which samples of images are compared with them. `advance` hears how many examples of the importance-weighted estimate are
/// done; `None` once it asks for a stop.
pub fn evaluate(
    model: &Model,
    params: &Params,
    test: &Feed,
    classifier: Option<&Classifier>,
    options: &EvaluateOptions,
    advance: &mut Advance<'_>,
) -> Option<Evaluation> {
    let stream = Stream::from_seed(options.seed).child("evaluate", 0);
    let mut found = Evaluation::default();
    let mut put = |name: &str, value: f64| found.metrics.insert(name.to_owned(), value);

    // Only the slow part is worth a count; the others ask whether to go on.
    let elbo = stream.child("elbo", 0);
    let mut scores = score::score(model, params, test, 0, &elbo, &mut |_| advance(None))?;
    let [neg_elbo, distortion, rate] = scores.means();
    put("test_neg_elbo", neg_elbo);
    put("test_distortion", distortion);
    put("test_rate", rate);
    if can_be_binarized(model) {
        let binarized = test.binarized();
        let stream = stream.child("binarized", 0);
        let [neg_elbo, ..] =
            score::elbo_parts(model, params, &binarized, &stream, &mut |_| advance(None))?;
        put("test_neg_elbo_binarized", neg_elbo);
    }
    if has_bits_per_dim(model) {
        let bits = neg_elbo / (model.site().layout.n_values() as f64 * std::f64::consts::LN_2);
        put("test_bits_per_dim", bits);
    }
    if options.iwae_samples > 0 && !model.has_bounded_prior() {
        let stream = stream.child("iwae", 0);
        let k = options.iwae_samples;
        let nll = score::nll(model, params, test, k, &stream.child("nll", 0), advance)?;
        let mean = nll.iter().sum::<f64>() / nll.len() as f64;
        put(&format!("test_nll_iwae_{k}"), mean);
        scores.nll = Some(nll);
    }
    let stream_of_images = stream.child("images", 0);
    for (name, value) in images::measure(
        model,
        params,
        test,
        classifier,
        &stream_of_images,
        &mut |_| advance(None),
    )? {
        put(&name, value);
    }
    let (mut active, mut n_units) = (0, 0);
    let mut kl_per_dim = Vec::new();
    let stream = stream.child("codes", 0);
    // What is quadratic in examples looks at some of all of them.
    let sample = test.sample(aggregate::N_INFORMATION, &stream);
    let codes = aggregate::encode(model, params, &sample, &stream, &mut |_| advance(None))?;
    let n = sample.len();
    if has_information(model) {
        let information = aggregate::mutual_information(&codes, n, &mut || advance(None))?;
        put(&format!("mutual_information_{n}"), information);
    }
    if n > 1 && has_numbers(model) {
        let from_prior = model.prior_sample(params, n, &stream.child("prior", 0));
        let farthest = (codes.iter().zip(from_prior))
            .filter(|(codes, _)| !codes.is_discrete())
            .map(|(codes, y)| {
                let z: Vec<f32> = codes.sample[..n * codes.dim]
                    .iter()
                    .map(|z| *z as f32)
                    .collect();
                let z = Tensor::<2>::from_data(TensorData::new(z, [n, codes.dim]), &y.device());
                mmd::measure(z, y, mmd::Kernel::Imq)
            })
            .fold(f64::NEG_INFINITY, f64::max);
        put(&format!("aggregate_mmd_imq_{n}"), farthest);
    }
    let codes = match n == test.len() {
        true => codes,
        false => aggregate::encode(model, params, test, &stream, &mut |_| advance(None))?,
    };
    for (name, codes) in model.latent_names().zip(&codes) {
        if let Some([usage, perplexity]) = codes.use_of_codes() {
            put(&format!("usage_{name}"), usage);
            put(&format!("perplexity_{name}"), perplexity);
        }
        active += codes.active_units();
        n_units += codes.n_units();
        kl_per_dim.extend(codes.kl_per_dim());
    }
    put("active_units", active as f64);
    if let Some(factors) = known_factors(model, test) {
        let stream = stream.child("factors", 0);
        let values = disentanglement::measure(&codes, factors, &stream);
        for (name, value) in disentanglement::NAMES.into_iter().zip(values) {
            put(name, value);
        }
        if !advance(None) {
            return None;
        }
    }
    found.scores = scores;
    found.kl_per_dim = kl_per_dim;
    found.active_units = active;
    found.n_units = n_units;
    Some(found)
}

/// Names of what [`evaluate`] measures of a model on test examples, but for the importance-weighted
/// estimate; with a classifier of the data also what is measured in its space.
pub fn names(model: &Model, test: &Feed, has_classifier: bool) -> Vec<String> {
    let n_test = test.len();
    let n = n_test.min(aggregate::N_INFORMATION);
    let mut names: Vec<String> = [
        "test_neg_elbo",
        "test_distortion",
        "test_rate",
        "active_units",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(images::names(model, n_test, has_classifier));
    for (is_measured, name) in [
        (has_information(model), format!("mutual_information_{n}")),
        (
            can_be_binarized(model),
            "test_neg_elbo_binarized".to_owned(),
        ),
        (has_bits_per_dim(model), "test_bits_per_dim".to_owned()),
        (
            n > 1 && has_numbers(model),
            format!("aggregate_mmd_imq_{n}"),
        ),
    ] {
        if is_measured {
            names.push(name);
        }
    }
    for (name, book) in model.latent_names().zip(model.code_books()) {
        if book.is_some() {
            names.extend(["usage", "perplexity"].map(|what| format!("{what}_{name}")));
        }
    }
    if known_factors(model, test).is_some() {
        names.extend(disentanglement::NAMES.map(str::to_owned));
    }
    names
}

/// What made the examples, where it is known and there are numbers that could stand for it.
fn known_factors<'a>(model: &Model, test: &'a Feed) -> Option<&'a Factors> {
    let factors = test.examples().factors.as_ref();
    factors.filter(|_| has_numbers(model))
}

/// Whether the density of any z given any x is at hand, without a pass through the decoder for each pair.
fn has_information(model: &Model) -> bool {
    model.is_discrete() || !model.is_top_down()
}

/// Whether some latent is continuous.
fn has_numbers(model: &Model) -> bool {
    model.code_books().iter().any(Option::is_none)
}

/// Whether grey values can be drawn as Bernoulli means.
fn can_be_binarized(model: &Model) -> bool {
    let facts = &model.site().facts;
    let is_grey = facts.levels.is_some() && facts.min >= 0.0 && facts.max <= 1.0;
    is_grey && model.likelihood().support() == Support::Binary
}

/// Whether -log p is a code length of pixels.
fn has_bits_per_dim(model: &Model) -> bool {
    let site = model.site();
    let is_image = matches!(site.layout, Layout::Image { .. });
    is_image && site.facts.levels.is_some() && model.likelihood().support() != Support::Real
}

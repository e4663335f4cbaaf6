//! `evaluate`: the metric battery on the test part, and the referee's word.

use super::judge;
use super::output::NotStored;
use super::verdict::Verdict;
use crate::error::{Error, Result};
use crate::session::{Parts, Session, advancing, open_parts};
use jensen_nets::Params;
use jensen_run::{Observer, RunFolder, file};
use jensen_vae::features::{self, Classifier};
use jensen_vae::feed::Feed;
use jensen_vae::metric::{self, EvaluateOptions};
use jensen_vae::model::Model;
use jensen_vae::recipe::Recipe;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// K of the importance-weighted estimate unless another is asked for.
pub const QUICK_SAMPLES: usize = 100;
/// What the names of those estimates begin with; K follows.
pub(super) const ESTIMATE: &str = "test_nll_iwae_";
/// A fit leaves that estimate out where it takes more passes through the decoder than this.
pub const QUICK_PASSES: usize = 200_000;

/// What to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// K of the importance-weighted estimate; 0 measures none.
    pub samples: usize,
    /// Other data than the run's; then nothing is written into the run.
    pub data: Option<String>,
    /// Another device than the processor.
    pub device: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            samples: QUICK_SAMPLES,
            data: None,
            device: None,
        }
    }
}

/// The result, as it stands in `evaluation.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluated {
    /// The run.
    pub run: PathBuf,
    /// Name of the data.
    pub data: String,
    /// Metrics by name, per example and in nats unless the name says otherwise.
    pub metrics: BTreeMap<String, f64>,
    /// Mean KL of each latent dimension, nats.
    pub kl_per_dim: Vec<f64>,
    /// Latent dimensions that respond to the data, and all of them.
    pub units: [usize; 2],
    /// The space in which images were compared, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Space>,
    /// The referee's word; none on other data than the run's.
    pub verdict: Option<Verdict>,
    /// Why this does not stand in the run's `evaluation.json`, though it should.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub not_stored: Option<NotStored>,
    /// K of the importance-weighted estimate that was measured last; 0 if none was.
    #[serde(skip)]
    iwae_samples: usize,
}

/// A space of features.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Space {
    /// Its name in those of metrics.
    pub name: String,
    /// Seed of the network.
    pub seed: u64,
    /// Features of an image.
    pub width: usize,
    /// Classes that it tells apart.
    pub n_classes: usize,
    /// Share of test examples whose class it gets right.
    pub accuracy: f64,
}

impl Space {
    fn of(classifier: &Classifier, test: &Feed) -> Option<Self> {
        Some(Self {
            name: features::NAME.to_owned(),
            seed: features::SEED,
            width: features::WIDTH,
            n_classes: classifier.n_classes(),
            accuracy: classifier.accuracy(test)?,
        })
    }
}

/// Measures the model of a run. Importance-weighted estimates for another K stay in `evaluation.json`.
///
/// # Errors
/// [`Error::Stopped`] on request, and then nothing is written. Numbers that cannot be stored are given
/// with [`Evaluated::not_stored`].
pub fn evaluate(request: &Request, observer: &mut dyn Observer) -> Result<Evaluated> {
    let session = Session::load(&request.run, request.device.as_deref())?;
    session.check_samples(request.samples)?;
    let Session {
        run,
        recipe,
        model,
        params,
        ..
    } = &session;
    // The check for changed data belongs to the session; the split to the recipe.
    let opened = session.feed(request.data.as_deref(), Default::default(), observer)?;
    // Numbers of other data must not stand in for those of the run.
    if request.data.is_some() || opened.has_changed {
        let found = battery(
            recipe,
            model,
            params,
            &opened.feed,
            Classifier::kept(run, model.site().layout, params.device()).as_ref(),
            request.samples,
            observer,
        )?;
        return Ok(Evaluated {
            run: run.root().to_path_buf(),
            data: opened.facts.name,
            metrics: found.metrics,
            kl_per_dim: found.kl_per_dim,
            units: [found.active_units, found.n_units],
            features: None,
            verdict: None,
            not_stored: None,
            iwae_samples: request.samples,
        });
    }
    let parts = open_parts(recipe, params.device(), observer)?;
    let classifier = parts.classifier(run, params.device(), observer);
    let mut evaluated = measure(
        recipe,
        model,
        params,
        &parts,
        classifier.as_ref(),
        run,
        request.samples,
        observer,
    )?;
    evaluated.keep_estimates(run);
    // Numbers that took minutes are not lost with the file that they should stand in.
    let stored = write(run, &evaluated, recipe).and_then(|()| session.refresh_report(observer));
    evaluated.not_stored = stored.err().as_ref().map(NotStored::of);
    Ok(evaluated)
}

/// Relative difference up to which two bounds of one model agree: other processors and devices round
/// otherwise, and no two models agree so far.
const SAME_MODEL: f64 = 1e-6;

impl Evaluated {
    /// Takes over the importance-weighted estimates for other K that stand in `evaluation.json`, if they
    /// are of this model: they are dear, and nobody has asked to drop them.
    fn keep_estimates(&mut self, run: &RunFolder) {
        // A file that is missing or damaged has nothing to keep; this evaluation makes it again.
        let Ok(stored) = run.read_json::<serde_json::Value>(file::EVALUATION) else {
            return;
        };
        let (Some(metrics), bound) = (stored["metrics"].as_object(), self.metrics["test_neg_elbo"])
        else {
            return;
        };
        let then = stored["metrics"]["test_neg_elbo"].as_f64();
        let is_same = |then: f64| (then - bound).abs() <= SAME_MODEL * bound.abs();
        let is_same_data = stored["settings"]["data"] == self.data.as_str();
        if !(is_same_data && then.is_some_and(is_same)) {
            return;
        }
        for (name, value) in metrics
            .iter()
            .filter(|(name, _)| name.starts_with(ESTIMATE))
        {
            if let Some(value) = value.as_f64() {
                self.metrics.entry(name.clone()).or_insert(value);
            }
        }
        if self.iwae_samples == 0 {
            let then = stored["settings"]["iwae_samples"].as_u64();
            self.iwae_samples = then.unwrap_or(0) as usize;
        }
    }
}

/// Measures a model and judges it.
pub(super) fn measure(
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    parts: &Parts,
    classifier: Option<&Classifier>,
    run: &RunFolder,
    samples: usize,
    observer: &mut dyn Observer,
) -> Result<Evaluated> {
    let mut found = battery(
        recipe,
        model,
        params,
        &parts.test,
        classifier,
        samples,
        observer,
    )?;
    let (facts, metrics) =
        judge::facts(recipe, model, params, parts, run, &found, samples, observer)?;
    let metrics = metrics.into_iter();
    (found.metrics).extend(metrics.map(|(name, value)| (name.to_owned(), value)));
    let verdict = Verdict::of(&facts);
    let evaluated = Evaluated {
        run: run.root().to_path_buf(),
        data: parts.facts.name.clone(),
        metrics: found.metrics,
        kl_per_dim: found.kl_per_dim,
        units: [found.active_units, found.n_units],
        features: classifier.and_then(|classifier| Space::of(classifier, &parts.test)),
        verdict: Some(verdict),
        not_stored: None,
        iwae_samples: samples,
    };
    Ok(evaluated)
}

/// `evaluation.json`; numbers that are settings stand apart from those that were measured.
pub(super) fn write(run: &RunFolder, evaluated: &Evaluated, recipe: &Recipe) -> Result<()> {
    let Evaluated {
        data,
        metrics,
        kl_per_dim,
        units: [active_units, n_units],
        features,
        verdict,
        iwae_samples,
        ..
    } = evaluated;
    let value = serde_json::json!({
        "metrics": metrics,
        "kl_per_dim": kl_per_dim,
        "active_units": active_units,
        "verdict": verdict,
        "settings": {
            "data": data,
            "n_units": n_units,
            "iwae_samples": iwae_samples,
            "seed": recipe.train.seed,
            "features": features,
        },
    });
    run.write_json(file::EVALUATION, &value)?;
    Ok(())
}

/// The battery of metrics on a feed, telling how far the slow part is.
fn battery(
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    feed: &Feed,
    classifier: Option<&Classifier>,
    samples: usize,
    observer: &mut dyn Observer,
) -> Result<metric::Evaluation> {
    let options = EvaluateOptions {
        iwae_samples: samples,
        seed: recipe.train.seed,
    };
    let what = format!("importance sampling, K = {samples}");
    let advance = &mut advancing(observer, &what, feed.len(), "examples");
    metric::evaluate(model, params, feed, classifier, &options, advance).ok_or(Error::Stopped)
}

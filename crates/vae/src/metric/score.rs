//! Per-example scores: -ELBO, its two parts, and the importance-weighted estimate of -log p(x).

use super::{Advance, batches, importance};
use crate::bound::measure_elbo;
use crate::feed::Feed;
use crate::ledger::{Ledger, Role};
use crate::model::Model;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Examples per pass.
const BATCH: usize = 500;
/// Samples of z over all examples of a feed, as many as ten thousand examples have with one each: few examples get
/// several, so that the noise of their mean is no larger.
const N_DRAWS: usize = 10_000;
/// Most samples for one example.
const MOST_SAMPLES: usize = 100;

/// Samples of z for each of n examples in scores.
pub fn samples_per_example(n: usize) -> usize {
    N_DRAWS.div_ceil(n.max(1)).min(MOST_SAMPLES)
}

/// How many of k samples of z may differ: a posterior over codes has all its mass on one.
fn n_different(model: &Model, k: usize) -> usize {
    if model.is_discrete() { 1 } else { k }
}

/// Scores of examples, all in nats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// -ELBO by [`samples_per_example`] samples of z; `[n]`.
    pub neg_elbo: Vec<f64>,
    /// -E_q[log p(x|z)] by the same samples; `[n]`.
    pub reconstruction: Vec<f64>,
    /// Sum over latents of KL(q || p); `[n]`.
    pub kl: Vec<f64>,
    /// -log p(x) by K importance samples, if asked for; `[n]`.
    pub nll: Option<Vec<f64>>,
}

impl Scores {
    /// Means of -ELBO, distortion and rate; nats per example.
    pub fn means(&self) -> [f64; 3] {
        [&self.neg_elbo, &self.reconstruction, &self.kl]
            .map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// Scores the examples of a feed; `iwae` is K, 0 for none. `None` once `advance` asks for a stop. The
/// ELBO does not depend on K.
pub fn score(
    model: &Model,
    params: &Params,
    feed: &Feed,
    iwae: usize,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<Scores> {
    let mut scores = Scores::default();
    let elbo = stream.child("elbo", 0);
    let k = n_different(model, samples_per_example(feed.len()));
    for indices in batches(feed.len(), (BATCH / k).max(1)) {
        let stream = elbo.child("batch", indices[0] as u64);
        let x = feed.batch(&indices, &stream);
        let draw = model.draw(params, x, k, &stream);
        // Whatever the recipe trains, the scores are those of the ELBO.
        let mut ledger = Ledger::default();
        measure_elbo(model, &draw, &mut ledger);
        let read = ledger.read();
        let log_likelihood = read.sum_of(Role::LogLikelihood);
        scores.neg_elbo.extend(read.elbo().iter().map(|elbo| -elbo));
        scores
            .reconstruction
            .extend(log_likelihood.iter().map(|ll| -ll));
        scores.kl.extend(read.sum_of(Role::Rate));
        let done = (iwae == 0).then_some(scores.neg_elbo.len());
        if !advance(done) {
            return None;
        }
    }
    if iwae > 0 {
        let stream = stream.child("nll", 0);
        scores.nll = Some(nll(model, params, feed, iwae, &stream, advance)?);
    }
    Some(scores)
}

/// -log p(x) by K importance samples; `[n]`. `None` once `advance` asks for a stop.
pub(super) fn nll(
    model: &Model,
    params: &Params,
    feed: &Feed,
    k: usize,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<Vec<f64>> {
    let k = n_different(model, k);
    let mut nll = Vec::with_capacity(feed.len());
    for indices in batches(feed.len(), importance::examples_per_report(k)) {
        let stream = stream.child("batch", indices[0] as u64);
        let x = feed.batch(&indices, &stream);
        let log_p = importance::log_evidence(model, params, &x, k, &stream, &mut || advance(None))?;
        nll.extend(log_p.iter().map(|log_p| -log_p));
        if !advance(Some(nll.len())) {
            return None;
        }
    }
    Some(nll)
}

/// Means of all ledger terms over a feed at the end of training's schedules, the ELBO first; `None`
/// once `go_on`, asked between two batches, says no.
pub(crate) fn ledger_means(
    model: &Model,
    params: &Params,
    feed: &Feed,
    stream: &Stream,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<Vec<(String, f64)>> {
    let mut means: Vec<(String, f64)> = Vec::new();
    for indices in batches(feed.len(), BATCH) {
        if indices[0] > 0 && !go_on() {
            return None;
        }
        let stream = stream.child("batch", indices[0] as u64);
        let (ledger, _) = model.ledger(params, feed.batch(&indices, &stream), 1.0, &stream);
        for (name, sum) in crate::train::named_sums(&ledger.read()) {
            match means.iter_mut().find(|(known, _)| *known == name) {
                Some((_, total)) => *total += sum,
                None => means.push((name, sum)),
            }
        }
    }
    means
        .iter_mut()
        .for_each(|(_, sum)| *sum /= feed.len() as f64);
    Some(means)
}

/// Means over a feed of the ELBO's parts: -ELBO, distortion, rate; nats per example.
/// `None` once `advance` asks for a stop.
pub fn elbo_parts(
    model: &Model,
    params: &Params,
    feed: &Feed,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<[f64; 3]> {
    Some(score(model, params, feed, 0, stream, advance)?.means())
}

//! The best model without a latent: what a likelihood reaches where every example is given the same
//! outputs. A model whose codes carry something explains examples better than this.
//!
//! - Levels (categorical, logistic mixture): the frequencies of the levels of each value, which no
//!   likelihood over levels can beat.
//! - Others: the outputs o of least -sum_i log p(x_i | o), by sign-based steps whose lengths adapt to each
//!   output ([riedmiller-1993], with the variant that halves without going back); parameters of the
//!   likelihood itself, such as a learned scale, stay those of the model.
//!
//! One example more, all of whose values are the overall mean, keeps values that never vary in the
//! training part from being impossible elsewhere.
//! Cost: 80 passes of the likelihood over at most 1000 training examples, forward and back, and one over
//! the examples that are scored.

use super::{Advance, batches};
use crate::feed::Feed;
use crate::ledger::{to_f32, to_f64};
use crate::likelihood::Support;
use crate::model::Model;
use crate::noise;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Most training examples that are looked at.
const N_EXAMPLES: usize = 1000;
/// Most outputs in a pass, so that many outputs per value do not fill the memory.
const N_OUTPUTS: usize = 1 << 21;
/// Steps of the search: some 25 to where the outputs are, the rest to halve the distance.
const N_STEPS: usize = 80;
/// The first step, in units of the outputs.
const FIRST_STEP: f32 = 0.1;
/// Factors of a step after a gradient of the same and of the other sign.
const FACTORS: (f32, f32) = (1.2, 0.5);
/// Examples per pass when scoring.
const BATCH: usize = 500;

/// -log p of each example of `scored` under the best model without a latent, fitted to `train`; `[n]`
/// nats. `None` once `advance` asks for a stop.
pub fn without_latent(
    model: &Model,
    params: &Params,
    train: &Feed,
    scored: &Feed,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<Vec<f64>> {
    let fit = Fit {
        model,
        params,
        width: model.site().layout.n_values(),
    };
    let n_outputs = fit.width * model.likelihood().n_params();
    let n = (N_OUTPUTS / n_outputs)
        .clamp(2, N_EXAMPLES)
        .min(train.len());
    let indices: Vec<usize> = (0..n).collect();
    let mut values = train.host(&indices, &stream.child("fit", 0));
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
    values.resize(values.len() + fit.width, mean as f32);
    let levels = model.site().facts.levels;
    match (model.likelihood().support(), levels) {
        (Support::Levels, Some(levels)) => {
            let frequencies = fit.frequencies(&values, levels as usize);
            fit.score(scored, stream, advance, |x| {
                fit.code_lengths(x, &frequencies)
            })
        }
        _ => {
            let outputs = fit.outputs(values, n_outputs, advance)?;
            fit.score(scored, stream, advance, |x| fit.neg_log_prob(x, &outputs))
        }
    }
}

struct Fit<'a> {
    model: &'a Model,
    params: &'a Params,
    /// Values of an example, P.
    width: usize,
}

impl Fit<'_> {
    /// The outputs `[n P]` under which these examples are most probable.
    fn outputs(
        &self,
        values: Vec<f32>,
        n_outputs: usize,
        advance: &mut Advance<'_>,
    ) -> Option<Vec<f32>> {
        let rows = values.len() / self.width;
        let device = self.params.device();
        let x = noise::upload(values, rows, self.width, device);
        let params = self.params.tracked();
        let mut outputs = vec![0.0; n_outputs];
        let mut steps = vec![FIRST_STEP; n_outputs];
        let mut signs = vec![0.0; n_outputs];
        for _ in 0..N_STEPS {
            let leaf = noise::upload(outputs.clone(), 1, n_outputs, device);
            let leaf = leaf.autodiff().require_grad();
            let repeated = leaf.clone().repeat_dim(0, rows);
            let log_prob = self
                .model
                .likelihood()
                .log_prob(&params, repeated, x.clone());
            let mut grads = log_prob.sum().backward();
            let gradient = leaf.grad_remove(&mut grads)?;
            for (((output, step), sign), slope) in
                (outputs.iter_mut().zip(&mut steps).zip(&mut signs)).zip(to_f32(gradient))
            {
                let now = if slope == 0.0 { 0.0 } else { slope.signum() };
                *step *= match now * *sign {
                    same if same > 0.0 => FACTORS.0,
                    other if other < 0.0 => FACTORS.1,
                    _ => 1.0,
                };
                *sign = now;
                *output += now * *step;
            }
            if !advance(None) {
                return None;
            }
        }
        Some(outputs)
    }

    /// -log p `[n]` of examples under the same outputs for all.
    fn neg_log_prob(&self, values: Vec<f32>, outputs: &[f32]) -> Vec<f64> {
        let rows = values.len() / self.width;
        let device = self.params.device();
        let outputs = noise::upload(outputs.repeat(rows), rows, outputs.len(), device);
        let x = noise::upload(values, rows, self.width, device);
        let log_prob = self.model.likelihood().log_prob(self.params, outputs, x);
        to_f64(log_prob).into_iter().map(|log_p| -log_p).collect()
    }

    /// -log of the frequency of each level of each value, row-major `[P, levels]`, in nats. The levels that
    /// are not there share one count.
    fn frequencies(&self, values: &[f32], n_levels: usize) -> Vec<f64> {
        let mut counts = vec![1.0 / n_levels as f64; self.width * n_levels];
        for (i, &x) in values.iter().enumerate() {
            counts[i % self.width * n_levels + self.level(x, n_levels)] += 1.0;
        }
        let total = (values.len() / self.width + 1) as f64;
        counts
            .into_iter()
            .map(|count| -(count / total).ln())
            .collect()
    }

    fn code_lengths(&self, values: Vec<f32>, frequencies: &[f64]) -> Vec<f64> {
        let n_levels = frequencies.len() / self.width;
        let length = |(i, &x): (usize, &f32)| frequencies[i * n_levels + self.level(x, n_levels)];
        let rows = values.chunks_exact(self.width);
        rows.map(|row| row.iter().enumerate().map(length).sum())
            .collect()
    }

    fn level(&self, x: f32, n_levels: usize) -> usize {
        let facts = &self.model.site().facts;
        let part = (x - facts.min) / (facts.max - facts.min);
        ((part * (n_levels - 1) as f32).round() as usize).min(n_levels - 1)
    }

    fn score(
        &self,
        scored: &Feed,
        stream: &Stream,
        advance: &mut Advance<'_>,
        neg_log_prob: impl Fn(Vec<f32>) -> Vec<f64>,
    ) -> Option<Vec<f64>> {
        let mut scores = Vec::with_capacity(scored.len());
        for indices in batches(scored.len(), BATCH) {
            let stream = stream.child("scored", indices[0] as u64);
            scores.extend(neg_log_prob(scored.host(&indices, &stream)));
            if !advance(None) {
                return None;
            }
        }
        Some(scores)
    }
}

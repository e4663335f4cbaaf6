//! The best model without a latent: what a likelihood reaches where every example is given the same
//! outputs. A model whose codes carry something explains examples better than this.
//!
//! - Levels (categorical, logistic mixture): the frequencies of the levels of each value in all training
//!   examples, which no likelihood over levels can beat on those.
//! - Others: the outputs o, and the parameters of the likelihood itself such as a learned scale, of least
//!   -sum_i log p(x_i | o), by sign-based steps whose lengths adapt to each number ([riedmiller-1993],
//!   with the variant that halves without going back). They are fitted to at most 1000 training examples,
//!   drawn from all of them.
//!
//! One example more, all of whose values are the overall mean, keeps values that never vary in the
//! training part from being impossible elsewhere.
//! Cost: 80 passes of the likelihood over those examples, forward and back, or one look at all training
//! examples, and one pass over the examples that are scored.

use super::{Advance, batches};
use crate::feed::Feed;
use crate::ledger::{to_f32, to_f64};
use crate::likelihood::{self, Support};
use crate::model::Model;
use crate::noise;
use crate::optimizer::Gradient;
use jensen_nets::Params;
use jensen_rng::Stream;

/// Most training examples that outputs are fitted to.
const N_EXAMPLES: usize = 1000;
/// Most outputs in a pass, so that large examples do not fill the memory.
const N_OUTPUTS: usize = 1 << 21;
/// Steps of the search: some 25 to where the outputs are, the rest to halve the distance.
const N_STEPS: usize = 80;
/// The first step, in units of the outputs.
const FIRST_STEP: f32 = 0.1;
/// Factors of a step after a gradient of the same and of the other sign.
const FACTORS: (f32, f32) = (1.2, 0.5);
/// Examples per pass when scoring or counting.
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
        width: model.site().layout.n_values(),
    };
    let levels = model.site().facts.levels;
    match (model.likelihood().support(), levels) {
        (Support::Levels, Some(levels)) => {
            let lengths = fit.code_lengths(train, levels as usize, stream, advance)?;
            fit.score(scored, stream, advance, |x| fit.code_length(&x, &lengths))
        }
        _ => {
            let sample = train.sample(N_EXAMPLES, &stream.child("sample", 0));
            let (outputs, params) = fit.outputs(params, &sample, stream, advance)?;
            fit.score(scored, stream, advance, |x| {
                fit.neg_log_prob(&params, x, &outputs)
            })
        }
    }
}

/// Numbers that a search by signs moves.
struct Search {
    values: Vec<f32>,
    steps: Vec<f32>,
    signs: Vec<f32>,
}

impl Search {
    fn new(values: Vec<f32>) -> Self {
        let n = values.len();
        Self {
            values,
            steps: vec![FIRST_STEP; n],
            signs: vec![0.0; n],
        }
    }

    /// A step up these slopes.
    fn climb(&mut self, slopes: &[f32]) {
        let numbers = self.values.iter_mut().zip(&mut self.steps);
        for (((value, step), sign), &slope) in numbers.zip(&mut self.signs).zip(slopes) {
            let now = if slope == 0.0 { 0.0 } else { slope.signum() };
            *step *= match now * *sign {
                same if same > 0.0 => FACTORS.0,
                other if other < 0.0 => FACTORS.1,
                _ => 1.0,
            };
            *sign = now;
            *value += now * *step;
        }
    }
}

struct Fit<'a> {
    model: &'a Model,
    /// Values of an example, P.
    width: usize,
}

impl Fit<'_> {
    /// The outputs `[n P]`, and parameters of the likelihood, under which these examples are most
    /// probable.
    fn outputs(
        &self,
        params: &Params,
        sample: &Feed,
        stream: &Stream,
        advance: &mut Advance<'_>,
    ) -> Option<(Vec<f32>, Params)> {
        let indices: Vec<usize> = (0..sample.len()).collect();
        let mut values = sample.host(&indices, &stream.child("fit", 0));
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        values.resize(values.len() + self.width, mean as f32);

        let mut params = params.clone();
        let n_outputs = self.width * self.model.likelihood().n_params();
        let mut outputs = Search::new(vec![0.0; n_outputs]);
        let mut own: Vec<(usize, Search)> = (params.entries().iter().zip(params.to_host()))
            .enumerate()
            .filter(|(_, (entry, _))| {
                entry.trainable && entry.name.split('.').next() == Some(likelihood::PATH)
            })
            .map(|(index, (_, host))| (index, Search::new(host.values)))
            .collect();
        let n_rows = (N_OUTPUTS / n_outputs).max(1);
        for _ in 0..N_STEPS {
            let mut slopes = vec![0.0; n_outputs];
            let mut own_slopes: Vec<Vec<f32>> = (own.iter())
                .map(|(_, search)| vec![0.0; search.values.len()])
                .collect();
            for values in values.chunks(n_rows * self.width) {
                let rows = values.len() / self.width;
                let tracked = params.tracked();
                let device = params.device();
                let leaf = noise::upload(outputs.values.clone(), 1, n_outputs, device);
                let leaf = leaf.autodiff().require_grad();
                let x = noise::upload(values.to_vec(), rows, self.width, device);
                let repeated = leaf.clone().repeat_dim(0, rows);
                let log_prob = self.model.likelihood().log_prob(&tracked, repeated, x);
                let mut grads = log_prob.sum().backward();
                add(&mut slopes, &to_f32(leaf.grad_remove(&mut grads)?));
                for ((index, _), slopes) in own.iter().zip(&mut own_slopes) {
                    if let Some(gradient) = Gradient::take(&tracked, *index, &mut grads) {
                        add(slopes, &gradient.to_host());
                    }
                }
                if !advance(None) {
                    return None;
                }
            }
            outputs.climb(&slopes);
            for ((index, search), slopes) in own.iter_mut().zip(&own_slopes) {
                search.climb(slopes);
                params.set_at(*index, search.values.clone());
            }
        }
        Some((outputs.values, params))
    }

    /// -log p `[n]` of examples under the same outputs for all.
    fn neg_log_prob(&self, params: &Params, values: Vec<f32>, outputs: &[f32]) -> Vec<f64> {
        let device = params.device();
        let n_rows = (N_OUTPUTS / outputs.len()).max(1);
        let pass = |values: &[f32]| {
            let rows = values.len() / self.width;
            let outputs = noise::upload(outputs.repeat(rows), rows, outputs.len(), device);
            let x = noise::upload(values.to_vec(), rows, self.width, device);
            to_f64(self.model.likelihood().log_prob(params, outputs, x))
        };
        let log_prob = values.chunks(n_rows * self.width).flat_map(pass);
        log_prob.map(|log_p| -log_p).collect()
    }

    /// -log of the frequency of each level of each value, row-major `[P, levels]`, in nats. The levels that
    /// are not there share one count.
    fn code_lengths(
        &self,
        train: &Feed,
        n_levels: usize,
        stream: &Stream,
        advance: &mut Advance<'_>,
    ) -> Option<Vec<f64>> {
        let mut counts = vec![1.0 / n_levels as f64; self.width * n_levels];
        let mut count = |values: &[f32]| {
            for (i, &x) in values.iter().enumerate() {
                counts[i % self.width * n_levels + self.level(x, n_levels)] += 1.0;
            }
        };
        let mut sum = 0.0;
        for indices in batches(train.len(), BATCH) {
            let values = train.host(&indices, &stream.child("fit", indices[0] as u64));
            sum += values.iter().map(|&x| f64::from(x)).sum::<f64>();
            count(&values);
            if !advance(None) {
                return None;
            }
        }
        let mean = sum / (train.len() * self.width) as f64;
        count(&vec![mean as f32; self.width]);
        let total = (train.len() + 2) as f64;
        Some(
            counts
                .into_iter()
                .map(|count| -(count / total).ln())
                .collect(),
        )
    }

    /// -log p `[n]` of examples by the frequencies of levels.
    fn code_length(&self, values: &[f32], lengths: &[f64]) -> Vec<f64> {
        let n_levels = lengths.len() / self.width;
        let length = |(i, &x): (usize, &f32)| lengths[i * n_levels + self.level(x, n_levels)];
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

fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, x)| *sum += x);
}

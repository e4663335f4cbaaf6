//! The best model without a latent: what a likelihood reaches where every example is given the same
//! outputs. A model whose codes carry something explains examples better than this.
//!
//! - Levels (categorical, logistic mixture): the frequencies of the levels of each value in all training
//!   examples, but for one count that the levels share so that none is impossible.
//! - Others: the outputs o, and the parameters of the likelihood itself such as a learned scale, of least
//!   -sum_i log p(x_i | o), by sign-based steps whose lengths adapt to each number ([riedmiller-1993],
//!   with the variant that halves without going back). They are fitted to 1000 training examples first
//!   and to 10,000 then, drawn from all of them. Fitting p numbers to n examples costs p / (2 n) nats on
//!   others: 0.04 for MNIST.
//!
//! One example more, all of whose values are the overall mean, keeps values that never vary in the
//! training part from being impossible elsewhere.
//! Cost: 80 passes of the likelihood over the first and 20 over the second, forward and back, or one look
//! at all training examples, and one pass over the examples that are scored.

use super::{Advance, batches};
use crate::feed::Feed;
use crate::ledger::{to_f32, to_f64};
use crate::likelihood::{self, Support};
use crate::model::Model;
use crate::noise;
use crate::optimizer::Gradient;
use jensen_nets::Params;
use jensen_rng::Stream;

/// The rounds of the search.
const ROUNDS: [Round; 2] = [
    // Some 25 steps to where the outputs are, the rest to halve the distance.
    Round {
        n_examples: 1000,
        n_steps: 80,
        first_step: 0.1,
    },
    // From a standard error of the first, about 1 / sqrt(1000) of a unit, to the end.
    Round {
        n_examples: 10_000,
        n_steps: 20,
        first_step: 0.02,
    },
];

struct Round {
    /// Most training examples.
    n_examples: usize,
    n_steps: usize,
    /// In units of the outputs.
    first_step: f32,
}

/// Most outputs in a pass, so that large examples do not fill the memory.
const N_OUTPUTS: usize = 1 << 21;
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
            let (outputs, params) = fit.outputs(params, train, stream, advance)?;
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
            steps: vec![0.0; n],
            signs: vec![0.0; n],
        }
    }

    /// Begins again where it is, with steps of this length.
    fn begin(&mut self, step: f32) {
        self.steps.fill(step);
        self.signs.fill(0.0);
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
    /// Training examples, at most n, and the one of overall means; row-major.
    fn examples(&self, train: &Feed, n: usize, stream: &Stream) -> Vec<f32> {
        let sample = train.sample(n, stream);
        let indices: Vec<usize> = (0..sample.len()).collect();
        let mut values = sample.host(&indices, stream);
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        values.resize(values.len() + self.width, mean as f32);
        values
    }

    /// The outputs `[n P]`, and parameters of the likelihood, under which training examples are most
    /// probable.
    fn outputs(
        &self,
        params: &Params,
        train: &Feed,
        stream: &Stream,
        advance: &mut Advance<'_>,
    ) -> Option<(Vec<f32>, Params)> {
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
        for (round, index) in ROUNDS.iter().zip(0..) {
            // The second round has nothing to add where the first has seen everything.
            if index > 0 && train.len() <= ROUNDS[0].n_examples {
                break;
            }
            let values = self.examples(train, round.n_examples, &stream.child("fit", index));
            outputs.begin(round.first_step);
            (own.iter_mut()).for_each(|(_, search)| search.begin(round.first_step));
            for _ in 0..round.n_steps {
                self.step(&values, &mut params, &mut outputs, &mut own, advance)?;
            }
        }
        Some((outputs.values, params))
    }

    /// A step of the search up the sum of log p of these examples.
    fn step(
        &self,
        values: &[f32],
        params: &mut Params,
        outputs: &mut Search,
        own: &mut [(usize, Search)],
        advance: &mut Advance<'_>,
    ) -> Option<()> {
        let n_outputs = outputs.values.len();
        let n_rows = (N_OUTPUTS / n_outputs).max(1);
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
            let gradient = leaf.grad_remove(&mut grads);
            let gradient = gradient.expect("internal error: a likelihood without its outputs");
            add(&mut slopes, &to_f32(gradient));
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
        Some(())
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

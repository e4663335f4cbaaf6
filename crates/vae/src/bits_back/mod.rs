//! Bits-back coding: examples without loss in as many bits as -ELBO says, which audits the bound.
//!
//! To put x on a stack of bits, z is popped by q(z|x), x is pushed by p(x|z), and z by p(z): the stack grows by
//! log q(z|x) - log p(x, z), in mean -ELBO. Undoing the steps in the reverse order gives x back. z lives on buckets of
//! equal mass under the prior. Source: [townsend-2019], section 2 and appendix B.
//!
//! Several stacks, the lanes, run beside each other, so that networks see some rows at a time: example i is in lane
//! i mod L. Both sides run the same networks over the same rows, because the last bits of f32 decide whether intervals
//! agree; a file is for the program and kind of processor that wrote it.

mod ans;
mod file;
mod intervals;

use crate::latent::Posterior;
use crate::ledger::to_f64;
use crate::likelihood::Support;
use crate::metric::Advance;
use crate::model::Model;
use crate::noise;
use ans::Ans;
use burn::tensor::Tensor;
use crc32c::crc32c_append;
use intervals::{Buckets, Table};
use jensen_nets::Params;
use jensen_rng::Stream;

/// Examples of a lane at the least: its first bits cost as much as a few examples.
const LEAST_IN_LANE: usize = 2000;
/// Lanes at the most.
const MOST_LANES: usize = 64;
/// Bits of the buckets of a coordinate.
const FEWEST_BITS: u32 = 4;
const MOST_BITS: u32 = 16;
/// Buckets two standard deviations from the middle of the prior are at most a quarter of a posterior's scale wide:
/// 2^-bits / density(2) <= scale / 4.
const BUCKETS_PER_SCALE: f64 = 4.0 / 0.053_99;

/// Examples without loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Number of examples.
    pub n: usize,
    /// Bits of the buckets of every coordinate of every latent, one after the other.
    pub bits: Vec<u8>,
    /// The stack of every lane.
    pub lanes: Vec<Vec<u32>>,
    checks: Checks,
}

/// What a code was made with and of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Checks {
    /// CRC32C of the parameters.
    params: u32,
    /// CRC32C of the levels.
    levels: u32,
}

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// The model gives no code lengths.
    #[error("{0}")]
    Model(String),
    /// The bytes are something else.
    #[error("this is no file of `jensen compress`")]
    NoCode,
    /// Other parameters made the code.
    #[error("it was compressed with another model")]
    OtherModel,
    /// The code does not give back what was compressed.
    #[error(
        "it is damaged, or was written by another version of the program or on another kind of processor"
    )]
    Damaged,
    /// A stop was asked for.
    #[error("stopped")]
    Stopped,
}

/// A model as a coder of examples.
pub struct Coder<'a> {
    model: &'a Model,
    params: &'a Params,
    /// Number of levels of a value, and their ends.
    levels: u32,
    ends: [f64; 2],
}

impl<'a> Coder<'a> {
    /// Refuses models whose -log p is no code length, and latents and priors that are not made of buckets.
    pub fn new(model: &'a Model, params: &'a Params) -> Result<Self, CodeError> {
        let facts = &model.site().facts;
        let refuse = |message: &str| Err(CodeError::Model(message.to_owned()));
        let levels = match (model.likelihood().support(), facts.levels) {
            (Support::Levels, Some(levels)) => levels,
            (Support::Binary, Some(2)) => 2,
            (Support::Binary, _) => {
                return refuse(
                    "a Bernoulli likelihood of grey values gives no code lengths; train with \
                     `--set data.binarize=dynamic`, or with `--set likelihood=categorical`",
                );
            }
            _ => {
                return refuse(
                    "a density of real numbers gives no code lengths; train with a likelihood over levels, such as \
                     `--set likelihood=discretized_logistic_mixture`",
                );
            }
        };
        if model.is_top_down() {
            return refuse(
                "bits-back coding here draws all latents at once; in this model each depends on those before",
            );
        }
        if !model.has_standard_normal_priors() {
            return refuse(
                "bits-back coding here takes Gaussian latents with the prior `normal`; this model has others",
            );
        }
        Ok(Self {
            model,
            params,
            levels,
            ends: [f64::from(facts.min), f64::from(facts.max)],
        })
    }

    fn checks(&self, levels: &[u16]) -> Checks {
        let of_params = |check, values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            crc32c_append(check, &bytes)
        };
        let host = self.params.to_host();
        let tensors = host.iter().map(|tensor| &tensor.values[..]);
        let bytes: Vec<u8> = levels.iter().flat_map(|v| v.to_le_bytes()).collect();
        Checks {
            params: tensors.fold(0, of_params),
            levels: crc32c_append(0, &bytes),
        }
    }

    /// Number of levels of a value.
    pub fn n_levels(&self) -> u32 {
        self.levels
    }

    /// The level of a value.
    pub fn level(&self, value: f32) -> u16 {
        let [min, max] = self.ends;
        let unit = (f64::from(value) - min) / (max - min);
        (unit * f64::from(self.levels - 1)).round() as u16
    }

    /// The value of a level, as the networks see it.
    pub fn value(&self, level: u16) -> f32 {
        let [min, max] = self.ends;
        (min + f64::from(level) / f64::from(self.levels - 1) * (max - min)) as f32
    }

    /// The code of examples by their levels, row-major `[n, P]`.
    pub fn compress(&self, levels: &[u16], advance: &mut Advance<'_>) -> Result<Code, CodeError> {
        let width = self.model.site().layout.n_values();
        let n = levels.len() / width;
        let buckets = self.buckets(&levels[..levels.len().min(SEEN * width)]);
        let n_lanes = n_lanes(n);
        let mut lanes: Vec<Ans> = (0..n_lanes).map(|lane| Ans::new(clean(lane))).collect();
        for start in (0..n).step_by(n_lanes.max(1)) {
            let rows = n_lanes.min(n - start);
            let levels = &levels[start * width..(start + rows) * width];
            let q = self.gaussians(levels);
            let z: Vec<Vec<u32>> = (lanes.iter_mut().take(rows).enumerate())
                .map(|(row, lane)| q.pop(row, &buckets, lane))
                .collect();
            let tables = self.tables(&z, &buckets);
            for (row, lane) in lanes.iter_mut().take(rows).enumerate() {
                let values = levels[row * width..][..width].iter();
                for (&level, table) in values.zip(&tables[row * width..]) {
                    lane.push(table.interval(usize::from(level)));
                }
                for (&bucket, buckets) in z[row].iter().zip(&buckets) {
                    lane.push(buckets.of_prior(bucket));
                }
            }
            if !advance(Some(start + rows)) {
                return Err(CodeError::Stopped);
            }
        }
        Ok(Code {
            n,
            bits: buckets.iter().map(|buckets| buckets.bits as u8).collect(),
            lanes: lanes.into_iter().map(Ans::into_words).collect(),
            checks: self.checks(levels),
        })
    }

    /// The levels of the examples, row-major `[n, P]`: the steps of [`Coder::compress`], each undone, the last first.
    ///
    /// # Errors
    /// [`CodeError`] where the code is none of this model, or damaged.
    pub fn decompress(
        &self,
        code: &Code,
        advance: &mut Advance<'_>,
    ) -> Result<Vec<u16>, CodeError> {
        let width = self.model.site().layout.n_values();
        let n_lanes = n_lanes(code.n);
        let dims: usize = self.model.latent_dims().iter().sum();
        if code.checks.params != self.checks(&[]).params {
            return Err(CodeError::OtherModel);
        }
        let fits = |bits: &u8| (FEWEST_BITS..=MOST_BITS).contains(&u32::from(*bits));
        if code.bits.len() != dims || !code.bits.iter().all(fits) || code.lanes.len() != n_lanes {
            return Err(CodeError::Damaged);
        }
        let bits = code.bits.iter().map(|&bits| u32::from(bits));
        let buckets: Vec<Buckets> = bits.map(|bits| Buckets { bits }).collect();
        let lanes = code.lanes.iter().enumerate();
        let lanes = lanes.map(|(lane, words)| Ans::from_words(words, clean(lane)));
        let mut lanes: Vec<Ans> = lanes.collect::<Option<_>>().ok_or(CodeError::Damaged)?;
        let mut all = vec![0; code.n * width];
        let mut done = 0;
        for start in (0..code.n).step_by(n_lanes.max(1)).rev() {
            let rows = n_lanes.min(code.n - start);
            let z: Vec<Vec<u32>> = (lanes.iter_mut().take(rows))
                .map(|lane| pop_prior(&buckets, lane))
                .collect();
            let tables = self.tables(&z, &buckets);
            let levels = &mut all[start * width..(start + rows) * width];
            for (row, lane) in lanes.iter_mut().take(rows).enumerate() {
                let values = levels[row * width..][..width].iter_mut();
                for (slot, table) in values.zip(&tables[row * width..]).rev() {
                    let level = table.symbol(lane.peek());
                    lane.pop(table.interval(level));
                    *slot = level as u16;
                }
            }
            let q = self.gaussians(levels);
            for (row, lane) in lanes.iter_mut().take(rows).enumerate() {
                q.push(row, &z[row], &buckets, lane);
            }
            done += rows;
            if !advance(Some(done)) {
                return Err(CodeError::Stopped);
            }
        }
        match self.checks(&all) == code.checks {
            true => Ok(all),
            false => Err(CodeError::Damaged),
        }
    }

    /// Buckets that are fine enough for the posteriors of these examples.
    fn buckets(&self, levels: &[u16]) -> Vec<Buckets> {
        let q = self.gaussians(levels);
        let rows = levels.len() / self.model.site().layout.n_values();
        let bits = |j: usize| {
            let logs = (0..rows).map(|row| q.scale(row, j).ln());
            let scale = (logs.sum::<f64>() / rows.max(1) as f64).exp();
            let bits = (BUCKETS_PER_SCALE / scale).log2().ceil();
            (bits as u32).clamp(FEWEST_BITS, MOST_BITS)
        };
        let bits = (0..q.dim()).map(bits);
        bits.map(|bits| Buckets { bits }).collect()
    }

    /// q(z|x) of these examples.
    fn gaussians(&self, levels: &[u16]) -> Gaussians {
        let width = self.model.site().layout.n_values();
        let rows = levels.len() / width;
        let x: Vec<f32> = levels.iter().map(|&level| self.value(level)).collect();
        let x = noise::upload(x, rows, width, self.params.device());
        let posteriors = self.model.posteriors(self.params, x);
        Gaussians(
            posteriors
                .iter()
                .map(|q| Gaussian::of(q.as_ref()))
                .collect(),
        )
    }

    /// The probabilities of the levels of every value given z, row-major `[R, P]`.
    fn tables(&self, z: &[Vec<u32>], buckets: &[Buckets]) -> Vec<Table> {
        let (rows, mut from) = (z.len(), 0);
        let codes: Vec<Tensor<2>> = (self.model.latent_dims().into_iter())
            .map(|dim| {
                let middles = z.iter().flat_map(|z| {
                    let pairs = z[from..from + dim].iter().zip(&buckets[from..]);
                    pairs.map(|(&bucket, buckets)| buckets.middle(bucket))
                });
                let middles = middles.collect();
                from += dim;
                noise::upload(middles, rows, dim, self.params.device())
            })
            .collect();
        let outputs = self.model.decode(self.params, &codes);
        let likelihood = self.model.likelihood();
        let probs = likelihood
            .level_probs(self.params, outputs)
            .expect("internal error: a likelihood over levels without their probabilities");
        let [_, n_levels, width] = probs.dims();
        let probs = to_f64(probs);
        let table = |(row, p): (usize, usize)| {
            let at = move |level: usize| (row * n_levels + level) * width + p;
            Table::new((0..n_levels).map(|level| probs[at(level)]))
        };
        let places = (0..rows).flat_map(|row| (0..width).map(move |p| (row, p)));
        places.map(table).collect()
    }
}

/// Examples that are looked at to choose the buckets.
const SEEN: usize = 200;

/// Lanes for n examples.
fn n_lanes(n: usize) -> usize {
    (n / LEAST_IN_LANE).clamp(n.min(1), MOST_LANES)
}

/// The bits from which a lane starts.
fn clean(lane: usize) -> Stream {
    Stream::from_seed(0).child("bits-back", lane as u64)
}

fn pop_prior(buckets: &[Buckets], lane: &mut Ans) -> Vec<u32> {
    let pop = |buckets: &Buckets| {
        let bucket = buckets.found_by_prior(lane.peek());
        lane.pop(buckets.of_prior(bucket));
        bucket
    };
    let mut z: Vec<u32> = buckets.iter().rev().map(pop).collect();
    z.reverse();
    z
}

/// Posteriors of some rows on the host, one a latent.
struct Gaussians(Vec<Gaussian>);

/// A Gaussian of d coordinates for each row.
struct Gaussian {
    d: usize,
    /// `[R, d]`.
    mean: Vec<f64>,
    /// Marginal scales, `[R, d]`.
    scale: Vec<f64>,
    /// U = L^-T `[R, d, d]` of the covariance L L^T, where coordinates depend on each other.
    whitening: Option<Vec<f64>>,
}

impl Gaussian {
    fn of(posterior: &dyn Posterior) -> Self {
        let gaussian = posterior
            .gaussian()
            .expect("internal error: bits-back coding of no Gaussian");
        let log_var = gaussian.log_var();
        Self {
            d: log_var.dims()[1],
            mean: to_f64(posterior.mean()),
            scale: to_f64(log_var).iter().map(|lv| (lv / 2.0).exp()).collect(),
            whitening: gaussian.whitening().map(to_f64),
        }
    }

    /// Mean and scale of coordinate j given those before it: (z - mean) U is standard normal.
    fn conditional(&self, row: usize, j: usize, before: &[f64]) -> [f64; 2] {
        let Self { d, .. } = *self;
        let mean = &self.mean[row * d..];
        let Some(whitening) = &self.whitening else {
            return [mean[j], self.scale[row * d + j]];
        };
        let column = |i: usize| whitening[(row * d + i) * d + j];
        let pull: f64 = (0..j).map(|i| (before[i] - mean[i]) * column(i)).sum();
        [mean[j] - pull / column(j), 1.0 / column(j)]
    }
}

impl Gaussians {
    fn dim(&self) -> usize {
        self.0.iter().map(|q| q.d).sum()
    }

    /// The marginal scale of coordinate j of all latents.
    fn scale(&self, row: usize, mut j: usize) -> f64 {
        for q in &self.0 {
            match j.checked_sub(q.d) {
                None => return q.scale[row * q.d + j],
                Some(rest) => j = rest,
            }
        }
        unreachable!("internal error: a coordinate beyond the last")
    }

    /// Draws z by popping it.
    fn pop(&self, row: usize, buckets: &[Buckets], lane: &mut Ans) -> Vec<u32> {
        let mut z = Vec::with_capacity(buckets.len());
        for q in &self.0 {
            let mut before = Vec::with_capacity(q.d);
            for j in 0..q.d {
                let buckets = buckets[z.len()];
                let [mean, scale] = q.conditional(row, j, &before);
                let bucket = buckets.found_by_posterior(lane.peek(), mean, scale);
                lane.pop(buckets.of_posterior(bucket, mean, scale));
                before.push(f64::from(buckets.middle(bucket)));
                z.push(bucket);
            }
        }
        z
    }

    /// Undoes [`Gaussians::pop`].
    fn push(&self, row: usize, z: &[u32], buckets: &[Buckets], lane: &mut Ans) {
        let mut end = z.len();
        for q in self.0.iter().rev() {
            let from = end - q.d;
            let pairs = z[from..end].iter().zip(&buckets[from..]);
            let values: Vec<f64> = (pairs.clone())
                .map(|(&bucket, buckets)| f64::from(buckets.middle(bucket)))
                .collect();
            for (j, (&bucket, buckets)) in pairs.enumerate().rev() {
                let [mean, scale] = q.conditional(row, j, &values);
                lane.push(buckets.of_posterior(bucket, mean, scale));
            }
            end = from;
        }
    }
}

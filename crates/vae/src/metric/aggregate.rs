//! Statistics of the codes of many examples: KL per dimension, active units, mutual information.

use super::{Advance, batches};
use crate::feed::Feed;
use crate::latent::LN_TAU;
use crate::latent::discrete::{perplexity, to_codes};
use crate::ledger::to_f64;
use crate::model::Model;
use jensen_nets::Params;
use jensen_rng::Stream;

/// A unit is active if the variance of its mean over examples exceeds this, [burda-2016], section 5.
pub const ACTIVE_VARIANCE: f64 = 0.01;
/// Examples among which the mutual information is estimated: it is quadratic in them.
pub const N_INFORMATION: usize = 2000;
/// Examples per pass.
const BATCH: usize = 500;

/// Codes and posteriors of n examples for one latent of dimension d.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Codes {
    /// Dimension d.
    pub dim: usize,
    /// E[z|x], row-major `[n, d]`.
    pub mean: Vec<f64>,
    /// log Var[z|x], row-major `[n, d]`; empty for a discrete latent.
    pub log_var: Vec<f64>,
    /// The codes, `[n, positions]`; empty for a continuous latent.
    pub indices: Vec<u32>,
    /// How many positions a z has, and how many codes are at each; zeros for a continuous latent.
    pub book: [usize; 2],
    /// One draw z ~ q(z|x), row-major `[n, d]`.
    pub sample: Vec<f64>,
    /// L^-T of the covariance L L^T of z given x, row-major `[m, d, d]`, for the first examples, as many as
    /// the mutual information asks for; empty where the coordinates are independent given x.
    whitening: Vec<f64>,
    /// Whether z depends on other latents beside x, so that its mean may move where x says nothing.
    is_dependent: bool,
    /// Sum over examples of the KL per dimension, `[d]`, or `[1]` where it does not split.
    kl_sums: Vec<f64>,
}

/// Encodes the examples of a feed: the codes of every latent; `None` once `advance` asks for a stop.
pub fn encode(
    model: &Model,
    params: &Params,
    feed: &Feed,
    stream: &Stream,
    advance: &mut Advance<'_>,
) -> Option<Vec<Codes>> {
    let dims = model.latent_dims();
    let mut codes: Vec<Codes> = (dims.into_iter().zip(model.code_books()))
        .map(|(dim, book)| Codes {
            dim,
            book: book.map_or([0, 0], |book| [book.n_positions(), book.n_codes()]),
            ..Codes::default()
        })
        .collect();
    for indices in batches(feed.len(), BATCH) {
        let stream = stream.child("batch", indices[0] as u64);
        let draw = model.draw(params, feed.batch(&indices, &stream), 1, &stream);
        for (codes, latent) in codes.iter_mut().zip(draw.latents) {
            codes.is_dependent = latent.is_dependent;
            codes.mean.extend(to_f64(latent.posterior.mean()));
            if let Some(gaussian) = latent.posterior.gaussian() {
                codes.log_var.extend(to_f64(gaussian.log_var()));
            }
            if let Some(indices) = latent.posterior.codes() {
                codes.indices.extend(to_codes(indices));
            }
            if indices[0] < N_INFORMATION
                && let Some(factors) = latent
                    .posterior
                    .gaussian()
                    .and_then(|gaussian| gaussian.whitening())
            {
                let n = indices.len().min(N_INFORMATION - indices[0]);
                codes.whitening.extend(to_f64(factors.narrow(0, 0, n)));
            }
            codes.sample.extend(to_f64(latent.z));
            let width = latent.rate_per_dim.dims()[1];
            codes.kl_sums.resize(width, 0.0);
            for row in to_f64(latent.rate_per_dim).chunks_exact(width) {
                codes
                    .kl_sums
                    .iter_mut()
                    .zip(row)
                    .for_each(|(sum, kl)| *sum += kl);
            }
        }
        if !advance(Some(codes[0].len())) {
            return None;
        }
    }
    Some(codes)
}

impl Codes {
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.mean.len() / self.dim
    }

    /// Whether there are no examples.
    pub fn is_empty(&self) -> bool {
        self.mean.is_empty()
    }

    /// Mean over examples of the KL of each dimension, `[d]`, or `[1]` where it does not split; nats.
    pub fn kl_per_dim(&self) -> Vec<f64> {
        self.kl_sums
            .iter()
            .map(|sum| sum / self.len() as f64)
            .collect()
    }

    /// Variance over examples of E[z|x] of each dimension, `[d]`.
    pub fn variance_of_means(&self) -> Vec<f64> {
        let n = self.len() as f64;
        (0..self.dim)
            .map(|i| {
                let column = || self.mean.iter().skip(i).step_by(self.dim);
                let mean = column().sum::<f64>() / n;
                column().map(|m| (m - mean).powi(2)).sum::<f64>() / n
            })
            .collect()
    }

    /// How much each unit responds to x: the variance of the mean of a dimension, or its KL where z depends on other
    /// latents too, or by how much the use of codes at a position is worth more than one.
    pub fn spread_of_units(&self) -> Vec<f64> {
        let [n, n_codes] = self.book;
        if !self.is_discrete() {
            return match self.is_dependent && self.kl_sums.len() == self.dim {
                true => self.kl_per_dim(),
                false => self.variance_of_means(),
            };
        }
        let spread = |position: usize| {
            let mut counts = vec![0.0; n_codes];
            for &code in self.indices.iter().skip(position).step_by(n) {
                counts[code as usize] += 1.0;
            }
            perplexity(&counts) - 1.0
        };
        (0..n).map(spread).collect()
    }

    /// Whether z has codes.
    pub fn is_discrete(&self) -> bool {
        self.book[0] > 0
    }

    /// Share of the codes that some example uses, and how many codes their use is worth (the exponential of its
    /// entropy), over all positions; for a discrete latent.
    pub fn use_of_codes(&self) -> Option<[f64; 2]> {
        let [_, n_codes] = self.book;
        let mut counts = vec![0.0; n_codes];
        for &code in &self.indices {
            counts[code as usize] += 1.0;
        }
        let used = counts.iter().filter(|&&count| count > 0.0).count();
        self.is_discrete()
            .then(|| [used as f64 / n_codes as f64, perplexity(&counts)])
    }

    /// Units that can respond to x: dimensions, or positions of codes.
    pub fn n_units(&self) -> usize {
        match self.is_discrete() {
            true => self.book[0],
            false => self.dim,
        }
    }

    /// How many units respond to x.
    pub fn active_units(&self) -> usize {
        self.spread_of_units()
            .iter()
            .filter(|&&v| v > ACTIVE_VARIANCE)
            .count()
    }
}

/// q(z|x_j) of the first examples for one latent, ready to be asked for many z.
struct Densities<'a> {
    codes: &'a Codes,
    /// 1 / Var[z|x_j], row-major `[n, d]`; not read where the coordinates depend on each other.
    precisions: Vec<f64>,
    /// d log(2 pi) + log det Cov[z|x_j], `[n]`.
    constants: Vec<f64>,
}

impl<'a> Densities<'a> {
    fn new(codes: &'a Codes, n: usize) -> Self {
        if codes.is_discrete() {
            return Self {
                codes,
                precisions: Vec::new(),
                constants: Vec::new(),
            };
        }
        let d = codes.dim;
        let log_var = &codes.log_var[..n * d];
        let constants = if codes.whitening.is_empty() {
            let rows = log_var.chunks_exact(d);
            rows.map(|row| row.iter().map(|v| v + LN_TAU).sum())
                .collect()
        } else {
            let factors = codes.whitening[..n * d * d].chunks_exact(d * d);
            let log_det = |factor: &[f64]| {
                let diagonal = factor.iter().step_by(d + 1);
                diagonal.map(|v| LN_TAU - 2.0 * v.ln()).sum()
            };
            factors.map(log_det).collect()
        };
        Self {
            codes,
            precisions: log_var.iter().map(|v| (-v).exp()).collect(),
            constants,
        }
    }

    /// log q(z_i|x_j), nats.
    fn ln_pdf(&self, i: usize, j: usize) -> f64 {
        if self.codes.is_discrete() {
            let n = self.codes.book[0];
            let code = |example: usize| &self.codes.indices[example * n..][..n];
            return if code(i) == code(j) {
                0.0
            } else {
                f64::NEG_INFINITY
            };
        }
        let d = self.codes.dim;
        let z = &self.codes.sample[i * d..(i + 1) * d];
        let at = j * d..(j + 1) * d;
        let mean = &self.codes.mean[at.clone()];
        let distance: f64 = if self.codes.whitening.is_empty() {
            z.iter()
                .zip(mean)
                .zip(&self.precisions[at])
                .map(|((z, m), p)| (z - m).powi(2) * p)
                .sum()
        } else {
            let factor = &self.codes.whitening[j * d * d..(j + 1) * d * d];
            let white = |column: usize| -> f64 {
                (0..=column)
                    .map(|row| (z[row] - mean[row]) * factor[row * d + column])
                    .sum()
            };
            (0..d).map(|column| white(column).powi(2)).sum()
        };
        -0.5 * (distance + self.constants[j])
    }
}

/// Mutual information I(x; z) in nats under q of all latents together, with the aggregated posterior
/// estimated by the first `n` examples: mean of log q(z_i|x_i) - log 1/n sum_j q(z_i|x_j). At most log n.
///
/// `n` is at most [`N_INFORMATION`]. `None` once `go_on` says no. Source: [hoffman-2016], section 3.
/// Cost: n^2 d, for full covariances n^2 d^2 / 2.
pub fn mutual_information(
    latents: &[Codes],
    n: usize,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<f64> {
    let densities: Vec<Densities<'_>> = latents
        .iter()
        .map(|codes| Densities::new(codes, n))
        .collect();
    let mut total = 0.0;
    let mut log_q = vec![0.0; n];
    for i in 0..n {
        log_q.fill(0.0);
        for density in &densities {
            for (j, slot) in log_q.iter_mut().enumerate() {
                *slot += density.ln_pdf(i, j);
            }
        }
        let peak = log_q.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = log_q.iter().map(|q| (q - peak).exp()).sum();
        total += log_q[i] - (peak + (sum / n as f64).ln());
        if !go_on() {
            return None;
        }
    }
    Some(total / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_of_separate_and_of_equal_codes() {
        let n = 200u32;
        let mut stream = Stream::from_seed(2);
        let codes = |spread: f64, stream: &mut Stream| {
            let mean: Vec<f64> = (0..n).map(|i| spread * f64::from(i)).collect();
            Codes {
                dim: 1,
                sample: mean.iter().map(|m| m + stream.normal()).collect(),
                log_var: vec![0.0; n as usize],
                whitening: Vec::new(),
                indices: Vec::new(),
                book: [0, 0],
                is_dependent: false,
                kl_sums: vec![0.0],
                mean,
            }
        };
        let information = |codes: &Codes| {
            mutual_information(std::slice::from_ref(codes), n as usize, &mut || true).unwrap()
        };
        let apart = codes(100.0, &mut stream);
        assert!((information(&apart) - f64::from(n).ln()).abs() < 1e-9);
        assert_eq!(apart.active_units(), 1);
        let equal = codes(0.0, &mut stream);
        assert!(information(&equal).abs() < 1e-12);
        assert_eq!(equal.active_units(), 0);
    }
}

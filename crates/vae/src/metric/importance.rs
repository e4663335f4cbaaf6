//! log p(x) by importance sampling from q(z|x): log 1/K sum_k p(x, z_k) / q(z_k|x).
//!
//! In expectation it lies between the ELBO and log p(x), and rises with K. The K samples are taken in
//! chunks whose rows fill the matrix products; sums are taken in f64. Source: [burda-2016].

use crate::condition::Batch;
use crate::model::{DrawOptions, Model};
use jensen_nets::Params;
use jensen_rng::Stream;

/// Decoder rows per pass: large enough for full speed, small enough for the cache.
const ROWS: usize = 2048;
/// Passes between two reports of progress.
const PASSES_PER_REPORT: usize = 8;

/// How many examples to score between two reports, for K samples each.
pub(super) fn examples_per_report(k: usize) -> usize {
    (PASSES_PER_REPORT * ROWS / k).clamp(1, 500)
}

/// The estimate for each example of a batch, `[B]` nats; `None` once `go_on`, asked after every pass
/// through the decoder, says no.
pub fn log_evidence(
    model: &Model,
    params: &Params,
    batch: &Batch,
    k: usize,
    stream: &Stream,
    go_on: &mut dyn FnMut() -> bool,
) -> Option<Vec<f64>> {
    let [n_rows, _] = batch.x.dims();
    let chunk = (ROWS / n_rows).clamp(1, k);
    let mut sums = vec![LogSum::default(); n_rows];
    let mut done = 0;
    while done < k {
        let n_samples = chunk.min(k - done);
        let options = DrawOptions {
            n_samples,
            detach_posterior: false,
            gradient_scale: None,
        };
        let stream = stream.child("importance", done as u64);
        let (_, log_weights) = model.draw_weighted(params, batch.clone(), &options, &stream);
        let log_weights = crate::ledger::to_f64(log_weights);
        for (sum, weights) in sums.iter_mut().zip(log_weights.chunks_exact(n_samples)) {
            weights.iter().for_each(|&weight| sum.add(weight));
        }
        done += n_samples;
        if !go_on() {
            return None;
        }
    }
    let values = sums.iter().map(|sum| sum.value() - (k as f64).ln());
    Some(values.collect())
}

/// A running log sum exp.
#[derive(Clone)]
struct LogSum {
    peak: f64,
    scaled: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self {
            peak: f64::NEG_INFINITY,
            scaled: 0.0,
        }
    }
}

impl LogSum {
    fn add(&mut self, value: f64) {
        if value == f64::NEG_INFINITY {
            return;
        }
        if value <= self.peak {
            self.scaled += (value - self.peak).exp();
        } else {
            self.scaled = self.scaled * (self.peak - value).exp() + 1.0;
            self.peak = value;
        }
    }

    fn value(&self) -> f64 {
        self.peak + self.scaled.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::LogSum;

    #[test]
    fn a_running_sum_is_the_sum() {
        let mut sum = LogSum::default();
        for value in [-1000.0, -999.0, -1001.5, -999.0] {
            sum.add(value);
        }
        let direct = -999.0 + ((-1f64).exp() + 1.0 + (-2.5f64).exp() + 1.0).ln();
        assert!((sum.value() - direct).abs() < 1e-12);
    }
}

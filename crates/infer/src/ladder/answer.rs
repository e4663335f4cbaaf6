//! What a fit answers: draws, moments, evidence, and how far to trust them.

use super::{Climbed, Rung};
use crate::importance::Sample;
use crate::mcmc::Sampled;
use crate::referee::drift::moments;
use crate::referee::importance::{values_of, weighted_moments};
use crate::referee::{Report, Verdict, judge_importance};
use jensen_density::LogDensity;
use jensen_posterior::{Draws, resample};
use jensen_rng::Stream;

/// The answer of a fit.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The rung that gave it.
    pub rung: Rung,
    /// Names of the values, `[n_values]`.
    pub names: Vec<String>,
    /// Posterior means, `[n_values]`.
    pub mean: Vec<f64>,
    /// Posterior standard deviations, `[n_values]`.
    pub sd: Vec<f64>,
    /// Draws of the values, equally weighted.
    pub draws: Draws,
    /// The referee's judgement.
    pub report: Report,
    /// Estimate of the log evidence with its standard error, nats, where weights give one; it contains the
    /// free constant of the density.
    pub log_evidence: Option<(f64, f64)>,
    /// Every rung climbed, with its cost.
    pub climbed: Vec<Climbed>,
}

/// Equally weighted draws that are resampled from weighted ones.
const N_RESAMPLED: usize = 4000;

impl Answer {
    /// Whether the referee called it good.
    pub fn is_good(&self) -> bool {
        self.report.verdict == Verdict::Good
    }

    /// Gradients used in all.
    pub fn n_gradients(&self) -> u64 {
        self.climbed.iter().map(|rung| rung.n_gradients).sum()
    }

    /// The answer of two samples with weights, and the gradients its judgement took.
    pub(crate) fn of_samples(
        target: &dyn LogDensity,
        rung: Rung,
        samples: [&Sample; 2],
        stream: &Stream,
    ) -> (Self, u64) {
        let names = target.layout().value_names();
        let width = names.len();
        let values = samples.map(|sample| values_of(target, sample));
        let (report, used) = judge_importance(
            target,
            samples,
            [&values[0], &values[1]],
            &stream.child("referee", 0),
        )
        .expect("internal error: values are not those of the samples");
        // Each sample counts by the number of draws that its weights are worth.
        let worth = samples.map(|sample| sample.psis.effective_draws());
        let share = worth.map(|w| w / (worth[0] + worth[1]));
        let moments = [0, 1].map(|i| weighted_moments(samples[i], &values[i], width));
        let mean: Vec<f64> = (0..width)
            .map(|j| moments[0].0[j] + share[1] * (moments[1].0[j] - moments[0].0[j]))
            .collect();
        let sd = (0..width)
            .map(|j| {
                let second: f64 = (0..2)
                    .map(|i| {
                        let (m, s) = (moments[i].0[j], moments[i].1[j]);
                        share[i] * (s * s + (m - mean[j]).powi(2))
                    })
                    .sum();
                second.sqrt()
            })
            .collect();
        let mut rows = Vec::with_capacity(N_RESAMPLED * width);
        for i in 0..2 {
            let n = (share[i] * N_RESAMPLED as f64).round() as usize;
            let n = if i == 0 {
                n
            } else {
                N_RESAMPLED - rows.len() / width.max(1)
            };
            let mut draws = stream.child("resample", i as u64);
            let chosen = resample::with_replacement(&samples[i].psis.ln_weights, n, &mut draws)
                .expect("internal error: weights that were judged cannot be drawn from");
            for k in chosen {
                rows.extend_from_slice(&values[i][k * width..(k + 1) * width]);
            }
        }
        let ln_z = samples.map(|sample| sample.psis.log_evidence());
        let log_evidence = share[0] * ln_z[0].value + share[1] * ln_z[1].value;
        let log_evidence_se = (share[0] * ln_z[0].se).hypot(share[1] * ln_z[1].se);
        let answer = Self {
            rung,
            draws: Draws::new(names.clone(), 1, N_RESAMPLED, rows),
            names,
            mean,
            sd,
            report,
            log_evidence: Some((log_evidence, log_evidence_se)),
            climbed: Vec::new(),
        };
        (answer, used)
    }

    /// The answer of chains.
    pub(super) fn of_chains(target: &dyn LogDensity, sampled: &Sampled, report: Report) -> Self {
        let draws = sampled.constrained(target);
        let (mean, sd) = moments(draws.rows(), draws.dim(), draws.rows().len() as f64);
        Self {
            rung: Rung::Nuts,
            names: draws.names().to_vec(),
            mean,
            sd,
            draws,
            report,
            log_evidence: None,
            climbed: Vec::new(),
        }
    }
}

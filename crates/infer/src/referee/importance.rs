//! Judges weighted draws: two samples that know nothing of each other must have good tails and agree.

use super::{Check, Report, drift, stein};
use crate::importance::Sample;
use jensen_density::LogDensity;
use jensen_posterior::{Psis, psis::threshold, resample};
use jensen_rng::Stream;

/// Draws that make trajectories.
const N_DRIFT: usize = 200;
/// Weights worth less than this many draws do not carry a mean.
const LEAST_DRAWS: f64 = 100.0;
/// Means of two samples may differ by this many standard deviations: twice what a quarter allows to each.
const AGREEMENT: f64 = 0.2;
/// Allowed drift, in standard deviations, and allowed error of Stein's identity.
const DRIFT: f64 = 0.2;
const STEIN: f64 = 0.2;

/// Weighted means and standard deviations of values `[n, v]`.
pub(crate) fn weighted_moments(
    sample: &Sample,
    values: &[f64],
    width: usize,
) -> (Vec<f64>, Vec<f64>) {
    let weights = sample.weights();
    let mut mean = vec![0.0; width];
    let mut sd = vec![0.0; width];
    for (row, w) in values
        .chunks_exact(width)
        .zip(&weights)
        .filter(|(_, w)| **w > 0.0)
    {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += w * x);
    }
    for (row, w) in values
        .chunks_exact(width)
        .zip(&weights)
        .filter(|(_, w)| **w > 0.0)
    {
        for j in 0..width {
            sd[j] += w * (row[j] - mean[j]).powi(2);
        }
    }
    sd.iter_mut().for_each(|v| *v = v.sqrt());
    (mean, sd)
}

/// Constrained values of all positions of a sample, `[n, n_values]`; zero where the density refused.
pub(crate) fn values_of(target: &dyn LogDensity, sample: &Sample) -> Vec<f64> {
    let width = target.layout().n_values();
    let mut values = vec![0.0; sample.ln_p.len() * width];
    for ((row, out), ln_p) in sample
        .rows()
        .zip(values.chunks_exact_mut(width))
        .zip(&sample.ln_p)
    {
        if *ln_p > f64::NEG_INFINITY {
            target.constrain(row, out);
        }
    }
    values
}

/// Judges two independent samples with their values; also the gradients that the drift test used.
pub fn judge_importance(
    target: &dyn LogDensity,
    samples: [&Sample; 2],
    values: [&[f64]; 2],
    stream: &Stream,
) -> (Report, u64) {
    let names = target.layout().value_names();
    let width = names.len();
    let mut checks = Vec::new();
    // With its uncertainty, so that a lucky tail is not taken for a good one.
    let shape = |sample: &Sample| sample.psis.k_hat + sample.psis.k_hat_sd;
    let limit = samples
        .iter()
        .map(|s| threshold(s.ln_p.len()))
        .fold(f64::INFINITY, f64::min);
    checks.push(Check::whole(
        "k_hat",
        shape(samples[0]).max(shape(samples[1])),
        limit,
        1.0,
    ));
    let draws = samples.map(|s| s.psis.effective_draws());
    checks.push(Check::whole(
        "scarcity",
        LEAST_DRAWS / draws[0].min(draws[1]),
        1.0,
        10.0,
    ));
    let moments = [0, 1].map(|i| weighted_moments(samples[i], values[i], width));
    let gaps: Vec<f64> = (0..width)
        .map(|j| {
            let sd = (0.5 * (moments[0].1[j].powi(2) + moments[1].1[j].powi(2))).sqrt();
            let gap = (moments[0].0[j] - moments[1].0[j]).abs();
            // Two constants that are equal agree.
            if gap == 0.0 { 0.0 } else { gap / sd }
        })
        .collect();
    checks.push(Check::each("agreement", &gaps, &names, AGREEMENT, 1.0));
    // The weights may have a good tail where the quantity times the weight has none: its mean is then not
    // to be had from these draws.
    let tails: Vec<f64> = (0..width)
        .map(|j| {
            let shapes =
                [0, 1].map(|i| moment_shape(samples[i], values[i], &moments[i].0, j, width));
            shapes[0].max(shapes[1])
        })
        .collect();
    checks.push(Check::each("moment_k_hat", &tails, &names, limit, 1.0));
    let coordinates: Vec<String> = (0..target.dim())
        .map(|i| target.layout().coordinate(i))
        .collect();
    let errors: Vec<f64> = {
        let [a, b] = samples.map(stein);
        a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect()
    };
    checks.push(Check::each("stein", &errors, &coordinates, STEIN, 1.0));
    let mut n_gradients = 0;
    if let Ok(chosen) = resample::with_replacement(
        &samples[0].psis.ln_weights,
        N_DRIFT,
        &mut stream.child("drift", 0),
    ) {
        let rows: Vec<&[f64]> = samples[0].rows().collect();
        let picked: Vec<&[f64]> = chosen.iter().map(|&i| rows[i]).collect();
        let (moved, used) = drift(target, &picked, &stream.child("drift", 1));
        n_gradients = used;
        checks.push(Check::each("drift", &moved, &names, DRIFT, 1.0));
    }
    (Report::of(checks), n_gradients)
}

/// k-hat of |value - mean| times the weight, for one quantity.
fn moment_shape(sample: &Sample, values: &[f64], mean: &[f64], j: usize, width: usize) -> f64 {
    let ln_weights: Vec<f64> = (sample.psis.ln_weights.iter().enumerate())
        .map(|(k, w)| w + (values[k * width + j] - mean[j]).abs().ln())
        .collect();
    // A constant has no deviations at all.
    Psis::smooth(&ln_weights).map_or(0.0, |psis| psis.k_hat)
}

//! Judges weighted draws: two samples must have good tails, agree, and fulfil what holds for draws of the
//! target.
//!
//! Two Monte Carlo standard errors of every mean have to fit into the quarter of a standard deviation that a good
//! answer promises (`mcse`).
//!
//! Agreement says as much as the samples are independent. Those of the ladder's first rung share nothing;
//! later ones share the modes that both restarts found, so that they disagree only by what their draws and
//! weights do not carry.

use super::beyond::beyond;
use super::blame::blamed;
use super::compare::in_units;
use super::{Check, Report, Sense, drift, sd_check, squares, stein, tail_shape};
use crate::InferError;
use crate::importance::Sample;
use jensen_density::LogDensity;
use jensen_posterior::{psis::threshold, resample};
use jensen_rng::Stream;

/// Draws that make trajectories: three standard errors of their movement are then a fifth of a standard
/// deviation.
const N_DRIFT: usize = 400;
/// Largest k-hat of weights from which proposals have learned: rounds end once weights look good, so that what they say
/// of themselves is too kind. They have to have a variance; up to the usual 0.7, means of hierarchical models whose neck
/// both samples missed were off by a third of a standard deviation.
const LEARNED: f64 = 0.5;
/// Weights worth less than this many draws do not carry a mean.
const LEAST_DRAWS: f64 = 100.0;
/// Means of two samples may differ by this many standard deviations, so that each is within a tenth of their
/// middle.
pub(crate) const AGREEMENT: f64 = 0.2;
/// What a good answer promises of its means, in standard deviations, and what is hopeless.
pub(super) const PROMISED: f64 = 0.25;
pub(super) const PROMISED_FAR: f64 = 1.0;
/// Standard errors of a mean that have to fit into the promise.
pub(super) const ERRORS: f64 = 2.0;
/// Allowed drift, in standard deviations beyond chance, and allowed error of Stein's identities.
pub(crate) const DRIFT: f64 = 0.15;
pub(crate) const STEIN: f64 = 0.2;

/// Weighted means and standard deviations of values `[n, v]`; sums are of distances to the first value with a weight, so
/// that values far from zero lose no digits, and weights need not sum to one to rounding.
pub(crate) fn weighted_moments(
    sample: &Sample,
    values: &[f64],
    width: usize,
) -> (Vec<f64>, Vec<f64>) {
    let weights = sample.weights();
    // Values of refused positions mean nothing.
    let rows = || {
        let rows = values.chunks_exact(width).zip(&weights);
        rows.filter(|(_, w)| **w > 0.0)
    };
    let total: f64 = weights.iter().sum();
    let first = rows()
        .next()
        .map_or(vec![0.0; width], |(row, _)| row.to_vec());
    let mut mean = vec![0.0; width];
    let mut sd = vec![0.0; width];
    for (row, w) in rows() {
        for (m, (x, o)) in mean.iter_mut().zip(row.iter().zip(&first)) {
            *m += w / total * (x - o);
        }
    }
    mean.iter_mut().zip(&first).for_each(|(m, o)| *m += o);
    for (row, w) in rows() {
        for j in 0..width {
            sd[j] += w / total * (row[j] - mean[j]).powi(2);
        }
    }
    sd.iter_mut().for_each(|v| *v = v.sqrt());
    (mean, sd)
}

/// Monte Carlo standard errors of weighted means of values `[n, v]`, by the delta method: (sum w^2 (x - mean)^2)^1/2.
pub(super) fn weighted_errors(sample: &Sample, values: &[f64], mean: &[f64]) -> Vec<f64> {
    let mut squares = vec![0.0; mean.len()];
    let weights = sample.weights();
    let rows = values.chunks_exact(mean.len()).zip(&weights);
    for (row, w) in rows.filter(|(_, w)| **w > 0.0) {
        for (square, (x, m)) in squares.iter_mut().zip(row.iter().zip(mean)) {
            *square += (w * (x - m)).powi(2);
        }
    }
    squares.into_iter().map(f64::sqrt).collect()
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

/// Judges two independent samples with their values `[n, n_values]`; also the gradients that this took.
///
/// # Errors
/// [`InferError::Option`] for a sample or values whose lengths are not those of the target and of each other.
pub fn judge_importance(
    target: &dyn LogDensity,
    samples: [&Sample; 2],
    values: [&[f64]; 2],
    stream: &Stream,
) -> Result<(Report, u64), InferError> {
    for (sample, values) in samples.into_iter().zip(values) {
        check_lengths(target, sample, values)?;
    }
    let names = target.layout().value_names();
    let width = names.len();
    let most = Sense::AtMost;
    let limits = samples.map(|s| match s.n_rounds {
        0 | 1 => threshold(s.ln_p.len()),
        _ => LEARNED,
    });
    let limit = limits[0].min(limits[1]);
    // The weights may have a good tail where the quantity times the weight has none: its mean is then not
    // to be had from these draws.
    let moments = [0, 1].map(|i| weighted_moments(samples[i], values[i], width));
    let (tails, square_tails): (Vec<f64>, Vec<f64>) = (0..width)
        .map(|j| {
            let shapes = [0, 1].map(|i| {
                let column: Vec<f64> = values[i].iter().skip(j).step_by(width).copied().collect();
                let of = |values: &[f64]| tail_shape(&samples[i].psis.ln_weights, values, 1.0);
                (of(&column), of(&squares(&column, moments[i].0[j])))
            });
            (shapes[0].0.max(shapes[1].0), shapes[0].1.max(shapes[1].1))
        })
        .unzip();
    let of_moments = Check::each("moment_k_hat", &tails, &names, most, limit, 1.0);
    // With its uncertainty, so that a lucky tail is not taken for a good one.
    let shapes = samples.map(|s| s.psis.k_hat + s.psis.k_hat_sd);
    let worth = samples.map(|s| s.psis.effective_draws());
    // Values whose own tails fail, or else those that go with the weights of the worse sample.
    let behind = |worse: usize| match of_moments.failing.is_empty() {
        false => of_moments.failing.clone(),
        true => {
            let rows: Vec<&[f64]> = values[worse].chunks_exact(width).collect();
            blamed(&rows, &samples[worse].psis.ln_weights, &names)
        }
    };
    let mut checks = vec![
        Check::whole("k_hat", shapes[0].max(shapes[1]), most, limit, 1.0)
            .blaming(|| behind(usize::from(shapes[1] > shapes[0]))),
        Check::whole(
            "ess",
            worth[0].min(worth[1]),
            Sense::AtLeast,
            LEAST_DRAWS,
            0.1 * LEAST_DRAWS,
        )
        .blaming(|| behind(usize::from(worth[1] < worth[0]))),
    ];
    let gaps: Vec<f64> = (0..width)
        .map(|j| {
            let sd = (0.5 * (moments[0].1[j].powi(2) + moments[1].1[j].powi(2))).sqrt();
            let gap = (moments[0].0[j] - moments[1].0[j]).abs();
            in_units(gap, sd)
        })
        .collect();
    // Weights may be worth many draws of which few carry this value. Samples count by what they are worth.
    let each = [0, 1].map(|i| weighted_errors(samples[i], values[i], &moments[i].0));
    let errors: Vec<f64> = (0..width)
        .map(|j| {
            let error =
                (worth[0] * each[0][j]).hypot(worth[1] * each[1][j]) / (worth[0] + worth[1]);
            let sd = (0.5 * (moments[0].1[j].powi(2) + moments[1].1[j].powi(2))).sqrt();
            ERRORS * in_units(error, sd)
        })
        .collect();
    checks.push(Check::each(
        "mcse",
        &errors,
        &names,
        most,
        PROMISED,
        PROMISED_FAR,
    ));
    checks.push(Check::each(
        "agreement",
        &gaps,
        &names,
        most,
        AGREEMENT,
        1.0,
    ));
    checks.push(of_moments);
    checks.push(sd_check(&square_tails, &names));
    let coordinates: Vec<String> = (0..target.dim())
        .map(|i| target.layout().coordinate(i))
        .collect();
    let errors: Vec<f64> = {
        let [a, b] = samples.map(stein);
        a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect()
    };
    checks.push(Check::each(
        "stein",
        &errors,
        &coordinates,
        most,
        STEIN,
        1.0,
    ));
    // Weights that cannot be drawn from leave nothing.
    let picked = [0, 1].map(|i| -> Vec<&[f64]> {
        let mut draws = stream.child("drift", 2 * i as u64);
        let ln_weights = &samples[i].psis.ln_weights;
        let chosen = resample::with_replacement(ln_weights, N_DRIFT, &mut draws);
        let rows: Vec<&[f64]> = samples[i].rows().collect();
        let chosen = chosen.unwrap_or_default().into_iter();
        chosen.map(|k| rows[k]).collect()
    });
    let (moved, n_drift) = match picked[0].is_empty() {
        false => drift(target, &picked[0], &stream.child("drift", 1)),
        true => (vec![f64::INFINITY; width], 0),
    };
    checks.push(Check::each("drift", &moved, &names, most, DRIFT, 1.0));
    let (far, n_beyond) = beyond(target, &picked.concat());
    checks.extend(far);
    Ok((Report::of(checks), n_drift + n_beyond))
}

/// Refuses a sample or values of lengths that do not fit.
fn check_lengths(
    target: &dyn LogDensity,
    sample: &Sample,
    values: &[f64],
) -> Result<(), InferError> {
    let (n, d) = (sample.ln_p.len(), target.dim());
    let width = target.layout().n_values();
    let lengths = [
        ("dim", d, sample.dim),
        ("positions", n * d, sample.positions.len()),
        ("grads", n * d, sample.grads.len()),
        ("ln_weights", n, sample.psis.ln_weights.len()),
        ("values", n * width, values.len()),
    ];
    match lengths
        .iter()
        .find(|(_, expected, found)| expected != found)
    {
        None => Ok(()),
        Some((option, expected, found)) => Err(InferError::Option {
            option,
            expected: format!("{expected} for {n} draws of {d} coordinates and {width} values"),
            found: found.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referee::Verdict;
    use crate::targets::Quadratic;
    use jensen_posterior::Psis;

    /// Draws of a coordinate with weights; what is not looked at is left empty.
    fn sample(positions: Vec<f64>, weights: &[f64]) -> Sample {
        let total: f64 = weights.iter().sum();
        let n = positions.len();
        Sample {
            dim: 1,
            ln_p: vec![0.0; n],
            grads: vec![0.0; n],
            positions,
            psis: Psis {
                ln_weights: weights.iter().map(|w| (w / total).ln()).collect(),
                ln_mean_weight: 0.0,
                k_hat: 0.0,
                k_hat_sd: 0.0,
                n_tail: 0,
            },
            n_rounds: 1,
            n_gradients: n as u64,
            n_rejected: 0,
            proposal: None,
        }
    }

    #[test]
    fn a_mean_that_one_draw_carries_has_an_error_of_its_own() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let judged = |of_one: f64| {
            let positions: Vec<f64> = (0..1000).map(|i| f64::from(u8::from(i == 0))).collect();
            let mut weights = vec![(1.0 - of_one) / 999.0; 1000];
            weights[0] = of_one;
            let s = sample(positions.clone(), &weights);
            let stream = Stream::from_seed(1);
            let judged = judge_importance(&target, [&s, &s], [&positions; 2], &stream);
            let (report, _) = judged.unwrap();
            let find = |name: &str| report.checks.iter().find(|c| c.name == name).cloned();
            (find("mcse").unwrap(), find("ess").unwrap())
        };
        // The weighted draw is a Bernoulli trial: error w (1 - w) over (w (1 - w))^1/2 by hand, for two samples.
        for (of_one, verdict) in [(0.02, Verdict::Good), (0.04, Verdict::Doubtful)] {
            let (error, ess) = judged(of_one);
            let by_hand = 2.0 * (of_one * (1.0 - of_one) / 2.0).sqrt();
            assert!((error.value / by_hand - 1.0).abs() < 0.02, "{error:?}");
            assert_eq!(error.verdict(), verdict, "{error:?}");
            assert_eq!(ess.verdict(), Verdict::Good, "{ess:?}");
        }
    }

    /// A shape below the limit for a thousand draws, 1 - 1/3, that may as well be above it.
    #[test]
    fn a_shape_that_may_be_above_the_limit_does_not_pass() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let judged = |k_hat: f64, k_hat_sd: f64| {
            let mut stream = Stream::from_seed(4);
            let positions: Vec<f64> = (0..1000).map(|_| stream.normal()).collect();
            let mut s = sample(positions.clone(), &[1.0; 1000]);
            (s.psis.k_hat, s.psis.k_hat_sd) = (k_hat, k_hat_sd);
            let judged = judge_importance(&target, [&s, &s], [&positions; 2], &stream);
            let (report, _) = judged.unwrap();
            let check = report.checks.iter().find(|check| check.name == "k_hat");
            check.cloned().unwrap()
        };
        let sure = judged(0.6, 0.05);
        assert_eq!(sure.verdict(), Verdict::Good, "{sure:?}");
        let unsure = judged(0.6, 0.1);
        assert_eq!(unsure.verdict(), Verdict::Doubtful, "{unsure:?}");
        assert_eq!(unsure.failing, ["x[1]"]);
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let good = sample(vec![0.0, 1.0, 2.0], &[1.0; 3]);
        let values = good.positions.clone();
        let stream = Stream::from_seed(1);
        let refused = |s: &Sample, values: &[f64]| {
            let judged = judge_importance(&target, [&good, s], [&good.positions, values], &stream);
            match judged {
                Err(InferError::Option { option, .. }) => option,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(&good, &values[1..]), "values");
        let mut s = good.clone();
        s.positions.pop();
        assert_eq!(refused(&s, &values), "positions");
        let mut s = good.clone();
        s.dim = 2;
        assert_eq!(refused(&s, &values), "dim");
        let mut s = good.clone();
        s.psis.ln_weights.pop();
        assert_eq!(refused(&s, &values), "ln_weights");
        let mut s = good.clone();
        s.grads.pop();
        assert_eq!(refused(&s, &values), "grads");
    }

    #[test]
    fn weighted_values_far_from_zero_keep_their_digits() {
        const FAR: f64 = 1e8;
        let mut stream = Stream::from_seed(1);
        let near: Vec<f64> = (0..4000).map(|_| stream.normal()).collect();
        let weights: Vec<f64> = (0..4000).map(|_| stream.uniform()).collect();
        let far: Vec<f64> = near.iter().map(|x| x + FAR).collect();
        let of = |values: &[f64]| weighted_moments(&sample(values.to_vec(), &weights), values, 1);
        let ((mean, sd), (far_mean, far_sd)) = (of(&near), of(&far));
        // Two units in the last place of the mean.
        assert!((far_mean[0] - FAR - mean[0]).abs() < 3e-8, "{far_mean:?}");
        assert!((far_sd[0] / sd[0] - 1.0).abs() < 1e-8, "{far_sd:?}");
    }
}

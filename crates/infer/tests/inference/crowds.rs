//! Crowds of modes within the reach of scouts: an answer over some of them is never called good.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::ladder::{Ladder, fit};
use jensen_rng::Stream;
use jensen_run::Silent;
use std::f64::consts::TAU;

/// A good answer has every mean within a quarter of a standard deviation.
const GOOD: f64 = 0.25;
/// And every standard deviation within this factor.
const FACTOR: f64 = 1.3;
/// Seeds of each target.
const SEEDS: u64 = 6;

/// A normal law under peaks at the whole numbers: -(x - m)^2 / 2 s^2 + a cos(2 pi x).
fn whole_numbers(m: f64, s: f64, a: f64) -> impl LogDensity {
    from_fn(Layout::new(vec![Variable::real("x")]), move |x, grad| {
        grad[0] = -(x[0] - m) / (s * s) - a * TAU * (TAU * x[0]).sin();
        -0.5 * ((x[0] - m) / s).powi(2) + a * (TAU * x[0]).cos()
    })
}

/// Mean and standard deviation of a density of one number that is nothing beyond `far` from m, by the trapezoid rule.
fn moments(density: &dyn LogDensity, m: f64, far: f64) -> (f64, f64) {
    const N: usize = 200_000;
    let mut sums = [0.0; 3];
    for i in 0..=N {
        let x = m + far * (2.0 * i as f64 / N as f64 - 1.0);
        let ln_p = density
            .log_density_and_grad(&[x], &mut [0.0], &mut [])
            .unwrap();
        let p = ln_p.exp();
        sums[0] += p;
        sums[1] += p * x;
        sums[2] += p * x * x;
    }
    let mean = sums[1] / sums[0];
    (mean, (sums[2] / sums[0] - mean * mean).sqrt())
}

#[test]
fn peaks_at_whole_numbers_are_found_or_doubted() {
    let mut n_good = 0;
    let (m, s) = (1.3, 3.0);
    let target = whole_numbers(m, s, 10.0);
    let (mean, sd) = moments(&target, m, 8.0 * s);
    for seed in 1..=SEEDS {
        let answer = fit(
            &target,
            &Ladder::default(),
            &Stream::from_seed(seed),
            None,
            &mut Silent,
        )
        .unwrap();
        let off = (answer.mean[0] - mean).abs() / sd;
        let factor = (answer.sd[0] / sd).ln().abs();
        let said = format!(
            "seed {seed}: off by {off}, sd by {factor}, {}",
            answer.report
        );
        assert!(
            !answer.is_good() || (off < GOOD && factor < FACTOR.ln()),
            "{said}"
        );
        n_good += u64::from(answer.is_good());
    }
    // Some twenty peaks are not too many to be sure of.
    assert!(2 * n_good >= SEEDS, "{n_good}");
}

/// Means of a mixture of four components that share their weights and spread: each of the 24 ways to name them is a
/// mode, and all means are the same.
#[test]
fn names_of_components_are_exchanged_or_the_answer_is_doubted() {
    let data: Vec<f64> = [0.0, 6.0, 12.0, 18.0]
        .iter()
        .flat_map(|center| (0..12).map(move |i| center + (f64::from(i) - 5.5) / 4.0))
        .collect();
    let target = from_fn(
        Layout::new(vec![Variable::new("m", &[4])]),
        move |m, grad| {
            let mut total = 0.0;
            for (g, m) in grad.iter_mut().zip(m) {
                *g = -m / 100.0;
                total -= m * m / 200.0;
            }
            for y in &data {
                let terms: Vec<f64> = m.iter().map(|m| -0.5 * (y - m).powi(2)).collect();
                let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = terms.iter().map(|t| (t - most).exp()).sum();
                total += most + sum.ln();
                for ((g, m), t) in grad.iter_mut().zip(m).zip(&terms) {
                    *g += (t - most).exp() / sum * (y - m);
                }
            }
            total
        },
    );
    for seed in 1..=SEEDS {
        let answer = fit(
            &target,
            &Ladder::default(),
            &Stream::from_seed(seed),
            None,
            &mut Silent,
        )
        .unwrap();
        let mean = answer.mean.iter().sum::<f64>() / 4.0;
        let apart = answer
            .mean
            .iter()
            .map(|m| (m - mean).abs())
            .fold(0.0, f64::max);
        // The components lie six apart, four of them: about 6.7 for each mean.
        let said = format!("seed {seed}: means {:?}, {}", answer.mean, answer.report);
        assert!(!answer.is_good() || apart < GOOD * 6.7, "{said}");
    }
}

//! Modes in crowds: components that may exchange their names, and peaks at whole numbers.

use super::ladder::climb;
use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_rng::Stream;
use jensen_special::logspace::log_sum_exp;
use jensen_testkit::targets::NormalMixture;
use std::f64::consts::TAU;

/// A good answer has every mean within a quarter of a standard deviation, which is right to a factor of 3/2.
const GOOD: f64 = 0.25;
const SPREAD: f64 = 1.5;
/// Data of a component.
const N_EACH: usize = 40;
/// Standard deviation of the prior of a component's mean, far beyond the data.
const PRIOR_SD: f64 = 20.0;

/// The means of a mixture of unit normals with equal shares, which data do not order: every one of k! orders is a mode.
/// Also the mean and the standard deviation that all means have in common.
fn exchangeable(k: usize, gap: f64) -> (impl LogDensity, f64, f64) {
    let mut stream = Stream::from_seed(77);
    let middle = 0.5 * (k as f64 - 1.0);
    let data: Vec<f64> = (0..k * N_EACH)
        .map(|i| ((i / N_EACH) as f64 - middle) * gap + stream.normal())
        .collect();
    // Components lie so far apart that each has its own data: a posterior law is normal around their mean.
    let centers = data
        .chunks(N_EACH)
        .map(|own| own.iter().sum::<f64>() / N_EACH as f64);
    let centers: Vec<f64> = centers.collect();
    let mean = centers.iter().sum::<f64>() / k as f64;
    let between: f64 = centers.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / k as f64;
    let sd = (between + 1.0 / N_EACH as f64).sqrt();
    let layout = Layout::new(vec![Variable::new("mu", &[k])]);
    let target = from_fn(layout, move |mu, grad| {
        let mut value = 0.0;
        for (m, g) in mu.iter().zip(grad.iter_mut()) {
            value -= 0.5 * (m / PRIOR_SD).powi(2);
            *g = -m / PRIOR_SD.powi(2);
        }
        for y in &data {
            let terms: Vec<f64> = mu.iter().map(|m| -0.5 * (y - m).powi(2)).collect();
            let all = log_sum_exp(&terms);
            value += all;
            for ((m, term), g) in mu.iter().zip(&terms).zip(grad.iter_mut()) {
                *g += (term - all).exp() * (y - m);
            }
        }
        value
    });
    (target, mean, sd)
}

/// How many of three answers are good; each of those is right.
fn n_good(name: &str, target: &dyn LogDensity, mean: f64, sd: f64) -> usize {
    let good = (1..=3).filter(|&seed| {
        let answer = climb(target, seed).unwrap();
        for (found, found_sd) in answer.mean.iter().zip(&answer.sd) {
            let off = (found - mean).abs() / sd;
            let is_right = off < GOOD && (found_sd / sd).ln().abs() < SPREAD.ln();
            let said = format!("{name}, seed {seed}: E {off}, sd {found_sd} for {sd}");
            assert!(!answer.is_good() || is_right, "{said}: {}", answer.report);
        }
        answer.is_good()
    });
    good.count()
}

#[test]
fn components_that_exchange_names_are_all_found() {
    for (k, gap) in [(2, 5.0), (3, 5.0), (4, 5.0)] {
        let (target, mean, sd) = exchangeable(k, gap);
        let name = format!("{k} components");
        assert_eq!(n_good(&name, &target, mean, sd), 3, "{name}");
    }
}

/// A normal law of standard deviation s times exp(a cos(2 pi x)): some 4 s peaks.
#[test]
fn peaks_at_whole_numbers_are_found_or_doubted() {
    let peaks = |s: f64, a: f64| {
        from_fn(Layout::new(vec![Variable::real("x")]), move |x, grad| {
            grad[0] = -x[0] / (s * s) - a * TAU * (TAU * x[0]).sin();
            -0.5 * (x[0] / s).powi(2) + a * (TAU * x[0]).cos()
        })
    };
    for a in [3.0, 10.0] {
        assert_eq!(n_good("s = 3", &peaks(3.0, a), 0.0, 3.0), 3, "a = {a}");
        // So many modes that scouts do not come to an end.
        n_good("s = 10", &peaks(10.0, a), 0.0, 10.0);
    }
}

#[test]
fn normal_laws_side_by_side_are_all_found() {
    const SIX: [f64; 6] = [1.0 / 6.0; 6];
    let cases: [(usize, &[f64], &[f64]); 4] = [
        (2, &[0.3, 0.7], &[0.0, 10.0]),
        (3, &[0.3, 0.7], &[-5.0, 5.0]),
        (1, &SIX, &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0]),
        (2, &[0.2; 5], &[0.0, 10.0, 20.0, 30.0, 40.0]),
    ];
    for (which, (d, shares, at)) in cases.into_iter().enumerate() {
        let parts: Vec<(f64, f64, f64)> = (shares.iter().zip(at))
            .map(|(share, m)| (*share, *m, 1.0))
            .collect();
        let target = NormalMixture::new(&parts).product(d);
        let (mean, sd) = (target.reference.mean[0], target.reference.sd[0]);
        let n_good = n_good(&format!("crowd {which}"), target.density.as_ref(), mean, sd);
        // Of 25 modes some may stay unknown, which is told.
        assert!(n_good >= 2, "crowd {which}: {n_good}");
    }
}

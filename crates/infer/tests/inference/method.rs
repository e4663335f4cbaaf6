//! Every method by its name, on targets whose answer is known: none is called good and is wrong.

use jensen_density::LogDensity;
use jensen_infer::InferError;
use jensen_infer::method::{FitOptions, Fitted, Method, fit_with};
use jensen_infer::pathfinder::{Pathfinder, multi_path};
use jensen_infer::referee::Verdict;
use jensen_infer::vi::{Bam, BamStart};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{Gaussian, LinearRegression, Target, synthetic};
use rayon::prelude::*;

/// A good answer has every mean within a quarter of a standard deviation.
const GOOD: f64 = 0.25;

pub(crate) fn fitted(name: &str, target: &dyn LogDensity, seed: u64) -> Result<Fitted, InferError> {
    let method = Method::from_name(name)?;
    let options = FitOptions::default();
    fit_with(
        target,
        &method,
        &options,
        &Stream::from_seed(seed),
        None,
        &mut Silent,
    )
}

/// What holds of every answer; E.
pub(crate) fn check(target: &Target, name: &str, answer: &Fitted) -> f64 {
    let n_values = target.reference.mean.len();
    assert_eq!(answer.method, name);
    assert_eq!(answer.draws.names(), target.density.layout().value_names());
    assert_eq!((answer.mean.len(), answer.sd.len()), (n_values, n_values));
    assert!(answer.n_gradients > 0 && !answer.report.checks.is_empty());
    let (e, worst) = target.worst_error(&answer.mean);
    let said = format!(
        "{name} on {}: E {e:.3} of {worst}, {}",
        target.name, answer.report
    );
    assert!(!answer.is_good() || e < GOOD, "{said}");
    // Whatever fails says which quantities to look at, but for a number of chains.
    let mut failed = (answer.report.checks.iter()).filter(|c| c.verdict() != Verdict::Good);
    assert!(
        failed.all(|c| c.name == "n_chains" || !c.failing.is_empty()),
        "{said}"
    );
    e
}

/// What is good for sure, whatever the seed: methods whose family holds the target, and chains on what they mix on.
const KNOWN_GOOD: [(&str, &[&str]); 5] = [
    (
        "gaussian-standard-3",
        &[
            "laplace",
            "pathfinder",
            "multi-path",
            "sgvi-mean-field",
            "sgvi-full-rank",
            "sgvi-low-rank",
            "sgvi-student-t",
            "bam",
            "svgd",
            "nuts",
            "hmc",
            "slice",
        ],
    ),
    (
        "gaussian-correlated-5",
        &[
            "laplace",
            "multi-path",
            "sgvi-full-rank",
            "bam",
            "svgd",
            "hmc",
        ],
    ),
    (
        "gaussian-scaled-3",
        &[
            "laplace",
            "multi-path",
            "sgvi-mean-field",
            "sgvi-full-rank",
            "svgd",
            "nuts",
            "hmc",
            "slice",
        ],
    ),
    ("student_t-4", &["nuts", "hmc"]),
    ("logistic_regression-2", &["nuts", "hmc", "slice"]),
];
/// Seeds of every pair of method and target, of those that are known to be good, and of flows, which take as long as
/// all the other families together.
const SEEDS: u64 = 2;
const SEEDS_GOOD: u64 = 5;
const SEEDS_FLOW: u64 = 1;

/// The ladder has tests of its own, and takes as long as all the others together.
#[test]
fn no_method_is_called_good_and_is_wrong() {
    let targets = synthetic();
    let is_known = |target: &Target, name: &str| {
        let mut known = KNOWN_GOOD.iter();
        known.any(|(of, names)| *of == target.name && names.contains(&name))
    };
    let known: usize = KNOWN_GOOD.iter().map(|(_, names)| names.len()).sum();
    let pairs: Vec<(&Target, &str, bool)> = (targets.iter())
        .flat_map(|target| Method::names().map(move |name| (target, name)))
        .filter(|(_, name)| *name != "ladder")
        .map(|(target, name)| (target, name, is_known(target, name)))
        .collect();
    assert_eq!(pairs.iter().filter(|pair| pair.2).count(), known);
    let runs: Vec<(&Target, &str, bool, u64)> = (pairs.into_iter())
        .flat_map(|(target, name, good)| {
            let seeds = match name {
                _ if good => SEEDS_GOOD,
                "sgvi-flow" => SEEDS_FLOW,
                _ => SEEDS,
            };
            (1..=seeds).map(move |seed| (target, name, good, seed))
        })
        .collect();
    let missed: Vec<String> = (runs.into_par_iter())
        .filter_map(|(target, name, good, seed)| {
            let said = match fitted(name, target.density.as_ref(), seed) {
                Ok(answer) => {
                    check(target, name, &answer);
                    if answer.is_good() {
                        return None;
                    }
                    answer.report.to_string()
                }
                // A method may fail; a request that is right may not be refused.
                Err(error @ (InferError::Failed { .. } | InferError::NoMode { .. })) => {
                    error.to_string()
                }
                Err(other) => panic!("{name} on {}: {other}", target.name),
            };
            good.then(|| format!("{name} on {}, seed {seed}: {said}", target.name))
        })
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn methods_that_suit_a_gaussian_are_called_good_with_its_evidence() {
    let target = Gaussian::correlated(5, 0.9).target();
    let exact = target.reference.log_normalizer.unwrap();
    for name in [
        "ladder",
        "laplace",
        "pathfinder",
        "multi-path",
        "sgvi-full-rank",
        "sgvi-low-rank",
        "bam",
        "svgd",
        "nuts",
        "hmc",
    ] {
        let answer = fitted(name, target.density.as_ref(), 2).unwrap();
        let e = check(&target, name, &answer);
        assert!(
            answer.is_good() && e < GOOD,
            "{name}: {e}, {}",
            answer.report
        );
        for (sd, exact) in answer.sd.iter().zip(&target.reference.sd) {
            assert!((sd / exact).ln().abs() < 1.5f64.ln(), "{name}: {sd}");
        }
        if let Some(ln_z) = answer.log_evidence {
            let off = (ln_z.value - exact).abs();
            assert!(off < 5.0 * ln_z.se + 1e-6, "{name}: {ln_z:?} of {exact}");
        }
        // A lower bound, up to its noise.
        if let Some(elbo) = answer.elbo {
            assert!(
                elbo.value < exact + 5.0 * elbo.se + 1e-6,
                "{name}: {elbo:?}"
            );
        }
    }
}

/// Paths and weights cover what a factorized family misses; its own draws tell.
#[test]
fn a_family_without_the_correlations_of_the_target_is_not_good() {
    for (r, name, good) in [
        (0.0, "sgvi-mean-field", true),
        (0.7, "sgvi-mean-field", false),
        (0.9, "sgvi-mean-field", false),
        (0.7, "sgvi-full-rank", true),
    ] {
        for seed in 1..=4 {
            let target = Gaussian::correlated(2, r).target();
            let answer = fitted(name, target.density.as_ref(), seed).unwrap();
            check(&target, name, &answer);
            let said = format!("{name}, r {r}, seed {seed}: {}", answer.report);
            assert_eq!(answer.is_good(), good, "{said}");
            let own = answer
                .report
                .checks
                .iter()
                .filter(|c| c.name == "own_stein");
            assert!(good || own.flat_map(|c| &c.failing).count() >= 2, "{said}");
        }
    }
}

#[test]
fn several_paths_by_name_are_two_restarts_of_multi_path() {
    let target = Gaussian::correlated(3, 0.5).target();
    let stream = Stream::from_seed(5);
    let (n_paths, n_draws) = (2, 300);
    let method = Method::MultiPath { n_paths, n_draws };
    let options = FitOptions::default();
    let density = target.density.as_ref();
    let answer = fit_with(density, &method, &options, &stream, None, &mut Silent).unwrap();
    let restarts = [0, 1].map(|index| {
        let stream = stream.child("method", 0).child("restart", index);
        multi_path(density, n_paths, n_draws, &Pathfinder::default(), &stream).unwrap()
    });
    let drawn = |row: &[f64]| {
        let mut samples = restarts.iter();
        samples.any(|restart| restart.sample.rows().any(|of| of == row))
    };
    assert!(answer.draws.rows().all(drawn));
    let n_gradients: u64 = restarts.iter().map(|restart| restart.n_gradients).sum();
    assert_eq!(answer.n_gradients, n_gradients);
    assert!(answer.is_good(), "{}", answer.report);
}

/// A line through n points in raw units, with flat priors: by least squares the means of its coefficients, their
/// standard deviations, and that of the noise.
fn line(n: usize, center: f64, width: f64, slope: f64, noise: f64) -> (LinearRegression, [f64; 4]) {
    let mut stream = Stream::from_seed(7);
    let x: Vec<f64> = (0..n).map(|_| center + width * stream.normal()).collect();
    let y: Vec<f64> = (x.iter())
        .map(|x| 26.0 + slope * x + noise * stream.normal())
        .collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n as f64;
    let (x_mean, y_mean) = (mean(&x), mean(&y));
    let sxx: f64 = x.iter().map(|x| (x - x_mean).powi(2)).sum();
    let sxy: f64 = x.iter().zip(&y).map(|(x, y)| (x - x_mean) * y).sum();
    let b = sxy / sxx;
    let a = y_mean - b * x_mean;
    let squares: f64 = x.iter().zip(&y).map(|(x, y)| (y - a - b * x).powi(2)).sum();
    // sigma^2 is inverse gamma with shape (n - 3) / 2 and rate half of the squares.
    let variance = squares / (n as f64 - 5.0);
    let sd_b = (variance / sxx).sqrt();
    let sd_a = (variance * (1.0 / n as f64 + x_mean * x_mean / sxx)).sqrt();
    (
        LinearRegression::new(&[vec![1.0; n], x], y),
        [a, b, sd_a, sd_b],
    )
}

/// From around a random start, where densities of many data are steep, matched scores throw q far away for good:
/// up to 800 standard deviations on posteriors of posteriordb.
#[test]
fn bam_finds_regressions_in_raw_units_from_random_starts() {
    let near = Method::Bam(Bam {
        start: BamStart::Fixed(0.1),
        ..Bam::default()
    });
    let mut n_lost = 0;
    for (n, center, width, slope, noise) in [
        (400, 100.0, 15.0, 0.6, 18.0),
        (1000, 67.0, 4.0, -0.3, 0.4),
        (50, 0.5, 0.3, 1000.0, 200.0),
    ] {
        let (target, [a, b, sd_a, sd_b]) = line(n, center, width, slope, noise);
        for seed in 1..=3 {
            let e =
                |mean: &[f64]| f64::max(((mean[0] - a) / sd_a).abs(), ((mean[1] - b) / sd_b).abs());
            let found = fitted("bam", &target, seed).unwrap();
            let off = e(&found.mean);
            assert!(
                off < GOOD,
                "{n} points, seed {seed}: {off}, {}",
                found.report
            );
            let (options, stream) = (FitOptions::default(), Stream::from_seed(seed));
            let lost = fit_with(&target, &near, &options, &stream, None, &mut Silent).unwrap();
            n_lost += usize::from(e(&lost.mean) > GOOD);
            assert!(e(&lost.mean) < GOOD || !lost.is_good());
        }
    }
    assert!(
        n_lost >= 6,
        "only {n_lost} of 9 need the start that is found"
    );
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let targets = synthetic();
    let banana = targets.iter().find(|t| t.name == "banana-2").unwrap();
    for name in ["laplace", "svgd", "multi-path"] {
        let with = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            let answer = pool.install(|| fitted(name, banana.density.as_ref(), 3).unwrap());
            (answer.draws, answer.report, answer.n_gradients_judged)
        };
        assert_eq!(with(1), with(3), "{name}");
    }
}

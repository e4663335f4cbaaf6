//! Every method by its name, on targets whose answer is known: none is called good and is wrong.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable, from_fn};
use jensen_infer::laplace::laplace;
use jensen_infer::method::{FamilyKind, FitOptions, Fitted, Method, fit_with};
use jensen_infer::pathfinder::{Pathfinder, multi_path};
use jensen_infer::referee::{Verdict, judge_approximation};
use jensen_infer::svgd::Svgd;
use jensen_infer::vi::{Advi, Bam, BamStart};
use jensen_infer::{InferError, mcmc::Nuts, starts};
use jensen_rng::Stream;
use jensen_run::{Event, Observer, Silent};
use jensen_testkit::targets::{Gaussian, LinearRegression, Rejecting, Target, far_mode, synthetic};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// A good answer has every mean within a quarter of a standard deviation.
const GOOD: f64 = 0.25;

fn fitted(name: &str, target: &dyn LogDensity, seed: u64) -> Result<Fitted, InferError> {
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
fn check(target: &Target, name: &str, answer: &Fitted) -> f64 {
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

/// Every start lies in the basin of one mode, and every weight of draws around it is fine; scouts see the other.
#[test]
fn an_approximation_of_one_mode_of_two_is_not_good() {
    for (d, offset) in [(1, 10.0), (3, 8.0)] {
        let target = far_mode(d, offset, 0.5);
        for name in [
            "laplace",
            "pathfinder",
            "multi-path",
            "dadvi",
            "sgvi-full-rank",
            "bam",
            "svgd",
        ] {
            for seed in 1..=5 {
                match fitted(name, target.density.as_ref(), seed) {
                    Ok(answer) => check(&target, name, &answer),
                    Err(error) => panic!("{name} on {}: {error}", target.name),
                };
            }
        }
    }
}

/// Chains that all sit in one mode of two mix well; scouts see the other.
#[test]
fn chains_in_one_mode_of_two_are_not_good() {
    let target = far_mode(3, 12.0, 0.5);
    for name in ["nuts", "hmc", "metropolis", "adaptive-metropolis", "slice"] {
        for seed in 1..=3 {
            let answer = fitted(name, target.density.as_ref(), seed).unwrap();
            let e = check(&target, name, &answer);
            let said = format!("{name}, seed {seed}: E {e}, {}", answer.report);
            assert!(!answer.is_good(), "{said}");
            // Nothing else tells of it but chains that went over.
            let failed = |name: &str| {
                let mut checks = answer.report.checks.iter();
                checks.any(|c| c.name == name && c.verdict() != Verdict::Good)
            };
            assert!(failed("far_shift") || failed("r_hat"), "{said}");
            assert!(name != "nuts" || failed("far_shift"), "{said}");
        }
    }
}

/// Two hundred coordinates, of which one tells the modes apart.
#[test]
fn chains_in_one_mode_of_two_in_many_coordinates_are_not_good() {
    for (offset, seed) in [(7.0, 1), (7.0, 2), (7.0, 3), (9.0, 1), (9.0, 2), (9.0, 3)] {
        let target = far_mode(200, offset, 0.5);
        let answer = fitted("nuts", target.density.as_ref(), seed).unwrap();
        check(&target, "nuts", &answer);
    }
}

#[test]
fn one_chain_is_not_enough_to_be_called_good() {
    let target = Gaussian::standard(2);
    let stream = Stream::from_seed(1);
    for (n_chains, good) in [(1, false), (4, true)] {
        let options = FitOptions {
            n_chains,
            n_chain_draws: 4000 / n_chains,
            ..FitOptions::default()
        };
        let method = Method::Nuts(Nuts::default());
        let answer = fit_with(&target, &method, &options, &stream, None, &mut Silent).unwrap();
        assert_eq!(answer.is_good(), good, "{}", answer.report);
    }
}

/// An approximation, chains and clouds that begin at one place of one mode.
#[test]
fn a_given_start_in_one_mode_of_two_is_not_good() {
    let target = far_mode(2, 9.0, 0.4);
    let options = FitOptions {
        start: Some(vec![0.1, 0.1]),
        ..FitOptions::default()
    };
    for name in ["laplace", "svgd", "nuts", "slice"] {
        let method = Method::from_name(name).unwrap();
        let stream = Stream::from_seed(4);
        let answer = fit_with(
            target.density.as_ref(),
            &method,
            &options,
            &stream,
            None,
            &mut Silent,
        );
        check(&target, name, &answer.unwrap());
    }
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
fn a_mode_that_was_missed_is_found_by_the_paths_beside_the_answer() {
    // 0.3 and 0.7 of the mass, six standard deviations apart: Laplace's approximation sees one of them.
    let targets = synthetic();
    let target = targets.iter().find(|t| t.name == "bimodal-1").unwrap();
    for seed in 1..=5 {
        let answer = fitted("laplace", target.density.as_ref(), seed).unwrap();
        assert!(!answer.is_good(), "{}", answer.report);
        let shift = answer
            .report
            .checks
            .iter()
            .find(|check| check.name == "shift");
        assert!(!shift.unwrap().failing.is_empty(), "{}", answer.report);
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

/// Neither cut nor doubled: gradients are those of as many steps.
#[test]
fn most_steps_are_what_was_asked_for() {
    let target = Gaussian::correlated(2, 0.5);
    let stream = Stream::from_seed(6);
    let used = |method: &Method, max_steps: Option<u64>| {
        let options = FitOptions {
            max_steps,
            ..FitOptions::default()
        };
        let answer = fit_with(&target, method, &options, &stream, None, &mut Silent).unwrap();
        answer.n_gradients
    };
    let (bam, svgd) = (Bam::default(), Svgd::default());
    for (method, each) in [
        (Method::Bam(bam), bam.n_draws as u64),
        (Method::Svgd(svgd), 2 * svgd.n_particles as u64),
    ] {
        let (few, many) = (used(&method, Some(10)), used(&method, Some(510)));
        assert_eq!(many - few, 500 * each, "{method:?}");
        assert_eq!(used(&method, None), used(&method, Some(500)), "{method:?}");
    }
    // A trial of a step size is a step too.
    let advi = Advi::default();
    let method = Method::Advi(advi);
    let once = used(&method, Some(7)) - used(&method, Some(6));
    assert!(
        once < 2 * (advi.n_draws + advi.n_elbo_draws) as u64,
        "{once}"
    );
}

/// A place to begin is asked of the density, which refuses the first three here.
#[test]
fn gradients_of_refused_starts_are_counted() {
    const REFUSED: u64 = 3;
    let stream = Stream::from_seed(7);
    let layout = || Layout::new(vec![Variable::new("x", &[2])]);
    let refusing = |n_refused: u64| {
        let n = AtomicU64::new(0);
        from_fn(layout(), move |x: &[f64], grad: &mut [f64]| {
            if n.fetch_add(1, Ordering::SeqCst) < n_refused {
                return Err(Reject::at("the first places", Cause::OutsideSupport));
            }
            (grad.iter_mut().zip(x)).for_each(|(g, x)| *g = -x);
            Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>())
        })
    };
    let start = starts::random(&refusing(REFUSED), &stream.child("start", 0)).unwrap();
    for name in [
        "laplace",
        "pathfinder",
        "dadvi",
        "advi",
        "bam",
        "sgvi-full-rank",
    ] {
        let method = Method::from_name(name).unwrap();
        let used = |n_refused, start: Option<Vec<f64>>| {
            let options = FitOptions {
                start,
                ..FitOptions::default()
            };
            let target = refusing(n_refused);
            let answer = fit_with(&target, &method, &options, &stream, None, &mut Silent).unwrap();
            answer.n_gradients
        };
        let (random, given) = (used(REFUSED, None), used(0, Some(start.clone())));
        assert_eq!(random - given, REFUSED + 1, "{name}");
    }
}

#[test]
fn names_and_methods_correspond() {
    assert_eq!(Method::default().name(), "ladder");
    for name in Method::names() {
        assert_eq!(Method::from_name(name).unwrap().name(), name);
    }
    for (wrong, right) in [
        ("nut", Some("nuts")),
        ("NUTS", Some("nuts")),
        ("sgvi-meanfield", Some("sgvi-mean-field")),
        ("multipath", Some("multi-path")),
        ("laplas", Some("laplace")),
        ("xyzzy", None),
    ] {
        match Method::from_name(wrong) {
            Err(InferError::UnknownMethod {
                name,
                nearest,
                known,
            }) => {
                assert_eq!((name.as_str(), nearest), (wrong, right));
                assert_eq!(known.len(), Method::names().len());
            }
            other => panic!("{wrong}: {other:?}"),
        }
    }
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

#[test]
fn an_approximation_of_another_dimension_is_not_judged() {
    let (gaussian, _) = laplace(&Gaussian::standard(2), &[0.5, 0.5]).unwrap();
    let stream = Stream::from_seed(1);
    for (d, fits) in [(1, false), (2, true), (3, false)] {
        match judge_approximation(&Gaussian::standard(d), &gaussian, &stream) {
            Ok(_) => assert!(fits, "{d}"),
            Err(InferError::FamilyDim {
                expected, found, ..
            }) => assert_eq!((expected, found, fits), (d, 2, false)),
            Err(other) => panic!("{d}: {other}"),
        }
    }
}

/// Asks to stop at once.
struct Stop;

impl Observer for Stop {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        true
    }
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let target = Gaussian::standard(2);
    let stream = Stream::from_seed(1);
    let go = |method: &Method, options: &FitOptions| {
        fit_with(&target, method, options, &stream, None, &mut Silent).err()
    };
    let options = FitOptions::default();
    let refused = |method: Method, options: &FitOptions, wrong: &str| match go(&method, options) {
        Some(InferError::Option { option, .. }) => assert_eq!(option, wrong),
        other => panic!("{wrong}: {other:?}"),
    };
    refused(
        Method::Sgvi(FamilyKind::LowRank { rank: 0 }),
        &options,
        "rank",
    );
    refused(
        Method::Sgvi(FamilyKind::StudentT { dof: -1.0 }),
        &options,
        "dof",
    );
    let flow = FamilyKind::Flow {
        n_layers: 0,
        width: 8,
    };
    refused(Method::Sgvi(flow), &options, "flow");
    let few = FitOptions {
        n_draws: 10,
        ..options.clone()
    };
    refused(Method::Laplace, &few, "n_draws");
    let no_chains = FitOptions {
        n_chains: 0,
        ..options.clone()
    };
    refused(Method::Nuts(Nuts::default()), &no_chains, "n_chains");
    let begin = |start: &[f64]| FitOptions {
        start: Some(start.to_vec()),
        ..options.clone()
    };
    let most = |max_steps: u64| FitOptions {
        max_steps: Some(max_steps),
        ..options.clone()
    };
    let rejecting = Rejecting::new(2);
    for name in Method::names() {
        let method = Method::from_name(name).unwrap();
        for x in [f64::NAN, f64::INFINITY] {
            match go(&method, &begin(&[0.0, x])) {
                Some(InferError::Start { coordinate, .. }) => assert_eq!(coordinate, "x[2]"),
                other => panic!("{name}: {other:?}"),
            }
        }
        match go(&method, &begin(&[0.0])) {
            Some(InferError::Length { expected, found }) => assert_eq!((expected, found), (2, 1)),
            other => panic!("{name}: {other:?}"),
        }
        let few = |n_chain_draws: usize| FitOptions {
            n_chain_draws,
            ..options.clone()
        };
        refused(method.clone(), &few(3), "n_chain_draws");
        refused(method.clone(), &most(0), "max_steps");
        // What the method would ignore.
        let ignores = |options: &FitOptions, what: &str| match go(&method, options) {
            Some(InferError::Contradiction { first, second, .. }) => {
                assert_eq!((first, second), (name, what));
            }
            other => panic!("{name}, {what}: {other:?}"),
        };
        if ["ladder", "multi-path"].contains(&name) {
            ignores(&begin(&[0.0, 0.0]), "start");
        }
        let has_steps = ["advi", "sgvi", "bam", "svgd"];
        if !has_steps.iter().any(|known| name.starts_with(known)) {
            ignores(&most(10), "max_steps");
        }
        let nowhere = fit_with(&rejecting, &method, &options, &stream, None, &mut Silent).err();
        let everywhere = matches!(nowhere, Some(InferError::RefusedEverywhere { .. }));
        assert!(everywhere, "{name}: {nowhere:?}");
        let stopped = fit_with(&target, &method, &options, &stream, None, &mut Stop).err();
        let is_stopped = matches!(stopped, Some(InferError::Stopped));
        assert!(is_stopped, "{name}: {stopped:?}");
    }
}

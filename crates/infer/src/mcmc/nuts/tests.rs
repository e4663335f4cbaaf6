//! Moments, bits, stops, refusals and walls of the No-U-turn sampler.

use super::*;
use crate::mcmc::Starts;
use crate::mcmc::laws::{self, check_recovery, estimate};
use crate::targets::Target;
use jensen_run::{Checkpoints, RunFolder, Silent};
use std::sync::atomic::{AtomicU64, Ordering};

fn run(
    target: &dyn LogDensity,
    nuts: &Nuts,
    options: &ChainOptions,
) -> Result<Sampled, InferError> {
    sample(
        target,
        nuts,
        options,
        &Stream::from_seed(11),
        None,
        &mut Silent,
    )
}

fn short(n_chains: usize) -> (Nuts, ChainOptions) {
    let nuts = Nuts {
        n_warmup: 100,
        ..Nuts::default()
    };
    let options = ChainOptions {
        n_chains,
        n_draws: 50,
        ..ChainOptions::default()
    };
    (nuts, options)
}

#[test]
fn moments_of_known_targets() {
    for known in [laws::gaussian(), laws::funnel(), laws::student()] {
        for metric in [Metric::Diagonal, Metric::LowRank] {
            let nuts = Nuts {
                metric,
                target_accept: 0.9,
                ..Nuts::default()
            };
            let sampled = run(&*known.target, &nuts, &ChainOptions::default()).unwrap();
            check_recovery("nuts", &known, &sampled);
            assert!(sampled.n_gradients() > 8000);
            let accept = estimate(&sampled.sampler, 1, |a| a).0;
            assert!((0.8..1.0).contains(&accept), "{}: {accept}", known.name);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let known = laws::funnel();
    let (nuts, options) = short(3);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| run(&*known.target, &nuts, &options))
            .unwrap()
    };
    let one = on(1);
    assert_eq!(one, on(2));
    assert_eq!(one, on(3));
}

/// The first chain is over when the stop comes, the second is under way.
#[test]
fn a_resumed_run_has_the_bits_of_an_unbroken_one() {
    let evaluations = AtomicU64::new(0);
    let target = Target::new(2, |x: &[f64], grad: &mut [f64]| {
        evaluations.fetch_add(1, Ordering::Relaxed);
        // So slow that a stop comes between draws.
        std::thread::sleep(std::time::Duration::from_micros(50));
        grad[0] = -x[0];
        grad[1] = -x[1] / 4.0;
        -0.5 * (x[0] * x[0] + x[1] * x[1] / 4.0)
    });
    let (nuts, options) = short(2);
    let unbroken = run(&target, &nuts, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run_folder = RunFolder::create(folder.path().join("run")).unwrap();
    let keep = Keep {
        checkpoints: Checkpoints::of(&run_folder),
        every: 1,
    };
    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let with = |seed, observer: &mut (dyn Observer + Send)| {
        let stream = Stream::from_seed(seed);
        one_thread.install(|| sample(&target, &nuts, &options, &stream, Some(&keep), observer))
    };
    evaluations.store(0, Ordering::Relaxed);
    let cost = unbroken.chains[0].n_gradients_warmup + unbroken.chains[0].n_gradients;
    let mut stopper = laws::StopAfter {
        evaluations: &evaluations,
        limit: cost + 20,
    };
    assert!(matches!(with(11, &mut stopper), Err(InferError::Stopped)));
    assert!(matches!(
        with(12, &mut Silent),
        Err(InferError::OtherRun { what: "stream", .. })
    ));
    evaluations.store(0, Ordering::Relaxed);
    assert_eq!(with(11, &mut Silent).unwrap(), unbroken);
    // The first chain was not run again.
    assert!(evaluations.load(Ordering::Relaxed) < unbroken.n_gradients() - cost + 10);
    assert_eq!(with(11, &mut Silent).unwrap(), unbroken);
}

#[test]
fn requests_that_do_not_fit_are_refused_with_their_place() {
    let known = laws::gaussian();
    let (nuts, options) = short(2);
    let refused =
        |nuts: Nuts, options: ChainOptions| run(&*known.target, &nuts, &options).unwrap_err();
    for (first, nuts, options) in [
        (
            "n_warmup",
            Nuts {
                n_warmup: 0,
                ..nuts
            },
            options.clone(),
        ),
        (
            "n_chains",
            nuts,
            ChainOptions {
                n_chains: 0,
                ..options.clone()
            },
        ),
        (
            "n_draws",
            nuts,
            ChainOptions {
                n_draws: 0,
                ..options.clone()
            },
        ),
        (
            "target_accept",
            Nuts {
                target_accept: 1.0,
                ..nuts
            },
            options.clone(),
        ),
        (
            "max_depth",
            Nuts {
                max_depth: 0,
                ..nuts
            },
            options.clone(),
        ),
        (
            "max_energy_error",
            Nuts {
                max_energy_error: f64::NAN,
                ..nuts
            },
            options.clone(),
        ),
        (
            "n_chains",
            nuts,
            ChainOptions {
                starts: Starts::At(vec![vec![0.0; 2]]),
                ..options.clone()
            },
        ),
        (
            "radius",
            nuts,
            ChainOptions {
                starts: Starts::Uniform { radius: 0.0 },
                ..options.clone()
            },
        ),
    ] {
        match refused(nuts, options) {
            InferError::Option { option, .. } => assert_eq!(option, first),
            InferError::Contradiction { first: found, .. } => assert_eq!(found, first),
            other => panic!("{first}: {other}"),
        }
    }
    let at = |start: Vec<f64>| ChainOptions {
        starts: Starts::At(vec![vec![0.0; 2], start]),
        ..options.clone()
    };
    match refused(nuts, at(vec![0.0, f64::NAN])) {
        InferError::Start { coordinate, value } => {
            assert_eq!(coordinate, "x[2]");
            assert!(value.is_nan());
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        refused(nuts, at(vec![0.0])),
        InferError::Length {
            expected: 2,
            found: 1
        }
    ));
    let nowhere = Target::new(1, |_: &[f64], _: &mut [f64]| f64::NEG_INFINITY);
    match run(&nowhere, &nuts, &options).unwrap_err() {
        InferError::RefusedEverywhere { tried, .. } => assert_eq!(tried, 100),
        other => panic!("{other}"),
    }
    let empty = Target::new(0, |_: &[f64], _: &mut [f64]| 0.0);
    assert!(matches!(
        run(&empty, &nuts, &options),
        Err(InferError::Empty)
    ));
    let flat = Target::new(2, |x: &[f64], grad: &mut [f64]| {
        grad.copy_from_slice(&[-x[0], 0.0]);
        -0.5 * x[0] * x[0]
    });
    let error = run(&flat, &nuts, &options).unwrap_err();
    assert!(
        error.to_string().contains("does not change with x[2]"),
        "{error}"
    );
}

/// All chains start at the mode, where the gradient vanishes; the density refuses |x| > 1.
#[test]
fn a_wall_is_a_divergence_and_a_mode_is_a_start() {
    let walled = Target::new(1, |x: &[f64], grad: &mut [f64]| {
        grad[0] = -x[0];
        match x[0].abs() > 1.0 {
            true => f64::NEG_INFINITY,
            false => -0.5 * x[0] * x[0],
        }
    });
    let (nuts, mut options) = short(2);
    options.starts = Starts::At(vec![vec![0.0]; 2]);
    let sampled = run(&walled, &nuts, &options).unwrap();
    assert!(!sampled.divergences.is_empty());
    let flags = sampled.sampler.column(5).iter().sum::<f64>();
    assert_eq!(flags, sampled.divergences.len() as f64);
    for diverged in &sampled.divergences {
        assert!(diverged.divergence.position[0].abs() <= 1.0);
        assert_eq!(
            diverged.divergence.refused.as_deref(),
            Some("here: outside the support")
        );
    }
    assert!(sampled.draws.column(0).iter().all(|x| x.abs() <= 1.0));
}

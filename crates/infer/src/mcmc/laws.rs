//! Laws that every sampler obeys, and small targets with known answers to test them on.

use super::{
    AdaptiveMetropolis, Block, Blocks, ChainOptions, Hmc, Kernel, Metropolis, ProposalScale,
    Sampled, Slice, Starts, Transition, Update, sample_chains,
};
use crate::InferError;
use crate::drive::{Driven, Flow, Keep, drive};
use crate::targets::Target;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::Draws;
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, Silent};
use std::sync::atomic::{AtomicU64, Ordering};

/// A target, and E x_i, E x_i^2 for every coordinate.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) target: Box<dyn LogDensity>,
    pub(crate) first: Vec<f64>,
    pub(crate) second: Vec<f64>,
}

/// A Gaussian in two dimensions with means (1, -2), standard deviations (1, 3) and correlation 0.8.
pub(crate) fn gaussian() -> Known {
    let f = |x: &[f64], grad: &mut [f64]| {
        let (rho, sd) = (0.8, [1.0, 3.0]);
        let e = [(x[0] - 1.0) / sd[0], (x[1] + 2.0) / sd[1]];
        let solved = [(e[0] - rho * e[1]) / 0.36, (e[1] - rho * e[0]) / 0.36];
        grad[0] = -solved[0] / sd[0];
        grad[1] = -solved[1] / sd[1];
        -0.5 * (e[0] * solved[0] + e[1] * solved[1])
    };
    Known {
        name: "gaussian",
        target: Box::new(Target::new(2, f)),
        first: vec![1.0, -2.0],
        second: vec![2.0, 13.0],
    }
}

/// v ~ N(0, 1), x ~ N(0, e^v): a funnel mild enough for every sampler. E x^2 = E e^v = e^(1/2).
pub(crate) fn funnel() -> Known {
    let f = |p: &[f64], grad: &mut [f64]| {
        let (v, x) = (p[0], p[1]);
        let square = x * x * (-v).exp();
        grad[0] = -v + 0.5 * square - 0.5;
        grad[1] = -x * (-v).exp();
        -0.5 * (v * v + square + v)
    };
    Known {
        name: "funnel",
        target: Box::new(Target::new(2, f)),
        first: vec![0.0, 0.0],
        second: vec![1.0, 0.5f64.exp()],
    }
}

/// Student's t with 10 degrees of freedom at 3 with scale 2: variance 4 * 10 / 8 = 5.
pub(crate) fn student() -> Known {
    let f = |x: &[f64], grad: &mut [f64]| {
        let e = (x[0] - 3.0) / 2.0;
        grad[0] = -11.0 * e / (10.0 + e * e) / 2.0;
        -5.5 * (1.0 + e * e / 10.0).ln()
    };
    Known {
        name: "student",
        target: Box::new(Target::new(1, f)),
        first: vec![3.0],
        second: vec![14.0],
    }
}

/// The allowed deviation of an estimate, in Monte Carlo standard errors: a false alarm in 2 million.
const STANDARD_ERRORS: f64 = 5.0;
/// Batches of each chain for the standard error, long enough to be nearly independent.
const BATCHES: usize = 10;

/// The mean of f over all draws of a quantity, and its standard error by batch means.
pub(crate) fn estimate(draws: &Draws, quantity: usize, f: impl Fn(f64) -> f64) -> (f64, f64) {
    let size = draws.n_draws() / BATCHES;
    let batches: Vec<f64> = (draws.chains_of(quantity).iter())
        .flat_map(|chain| {
            let mean = |batch: &[f64]| batch.iter().map(|x| f(*x)).sum::<f64>() / size as f64;
            chain.chunks_exact(size).map(mean).collect::<Vec<f64>>()
        })
        .collect();
    let n = batches.len() as f64;
    let mean = batches.iter().sum::<f64>() / n;
    let variance = batches.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// First and second moments within five Monte Carlo standard errors, which are themselves small enough
/// to tell a wrong sampler from a right one.
pub(crate) fn check_recovery(sampler: &str, known: &Known, sampled: &Sampled) {
    /// The largest useful standard error, in standard deviations of the target.
    const RESOLUTION: f64 = 0.1;
    for i in 0..known.first.len() {
        let sd = (known.second[i] - known.first[i].powi(2)).sqrt();
        let (first, first_error) = estimate(&sampled.draws, i, |x| x);
        let (second, second_error) = estimate(&sampled.draws, i, |x| x * x);
        let place = format!("{sampler} on {}, coordinate {i}", known.name);
        assert!(
            first_error < RESOLUTION * sd,
            "{place}: resolution {first_error}"
        );
        assert!(
            (first - known.first[i]).abs() < STANDARD_ERRORS * first_error,
            "{place}: mean {first} +- {first_error}, expected {}",
            known.first[i]
        );
        assert!(
            (second - known.second[i]).abs() < STANDARD_ERRORS * second_error,
            "{place}: square {second} +- {second_error}, expected {}",
            known.second[i]
        );
    }
}

/// Asks for a stop once this many steps are done, by counting evaluations of a target.
pub(crate) struct StopAfter<'a> {
    pub(crate) evaluations: &'a AtomicU64,
    pub(crate) limit: u64,
}

impl Observer for StopAfter<'_> {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.evaluations.load(Ordering::Relaxed) >= self.limit
    }
}

/// Asks for a stop whenever it is asked.
struct StopAlways;

impl Observer for StopAlways {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        true
    }
}

/// A slice and a random walk on the two coordinates of a target.
fn slice_and_walk() -> Blocks<'static> {
    let block = |i, update| Block {
        coordinates: vec![i],
        update,
    };
    Blocks {
        n_warmup: 500,
        blocks: vec![block(0, Update::Slice), block(1, Update::Metropolis)],
    }
}

fn options(n_chains: usize, n_draws: usize) -> ChainOptions {
    ChainOptions {
        n_chains,
        n_draws,
        ..ChainOptions::default()
    }
}

fn run<K: Kernel>(
    kernel: &K,
    target: &dyn LogDensity,
    options: &ChainOptions,
) -> Result<Sampled, InferError> {
    sample_chains(
        kernel,
        target,
        options,
        &Stream::from_seed(5),
        None,
        &mut Silent,
    )
}

fn recovers<K: Kernel>(kernel: &K, n_draws: usize, targets: &[Known]) {
    for known in targets {
        let sampled = run(kernel, &*known.target, &options(4, n_draws)).unwrap();
        check_recovery(kernel.name(), known, &sampled);
    }
}

#[test]
fn moments_of_known_targets() {
    let planar = [gaussian(), funnel()];
    let every = [gaussian(), funnel(), student()];
    recovers(&Hmc::default(), 2500, &every);
    recovers(&Slice::default(), 20_000, &every);
    recovers(&Metropolis::default(), 40_000, &every);
    recovers(&AdaptiveMetropolis::default(), 20_000, &every);
    recovers(&slice_and_walk(), 20_000, &planar);
    let fixed = Metropolis {
        n_warmup: 0,
        scale: ProposalScale::Fixed(1.5),
    };
    let at = options(4, 40_000);
    let at = ChainOptions {
        starts: Starts::At(vec![vec![3.0]; 4]),
        ..at
    };
    let known = student();
    check_recovery("fixed", &known, &run(&fixed, &*known.target, &at).unwrap());
}

/// What holds for every kernel: bits do not depend on threads, nor on where a run is broken.
fn is_reproducible<K: Kernel>(kernel: &K)
where
    K::State: PartialEq + std::fmt::Debug,
{
    let known = funnel();
    let target = &*known.target;
    let options = options(3, 40);
    let on = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        pool.install(|| run(kernel, target, &options)).unwrap()
    };
    let unbroken = on(1);
    assert_eq!(unbroken, on(2), "{}", kernel.name());
    assert_eq!(unbroken, on(3), "{}", kernel.name());
    assert_eq!(unbroken.chains.len(), 3);
    assert!(unbroken.n_gradients() >= 3 * 40);

    // Broken twice, after one step of each chain, then to the end.
    let folder = tempfile::tempdir().unwrap();
    let keep = |name: &str| Keep {
        checkpoints: Checkpoints::of(&RunFolder::create(folder.path().join(name)).unwrap()),
        every: 7,
    };
    let kept = keep("chains");
    let stream = Stream::from_seed(5);
    let again = |observer: &mut dyn Observer| {
        sample_chains(kernel, target, &options, &stream, Some(&kept), observer)
    };
    for _ in 0..2 {
        assert!(matches!(again(&mut StopAlways), Err(InferError::Stopped)));
    }
    assert_eq!(again(&mut Silent).unwrap(), unbroken, "{}", kernel.name());
    let other = sample_chains(
        kernel,
        target,
        &options,
        &Stream::from_seed(6),
        Some(&kept),
        &mut Silent,
    );
    assert!(matches!(
        other,
        Err(InferError::OtherRun { what: "stream", .. })
    ));

    // The same through the loop of iterative methods, stopped after its 30th step.
    let kept = keep("drive");
    let start = [0.5, -0.5];
    let through = |keep: Option<&Keep>, n_steps: u64| -> Driven<K::State> {
        let each = |_, _: &K::State, _: Transition| Flow::Continue;
        drive(
            kernel,
            target,
            &start,
            n_steps,
            &stream,
            keep,
            &mut Silent,
            each,
        )
        .unwrap()
    };
    let whole = through(None, 200);
    assert_eq!(through(Some(&kept), 30).step, 30);
    assert_eq!(
        through(Some(&kept), 200).state,
        whole.state,
        "{}",
        kernel.name()
    );
}

#[test]
fn neither_threads_nor_interruptions_change_a_bit() {
    is_reproducible(&Hmc {
        n_warmup: 120,
        ..Hmc::default()
    });
    is_reproducible(&Slice {
        n_warmup: 60,
        ..Slice::default()
    });
    is_reproducible(&Metropolis {
        n_warmup: 60,
        ..Metropolis::default()
    });
    is_reproducible(&AdaptiveMetropolis {
        n_warmup: 60,
        always: true,
    });
    is_reproducible(&slice_and_walk());
}

/// Where a chain may begin and where it may not.
fn refuses_bad_starts<K: Kernel>(kernel: &K) {
    let known = gaussian();
    let at = |start: [f64; 2]| ChainOptions {
        starts: Starts::At(vec![start.to_vec()]),
        ..options(1, 10)
    };
    for bad in [f64::NAN, f64::INFINITY] {
        match run(kernel, &*known.target, &at([0.0, bad])).unwrap_err() {
            InferError::Start { coordinate, .. } => assert_eq!(coordinate, "x[2]"),
            other => panic!("{}: {other}", kernel.name()),
        }
    }
    let nowhere = Target::new(2, |_: &[f64], _: &mut [f64]| f64::NEG_INFINITY);
    assert!(matches!(
        run(kernel, &nowhere, &options(2, 10)),
        Err(InferError::RefusedEverywhere { tried: 100, .. })
    ));
    assert!(matches!(
        run(kernel, &nowhere, &at([0.0, 0.0])),
        Err(InferError::StartRefused(_))
    ));
    let mut evaluator = Evaluator::new(&nowhere);
    assert!(matches!(
        kernel.init(&mut evaluator, &[0.0, 0.0], &Stream::from_seed(1)),
        Err(InferError::StartRefused(_))
    ));
    let empty = Target::new(0, |_: &[f64], _: &mut [f64]| 0.0);
    assert!(matches!(
        run(kernel, &empty, &options(2, 10)),
        Err(InferError::Empty)
    ));

    // Refused everywhere but at the start: the chain stays and goes on.
    let island = Target::new(2, |x: &[f64], grad: &mut [f64]| {
        grad.fill(0.0);
        if x == [0.0, 0.0] {
            0.0
        } else {
            f64::NEG_INFINITY
        }
    });
    let sampled = run(kernel, &island, &at([0.0, 0.0])).unwrap();
    assert!(
        sampled.draws.rows().all(|row| row == [0.0, 0.0]),
        "{}",
        kernel.name()
    );
}

#[test]
fn bad_starts_are_refused_with_their_place() {
    refuses_bad_starts(&Hmc {
        n_warmup: 20,
        ..Hmc::default()
    });
    refuses_bad_starts(&Slice {
        n_warmup: 20,
        ..Slice::default()
    });
    refuses_bad_starts(&Metropolis {
        n_warmup: 20,
        ..Metropolis::default()
    });
    refuses_bad_starts(&AdaptiveMetropolis {
        n_warmup: 20,
        always: false,
    });
    refuses_bad_starts(&Blocks {
        n_warmup: 20,
        ..slice_and_walk()
    });
}

/// The option that a kernel complains about.
fn complaint<K: Kernel>(kernel: &K) -> &'static str {
    let known = gaussian();
    match run(kernel, &*known.target, &options(2, 10)).unwrap_err() {
        InferError::Option { option, .. } => option,
        InferError::Contradiction { first, .. } => first,
        other => panic!("{}: {other}", kernel.name()),
    }
}

#[test]
fn options_that_do_not_fit_are_refused_by_name() {
    let hmc = Hmc::default();
    assert_eq!(complaint(&Hmc { n_warmup: 0, ..hmc }), "n_warmup");
    assert_eq!(
        complaint(&Hmc {
            target_accept: 0.0,
            ..hmc
        }),
        "target_accept"
    );
    assert_eq!(
        complaint(&Hmc {
            max_leapfrog: 0,
            ..hmc
        }),
        "max_leapfrog"
    );
    assert_eq!(
        complaint(&Hmc {
            integration_time: -1.0,
            ..hmc
        }),
        "integration_time"
    );
    assert_eq!(
        complaint(&Slice {
            width: f64::NAN,
            ..Slice::default()
        }),
        "width"
    );
    assert_eq!(
        complaint(&Slice {
            n_warmup: 0,
            ..Slice::default()
        }),
        "n_warmup"
    );
    assert_eq!(
        complaint(&Metropolis {
            n_warmup: 0,
            ..Metropolis::default()
        }),
        "n_warmup"
    );
    let zero = ProposalScale::Fixed(0.0);
    assert_eq!(
        complaint(&Metropolis {
            scale: zero,
            ..Metropolis::default()
        }),
        "scale"
    );
    assert_eq!(
        complaint(&AdaptiveMetropolis {
            n_warmup: 3,
            always: false
        }),
        "n_warmup"
    );
    let blocks = |coordinates: Vec<Vec<usize>>| Blocks {
        n_warmup: 100,
        blocks: (coordinates.into_iter())
            .map(|coordinates| Block {
                coordinates,
                update: Update::Slice,
            })
            .collect(),
    };
    for coordinates in [
        vec![vec![0]],
        vec![vec![0, 1], vec![2]],
        vec![vec![0, 1], vec![]],
        vec![],
    ] {
        assert_eq!(complaint(&blocks(coordinates)), "blocks");
    }
}

//! Fits inside pools, several at once, over densities that use the pool themselves: they end, with the bits of a fit
//! alone; a stop and a panic come through.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable, from_fn};
use jensen_infer::drive::{Flow, Keep, drive};
use jensen_infer::family::MeanField;
use jensen_infer::mcmc::{ChainOptions, Metropolis, Nuts, Sampled, nuts, sample_chains};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::svgd::Svgd;
use jensen_infer::{InferError, vi};
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, Silent};
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A standard normal in two coordinates whose terms are computed in parallel.
fn parallel() -> impl LogDensity {
    from_fn(Layout::new(vec![Variable::new("x", &[2])]), |x, grad| {
        (grad.par_iter_mut().zip(x)).for_each(|(g, x)| *g = -x);
        let terms: Vec<f64> = x.par_iter().map(|x| -0.5 * x * x).collect();
        terms.iter().sum::<f64>()
    })
}

/// Fails where the work does not end: a block is no reason to wait for ever.
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    /// A hundred times what it takes.
    const LONGEST: Duration = Duration::from_secs(120);
    let (sender, inbox) = mpsc::channel();
    let worker = thread::spawn(move || sender.send(work()));
    match inbox.recv_timeout(LONGEST) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
        Err(mpsc::RecvTimeoutError::Disconnected) => match worker.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!(),
        },
    }
}

/// The results of several at once, in pools of one and two threads and in the global one, all of whose threads they
/// take.
fn at_once<T: Send + 'static>(fit: fn() -> T) -> Vec<T> {
    let several = move || -> Vec<T> {
        let n = 1 + rayon::current_num_threads();
        (0..n).into_par_iter().map(|_| fit()).collect()
    };
    let mut results = ends(several);
    for n_threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        let pool = pool.build().unwrap();
        results.extend(ends(move || pool.install(several)));
    }
    results
}

fn chains() -> Sampled {
    let options = ChainOptions {
        n_chains: 3,
        n_draws: 50,
        ..ChainOptions::default()
    };
    let stream = Stream::from_seed(1);
    sample_chains(
        &Metropolis::default(),
        &parallel(),
        &options,
        &stream,
        None,
        &mut Silent,
    )
    .unwrap()
}

#[test]
fn chains_at_once_over_a_parallel_density_end() {
    let alone = chains();
    for sampled in at_once(chains) {
        assert_eq!(sampled, alone);
    }
}

fn laplace() -> Vec<u64> {
    let method = Method::from_name("laplace").unwrap();
    let (options, stream) = (FitOptions::default(), Stream::from_seed(1));
    let fitted = fit_with(&parallel(), &method, &options, &stream, None, &mut Silent).unwrap();
    (fitted.mean.iter().chain(&fitted.sd))
        .map(|x| x.to_bits())
        .collect()
}

#[test]
fn fits_at_once_over_a_parallel_density_end() {
    let alone = laplace();
    for fitted in at_once(laplace) {
        assert_eq!(fitted, alone);
    }
}

/// One chain panics; the others have more to do than anybody waits for.
#[test]
fn a_panic_in_one_chain_ends_all_and_arrives_with_its_words() {
    fn words() -> String {
        let n_evaluations = AtomicU64::new(0);
        let target = from_fn(Layout::new(vec![Variable::real("x")]), |x, grad| {
            let index = n_evaluations.fetch_add(1, Ordering::Relaxed);
            assert!(index != 500, "in the density");
            grad[0] = -x[0];
            -0.5 * x[0] * x[0]
        });
        let options = ChainOptions {
            n_chains: 2,
            n_draws: usize::MAX / 4,
            ..ChainOptions::default()
        };
        let stream = Stream::from_seed(1);
        let go = || {
            let sampler = Nuts::default();
            nuts::sample(&target, &sampler, &options, &stream, None, &mut Silent)
        };
        let panic = catch_unwind(AssertUnwindSafe(go)).err();
        let panic = panic.expect("nothing panicked");
        (*panic.downcast_ref::<&str>().expect("other words")).to_owned()
    }
    assert_eq!(ends(words), "in the density");
    for said in at_once(words) {
        assert_eq!(said, "in the density");
    }
}

/// A standard normal, or a density that refuses every position, that counts its evaluations, and from one of them on waits until the observer has been asked.
struct Counting {
    layout: Layout,
    n_evaluations: AtomicU64,
    n_asked: AtomicU64,
    stop_from: u64,
    refuses: bool,
}

impl LogDensity for Counting {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        x: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let n = 1 + self.n_evaluations.fetch_add(1, Ordering::SeqCst);
        let before = self.n_asked.load(Ordering::SeqCst);
        // One answer may have been under way already; a listener that does not come is not waited for.
        for _ in 0..100 {
            if n < self.stop_from || self.n_asked.load(Ordering::SeqCst) >= before + 2 {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        if self.refuses {
            return Err(Reject::at("everywhere", Cause::OutsideSupport));
        }
        grad[0] = -x[0];
        Ok(-0.5 * x[0] * x[0])
    }
}

/// Asks to stop from an evaluation on.
struct StopFrom<'a>(&'a Counting);

impl Observer for StopFrom<'_> {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.0.n_asked.fetch_add(1, Ordering::SeqCst);
        self.0.n_evaluations.load(Ordering::SeqCst) >= self.0.stop_from
    }
}

/// The evaluations after which a fit that is asked to stop at some evaluation has ended.
fn stopped_after(
    stop_from: u64,
    fit: impl FnOnce(&Counting, &mut StopFrom<'_>) -> Result<(), InferError>,
) -> u64 {
    let target = Counting {
        stop_from,
        ..counting()
    };
    stopped(target, fit)
}

fn stopped(
    target: Counting,
    fit: impl FnOnce(&Counting, &mut StopFrom<'_>) -> Result<(), InferError>,
) -> u64 {
    let outcome = fit(&target, &mut StopFrom(&target));
    assert!(matches!(outcome, Err(InferError::Stopped)));
    target.n_evaluations.into_inner()
}

#[test]
fn a_stop_is_heard_amid_the_draws_of_the_last_bound() {
    let family = MeanField { dim: 1 };
    let stream = Stream::from_seed(2);
    let fit = |target: &dyn LogDensity, observer: &mut dyn Observer| {
        vi::fit(target, &family, &[0.5], 30, &stream, observer)
    };
    let n_all = fit(&counting(), &mut Silent).unwrap().n_gradients;
    // Among the thousand draws after the steps.
    let stop_from = n_all - 900;
    let n = stopped_after(stop_from, |target, observer| {
        fit(target, observer).map(|_| ())
    });
    assert!(n <= stop_from + 2, "{n}, {stop_from}");
}

#[test]
fn a_stop_is_heard_while_particles_look_for_their_places() {
    let stream = Stream::from_seed(2);
    let fit = |target: &dyn LogDensity, observer: &mut dyn Observer| {
        let go_on = |_, _: &_, _| Flow::Continue;
        let svgd = Svgd::default();
        drive(&svgd, target, &[0.5], 1, &stream, None, observer, go_on)
    };
    let n_start = fit(&counting(), &mut Silent)
        .unwrap()
        .state
        .n_gradients_start;
    for stop_from in [2, n_start / 2] {
        let n = stopped_after(stop_from, |target, observer| {
            fit(target, observer).map(|_| ())
        });
        assert!(n <= stop_from + 2, "{n}, {stop_from}");
    }
}

/// The first trajectories of a chain are the longest; they are no reason to wait.
#[test]
fn a_stop_is_heard_amid_a_trajectory() {
    let stream = Stream::from_seed(3);
    let options = ChainOptions {
        n_chains: 1,
        ..ChainOptions::default()
    };
    for stop_from in 20..28 {
        let n = stopped_after(stop_from, |target, observer| {
            let sampler = Nuts::default();
            nuts::sample(target, &sampler, &options, &stream, None, observer).map(|_| ())
        });
        assert!(n <= stop_from + 2, "{n}, {stop_from}");
    }
}

/// Two hundred places are tried before a density is said to refuse all.
#[test]
fn a_stop_is_heard_while_a_place_to_begin_is_looked_for() {
    let (options, stream) = (FitOptions::default(), Stream::from_seed(4));
    for name in [
        "laplace",
        "pathfinder",
        "dadvi",
        "advi",
        "bam",
        "sgvi-full-rank",
        "svgd",
        "nuts",
    ] {
        let method = Method::from_name(name).unwrap();
        let n = stopped(refusing(3), |target, observer| {
            fit_with(target, &method, &options, &stream, None, observer).map(|_| ())
        });
        // Chains look for their places at once.
        assert!(n <= 3 + 4, "{name}: {n}");
    }
}

/// What tells one density from another is looked for too.
#[test]
fn a_stop_is_heard_while_a_checkpoint_is_compared() {
    let stream = Stream::from_seed(4);
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let keep = Keep {
        checkpoints: Checkpoints::of(&run),
        every: 50,
    };
    let n = stopped(refusing(3), |target, observer| {
        let go_on = |_, _: &_, _| Flow::Continue;
        let (svgd, keep) = (Svgd::default(), Some(&keep));
        drive(&svgd, target, &[0.5], 1, &stream, keep, observer, go_on).map(|_| ())
    });
    assert!(n <= 5, "{n}");
    let n = stopped(refusing(3), |target, observer| {
        let (options, keep) = (ChainOptions::default(), Some(&keep));
        let sampler = Metropolis::default();
        sample_chains(&sampler, target, &options, &stream, keep, observer).map(|_| ())
    });
    assert!(n <= 5, "{n}");
}

/// One that refuses everything, and waits from an evaluation on.
fn refusing(stop_from: u64) -> Counting {
    Counting {
        stop_from,
        refuses: true,
        ..counting()
    }
}

/// One that never waits.
fn counting() -> Counting {
    Counting {
        layout: Layout::new(vec![Variable::real("x")]),
        n_evaluations: AtomicU64::new(0),
        n_asked: AtomicU64::new(0),
        stop_from: u64::MAX,
        refuses: false,
    }
}

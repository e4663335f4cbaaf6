//! A run that was interrupted and goes on has the bits of an unbroken one; a state of another run is refused.

use jensen_density::{Cause, Layout, LogDensity, Reject, Variable};
use jensen_infer::drive::{Driven, Flow, Keep, drive};
use jensen_infer::family::{FullRank, LowRank, MeanField};
use jensen_infer::mcmc::{ChainOptions, Metropolis, sample_chains};
use jensen_infer::optimize::adam::Adam;
use jensen_infer::optimize::gradient_descent::GradientDescent;
use jensen_infer::optimize::lbfgs::Lbfgs;
use jensen_infer::optimize::newton::Newton;
use jensen_infer::optimize::trust_region::TrustRegion;
use jensen_infer::svgd::Svgd;
use jensen_infer::vi::{self, Advi, Bam, BamSchedule, Sgvi};
use jensen_infer::{Algorithm, InferError};
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, Silent};
use std::cell::Cell;
use std::fmt::Debug;

/// A bent valley with a variable of some name: ln p = -(a - x)^2 / 2 - 5 (y - x^2)^2 - sum of the squares of the
/// others / 2, where x is above a floor. The data are a = 1.
struct Valley {
    layout: Layout,
    a: f64,
    floor: f64,
}

impl Valley {
    fn of(name: &str, dim: usize) -> Self {
        Self {
            layout: Layout::new(vec![Variable::new(name, &[dim])]),
            a: 1.0,
            floor: f64::NEG_INFINITY,
        }
    }

    fn with_data(a: f64) -> Self {
        Self {
            a,
            ..Self::of("x", 2)
        }
    }
}

impl LogDensity for Valley {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        p: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        if p[0] <= self.floor {
            return Err(Reject::at("x", Cause::OutsideSupport));
        }
        let (u, v) = (self.a - p[0], p[1] - p[0] * p[0]);
        grad[0] = u + 20.0 * v * p[0];
        grad[1] = -10.0 * v;
        let mut value = -0.5 * u * u - 5.0 * v * v;
        for (g, x) in grad.iter_mut().zip(p).skip(2) {
            *g = -x;
            value -= 0.5 * x * x;
        }
        Ok(value)
    }
}

const START: [f64; 2] = [-0.7, 0.4];

/// Asks to stop once a step is done.
struct StopAt<'a> {
    done: &'a Cell<u64>,
    step: u64,
}

impl Observer for StopAt<'_> {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.done.get() >= self.step
    }
}

/// Asks to stop at the n-th time it is asked.
struct StopAsked {
    left: Cell<u64>,
}

impl Observer for StopAsked {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        self.left.get() == 0
    }
}

fn kept<T>(test: impl FnOnce(&Keep) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    test(&Keep {
        checkpoints: Checkpoints::of(&run),
        every: 4,
    })
}

fn run<A: Algorithm>(
    algorithm: &A,
    n_steps: u64,
    keep: Option<&Keep>,
    stop_at: u64,
) -> Result<Driven<A::State>, InferError> {
    let (target, stream) = (Valley::of("x", 2), Stream::from_seed(5));
    let done = Cell::new(0);
    let mut observer = StopAt {
        done: &done,
        step: stop_at,
    };
    let go_on = |step, _: &A::State, _| {
        done.set(step);
        Flow::Continue
    };
    drive(
        algorithm,
        &target,
        &START,
        n_steps,
        &stream,
        keep,
        &mut observer,
        go_on,
    )
}

/// For a run that nobody stops.
const NEVER: u64 = u64::MAX;

/// Stopped between checkpoints, killed after one, and made longer: always the state of the unbroken run.
fn check_resume<A: Algorithm<State: PartialEq + Debug>>(algorithm: &A, n_steps: u64) {
    let unbroken = run(algorithm, n_steps, None, NEVER).unwrap();
    kept(|keep| {
        let interrupted = run(algorithm, n_steps, Some(keep), 6).unwrap();
        assert!(
            interrupted.stopped && interrupted.step == 6,
            "{algorithm:?}"
        );
        let longer = run(algorithm, n_steps - 1, Some(keep), NEVER).unwrap();
        assert_eq!(longer.step, n_steps - 1);
        let resumed = run(algorithm, n_steps, Some(keep), NEVER).unwrap();
        assert_eq!(resumed.state, unbroken.state, "{algorithm:?}");
        assert_eq!(resumed.step, unbroken.step);
        // A run that is over is not run again.
        let again = run(algorithm, n_steps, Some(keep), NEVER).unwrap();
        assert_eq!(again.state, unbroken.state, "{algorithm:?}");
    });
}

#[test]
fn every_algorithm_resumes_to_the_same_bits() {
    check_resume(&GradientDescent, 25);
    check_resume(&Adam::default(), 25);
    check_resume(&Lbfgs::default(), 12);
    check_resume(&Newton, 9);
    check_resume(&TrustRegion::default(), 9);
    check_resume(&Bam::default(), 25);
    // Through the trials into the ascent, past an estimate of the ELBO.
    check_resume(
        &Advi {
            n_trial: 5,
            every: 10,
            ..Advi::default()
        },
        60,
    );
    check_resume(
        &Advi {
            full_rank: true,
            n_trial: 5,
            every: 10,
            ..Advi::default()
        },
        60,
    );
    check_resume(&Svgd::default(), 12);
    let family = FullRank { dim: 2 };
    // Past the first check.
    check_resume(&Sgvi::new(&family), 160);
}

#[test]
fn a_fit_resumes_to_the_same_answer() {
    let (target, stream) = (Valley::of("x", 2), Stream::from_seed(6));
    let family = FullRank { dim: 2 };
    let fit = |keep: Option<&Keep>, observer: &mut dyn Observer| {
        vi::fit_kept(&target, &family, &START, 10_000, &stream, keep, observer)
    };
    let unbroken = fit(None, &mut Silent).unwrap();
    kept(|keep| {
        let keep = Keep {
            every: 100,
            ..keep.clone()
        };
        let stopped = fit(
            Some(&keep),
            &mut StopAsked {
                left: Cell::new(130),
            },
        );
        assert!(matches!(stopped, Err(InferError::Stopped)));
        // The second time it goes on, the third time it is over.
        for _ in 0..2 {
            let resumed = fit(Some(&keep), &mut Silent).unwrap();
            assert_eq!(resumed.params, unbroken.params);
            assert_eq!(resumed.elbo, unbroken.elbo);
            assert_eq!(resumed.stop, unbroken.stop);
            assert_eq!(resumed.n_steps, unbroken.n_steps);
            assert_eq!(resumed.n_gradients, unbroken.n_gradients);
        }
    });
}

/// What differs, and both sides.
fn refusal<T>(outcome: Result<T, InferError>) -> (&'static str, String, String) {
    match outcome {
        Err(InferError::OtherRun {
            what,
            expected,
            found,
        }) => (what, expected, found),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a state of another run was taken"),
    }
}

#[test]
fn a_state_of_another_run_is_refused_with_what_differs() {
    fn go<A: Algorithm>(
        algorithm: &A,
        target: &Valley,
        start: &[f64],
        seed: u64,
        keep: &Keep,
    ) -> Result<u64, InferError> {
        let stream = Stream::from_seed(seed);
        let go_on = |_, _: &A::State, _| Flow::Continue;
        drive(
            algorithm,
            target,
            start,
            5,
            &stream,
            Some(keep),
            &mut Silent,
            go_on,
        )
        .map(|driven| driven.step)
    }
    let target = Valley::of("x", 2);
    kept(|keep| {
        let bam = Bam::default();
        assert_eq!(go(&bam, &target, &START, 1, keep).unwrap(), 5);
        // Two methods whose states have the same fields, and one whose state has others.
        let (what, expected, found) = refusal(go(&Newton, &target, &START, 1, keep));
        assert_eq!(
            (what, expected.as_str(), found.as_str()),
            ("method", "Newton", "Bam")
        );
        let other = Bam {
            schedule: BamSchedule::Constant,
            ..bam
        };
        let (what, expected, found) = refusal(go(&other, &target, &START, 1, keep));
        assert_eq!(what, "settings");
        assert!(
            expected.contains("Constant") && found.contains("Falling"),
            "{found}"
        );
        let (what, _, found) = refusal(go(&bam, &target, &[0.0, 0.4], 1, keep));
        assert_eq!((what, found.as_str()), ("start", "[-0.7, 0.4]"));
        assert_eq!(refusal(go(&bam, &target, &START, 2, keep)).0, "stream");
        let named = Valley::of("y", 2);
        let (what, expected, found) = refusal(go(&bam, &named, &START, 1, keep));
        assert_eq!(what, "variable");
        assert_eq!(expected, "y[2], 2 coordinates, unconstrained");
        assert_eq!(found, "x[2], 2 coordinates, unconstrained");
        // The run itself still goes on.
        assert_eq!(go(&bam, &target, &START, 1, keep).unwrap(), 5);
    });
    kept(|keep| {
        assert_eq!(go(&Newton, &target, &START, 1, keep).unwrap(), 5);
        assert_eq!(
            refusal(go(&GradientDescent, &target, &START, 1, keep)).0,
            "method"
        );
    });
}

const LOG_DENSITY: &str = "log density at a fixed position";

#[test]
fn a_state_of_the_same_model_of_other_data_is_refused() {
    let stream = Stream::from_seed(6);
    let (target, other) = (Valley::with_data(1.0), Valley::with_data(1.0 + 1e-12));
    let go_on = |_, _: &_, _| Flow::Continue;
    let newton = |target: &Valley, start: &[f64], keep: &Keep| {
        drive(
            &Newton,
            target,
            start,
            5,
            &stream,
            Some(keep),
            &mut Silent,
            go_on,
        )
        .map(|run| run.state)
    };
    kept(|keep| {
        let state = newton(&target, &START, keep).unwrap();
        assert_eq!(refusal(newton(&other, &START, keep)).0, LOG_DENSITY);
        assert_eq!(newton(&target, &START, keep).unwrap(), state);
    });
    // Refused wherever a method would look for a start by itself: then the start tells.
    let beyond = |a: f64| Valley {
        floor: 50.0,
        ..Valley::with_data(a)
    };
    let start = [60.0, 3600.0];
    kept(|keep| {
        let state = newton(&beyond(1.0), &start, keep).unwrap();
        assert_eq!(refusal(newton(&beyond(2.0), &start, keep)).0, LOG_DENSITY);
        assert_eq!(newton(&beyond(1.0), &start, keep).unwrap(), state);
    });
    let options = ChainOptions {
        n_chains: 2,
        n_draws: 10,
        ..ChainOptions::default()
    };
    let kernel = Metropolis::default();
    let chains = |target: &Valley, keep: &Keep| {
        sample_chains(&kernel, target, &options, &stream, Some(keep), &mut Silent)
    };
    kept(|keep| {
        let sampled = chains(&target, keep).unwrap();
        assert_eq!(refusal(chains(&other, keep)).0, LOG_DENSITY);
        assert_eq!(chains(&target, keep).unwrap().draws, sampled.draws);
    });
}

/// The same value at the position, and another slope there.
#[test]
fn the_gradient_tells_what_the_value_does_not() {
    struct Tilted(Layout, [f64; 2]);

    impl LogDensity for Tilted {
        fn layout(&self) -> &Layout {
            &self.0
        }

        fn log_density_and_grad(
            &self,
            _: &[f64],
            grad: &mut [f64],
            _: &mut [f64],
        ) -> Result<f64, Reject> {
            grad.copy_from_slice(&self.1);
            Ok(-1.0)
        }
    }

    let stream = Stream::from_seed(6);
    let go = |slope: [f64; 2], keep: &Keep| {
        let target = Tilted(Layout::new(vec![Variable::new("x", &[2])]), slope);
        let go_on = |_, _: &_, _| Flow::Continue;
        let svgd = Svgd::default();
        drive(
            &svgd,
            &target,
            &[0.0, 0.0],
            3,
            &stream,
            Some(keep),
            &mut Silent,
            go_on,
        )
    };
    kept(|keep| {
        go([1.3, 2.7], keep).unwrap();
        // Of another size, in another order, with flipped signs, of which pairs are the harder ones.
        for other in [
            [1.3, 2.8],
            [2.7, 1.3],
            [-1.3, 2.7],
            [1.3, -2.7],
            [-1.3, -2.7],
        ] {
            let what = refusal(go(other, keep)).0;
            assert_eq!(what, "gradient at a fixed position", "{other:?}");
        }
    });
}

#[test]
fn a_state_does_not_go_back() {
    kept(|keep| {
        run(&Bam::default(), 9, Some(keep), NEVER).unwrap();
        assert!(matches!(
            run(&Bam::default(), 8, Some(keep), NEVER),
            Err(InferError::Beyond {
                n_steps: 8,
                done: 9
            })
        ));
        assert_eq!(run(&Bam::default(), 9, Some(keep), NEVER).unwrap().step, 9);
    });
}

#[test]
fn a_fit_of_another_family_is_refused() {
    let (target, stream) = (Valley::of("x", 2), Stream::from_seed(6));
    kept(|keep| {
        let family = LowRank { dim: 2, rank: 1 };
        let fit = |family: &dyn jensen_infer::family::Family| {
            vi::fit_kept(
                &target,
                family,
                &START,
                20,
                &stream,
                Some(keep),
                &mut Silent,
            )
        };
        assert!(fit(&family).is_ok());
        let (what, expected, found) = refusal(fit(&MeanField { dim: 2 }));
        assert_eq!(what, "settings");
        assert!(
            expected.contains("mean-field") && found.contains("low-rank(1)"),
            "{found}"
        );
    });
}

#[test]
fn chains_of_other_options_are_refused() {
    let (target, stream) = (Valley::of("x", 2), Stream::from_seed(6));
    let options = ChainOptions {
        n_chains: 2,
        n_draws: 10,
        ..ChainOptions::default()
    };
    let kernel = Metropolis::default();
    kept(|keep| {
        let go = |options: &ChainOptions| {
            sample_chains(&kernel, &target, options, &stream, Some(keep), &mut Silent)
        };
        go(&options).unwrap();
        let longer = ChainOptions {
            n_draws: 20,
            ..options
        };
        let (what, expected, found) = refusal(go(&longer));
        assert_eq!(what, "options");
        assert!(
            expected.contains("n_draws: 20") && found.contains("n_draws: 10"),
            "{found}"
        );
    });
}

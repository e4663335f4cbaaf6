//! No fit costs without bound: what is answered once gradients are spent, and what is refused.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::ladder::{Answer, Ladder, Rung, fit};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::referee::Verdict;
use jensen_rng::Stream;
use jensen_run::{Event, Observer, Silent};
use jensen_testkit::targets::synthetic;
use std::sync::atomic::{AtomicU64, Ordering};

fn climb(target: &dyn LogDensity, max_gradients: Option<u64>) -> Result<Answer, InferError> {
    let options = Ladder {
        max_gradients,
        ..Ladder::default()
    };
    fit(target, &options, &Stream::from_seed(3), None, &mut Silent)
}

/// Neal's funnel, which needs the last rung.
fn funnel() -> impl LogDensity {
    let layout = Layout::new(vec![Variable::real("v"), Variable::new("x", &[3])]);
    from_fn(layout, |z, grad| {
        let (v, x) = (z[0], &z[1..]);
        let square: f64 = x.iter().map(|x| x * x).sum();
        let precision = (-v).exp();
        grad[0] = -v / 9.0 - 1.5 + 0.5 * precision * square;
        (grad[1..].iter_mut().zip(x)).for_each(|(g, x)| *g = -x * precision);
        -v * v / 18.0 - 1.5 * v - 0.5 * precision * square
    })
}

#[test]
fn once_gradients_are_spent_the_answer_is_that_of_the_rungs_below() {
    let most = 100_000;
    let target = funnel();
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        let answer = pool.build().unwrap().install(|| climb(&target, Some(most)));
        answer.unwrap()
    };
    let answer = with(1);
    assert!(answer.rung < Rung::Nuts, "{:?}", answer.rung);
    assert!(answer.report.verdict > Verdict::Good, "{}", answer.report);
    let said = answer.report.to_string();
    assert!(
        said.contains("unfinished_rungs 1.000 above 0.000"),
        "{said}"
    );
    assert!(said.contains("raise `max_gradients`"), "{said}");
    // It names what the other checks have found wrong.
    let mut checks = answer.report.checks.iter();
    let spent = checks
        .find(|check| check.name == "unfinished_rungs")
        .unwrap();
    assert!(!spent.failing.is_empty(), "{said}");
    assert_eq!(spent.failing, answer.report.failing());
    let broken = answer.climbed.last().unwrap();
    assert_eq!(broken.rung, Rung::Nuts);
    assert_eq!(
        broken.failed.as_deref(),
        Some("the 100000 gradients are spent")
    );
    assert!(answer.n_gradients() <= most, "{}", answer.n_gradients());
    // Threads count in any order, and nothing shows it.
    let other = with(3);
    assert_eq!((other.mean, other.sd), (answer.mean, answer.sd));
    assert_eq!(
        (other.climbed, other.report),
        (answer.climbed, answer.report)
    );
}

#[test]
fn a_budget_that_suffices_changes_no_bit_and_one_that_buys_nothing_is_an_error() {
    let targets = synthetic();
    let banana = targets.iter().find(|t| t.name.contains("banana")).unwrap();
    let target = banana.density.as_ref();
    let free = climb(target, None).unwrap();
    let paid = climb(target, Some(free.n_gradients())).unwrap();
    assert_eq!((free.mean, free.report), (paid.mean, paid.report));
    for most in [1, 500] {
        match climb(target, Some(most)) {
            Err(error @ InferError::Budget { max_gradients, .. }) => {
                assert_eq!(max_gradients, most);
                let said = error.to_string();
                assert!(
                    said.starts_with("ladder: expected an answer within"),
                    "{said}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let refused = climb(target, Some(0));
    let is_option = matches!(
        refused,
        Err(InferError::Option {
            option: "max_gradients",
            ..
        })
    );
    assert!(is_option, "{refused:?}");
}

/// A staircase: its gradient says nothing of its jumps, so that nothing converges.
#[test]
fn jumps_and_wrong_gradients_cost_no_more_than_the_budget() {
    let layout = || Layout::new(vec![Variable::new("x", &[4])]);
    let stairs = from_fn(layout(), |x, grad| {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -0.01 * x);
        x.iter().map(|x| -(4.0 * x.abs()).floor()).sum::<f64>()
    });
    let wrong = from_fn(layout(), |x, grad| {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = *x);
        -0.5 * x.iter().map(|x| x * x).sum::<f64>()
    });
    let most = 200_000;
    for (name, target) in [("stairs", &stairs as &dyn LogDensity), ("wrong", &wrong)] {
        match climb(target, Some(most)) {
            Ok(answer) => {
                assert!(!answer.is_good(), "{name}: {}", answer.report);
                assert!(
                    answer.n_gradients() <= most,
                    "{name}: {}",
                    answer.n_gradients()
                );
            }
            Err(InferError::Budget { .. } | InferError::Failed { .. }) => {}
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn every_method_keeps_to_its_budget() {
    let n_evaluations = AtomicU64::new(0);
    let target = from_fn(Layout::new(vec![Variable::new("x", &[2])]), |x, grad| {
        n_evaluations.fetch_add(1, Ordering::Relaxed);
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -x);
        -0.5 * x.iter().map(|x| x * x).sum::<f64>()
    });
    let most = 300;
    let options = FitOptions {
        max_gradients: Some(most),
        ..FitOptions::default()
    };
    for name in Method::names() {
        n_evaluations.store(0, Ordering::Relaxed);
        let method = Method::from_name(name).unwrap();
        let stream = Stream::from_seed(1);
        match fit_with(&target, &method, &options, &stream, None, &mut Silent) {
            Err(InferError::Budget {
                method,
                max_gradients,
            }) => {
                assert_eq!((method, max_gradients), (name, most));
            }
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name} has an answer"),
        }
        let used = n_evaluations.load(Ordering::Relaxed);
        assert!(used <= most, "{name}: {used}");
    }
    let none = FitOptions {
        max_gradients: Some(0),
        ..FitOptions::default()
    };
    let stream = Stream::from_seed(1);
    let refused = fit_with(&target, &Method::Laplace, &none, &stream, None, &mut Silent).err();
    let is_option = matches!(
        refused,
        Some(InferError::Option {
            option: "max_gradients",
            ..
        })
    );
    assert!(is_option, "{refused:?}");
}

/// Asks to stop as soon as the chains of the ladder have made some steps.
#[derive(Default)]
struct StopChains {
    has_heard: std::sync::atomic::AtomicBool,
}

impl Observer for StopChains {
    fn on(&mut self, event: &Event<'_>) {
        if let Event::Advanced {
            what: "nuts", done, ..
        } = event
        {
            self.has_heard.fetch_or(*done > 0, Ordering::Relaxed);
        }
    }

    fn stop_requested(&self) -> bool {
        self.has_heard.load(Ordering::Relaxed)
    }
}

/// Chains of the ladder hear a stop as those of `nuts` alone do, though a budget listens, too.
#[test]
fn chains_within_the_ladder_stop_on_request() {
    let n_evaluations = AtomicU64::new(0);
    let inner = funnel();
    let layout = Layout::new(vec![Variable::real("v"), Variable::new("x", &[3])]);
    let target = from_fn(layout, |z, grad| {
        n_evaluations.fetch_add(1, Ordering::Relaxed);
        inner.log_density_and_grad(z, grad, &mut [])
    });
    let options = Ladder::default();
    let stream = Stream::from_seed(3);
    let unbroken = fit(&target, &options, &stream, None, &mut Silent).unwrap();
    assert_eq!(unbroken.rung, Rung::Nuts);
    let total = n_evaluations.swap(0, Ordering::Relaxed);
    let mut observer = StopChains::default();
    let outcome = fit(&target, &options, &stream, None, &mut observer);
    assert!(matches!(outcome, Err(InferError::Stopped)), "{outcome:?}");
    assert!(observer.stop_requested());
    assert!(n_evaluations.load(Ordering::Relaxed) < total);
}

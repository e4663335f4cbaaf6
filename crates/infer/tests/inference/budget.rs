//! No fit costs without bound: what is answered once gradients are spent, and what is refused.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::ladder::{Answer, Ladder, Rung, fit};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::referee::Verdict;
use jensen_rng::Stream;
use jensen_run::{Event, Observer, Silent};
use jensen_testkit::targets::{Boxed, Counted, Funnel, Gaussian, synthetic};
use std::sync::atomic::Ordering;

fn climb(target: &dyn LogDensity, max_gradients: Option<u64>) -> Result<Answer, InferError> {
    let options = Ladder {
        max_gradients,
        ..Ladder::default()
    };
    fit(target, &options, &Stream::from_seed(3), None, &mut Silent)
}

/// Neal's funnel, which needs the last rung.
fn funnel() -> Boxed {
    Funnel::new(4).target().density
}

#[test]
fn once_gradients_are_spent_the_answer_is_that_of_the_rungs_below() {
    let most = 100_000;
    let target = funnel();
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        let answer = pool
            .build()
            .unwrap()
            .install(|| climb(target.as_ref(), Some(most)));
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

/// A staircase: its gradient says nothing of its jumps, so that nothing converges. And a gradient that is wrong far from
/// where starts lie, so that differences there do not tell.
#[test]
fn jumps_and_wrong_gradients_cost_no_more_than_the_budget() {
    let layout = || Layout::new(vec![Variable::new("x", &[4])]);
    let stairs = from_fn(layout(), |x, grad| {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -0.01 * x);
        x.iter().map(|x| -(4.0 * x.abs()).floor()).sum::<f64>()
    });
    let wrong = from_fn(layout(), |x, grad| {
        let slope = |x: f64| if x.abs() > 2.1 { x } else { 10.0 - x };
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = slope(*x));
        x.iter().map(|x| 10.0 * x - 0.5 * x * x).sum::<f64>()
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
    let normal = Gaussian::standard(2).target().density;
    let target = Counted::new(normal.as_ref(), true);
    let most = 300;
    let options = FitOptions {
        max_gradients: Some(most),
        ..FitOptions::default()
    };
    for name in Method::names() {
        target.reset();
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
        let used = target.n();
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
    let funnel = funnel();
    let target = Counted::new(funnel.as_ref(), true);
    let options = Ladder::default();
    let stream = Stream::from_seed(3);
    let unbroken = fit(&target, &options, &stream, None, &mut Silent).unwrap();
    assert_eq!(unbroken.rung, Rung::Nuts);
    let total = target.reset();
    let mut observer = StopChains::default();
    let outcome = fit(&target, &options, &stream, None, &mut observer);
    assert!(matches!(outcome, Err(InferError::Stopped)), "{outcome:?}");
    assert!(observer.stop_requested());
    assert!(target.n() < total);
}

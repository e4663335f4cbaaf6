//! What is asked of a method by name: its steps, its start, its name, and what it refuses.

use jensen_density::{Cause, Layout, Reject, Variable, from_fn};
use jensen_infer::laplace::laplace;
use jensen_infer::method::{FamilyKind, FitOptions, Method, fit_with};
use jensen_infer::referee::judge_approximation;
use jensen_infer::svgd::Svgd;
use jensen_infer::vi::{Advi, Bam};
use jensen_infer::{InferError, mcmc::Nuts, starts};
use jensen_rng::Stream;
use jensen_run::{Event, Observer, Silent};
use jensen_testkit::targets::{Gaussian, Rejecting};
use std::sync::atomic::{AtomicU64, Ordering};

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

//! What cannot be started from is refused by every method with the same typed error, which names the place.

use jensen_density::{Cause, Evaluator, Layout, LogDensity, Reject, Variable, from_fn};
use jensen_infer::dadvi::{Dadvi, dadvi};
use jensen_infer::drive::{Flow, drive};
use jensen_infer::family::{CouplingFlow, Family, FullRank, LowRank, MeanField, StudentT};
use jensen_infer::importance::{AdaptiveImportance, adaptive_importance};
use jensen_infer::ladder::{self, Ladder};
use jensen_infer::laplace::laplace;
use jensen_infer::mcmc::{
    AdaptiveMetropolis, ChainOptions, Hmc, Kernel, Metropolis, Nuts, Slice, Starts, nuts,
    sample_chains,
};
use jensen_infer::optimize::adam::Adam;
use jensen_infer::optimize::gradient_descent::GradientDescent;
use jensen_infer::optimize::lbfgs::Lbfgs;
use jensen_infer::optimize::newton::Newton;
use jensen_infer::optimize::trust_region::TrustRegion;
use jensen_infer::pathfinder::{Pathfinder, multi_path, pathfinder, paths};
use jensen_infer::svgd::Svgd;
use jensen_infer::vi::{self, Advi, Bam, Sgvi};
use jensen_infer::{Algorithm, InferError, starts};
use jensen_posterior::{Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{NanIsland, Rejecting};

/// Runs a method from a start and tells only whether it could.
type Run = Box<dyn Fn(&dyn LogDensity, &[f64]) -> Result<(), InferError>>;

fn stream() -> Stream {
    Stream::from_seed(1)
}

/// By `init` alone, and by the driver, which have to agree.
fn algorithm<A: Algorithm + 'static>(value: A) -> Run {
    Box::new(move |target, start| iterate(&value, target, start))
}

fn iterate<A: Algorithm>(
    value: &A,
    target: &dyn LogDensity,
    start: &[f64],
) -> Result<(), InferError> {
    let mut evaluator = Evaluator::new(target);
    let alone = value
        .init(&mut evaluator, start, &stream())
        .map(|_| ())
        .map_err(|error| format!("{error:?}"));
    let go_on = |_, _: &A::State, _| Flow::Continue;
    let driven = drive(value, target, start, 3, &stream(), None, &mut Silent, go_on).map(|_| ());
    let said = driven
        .as_ref()
        .copied()
        .map_err(|error| format!("{error:?}"));
    assert_eq!(alone, said);
    driven
}

fn kernel<K: Kernel + 'static>(kernel: K) -> Run {
    Box::new(move |target, start| {
        let options = one_chain(start);
        sample_chains(&kernel, target, &options, &stream(), None, &mut Silent).map(|_| ())
    })
}

fn one_chain(start: &[f64]) -> ChainOptions {
    ChainOptions {
        n_chains: 1,
        n_draws: 5,
        starts: Starts::At(vec![start.to_vec()]),
    }
}

fn family<F: Family + 'static>(of: impl Fn(usize) -> F + 'static) -> Run {
    Box::new(move |target, start| {
        let family = of(target.dim());
        iterate(&Sgvi::new(&family), target, start)?;
        vi::fit(target, &family, start, 20, &stream(), &mut Silent).map(|_| ())
    })
}

/// Every method that begins at a given position.
fn methods() -> Vec<(&'static str, Run)> {
    let path = |target: &dyn LogDensity, start: &[f64]| {
        pathfinder(target, start, &Pathfinder::default(), &stream()).map(|_| ())
    };
    let fixed_draws = |target: &dyn LogDensity, start: &[f64]| {
        let sd = vec![1.0; target.dim()];
        dadvi(target, start, &sd, &Dadvi::default(), &stream()).map(|_| ())
    };
    let advi_full_rank = Advi {
        full_rank: true,
        ..Advi::default()
    };
    let short = Nuts {
        n_warmup: 20,
        ..Nuts::default()
    };
    let no_u_turn = move |target: &dyn LogDensity, start: &[f64]| {
        let options = one_chain(start);
        nuts::sample(target, &short, &options, &stream(), None, &mut Silent).map(|_| ())
    };
    vec![
        ("gradient descent", algorithm(GradientDescent)),
        ("adam", algorithm(Adam::default())),
        ("l-bfgs", algorithm(Lbfgs::default())),
        ("newton", algorithm(Newton)),
        ("trust region", algorithm(TrustRegion::default())),
        (
            "laplace",
            Box::new(|target, start| laplace(target, start).map(|_| ())),
        ),
        ("pathfinder", Box::new(path)),
        ("dadvi", Box::new(fixed_draws)),
        ("bam", algorithm(Bam::default())),
        ("advi mean-field", algorithm(Advi::default())),
        ("advi full-rank", algorithm(advi_full_rank)),
        ("svgd", algorithm(Svgd::default())),
        ("sgvi mean-field", family(|dim| MeanField { dim })),
        ("sgvi full-rank", family(|dim| FullRank { dim })),
        ("sgvi low-rank", family(|dim| LowRank { dim, rank: 1 })),
        ("sgvi student-t", family(|dim| StudentT::full(dim, 5.0))),
        (
            "sgvi flow",
            family(|dim| CouplingFlow {
                dim,
                n_layers: 2,
                width: 4,
            }),
        ),
        ("hmc", algorithm(Hmc::default())),
        ("metropolis", algorithm(Metropolis::default())),
        (
            "adaptive metropolis",
            algorithm(AdaptiveMetropolis::default()),
        ),
        ("slice", algorithm(Slice::default())),
        ("chains of hmc", kernel(Hmc::default())),
        ("nuts", Box::new(no_u_turn)),
    ]
}

/// A standard normal that refuses x[1] above 5 and has an infinite slope along x[2] above 9.
fn edged(dim: usize) -> impl LogDensity {
    from_fn(Layout::new(vec![Variable::new("x", &[dim])]), |x, grad| {
        if x.first().is_some_and(|x| *x > 5.0) {
            return Err(Reject::at("line 7", Cause::OutsideSupport));
        }
        for (g, x) in grad.iter_mut().zip(x) {
            *g = if *x > 9.0 { f64::INFINITY } else { -x };
        }
        Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>())
    })
}

#[test]
fn every_method_runs_where_nothing_is_wrong() {
    for (name, run) in methods() {
        let outcome = run(&edged(2), &[0.3, -0.2]);
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}

#[test]
fn a_start_that_is_not_finite_is_named() {
    for (name, run) in methods() {
        for (start, place, is_it) in [
            ([0.0, f64::NAN], "x[2]", f64::is_nan as fn(f64) -> bool),
            ([f64::INFINITY, 0.0], "x[1]", f64::is_infinite),
            ([0.0, f64::NEG_INFINITY], "x[2]", f64::is_infinite),
        ] {
            match run(&edged(2), &start) {
                Err(InferError::Start { coordinate, value }) => {
                    assert_eq!(coordinate, place, "{name}");
                    assert!(is_it(value), "{name}: {value}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_start_of_the_wrong_length_is_told_both_lengths() {
    for (name, run) in methods() {
        for start in [&[][..], &[0.0], &[0.0; 3]] {
            match run(&edged(2), start) {
                Err(InferError::Length { expected, found }) => {
                    assert_eq!((expected, found), (2, start.len()), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_start_that_the_density_refuses_says_where_and_why() {
    let island = NanIsland::new(vec![1.0, 0.0], 0.5);
    let edged = edged(2);
    for (name, run) in methods() {
        for (target, start, place, cause) in [
            (
                &edged as &dyn LogDensity,
                [6.0, 0.0],
                "line 7",
                Cause::OutsideSupport,
            ),
            (&edged, [0.0, 9.5], "x[2]", Cause::NotFiniteGradient),
            (&island, [1.0, 0.1], "log density", Cause::NotFiniteValue),
            (
                &Rejecting::new(2),
                [0.0; 2],
                "target",
                Cause::OutsideSupport,
            ),
        ] {
            match run(target, &start) {
                Err(InferError::StartRefused(reject)) => {
                    assert_eq!(reject, Reject::at(place, cause), "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_density_without_coordinates_is_refused() {
    for (name, run) in methods() {
        let outcome = run(&edged(0), &[]);
        assert!(
            matches!(outcome, Err(InferError::Empty)),
            "{name}: {outcome:?}"
        );
    }
    let empty = edged(0);
    assert!(matches!(
        starts::random(&empty, &stream()),
        Err(InferError::Empty)
    ));
    let found = paths(&empty, 2, &Pathfinder::default(), &stream());
    assert!(matches!(found, Err(InferError::Empty)));
    let found = multi_path(&empty, 2, 100, &Pathfinder::default(), &stream());
    assert!(matches!(found, Err(InferError::Empty)));
    let found = ladder::fit(&empty, &Ladder::default(), &stream(), None, &mut Silent);
    assert!(matches!(found, Err(InferError::Empty)));
}

#[test]
fn a_density_that_refuses_everywhere_is_told_with_its_place() {
    let refused = |outcome: Result<(), InferError>| match outcome {
        Err(InferError::RefusedEverywhere { tried, last }) => {
            assert!(tried >= 100, "{tried}");
            assert_eq!(last, Reject::at("target", Cause::OutsideSupport));
        }
        other => panic!("{other:?}"),
    };
    let target = Rejecting::new(2);
    let path = Pathfinder::default();
    refused(starts::random(&target, &stream()).map(|_| ()));
    refused(paths(&target, 2, &path, &stream()).map(|_| ()));
    refused(multi_path(&target, 2, 100, &path, &stream()).map(|_| ()));
    refused(ladder::fit(&target, &Ladder::default(), &stream(), None, &mut Silent).map(|_| ()));
    let (sampler, options) = (Nuts::default(), ChainOptions::default());
    refused(nuts::sample(&target, &sampler, &options, &stream(), None, &mut Silent).map(|_| ()));
}

#[test]
fn a_family_of_another_dimension_is_told_from_a_position() {
    let family = FullRank { dim: 3 };
    let error = vi::fit(&edged(2), &family, &[0.0; 2], 10, &stream(), &mut Silent).err();
    match error {
        Some(InferError::FamilyDim {
            family,
            expected,
            found,
        }) => assert_eq!((family.as_str(), expected, found), ("full-rank", 2, 3)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn standard_deviations_to_start_from_have_to_be_some() {
    for sd in [
        &[1.0][..],
        &[1.0, 0.0],
        &[1.0, f64::NAN],
        &[-1.0, 1.0],
        &[1.0; 3],
    ] {
        match dadvi(&edged(2), &[0.0; 2], sd, &Dadvi::default(), &stream()) {
            Err(InferError::Option { option, found, .. }) => {
                assert_eq!((option, found), ("sd", format!("{sd:?}")));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn paths_and_draws_of_none_are_refused() {
    let path = Pathfinder::default();
    for (n_paths, n_draws, wrong) in [(0, 1000, "n_paths"), (4, 0, "n_draws")] {
        match multi_path(&edged(2), n_paths, n_draws, &path, &stream()) {
            Err(InferError::Option { option, .. }) => assert_eq!(option, wrong),
            other => panic!("{other:?}"),
        }
    }
}

/// Numbers outside of the range that the documentation of an option gives.
#[test]
fn options_out_of_range_are_refused_by_name() {
    let target = from_fn(Layout::new(vec![Variable::real("x")]), |x, grad| {
        grad[0] = -x[0];
        -0.5 * x[0] * x[0]
    });
    let refused = |outcome: Result<(), InferError>, name: &str| match outcome {
        Err(InferError::Option { option, .. }) => assert_eq!(option, name),
        other => panic!("{name}: {other:?}"),
    };
    let q = Gaussian {
        mean: vec![0.0],
        scale: Scale::Diagonal(vec![1.0]),
    };
    let importance = |options: AdaptiveImportance| {
        adaptive_importance(&target, &[&q], &options, &stream()).map(|_| ())
    };
    let default = AdaptiveImportance::default;
    for target_draws in [f64::NAN, -1.0, f64::INFINITY] {
        let options = AdaptiveImportance {
            target_draws,
            ..default()
        };
        refused(importance(options), "target_draws");
    }
    for target_shape in [f64::NAN, -0.1, 1.1] {
        let options = AdaptiveImportance {
            target_shape,
            ..default()
        };
        refused(importance(options), "target_shape");
    }
    let climb = |options: Pathfinder| pathfinder(&target, &[1.0], &options, &stream()).map(|_| ());
    let default = Pathfinder::default;
    let (no_steps, no_history) = (
        Pathfinder {
            max_steps: 0,
            ..default()
        },
        Pathfinder {
            history: 0,
            ..default()
        },
    );
    refused(climb(no_steps), "max_steps");
    refused(climb(no_history), "history");
    let none = Dadvi {
        max_steps: 0,
        ..Dadvi::default()
    };
    let solved = dadvi(&target, &[0.0], &[1.0], &none, &stream());
    refused(solved.map(|_| ()), "max_steps");
    let ladder =
        |options: Ladder| ladder::fit(&target, &options, &stream(), None, &mut Silent).map(|_| ());
    let few = Ladder {
        n_draws: 99,
        ..Ladder::default()
    };
    refused(ladder(few), "n_draws");
    let none = Ladder {
        n_paths: 0,
        ..Ladder::default()
    };
    refused(ladder(none), "n_paths");
}

/// A gradient with a sign that is wrong in one coordinate would otherwise cost millions of evaluations.
#[test]
fn a_gradient_that_is_not_that_of_the_density_is_named() {
    let layout = Layout::new(vec![Variable::new("x", &[3])]);
    let flipped = from_fn(layout, |x, grad| {
        grad.copy_from_slice(&[-x[0], x[1], -x[2]]);
        -0.5 * x.iter().map(|x| x * x).sum::<f64>()
    });
    let stream = Stream::from_seed(1);
    let error = ladder::fit(&flipped, &Ladder::default(), &stream, None, &mut Silent);
    let error = error.unwrap_err();
    assert!(
        matches!(&error, InferError::Gradient { coordinate, .. } if coordinate == "x[2]"),
        "{error}"
    );
}

//! What cannot be fitted is refused with a typed error that names the place.

use crate::targets::{Gaussian, edged};
use jensen_density::{Evaluator, LogDensity};
use jensen_infer::family::{Family, FullRank, MeanField};
use jensen_infer::vi::{
    Advi, Bam, Baseline, Estimator, Objective, RobbinsMonro, Score, Sgvi, StepRule, fit,
};
use jensen_infer::{Algorithm, InferError};
use jensen_rng::Stream;
use jensen_run::Silent;

fn failed(target: &dyn LogDensity, family: &dyn Family, start: &[f64]) -> InferError {
    fit(
        target,
        family,
        start,
        5000,
        &Stream::from_seed(1),
        &mut Silent,
    )
    .err()
    .expect("this should not fit")
}

#[test]
fn starts_that_are_no_place_to_start_from() {
    let (target, family) = (edged(3.0), MeanField { dim: 2 });
    match failed(&target, &family, &[0.0, f64::NAN]) {
        InferError::Start { coordinate, value } => assert!(coordinate == "x[2]" && value.is_nan()),
        other => panic!("{other}"),
    }
    match failed(&target, &family, &[4.0, 0.0]) {
        InferError::StartRefused(reject) => assert_eq!(reject.place, "line 7"),
        other => panic!("{other}"),
    }
    assert!(matches!(
        failed(&target, &family, &[0.0]),
        InferError::Length {
            expected: 2,
            found: 1
        }
    ));
    let wrong = MeanField { dim: 3 };
    assert!(matches!(
        failed(&target, &wrong, &[0.0; 2]),
        InferError::Length {
            expected: 2,
            found: 3
        }
    ));
}

#[test]
fn a_density_that_refuses_most_draws_ends_the_fit_with_the_place() {
    // Half of the plane lies beyond the edge just where the fit starts, and the rest is a thin strip.
    let target = crate::targets::From(crate::targets::layout(2), |x: &[f64], grad: &mut [f64]| {
        grad.fill(0.0);
        match x[0].abs() < 1e-3 {
            true => Ok(0.0),
            false => Err(jensen_density::Reject::at(
                "line 9",
                jensen_density::Cause::OutsideSupport,
            )),
        }
    });
    match failed(&target, &MeanField { dim: 2 }, &[0.0; 2]) {
        InferError::Failed { method, reason } => {
            assert_eq!(method, "sgvi");
            assert!(
                reason.contains("line 9") && reason.contains("refused"),
                "{reason}"
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn few_refused_draws_are_counted_and_left_out() {
    let target = edged(2.0);
    let fit = fit(
        &target,
        &MeanField { dim: 2 },
        &[0.0; 2],
        5000,
        &Stream::from_seed(2),
        &mut Silent,
    )
    .unwrap();
    assert!(fit.n_rejected > 0 && fit.params.iter().all(|p| p.is_finite()));
}

#[test]
fn options_that_contradict_each_other() {
    let target = Gaussian::mild();
    let (product, full) = (MeanField { dim: 3 }, FullRank { dim: 3 });
    let refused = |sgvi: Sgvi<'_>| {
        let mut evaluator = Evaluator::new(&target);
        match sgvi.init(&mut evaluator, &[0.0; 3], &Stream::from_seed(1)) {
            Err(InferError::Contradiction { first, second, .. }) => (first, second),
            Err(InferError::Option { option, .. }) => (option, ""),
            other => panic!("{other:?}"),
        }
    };
    let score = |baseline, rao_blackwell| {
        Estimator::Score(Score {
            baseline,
            rao_blackwell,
        })
    };
    let basic = Sgvi::new(&full);
    let iw = Objective::ImportanceWeighted { n_samples: 3 };
    let cases = [
        (
            Sgvi {
                objective: iw,
                ..basic
            },
            ("n_draws", "objective.n_samples"),
        ),
        (
            Sgvi {
                estimator: score(Baseline::LeaveOneOut, false),
                n_draws: 1,
                ..basic
            },
            ("estimator.baseline = LeaveOneOut", "n_draws"),
        ),
        (
            Sgvi {
                estimator: score(Baseline::None, true),
                ..Sgvi::new(&product)
            },
            ("estimator.rao_blackwell", "factored"),
        ),
        (
            Sgvi {
                estimator: score(Baseline::None, true),
                factored: Some(&target),
                ..basic
            },
            ("estimator.rao_blackwell", "family"),
        ),
        (
            Sgvi {
                estimator: score(Baseline::RunningMean, true),
                factored: Some(&target),
                ..Sgvi::new(&product)
            },
            (
                "estimator.rao_blackwell",
                "estimator.baseline = RunningMean",
            ),
        ),
        (
            Sgvi {
                objective: Objective::Renyi {
                    alpha: 1.0,
                    n_samples: 2,
                },
                ..basic
            },
            ("objective.alpha", ""),
        ),
        (
            Sgvi {
                n_draws: 0,
                ..basic
            },
            ("n_draws", ""),
        ),
        (
            Sgvi {
                start_sd: f64::NAN,
                ..basic
            },
            ("start_sd", ""),
        ),
        (
            Sgvi {
                steps: StepRule::RobbinsMonro(RobbinsMonro {
                    power: 0.5,
                    ..RobbinsMonro::default()
                }),
                ..basic
            },
            ("steps.power", ""),
        ),
    ];
    for (sgvi, expected) in cases {
        assert_eq!(refused(sgvi), expected);
    }
    let mut evaluator = Evaluator::new(&target);
    let bam = Bam {
        n_draws: 1,
        ..Bam::default()
    };
    assert!(
        bam.init(&mut evaluator, &[0.0; 3], &Stream::from_seed(1))
            .is_err()
    );
    let advi = Advi {
        n_draws: 0,
        ..Advi::default()
    };
    assert!(
        advi.init(&mut evaluator, &[0.0; 3], &Stream::from_seed(1))
            .is_err()
    );
}

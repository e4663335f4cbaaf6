//! What cannot be fitted is refused with a typed error that names the place.

use super::targets::{Gaussian, edged, layout};
use jensen_density::{Cause, Evaluator, Factored, Layout, LogDensity, Reject, from_fn};
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
    let error = failed(&target, &wrong, &[0.0; 2]);
    assert!(
        matches!(&error, InferError::FamilyDim { family, expected: 2, found: 3 } if family == "mean-field"),
        "{error}"
    );
}

#[test]
fn a_density_that_refuses_most_draws_ends_the_fit_with_the_place() {
    // Half of the plane lies beyond the edge just where the fit starts, and the rest is a thin strip.
    let target = from_fn(layout(2), |x, grad| {
        grad.fill(0.0);
        match x[0].abs() < 1e-3 {
            true => Ok(0.0),
            false => Err(Reject::at("line 9", Cause::OutsideSupport)),
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

/// Factors of the mild Gaussian with one thing wrong.
struct Wrong {
    right: Gaussian,
    layout: Layout,
    /// Added to the first factor, nats.
    addend: f64,
    coordinates: Vec<usize>,
    /// Refuses x[1] above this.
    edge: f64,
}

impl Wrong {
    fn none() -> Self {
        Self {
            right: Gaussian::mild(),
            layout: layout(3),
            addend: 0.0,
            coordinates: vec![0],
            edge: f64::INFINITY,
        }
    }
}

impl LogDensity for Wrong {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        x: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        self.right.log_density_and_grad(x, grad, scratch)
    }
}

impl Factored for Wrong {
    fn n_factors(&self) -> usize {
        self.right.n_factors()
    }

    fn coordinates(&self, factor: usize) -> &[usize] {
        match factor {
            0 => &self.coordinates,
            _ => self.right.coordinates(factor),
        }
    }

    fn ln_factors(&self, x: &[f64], ln_f: &mut [f64], scratch: &mut [f64]) -> Result<(), Reject> {
        if x[0] > self.edge {
            return Err(Reject::at("factor 2", Cause::OutsideSupport));
        }
        self.right.ln_factors(x, ln_f, scratch)?;
        ln_f[0] += self.addend;
        Ok(())
    }
}

fn by_factors<'a>(family: &'a MeanField, factored: &'a Wrong) -> Sgvi<'a> {
    Sgvi {
        estimator: Estimator::Score(Score {
            baseline: Baseline::LeaveOneOut,
            rao_blackwell: true,
        }),
        factored: Some(factored),
        ..Sgvi::new(family)
    }
}

#[test]
fn factors_that_are_not_those_of_the_density_are_refused() {
    let target = Gaussian::mild();
    let family = MeanField { dim: 3 };
    let stream = Stream::from_seed(1);
    let init = |wrong: &Wrong| {
        let mut evaluator = Evaluator::new(&target);
        by_factors(&family, wrong).init(&mut evaluator, &[0.0; 3], &stream)
    };
    assert!(init(&Wrong::none()).is_ok());
    let cases = [
        (
            Wrong {
                layout: layout(2),
                ..Wrong::none()
            },
            "number of coordinates",
            "2",
        ),
        (
            Wrong {
                coordinates: vec![0, 3],
                ..Wrong::none()
            },
            "coordinates of factor 0",
            "3",
        ),
        (
            Wrong {
                edge: -1.0,
                ..Wrong::none()
            },
            "a position that the density accepts",
            "factor 2: outside the support",
        ),
    ];
    for (wrong, place, said) in &cases {
        match init(wrong) {
            Err(InferError::Factors { what, found, .. }) => {
                assert_eq!((what.as_str(), found.as_str()), (*place, *said));
            }
            other => panic!("{place}: {other:?}"),
        }
    }
    let doubled = Wrong {
        addend: -1e-3,
        ..Wrong::none()
    };
    match init(&doubled) {
        Err(InferError::Factors {
            what,
            expected,
            found,
        }) => {
            assert!(what.contains("sum at the start"), "{what}");
            let gap = expected.parse::<f64>().unwrap() - found.parse::<f64>().unwrap();
            assert!((gap - 1e-3).abs() < 1e-9, "{gap}");
        }
        other => panic!("{other:?}"),
    }
    // What they refuse later is counted, with its place, and no step follows from it.
    let late = Wrong {
        edge: 0.0,
        ..Wrong::none()
    };
    let sgvi = by_factors(&family, &late);
    let mut evaluator = Evaluator::new(&target);
    let mut state = sgvi.init(&mut evaluator, &[0.0; 3], &stream).unwrap();
    let before = state.params.clone();
    let info = sgvi.step(&mut evaluator, &mut state, &stream);
    assert_eq!((info.n_rejected, info.step_length), (10, 0.0));
    assert_eq!(info.reject.unwrap().place, "factor 2");
    assert_eq!(state.params, before);
}

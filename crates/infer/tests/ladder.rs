//! The ladder and its referee on targets whose answer is known.

use jensen_density::{Layout, LogDensity, Reject, Variable};
use jensen_infer::InferError;
use jensen_infer::importance::{AdaptiveImportance, adaptive_importance, heavier};
use jensen_infer::ladder::{Answer, Ladder, Rung, fit};
use jensen_infer::referee::{Verdict, drift, stein};
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{NanIsland, Rejecting, Target, synthetic};

/// A good answer has every mean within a quarter of a standard deviation; the draws of four thousand
/// effective ones would be four times nearer.
const GOOD: f64 = 0.25;

fn climb(target: &dyn LogDensity, seed: u64) -> Result<Answer, InferError> {
    let stream = Stream::from_seed(seed);
    fit(target, &Ladder::default(), &stream, &mut Silent)
}

/// The targets whose means the ladder must find and be sure of; far modes and funnels are none of them.
fn is_regular(target: &Target) -> bool {
    [
        "gaussian",
        "student",
        "logistic",
        "banana",
        "eight_schools_noncentered",
    ]
    .iter()
    .any(|name| target.name.contains(name))
}

#[test]
fn regular_targets_are_answered_and_called_good() {
    let targets = synthetic();
    let regular: Vec<&Target> = targets.iter().filter(|t| is_regular(t)).collect();
    assert!(regular.len() >= 5, "{}", regular.len());
    for target in regular {
        let answer = climb(target.density.as_ref(), 1).unwrap();
        let (e, worst) = target.worst_error(&answer.mean);
        let said = format!("{}: E {e} of {worst}, {}", target.name, answer.report);
        assert!(answer.is_good(), "{said}");
        assert!(e < GOOD, "{said}");
        // The absolute evidence, where it is known: five standard errors, and rounding where q is exact.
        if let (Some((ln_z, se)), Some(exact)) =
            (answer.log_evidence, target.reference.log_normalizer)
        {
            assert!(
                (ln_z - exact).abs() < 5.0 * se + 1e-6,
                "{said}: {ln_z} of {exact}"
            );
        }
        assert!(
            answer.climbed.iter().all(|rung| rung.n_gradients > 0),
            "{said}"
        );
        assert_eq!(answer.climbed.last().map(|c| c.rung), Some(answer.rung));
    }
}

#[test]
fn no_answer_is_good_and_wrong() {
    for target in &synthetic() {
        let answer = climb(target.density.as_ref(), 1).unwrap();
        let (e, worst) = target.worst_error(&answer.mean);
        assert!(
            !answer.is_good() || e < GOOD,
            "{}: E {e} of {worst}, {}",
            target.name,
            answer.report
        );
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let targets = synthetic();
    let banana = targets.iter().find(|t| t.name.contains("banana")).unwrap();
    let with = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .build()
            .unwrap();
        let answer = pool.install(|| climb(banana.density.as_ref(), 3).unwrap());
        let n_gradients = answer.n_gradients();
        (answer.mean, answer.sd, n_gradients, answer.rung)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn weights_mend_a_proposal_that_is_off() {
    let targets = synthetic();
    let target = targets
        .iter()
        .find(|t| t.name.contains("gaussian"))
        .unwrap();
    let d = target.density.dim();
    let off = Gaussian {
        mean: vec![2.0; d],
        scale: Scale::Diagonal(vec![0.7; d]),
    };
    let q = heavier(&off, 5.0);
    let options = AdaptiveImportance::default();
    let first: [&dyn Approximation; 1] = [&q];
    let density = target.density.as_ref();
    let sample = adaptive_importance(density, &first, &options, &Stream::from_seed(4)).unwrap();
    assert!(sample.n_rounds > 1);
    assert!(
        sample.psis.k_hat < options.target_shape,
        "{}",
        sample.psis.k_hat
    );
    assert!(stein(&sample).iter().all(|error| *error < 0.1));
    let weights = sample.weights();
    for i in 0..d {
        let mean: f64 = sample.rows().zip(&weights).map(|(z, w)| w * z[i]).sum();
        // Five standard errors of as many draws as the weights are worth.
        let bound = 5.0 * target.reference.sd[i] / sample.psis.effective_draws().sqrt();
        assert!((mean - target.reference.mean[i]).abs() < bound, "{mean}");
    }
}

#[test]
fn draws_drift_where_they_are_not_of_the_target() {
    let targets = synthetic();
    let target = targets
        .iter()
        .find(|t| t.name.contains("gaussian"))
        .unwrap();
    let d = target.density.dim();
    let draws = |shift: f64| -> Vec<Vec<f64>> {
        let mut stream = Stream::from_seed(5);
        (0..200)
            .map(|_| {
                (0..d)
                    .map(|i| {
                        let (mean, sd) = (target.reference.mean[i], target.reference.sd[i]);
                        mean + sd * (shift + stream.normal())
                    })
                    .collect()
            })
            .collect()
    };
    let moved = |shift: f64| {
        let rows = draws(shift);
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let (moved, n_gradients) = drift(target.density.as_ref(), &rows, &Stream::from_seed(6));
        assert!(n_gradients > 0);
        moved.into_iter().fold(0.0, f64::max)
    };
    assert!(moved(0.0) < 0.05, "{}", moved(0.0));
    assert!(moved(1.0) > 0.2, "{}", moved(1.0));
}

/// A density without coordinates.
struct Nothing(Layout);

impl LogDensity for Nothing {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn log_density_and_grad(&self, _: &[f64], _: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
        Ok(0.0)
    }
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let nothing = Nothing(Layout::new(vec![Variable::new("x", &[0])]));
    assert!(matches!(climb(&nothing, 1), Err(InferError::Empty)));
    let error = climb(&Rejecting::new(2), 1).unwrap_err();
    assert!(
        matches!(error, InferError::RefusedEverywhere { .. }),
        "{error}"
    );
    let bad = Ladder {
        n_chains: 1,
        ..Ladder::default()
    };
    let stream = Stream::from_seed(1);
    let target = Nothing(Layout::new(vec![Variable::real("x")]));
    let error = fit(&target, &bad, &stream, &mut Silent).unwrap_err();
    assert!(
        matches!(
            error,
            InferError::Option {
                option: "n_chains",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_region_of_nan_is_no_reason_to_fail() {
    let answer = climb(&NanIsland::new(vec![1.0, 0.0], 0.5), 1).unwrap();
    assert!(answer.mean.iter().all(|m| m.is_finite()));
}

#[test]
fn the_referee_stops_at_the_top_rung_and_says_so() {
    let targets = synthetic();
    let funnel = targets.iter().find(|t| t.name.contains("funnel")).unwrap();
    let options = Ladder {
        top: Rung::Refined,
        ..Ladder::default()
    };
    let stream = Stream::from_seed(2);
    let answer = fit(funnel.density.as_ref(), &options, &stream, &mut Silent).unwrap();
    assert!(answer.report.verdict > Verdict::Good, "{}", answer.report);
    assert!(!answer.report.failing().is_empty());
    assert!(answer.climbed.len() == 2);
}

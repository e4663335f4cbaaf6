//! The ladder and its referee on targets whose answer is known.

use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::drive::Keep;
use jensen_infer::importance::{AdaptiveImportance, adaptive_importance, heavier};
use jensen_infer::ladder::{Answer, Climbed, Ladder, Rung, fit};
use jensen_infer::referee::{Verdict, drift, stein};
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunFolder, Silent};
use jensen_testkit::targets::{self, Counted, Funnel, NanIsland, Rejecting, Target, synthetic};

/// A good answer has every mean within a quarter of a standard deviation; the draws of four thousand
/// effective ones would be four times nearer.
const GOOD: f64 = 0.25;
/// Stein errors of a thousand draws of the target itself, in standard deviations, stay below this.
const BALANCED: f64 = 0.1;
/// Standard errors by which a mean may be off.
const SIGMAS: f64 = 5.0;
/// How far trajectories move the mean of draws of the target by chance, in standard deviations, and at least move those
/// that lie one standard deviation off: nine tenths of it, less three standard errors.
const AT_REST: f64 = 0.05;
const MOVED: f64 = 0.5;

pub(crate) fn climb(target: &dyn LogDensity, seed: u64) -> Result<Answer, InferError> {
    let stream = Stream::from_seed(seed);
    fit(target, &Ladder::default(), &stream, None, &mut Silent)
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
        climbed_no_higher_than_needed(&answer, &said);
    }
}

/// All rungs up to that of a good answer were climbed, in their order, and the last of them is the first good one.
fn climbed_no_higher_than_needed(answer: &Answer, said: &str) {
    let all = [Rung::Paths, Rung::Refined, Rung::Mixture, Rung::Nuts];
    let rungs: Vec<Rung> = answer.climbed.iter().map(|c| c.rung).collect();
    assert_eq!(rungs[..], all[..rungs.len()], "{said}");
    assert_eq!(rungs.last(), Some(&answer.rung), "{said}");
    let is_good = |climbed: &Climbed| {
        let report = climbed.report.as_ref();
        report.is_some_and(|report| report.verdict == Verdict::Good)
    };
    let good: Vec<bool> = answer.climbed.iter().map(is_good).collect();
    let (last, earlier) = good.split_last().unwrap();
    assert!(*last && !earlier.contains(&true), "{said}: {good:?}");
}

/// One target for each rung, with its cost as the density counts it.
#[test]
fn every_rung_answers_what_those_below_cannot() {
    let targets = synthetic();
    for (name, rung) in [
        ("gaussian-correlated", Rung::Paths),
        ("student_t", Rung::Refined),
        ("eight_schools_noncentered", Rung::Mixture),
        ("banana", Rung::Nuts),
    ] {
        let target = targets.iter().find(|t| t.name.contains(name)).unwrap();
        let counted = Counted::new(target.density.as_ref(), true);
        let answer = climb(&counted, 1).unwrap();
        let said = format!("{name}: {}", answer.report);
        assert_eq!(answer.rung, rung, "{said}");
        climbed_no_higher_than_needed(&answer, &said);
        assert_eq!(answer.n_gradients(), counted.n(), "{said}");
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

/// All starts lie in the basin of the mode at the origin; only scouts see the other one.
#[test]
fn a_far_mode_is_found() {
    for (d, offset, share) in [
        (1, 10.0, 0.5),
        (3, 8.0, 0.3),
        (10, 12.0, 0.5),
        (2, 20.0, 0.5),
    ] {
        let target = targets::far_mode(d, offset, share);
        for seed in 1..=20 {
            let answer = climb(target.density.as_ref(), seed).unwrap();
            let (e, worst) = target.worst_error(&answer.mean);
            let said = format!("{} seed {seed}: E {e} of {worst}", target.name);
            assert!(e < GOOD, "{said}, {}", answer.report);
        }
    }
}

/// In many coordinates the distance along one of them is small on average over all.
#[test]
fn a_far_mode_in_two_hundred_coordinates_is_never_missed_in_silence() {
    let mut n_right = 0;
    for (offset, seed) in [(7.0, 1), (7.0, 2), (7.0, 3), (9.0, 1), (9.0, 2), (9.0, 3)] {
        let target = targets::far_mode(200, offset, 0.5);
        let answer = climb(target.density.as_ref(), seed).unwrap();
        let (e, worst) = target.worst_error(&answer.mean);
        let said = format!("seed {seed}: E {e} of {worst}, {}", answer.report);
        assert!(!answer.is_good() || e < GOOD, "{said}");
        n_right += usize::from(answer.is_good());
    }
    // A mode beside which the other has no weight is no reason to doubt.
    let target = targets::far_mode(200, 7.0, 1e-6);
    let answer = climb(target.density.as_ref(), 1).unwrap();
    let (e, worst) = target.worst_error(&answer.mean);
    let said = format!("E {e} of {worst}, {}", answer.report);
    assert!(e < GOOD, "{said}");
    n_right += usize::from(answer.is_good());
    assert!(n_right > 0, "not one of these is good: {said}");
}

/// exp(-max(0, |x| - 1)) is proper, and flat where starts lie.
#[test]
fn a_plateau_is_no_reason_to_fail() {
    let plateau = from_fn(Layout::new(vec![Variable::real("x")]), |x, grad| {
        grad[0] = if x[0].abs() < 1.0 {
            0.0
        } else {
            -x[0].signum()
        };
        -(x[0].abs() - 1.0).max(0.0)
    });
    let answer = climb(&plateau, 1).unwrap();
    assert!(
        answer
            .climbed
            .iter()
            .all(|rung| rung.report.is_some() != rung.failed.is_some())
    );
    let sd = plateau_sd();
    assert!(
        !answer.is_good() || answer.mean[0].abs() < GOOD * sd,
        "{}",
        answer.report
    );
}

/// Normalizer 2 + 2; second moment 2/3 + 2 (1 + 2 + 2) from the integral of (1 + t)^2 e^-t.
fn plateau_sd() -> f64 {
    ((2.0 / 3.0 + 10.0_f64) / 4.0).sqrt()
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let targets = synthetic();
    // One that weights answer, and one that climbs to the chains.
    for name in ["banana", "funnel"] {
        let target = targets.iter().find(|t| t.name.contains(name)).unwrap();
        let with = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            let answer = pool.install(|| climb(target.density.as_ref(), 3).unwrap());
            let rows: Vec<Vec<f64>> = answer.draws.rows().map(<[f64]>::to_vec).collect();
            (
                rows,
                answer.mean,
                answer.sd,
                answer.climbed,
                answer.log_evidence,
            )
        };
        assert_eq!(with(1), with(3), "{name}");
    }
}

/// Asks to stop once this many evaluations were seen.
struct StopAfter<'a> {
    counted: &'a Counted<'a>,
    limit: u64,
}

impl Observer for StopAfter<'_> {
    fn on(&mut self, _: &Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.counted.n() >= self.limit
    }
}

/// The funnel goes up to the last rung; it is stopped on the first, amid the chains, and near the end.
#[test]
fn a_resumed_fit_has_the_bits_of_an_unbroken_one() {
    let funnel = Funnel::new(4).target().density;
    let funnel = Counted::new(funnel.as_ref(), true);
    let options = Ladder::default();
    let stream = Stream::from_seed(3);
    let facts = |answer: Answer| {
        let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        let draws: Vec<Vec<u64>> = answer.draws.rows().map(bits).collect();
        let evidence = answer.log_evidence.map(|(ln_z, se)| bits(&[ln_z, se]));
        let moments = [bits(&answer.mean), bits(&answer.sd)];
        (answer.rung, draws, moments, evidence, answer.climbed)
    };
    let unbroken = facts(fit(&funnel, &options, &stream, None, &mut Silent).unwrap());
    assert_eq!(unbroken.0, Rung::Nuts);
    assert_eq!(unbroken.1.len() % 4000, 0);
    let total = funnel.reset();
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let keep = Keep {
        checkpoints: Checkpoints::of(&run),
        every: 1,
    };
    for share in [0.001, 0.3, 0.5] {
        funnel.reset();
        let mut stopper = StopAfter {
            counted: &funnel,
            limit: (share * total as f64) as u64,
        };
        let outcome = fit(&funnel, &options, &stream, Some(&keep), &mut stopper);
        assert!(matches!(outcome, Err(InferError::Stopped)), "{share}");
        assert!(funnel.n() < total, "{share}");
    }
    // Chains that are kept are charged before others go on: a budget that is too short ends earlier than it would.
    funnel.reset();
    let short = Ladder {
        max_gradients: Some(total - total / 20),
        ..Ladder::default()
    };
    let broke = fit(&funnel, &short, &stream, Some(&keep), &mut Silent).unwrap();
    let said = broke.report.to_string();
    assert!(said.contains("max_gradients"), "{said}");
    assert!(funnel.n() < total - total / 20);
    funnel.reset();
    let resumed = fit(&funnel, &options, &stream, Some(&keep), &mut Silent).unwrap();
    assert!(
        facts(resumed) == unbroken,
        "a resumed fit differs from an unbroken one"
    );
    // Chains that were finished were not run again.
    assert!(funnel.n() < total);
}

/// A skewed autoregression: x_i = x_{i-1} / 2 + z_i with exp(z_i) ~ gamma(2, 1).
fn skewed_autoregression(d: usize) -> impl LogDensity {
    from_fn(
        Layout::new(vec![Variable::new("x", &[d])]),
        move |x, grad| {
            grad.fill(0.0);
            let mut value = 0.0;
            for i in 0..d {
                let z = x[i] - if i > 0 { 0.5 * x[i - 1] } else { 0.0 };
                value += 2.0 * z - z.exp();
                let slope = 2.0 - z.exp();
                grad[i] += slope;
                if i > 0 {
                    grad[i - 1] -= 0.5 * slope;
                }
            }
            value
        },
    )
}

#[test]
fn hundreds_of_coordinates_are_answered() {
    let gaussian = targets::Gaussian::correlated(200, 0.5).target();
    let answer = climb(gaussian.density.as_ref(), 1).unwrap();
    let (e, worst) = gaussian.worst_error(&answer.mean);
    assert!(
        answer.is_good() && e < GOOD,
        "E {e} of {worst}, {}",
        answer.report
    );

    let answer = climb(&skewed_autoregression(300), 1).unwrap();
    // Digamma and trigamma of 2.
    let (of_z, variance_of_z) = (
        0.422_784_335_098_467_1,
        std::f64::consts::PI.powi(2) / 6.0 - 1.0,
    );
    let (mut mean, mut variance) = (0.0, 0.0);
    for (i, found) in answer.mean.iter().enumerate() {
        mean = 0.5 * mean + of_z;
        variance = 0.25 * variance + variance_of_z;
        let e = (found - mean).abs() / variance.sqrt();
        assert!(
            answer.is_good() && e < GOOD,
            "x[{}]: E {e}, {}",
            i + 1,
            answer.report
        );
    }
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
    assert!(stein(&sample).iter().all(|error| *error < BALANCED));
    let weights = sample.weights();
    for i in 0..d {
        let mean: f64 = sample.rows().zip(&weights).map(|(z, w)| w * z[i]).sum();
        // Of as many draws as the weights are worth.
        let bound = SIGMAS * target.reference.sd[i] / sample.psis.effective_draws().sqrt();
        assert!((mean - target.reference.mean[i]).abs() < bound, "{mean}");
    }
}

/// In any number of coordinates, also where a trajectory takes half a period and one as long would lead back.
#[test]
fn draws_drift_where_they_are_not_of_the_target() {
    for d in [1, 2, 3, 5, 10, 50] {
        let target = targets::Gaussian::standard(d).target();
        let moved = |shift: f64| {
            let mut stream = Stream::from_seed(5);
            let draws: Vec<f64> = (0..1600 * d).map(|_| shift + stream.normal()).collect();
            let rows: Vec<&[f64]> = draws.chunks_exact(d).collect();
            let (moved, n_gradients) = drift(target.density.as_ref(), &rows, &Stream::from_seed(6));
            assert!(n_gradients > 0);
            moved
        };
        let (still, off) = (moved(0.0), moved(1.0));
        assert!(still.iter().all(|m| *m < AT_REST), "{d}: {still:?}");
        assert!(off.iter().all(|m| *m > MOVED), "{d}: {off:?}");
    }
}

#[test]
fn requests_that_cannot_be_answered_say_why() {
    let nothing = from_fn(Layout::new(vec![Variable::new("x", &[0])]), |_, _| 0.0);
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
    let target = from_fn(Layout::new(vec![Variable::real("x")]), |_, _| 0.0);
    let error = fit(&target, &bad, &stream, None, &mut Silent).unwrap_err();
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
    let answer = fit(
        funnel.density.as_ref(),
        &options,
        &stream,
        None,
        &mut Silent,
    )
    .unwrap();
    assert!(answer.report.verdict > Verdict::Good, "{}", answer.report);
    assert!(!answer.report.failing().is_empty());
    assert!(answer.climbed.len() == 2);
}

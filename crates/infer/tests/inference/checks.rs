//! Checks of the referee that few targets fail: each fires on a target of its own, and names what it is about.

use super::ladder::climb;
use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::importance::{Sample, heavier, pool};
use jensen_infer::ladder::{Answer, Ladder, Rung, fit};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::referee::{Check, Report, Verdict, judge_importance};
use jensen_infer::svgd::{Spread, Svgd};
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{self, Boxed, NormalMixture, OfLog, StudentT};

fn found<'r>(report: &'r Report, name: &str) -> &'r Check {
    let check = report.checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("{name} was not made: {report}"))
}

/// A unit normal law with a narrow peak on its top.
fn peaked(d: usize, share: f64, sd: f64) -> Boxed {
    let mixture = NormalMixture::new(&[(1.0 - share, 0.0, 1.0), (share, 0.0, sd)]);
    mixture.joint(d).density
}

/// A unit normal law.
fn normal(d: usize) -> Boxed {
    targets::Gaussian::standard(d).target().density
}

/// The first rung alone.
fn paths(target: &dyn LogDensity, seed: u64) -> Answer {
    let first = Ladder {
        top: Rung::Paths,
        ..Ladder::default()
    };
    fit(target, &first, &Stream::from_seed(seed), None, &mut Silent).unwrap()
}

#[test]
fn a_peak_above_all_draws_is_seen_and_named() {
    for (d, share, sd) in [(2, 0.1, 0.01), (5, 0.01, 0.001), (10, 1e-4, 0.1)] {
        let answer = paths(peaked(d, share, sd).as_ref(), 1);
        let peak = found(&answer.report, "peak");
        assert_eq!(peak.verdict(), Verdict::Doubtful, "{d}: {peak:?}");
        // It is on top of the draws, in no coordinate more than in others.
        assert_eq!(peak.failing.len(), d, "{peak:?}");
        let answer = paths(normal(d).as_ref(), 1);
        let peak = found(&answer.report, "peak");
        assert_eq!(peak.verdict(), Verdict::Good, "{d}: {peak:?}");
    }
}

#[test]
fn modes_without_end_are_named() {
    // Eleven places in each of four coordinates.
    let places: Vec<f64> = (-5..=5).map(|i| 12.0 * f64::from(i)).collect();
    let target = NormalMixture::at(&places).product(4).density;
    let answer = paths(target.as_ref(), 1);
    let unknown = found(&answer.report, "unknown_modes");
    assert_eq!(unknown.verdict(), Verdict::Doubtful, "{unknown:?}");
    assert!(!unknown.failing.is_empty(), "{unknown:?}");
}

#[test]
fn draws_of_an_approximation_with_a_wrong_tail_say_so_themselves() {
    // A product of laws with the tail of a Student-t of three degrees of freedom, which a Gaussian has not.
    let target = StudentT::new(5, 3, 0.0, 1.0).target().density;
    let stream = Stream::from_seed(1);
    let options = FitOptions::default();
    let method = Method::Laplace;
    let fitted = fit_with(
        target.as_ref(),
        &method,
        &options,
        &stream,
        None,
        &mut Silent,
    );
    let fitted = fitted.unwrap();
    let own = found(&fitted.report, "own_k_hat");
    assert!(own.verdict() > Verdict::Good, "{own:?}");
    assert!(!own.failing.is_empty(), "{own:?}");
}

/// Independent normal laws with these means and standard deviations.
fn gaussian(mean: &[f64], sd: &[f64]) -> Gaussian {
    Gaussian {
        mean: mean.to_vec(),
        scale: Scale::Diagonal(sd.to_vec()),
    }
}

/// A thousand weighted draws of q.
fn pooled(target: &dyn LogDensity, q: &dyn Approximation, seed: u64) -> Sample {
    pool(target, &[q], 1000, &Stream::from_seed(seed)).unwrap()
}

/// The judgement of two samples of a target whose values are its coordinates.
fn judged(target: &dyn LogDensity, samples: [Sample; 2]) -> Report {
    let [a, b] = &samples;
    let values = [&a.positions[..], &b.positions[..]];
    judge_importance(target, [a, b], values, &Stream::from_seed(2))
        .unwrap()
        .0
}

#[test]
fn weights_of_a_proposal_that_is_too_narrow_say_so() {
    let target = normal(2);
    let by = |sd: f64| {
        let q = gaussian(&[0.0; 2], &[1.0, sd]);
        judged(
            target.as_ref(),
            [1, 2].map(|seed| pooled(target.as_ref(), &q, seed)),
        )
    };
    // Weights of a normal law with standard deviation s have a tail of shape 1 - s^2.
    let report = by(0.3);
    let shape = found(&report, "k_hat");
    assert!(shape.verdict() > Verdict::Good, "{report}");
    assert!(shape.failing.contains(&"x[2]".to_owned()), "{report}");
    let report = by(1.0);
    assert_eq!(found(&report, "k_hat").verdict(), Verdict::Good, "{report}");
}

/// Weights that some draws share, those with the largest x[2]; so many that the tail, the upper 95, knows no other.
#[test]
fn weights_that_are_worth_few_draws_say_so() {
    let target = normal(2);
    let by = |n_sharing: usize| {
        let samples = [1, 2].map(|seed| {
            let mut sample = pooled(target.as_ref(), &gaussian(&[0.0; 2], &[1.0; 2]), seed);
            let mut order: Vec<f64> = sample.rows().map(|x| x[1]).collect();
            order.sort_by(|a, b| b.total_cmp(a));
            let last = order[n_sharing - 1];
            let weights = (sample.rows()).map(|x| if x[1] >= last { 1.0 } else { 1e-6 });
            let weights: Vec<f64> = weights.collect();
            let total: f64 = weights.iter().sum();
            sample.psis.ln_weights = weights.iter().map(|w| (w / total).ln()).collect();
            sample
        });
        judged(target.as_ref(), samples)
    };
    let report = by(98);
    let worth = found(&report, "ess");
    assert_eq!(worth.verdict(), Verdict::Doubtful, "{report}");
    assert_eq!(worth.failing, ["x[2]"], "{report}");
    let report = by(1000);
    assert_eq!(found(&report, "ess").verdict(), Verdict::Good, "{report}");
}

/// Draws around a mean of x[2] that is off, with weights that say nothing of it.
#[test]
fn equal_weights_of_draws_that_are_off_are_told_by_gradients_and_trajectories() {
    let target = normal(2);
    let by = |off: f64| {
        judged(
            target.as_ref(),
            [1, 2].map(|seed| {
                let mut sample = pooled(target.as_ref(), &gaussian(&[0.0, off], &[1.0; 2]), seed);
                sample.psis.ln_weights.fill(-1000f64.ln());
                (sample.psis.k_hat, sample.psis.k_hat_sd) = (0.0, 0.0);
                sample
            }),
        )
    };
    let (good, bad) = (by(0.0), by(2.0));
    for name in ["stein", "drift"] {
        assert_eq!(found(&good, name).verdict(), Verdict::Good, "{good}");
        let check = found(&bad, name);
        assert!(check.verdict() > Verdict::Good, "{name}: {bad}");
        assert_eq!(check.failing, ["x[2]"], "{name}: {bad}");
    }
    // Nothing else that is said of weights tells it.
    for name in ["k_hat", "ess", "agreement", "mcse"] {
        assert_eq!(found(&bad, name).verdict(), Verdict::Good, "{bad}");
    }
}

/// The report of two clouds that have made so many steps.
fn clouds(target: &dyn LogDensity, svgd: Svgd, start: &[f64], n_steps: u64) -> Report {
    let options = FitOptions {
        max_steps: Some(n_steps),
        start: Some(start.to_vec()),
        ..FitOptions::default()
    };
    let (method, stream) = (Method::Svgd(svgd), Stream::from_seed(1));
    let fitted = fit_with(target, &method, &options, &stream, None, &mut Silent);
    fitted.unwrap().report
}

#[test]
fn clouds_of_particles_that_have_not_arrived_are_told_in_three_ways() {
    let target = normal(2);
    // Around the start, and not around the mode.
    let svgd = Svgd {
        spread: Spread::Fixed(1.0),
        ..Svgd::default()
    };
    let early = clouds(target.as_ref(), svgd, &[0.0, 3.0], 1);
    for name in ["particles_stein", "particles_drift"] {
        let check = found(&early, name);
        assert!(check.verdict() > Verdict::Good, "{name}: {early}");
        assert_eq!(check.failing[0], "x[2]", "{name}: {early}");
    }
    let late = clouds(target.as_ref(), svgd, &[0.0, 3.0], 500);
    for name in ["particles_stein", "particles_drift", "particles_agreement"] {
        assert_eq!(found(&late, name).verdict(), Verdict::Good, "{late}");
    }
    // Far from the mode, the second cloud is scattered over what a path finds.
    let wide = targets::Gaussian::scaled(&[1.0, 1e3]).target().density;
    let apart = clouds(wide.as_ref(), svgd, &[0.0, 0.0], 1);
    let check = found(&apart, "particles_agreement");
    assert!(check.verdict() > Verdict::Good, "{apart}");
    assert_eq!(check.failing[0], "x[2]", "{apart}");
}

#[test]
fn samples_of_two_modes_do_not_agree() {
    let target = NormalMixture::at(&[0.0, 20.0]).product(1).density;
    let sample = |mean: f64| {
        pooled(
            target.as_ref(),
            &heavier(&gaussian(&[mean], &[1.0]), 5.0),
            1,
        )
    };
    let judged = |means: [f64; 2]| judged(target.as_ref(), means.map(sample));
    // Each of the two has good weights, and nothing to say of the other mode.
    let report = judged([0.0, 20.0]);
    assert_eq!(found(&report, "k_hat").verdict(), Verdict::Good, "{report}");
    let agreement = found(&report, "agreement");
    assert_eq!(agreement.verdict(), Verdict::Wrong, "{report}");
    assert_eq!(agreement.failing, ["x[1]"]);
    let same = judged([0.0, 0.0]);
    assert_eq!(found(&same, "agreement").verdict(), Verdict::Good, "{same}");
}

/// exp(4 z) of a unit normal z: all moments exist, and a thousand draws carry none of them.
#[test]
fn a_value_whose_mean_draws_do_not_carry_is_named_though_weights_are_good() {
    let normal = from_fn(Layout::new(vec![Variable::real("z")]), |z, grad| {
        grad[0] = -z[0];
        -0.5 * z[0] * z[0]
    });
    let answer = climb(&OfLog::new(4.0, normal), 1).unwrap();
    let first = answer.climbed[0].report.as_ref().unwrap();
    assert_eq!(found(first, "k_hat").verdict(), Verdict::Good, "{first}");
    let tail = found(first, "moment_k_hat");
    assert!(tail.verdict() > Verdict::Good, "{first}");
    assert_eq!(tail.failing, ["x"]);
}

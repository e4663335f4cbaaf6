//! Checks of the referee that few targets fail: each fires on a target of its own, and names what it is about.

use super::ladder::climb;
use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::importance::{Sample, heavier, pool};
use jensen_infer::ladder::{Answer, Ladder, Rung, fit};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::referee::{Check, Report, Verdict, judge_importance};
use jensen_posterior::{Approximation, Gaussian, Scale};
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::OfLog;

fn found<'r>(report: &'r Report, name: &str) -> &'r Check {
    let check = report.checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("{name} was not made: {report}"))
}

/// Independent normal modes of unit width at every corner of a grid, `[d]` coordinates at these places.
fn grid(d: usize, at: &'static [f64]) -> impl LogDensity {
    let layout = Layout::new(vec![Variable::new("x", &[d])]);
    from_fn(layout, move |x, grad| {
        let coordinate = |(x, g): (&f64, &mut f64)| {
            let terms: Vec<f64> = at.iter().map(|m| -0.5 * (x - m).powi(2)).collect();
            let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = terms.iter().map(|t| (t - most).exp()).sum();
            let pulls = terms.iter().zip(at);
            *g = pulls.map(|(t, m)| (t - most).exp() / sum * (m - x)).sum();
            most + sum.ln()
        };
        x.iter().zip(grad).map(coordinate).sum::<f64>()
    })
}

/// A unit normal law with a narrow peak on its top.
fn peaked(d: usize, share: f64, sd: f64) -> impl LogDensity {
    let layout = Layout::new(vec![Variable::new("x", &[d])]);
    from_fn(layout, move |x, grad| {
        let square: f64 = x.iter().map(|x| x * x).sum();
        let wide = (1.0 - share).ln() - 0.5 * square;
        let narrow = share.ln() - d as f64 * sd.ln() - 0.5 * square / (sd * sd);
        let top = wide.max(narrow);
        let (a, b) = ((wide - top).exp(), (narrow - top).exp());
        for (g, x) in grad.iter_mut().zip(x) {
            *g = -x * (a + b / (sd * sd)) / (a + b);
        }
        top + (a + b).ln()
    })
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
        let answer = paths(&peaked(d, share, sd), 1);
        let peak = found(&answer.report, "peak");
        assert_eq!(peak.verdict(), Verdict::Doubtful, "{d}: {peak:?}");
        // It is on top of the draws, in no coordinate more than in others.
        assert_eq!(peak.failing.len(), d, "{peak:?}");
        let answer = paths(&grid(d, &[0.0]), 1);
        let peak = found(&answer.report, "peak");
        assert_eq!(peak.verdict(), Verdict::Good, "{d}: {peak:?}");
    }
}

#[test]
fn modes_without_end_are_named() {
    let target = grid(
        4,
        &[
            -60.0, -48.0, -36.0, -24.0, -12.0, 0.0, 12.0, 24.0, 36.0, 48.0, 60.0,
        ],
    );
    let answer = paths(&target, 1);
    let unknown = found(&answer.report, "unknown_modes");
    assert_eq!(unknown.verdict(), Verdict::Doubtful, "{unknown:?}");
    assert!(!unknown.failing.is_empty(), "{unknown:?}");
}

#[test]
fn draws_of_an_approximation_with_a_wrong_tail_say_so_themselves() {
    // A product of laws with the tail of a Student-t of three degrees of freedom, which a Gaussian has not.
    let target = from_fn(Layout::new(vec![Variable::new("x", &[5])]), |x, grad| {
        let each = x.iter().zip(grad).map(|(x, g)| {
            *g = -4.0 * x / (3.0 + x * x);
            -2.0 * (x * x / 3.0).ln_1p()
        });
        each.sum::<f64>()
    });
    let stream = Stream::from_seed(1);
    let options = FitOptions::default();
    let method = Method::Laplace;
    let fitted = fit_with(&target, &method, &options, &stream, None, &mut Silent).unwrap();
    let own = found(&fitted.report, "own_k_hat");
    assert!(own.verdict() > Verdict::Good, "{own:?}");
    assert!(!own.failing.is_empty(), "{own:?}");
}

#[test]
fn samples_of_two_modes_do_not_agree() {
    let target = grid(1, &[0.0, 20.0]);
    let sample = |mean: f64| -> Sample {
        let gaussian = Gaussian {
            mean: vec![mean],
            scale: Scale::Diagonal(vec![1.0]),
        };
        let q = heavier(&gaussian, 5.0);
        let first: [&dyn Approximation; 1] = [&q];
        pool(&target, &first, 1000, &Stream::from_seed(1)).unwrap()
    };
    let judged = |means: [f64; 2]| {
        let [a, b] = means.map(sample);
        let values = [&a.positions[..], &b.positions[..]];
        let judged = judge_importance(&target, [&a, &b], values, &Stream::from_seed(2));
        judged.unwrap().0
    };
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

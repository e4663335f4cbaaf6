//! Answers that must not be called good: means that do not exist, densities that are none, mass on another scale.

use super::ladder::climb;
use jensen_density::{Layout, LogDensity, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::referee::{Check, Report, Sense, Verdict};
use jensen_testkit::targets::{NormalMixture, OfLog};

/// Means that do not exist, and densities that are none, are never good.
#[test]
fn what_has_no_answer_is_not_good() {
    let x = || Layout::new(vec![Variable::real("x")]);
    let cauchy = from_fn(x(), |x, grad| {
        grad[0] = -2.0 * x[0] / (1.0 + x[0] * x[0]);
        -(x[0] * x[0]).ln_1p()
    });
    let flat = from_fn(x(), |_, grad| {
        grad[0] = 0.0;
        0.0
    });
    let rising = from_fn(x(), |x, grad| {
        grad[0] = 1.0;
        x[0]
    });
    // Proper on one side only: exp(x) below zero, flat above.
    let half = from_fn(x(), |x, grad| {
        grad[0] = if x[0] < 0.0 { 1.0 } else { 0.0 };
        x[0].min(0.0)
    });
    // p(tau) = 1 / tau and y ~ N(0, 1 + tau^2): ln tau is flat on the left, some nats below a proper hill.
    let scale = |ys: &'static [f64]| {
        from_fn(x(), move |x, grad| {
            let variance = 1.0 + (2.0 * x[0]).exp();
            let slope = 2.0 * (variance - 1.0);
            grad[0] = 0.0;
            let each = ys.iter().map(|y| {
                grad[0] += slope * (0.5 * y * y / variance - 0.5) / variance;
                -0.5 * variance.ln() - 0.5 * y * y / variance
            });
            each.sum::<f64>()
        })
    };
    let weak = scale(&[5.0, -4.0, 6.0]);
    let strong = scale(&[5.0, -4.0, 6.0, 3.0, -7.0, 2.0, 9.0, -5.0, 4.0, -8.0]);
    let targets: [(&str, &dyn LogDensity); 6] = [
        ("cauchy", &cauchy),
        ("flat", &flat),
        ("rising", &rising),
        ("half", &half),
        ("scale by three data", &weak),
        ("scale by ten data", &strong),
    ];
    for (name, target) in targets {
        for seed in 1..=5 {
            match climb(target, seed) {
                Ok(answer) => {
                    assert!(!answer.is_good(), "{name}, seed {seed}: {}", answer.report);
                }
                // That no rung has an answer, or none within the gradients, is an honest answer too.
                Err(InferError::Failed { .. } | InferError::Budget { .. }) => {}
                Err(other) => panic!("{name}, seed {seed}: {other}"),
            }
        }
    }
}

/// A law of Pareto's tail, p(x) ~ x^-(a + 1), smooth at its beginning.
fn pareto(exponent: f64) -> impl LogDensity {
    let z = Layout::new(vec![Variable::real("z")]);
    let of_log = from_fn(z, move |z, grad| {
        // x^3 before the corner and x^-a behind it, with a corner of width 1/4.
        let soft = z[0].max(0.0) + (-4.0 * z[0].abs()).exp().ln_1p() / 4.0;
        grad[0] = 3.0 - (3.0 + exponent) / (1.0 + (-4.0 * z[0]).exp());
        3.0 * z[0] - (3.0 + exponent) * soft
    });
    OfLog::new(1.0, of_log)
}

/// Chains that are tried again must not wait for a draw of luck: what is wrong with such tails is no matter of draws.
#[test]
fn tails_without_moments_are_told_by_their_order() {
    for (exponent, is_good) in [
        (0.3, Some(false)),
        (0.45, Some(false)),
        (0.6, Some(false)),
        (0.9, Some(false)),
        (1.05, Some(false)),
        (1.5, Some(false)),
        // Draws may show that such tails are heavy, or not: the remark is there in any case.
        (2.5, None),
        (3.0, None),
        (5.0, Some(true)),
    ] {
        let target = pareto(exponent);
        for seed in 1..=5 {
            let answer = climb(&target, seed).unwrap();
            let said = format!("{exponent}, seed {seed}: {}", answer.report);
            assert!(
                is_good.is_none_or(|is_good| answer.is_good() == is_good),
                "{said}"
            );
            let order = answer.report.checks.iter().find(|c| c.name == "moments");
            let order = order.expect("every answer has it");
            assert!((order.value - exponent).abs() < 0.05, "{said}");
            let remark = answer.report.checks.iter().find(|c| c.name == "sd_moments");
            let has_remark = !remark.expect("every answer has it").failing.is_empty();
            assert_eq!(has_remark, exponent < 4.0, "{said}");
        }
    }
}

/// Student-t(3) of ln x with scale 1: x has no moment of any order, and overflows where its density is still high.
#[test]
fn a_heavy_tail_on_the_scale_of_logarithms_is_not_good() {
    let student = from_fn(Layout::new(vec![Variable::real("z")]), |z, grad| {
        grad[0] = -4.0 * z[0] / (3.0 + z[0] * z[0]);
        -2.0 * (z[0] * z[0] / 3.0).ln_1p()
    });
    let target = OfLog::new(1.0, student);
    for seed in 1..=5 {
        let answer = climb(&target, seed).unwrap();
        assert!(!answer.is_good(), "seed {seed}: {}", answer.report);
    }
}

/// Half of the mass on another scale at the same place, or in a mode that no start in many coordinates leads to: the
/// mean or the standard deviation of the first coordinate is right where the answer is called good.
#[test]
fn mass_on_another_scale_is_found_or_doubted() {
    let cases = [
        (2, [(0.5, 0.0, 0.01), (0.5, 0.0, 1.0)]),
        (5, [(0.5, 0.0, 0.01), (0.5, 0.0, 1.0)]),
        (10, [(0.5, 0.0, 0.01), (0.5, 0.0, 1.0)]),
        (20, [(0.5, 0.0, 1.0), (0.5, 8.0, 0.7)]),
        (50, [(0.5, 0.0, 1.0), (0.5, 10.0, 0.9)]),
    ];
    let mut n_right = 0;
    for (d, parts) in cases {
        let target = NormalMixture::new(&parts).joint(d);
        let (mean, sd) = (target.reference.mean[0], target.reference.sd[0]);
        for seed in 1..=3 {
            let answer = climb(target.density.as_ref(), seed).unwrap();
            let off = (answer.mean[0] - mean).abs() / sd;
            let spread = (answer.sd[0] / sd).ln().abs();
            let is_right = off < 0.25 && spread < 1.5f64.ln();
            let said = format!("{d}, seed {seed}: off {off}, spread {spread}");
            assert!(!answer.is_good() || is_right, "{said}: {}", answer.report);
            n_right += usize::from(answer.is_good() && is_right);
        }
    }
    // A ladder that doubts everything is of no use.
    assert!(n_right > 0, "not one of these is good");
}

/// The standard deviation of a heavy tail is told with a remark that is no part of the verdict.
#[test]
fn standard_deviations_that_draws_do_not_carry_are_qualified() {
    let names = ["x".to_owned(), "y".to_owned()];
    let limit = |values: &[f64]| {
        Check::each("sd_k_hat", values, &names, Sense::AtMost, 1.0, 1.0).qualifying()
    };
    let heavy = limit(&[0.3, 1.4]);
    assert_eq!(
        (heavy.verdict(), &heavy.failing[..]),
        (Verdict::Good, &names[1..])
    );
    let report = Report::of(vec![heavy]);
    assert_eq!(report.verdict, Verdict::Good);
    assert_eq!(report.failing(), ["y"]);
    let said = report.to_string();
    assert!(
        said.starts_with("good: sd_k_hat 1.400 above 1.000 (y), "),
        "{said}"
    );
    assert!(said.ends_with("read quantiles"), "{said}");
    assert_eq!(Report::of(vec![limit(&[0.3, 0.5])]).to_string(), "good");
    // By draws: an exponent of 1.5 has no variance, one of 5 has.
    for (exponent, is_told) in [(1.5, true), (5.0, false)] {
        let target = pareto(exponent);
        let n_told = (1..=3).filter(|seed| {
            let answer = climb(&target, *seed).unwrap();
            let check = answer.report.checks.iter().find(|c| c.name == "sd_k_hat");
            !check.expect("every answer has it").failing.is_empty()
        });
        assert_eq!(n_told.count() >= 2, is_told, "{exponent}");
    }
}

//! What errors say: the place, what was expected and found, and what to do.

use super::ladder::climb;
use jensen_density::{Cause, Layout, LogDensity, Reject, Variable, from_fn};
use jensen_infer::InferError;
use jensen_infer::mcmc::{ChainOptions, Nuts, Slice, nuts, sample_chains};
use jensen_infer::method::{FitOptions, Fitted, Method, fit_with};
use jensen_infer::referee::judge_chains;
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::Rejecting;
use std::sync::atomic::{AtomicU64, Ordering};

fn layout(d: usize) -> Layout {
    Layout::new(vec![Variable::new("x", &[d])])
}

fn by(name: &str, target: &dyn LogDensity, start: Option<Vec<f64>>) -> Result<Fitted, InferError> {
    let options = FitOptions {
        start,
        ..FitOptions::default()
    };
    let method = Method::from_name(name).unwrap();
    let stream = Stream::from_seed(1);
    fit_with(target, &method, &options, &stream, None, &mut Silent)
}

/// One check of an error's words: all of these, and none of the words of the program itself.
fn says(error: &InferError, words: &[&str]) {
    let said = error.to_string();
    for word in words {
        assert!(said.contains(word), "`{word}` in: {said}");
    }
    for inner in ["first:", "Refused", "NoStepSize", "Some(", "None"] {
        assert!(!said.contains(inner), "`{inner}` in: {said}");
    }
}

#[test]
fn a_ladder_without_a_rung_says_what_the_paths_lacked() {
    // Nowhere curved: the ascent has no pairs, and chains no step size.
    let flat = from_fn(layout(1), |_, grad| {
        grad[0] = 0.0;
        0.0
    });
    let error = climb(&flat, 1).unwrap_err();
    says(
        &error,
        &[
            "ladder: ",
            "expected a Gaussian from one of 3",
            "found none",
            "check that",
        ],
    );
    // The three rungs that want paths tell it once.
    assert_eq!(error.to_string().matches("expected a Gaussian").count(), 1);
}

#[test]
fn advi_says_in_words_why_it_ended() {
    // A needle: draws with standard deviation 1 around the start are refused.
    let needle = from_fn(layout(2), |x, grad| {
        grad.fill(0.0);
        match x[0].abs() < 1e-3 {
            true => Ok(0.0),
            false => Err(Reject::at("line 9", Cause::OutsideSupport)),
        }
    });
    let error = by("advi", &needle, Some(vec![0.0; 2])).err().unwrap();
    says(
        &error,
        &[
            "advi: expected draws",
            "that the density accepts",
            "found",
            "`start`",
        ],
    );
    // One that stops answering once the ascent is under way.
    let n_evaluations = AtomicU64::new(0);
    let ending = from_fn(layout(2), |x, grad| {
        if n_evaluations.fetch_add(1, Ordering::Relaxed) > 1500 {
            return Err(Reject::at("line 9", Cause::SolverFailed));
        }
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -x);
        Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>())
    });
    let error = by("advi", &ending, Some(vec![1.0; 2])).err().unwrap();
    says(
        &error,
        &[
            "advi: expected draws that the density accepts",
            "found ten refusals",
            "`start`",
        ],
    );
    // A gradient of the wrong sign: whatever the step, the bound falls.
    let wrong = from_fn(layout(2), |x, grad| {
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = 100.0 * x);
        -50.0 * x.iter().map(|x| x * x).sum::<f64>()
    });
    let error = by("advi", &wrong, Some(vec![0.5, -0.5])).err().unwrap();
    says(
        &error,
        &[
            "advi: expected a step size",
            "found none",
            "check the gradient",
        ],
    );
}

#[test]
fn a_start_that_is_ignored_names_the_way_out() {
    let normal = from_fn(layout(1), |x, grad| {
        grad[0] = -x[0];
        -0.5 * x[0] * x[0]
    });
    for name in ["ladder", "multi-path"] {
        let error = by(name, &normal, Some(vec![0.0])).err().unwrap();
        says(
            &error,
            &[name, "start", "expected no start", "leave it out", "`nuts`"],
        );
    }
}

#[test]
fn a_density_that_refuses_everything_is_told_with_what_to_do() {
    let error = climb(&Rejecting::new(2), 1).unwrap_err();
    says(
        &error,
        &[
            "starting positions",
            "expected one of",
            "found none",
            "declare the bounds",
        ],
    );
}

/// Widths of slices must not grow until positions are infinite.
#[test]
fn slices_of_a_flat_direction_are_asked_at_numbers() {
    let flat = from_fn(layout(2), |x, grad| {
        assert!(x.iter().all(|x| x.is_finite()), "{x:?}");
        grad[0] = 0.0;
        grad[1] = -x[1];
        -0.5 * x[1] * x[1]
    });
    let chains = ChainOptions {
        n_chains: 2,
        n_draws: 300,
        ..ChainOptions::default()
    };
    let stream = Stream::from_seed(1);
    let sampled = sample_chains(
        &Slice::default(),
        &flat,
        &chains,
        &stream,
        None,
        &mut Silent,
    );
    let (report, _) = judge_chains(&flat, &sampled.unwrap(), &stream).unwrap();
    let tail = report
        .checks
        .iter()
        .find(|check| check.name == "tail")
        .unwrap();
    assert_eq!(tail.failing, ["x[1]"], "{report}");
}

/// A half-normal law whose bound is not declared.
#[test]
fn chains_that_meet_a_wall_are_told_to_declare_it() {
    let wall = from_fn(layout(2), |x, grad| {
        if x[1] < 0.0 {
            return Err(Reject::at("line 3", Cause::OutsideSupport));
        }
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -x);
        Ok(-0.5 * x.iter().map(|x| x * x).sum::<f64>())
    });
    let (sampler, chains) = (Nuts::default(), ChainOptions::default());
    let stream = Stream::from_seed(1);
    let sampled = nuts::sample(&wall, &sampler, &chains, &stream, None, &mut Silent).unwrap();
    let (report, _) = judge_chains(&wall, &sampled, &stream).unwrap();
    let check = report
        .checks
        .iter()
        .find(|check| check.name == "outside_support");
    assert!(check.unwrap().value > 0.0, "{report}");
    let said = report.to_string();
    assert!(said.contains("declare the bounds"), "{said}");
    // Nothing else was wrong with these trajectories.
    let divergent = report.checks.iter().find(|check| check.name == "divergent");
    assert_eq!(divergent.unwrap().value, 0.0, "{said}");
}

//! Methods by name where they see one mode of two: their answers are not good.

use super::method::{check, fitted};
use jensen_infer::mcmc::Nuts;
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_infer::referee::Verdict;
use jensen_rng::Stream;
use jensen_run::Silent;
use jensen_testkit::targets::{Gaussian, far_mode, synthetic};

/// Every start lies in the basin of one mode, and every weight of draws around it is fine; scouts see the other.
#[test]
fn an_approximation_of_one_mode_of_two_is_not_good() {
    for (d, offset) in [(1, 10.0), (3, 8.0)] {
        let target = far_mode(d, offset, 0.5);
        for name in [
            "laplace",
            "pathfinder",
            "multi-path",
            "dadvi",
            "sgvi-full-rank",
            "bam",
            "svgd",
        ] {
            for seed in 1..=5 {
                match fitted(name, target.density.as_ref(), seed) {
                    Ok(answer) => check(&target, name, &answer),
                    Err(error) => panic!("{name} on {}: {error}", target.name),
                };
            }
        }
    }
}

/// Chains that all sit in one mode of two mix well; scouts see the other.
#[test]
fn chains_in_one_mode_of_two_are_not_good() {
    let target = far_mode(3, 12.0, 0.5);
    for name in ["nuts", "hmc", "metropolis", "adaptive-metropolis", "slice"] {
        for seed in 1..=3 {
            let answer = fitted(name, target.density.as_ref(), seed).unwrap();
            let e = check(&target, name, &answer);
            let said = format!("{name}, seed {seed}: E {e}, {}", answer.report);
            assert!(!answer.is_good(), "{said}");
            // Nothing else tells of it but chains that went over.
            let failed = |name: &str| {
                let mut checks = answer.report.checks.iter();
                checks.any(|c| c.name == name && c.verdict() != Verdict::Good)
            };
            assert!(failed("far_shift") || failed("r_hat"), "{said}");
            assert!(name != "nuts" || failed("far_shift"), "{said}");
        }
    }
}

/// Two hundred coordinates, of which one tells the modes apart.
#[test]
fn chains_in_one_mode_of_two_in_many_coordinates_are_not_good() {
    for (offset, seed) in [(7.0, 1), (7.0, 2), (7.0, 3), (9.0, 1), (9.0, 2), (9.0, 3)] {
        let target = far_mode(200, offset, 0.5);
        let answer = fitted("nuts", target.density.as_ref(), seed).unwrap();
        check(&target, "nuts", &answer);
    }
}

#[test]
fn one_chain_is_not_enough_to_be_called_good() {
    let target = Gaussian::standard(2);
    let stream = Stream::from_seed(1);
    for (n_chains, good) in [(1, false), (4, true)] {
        let options = FitOptions {
            n_chains,
            n_chain_draws: 4000 / n_chains,
            ..FitOptions::default()
        };
        let method = Method::Nuts(Nuts::default());
        let answer = fit_with(&target, &method, &options, &stream, None, &mut Silent).unwrap();
        assert_eq!(answer.is_good(), good, "{}", answer.report);
    }
}

/// An approximation, chains and clouds that begin at one place of one mode.
#[test]
fn a_given_start_in_one_mode_of_two_is_not_good() {
    let target = far_mode(2, 9.0, 0.4);
    let options = FitOptions {
        start: Some(vec![0.1, 0.1]),
        ..FitOptions::default()
    };
    for name in ["laplace", "svgd", "nuts", "slice"] {
        let method = Method::from_name(name).unwrap();
        let stream = Stream::from_seed(4);
        let answer = fit_with(
            target.density.as_ref(),
            &method,
            &options,
            &stream,
            None,
            &mut Silent,
        );
        check(&target, name, &answer.unwrap());
    }
}

#[test]
fn a_mode_that_was_missed_is_found_by_the_paths_beside_the_answer() {
    // 0.3 and 0.7 of the mass, six standard deviations apart: Laplace's approximation sees one of them.
    let targets = synthetic();
    let target = targets.iter().find(|t| t.name == "bimodal-1").unwrap();
    for seed in 1..=5 {
        let answer = fitted("laplace", target.density.as_ref(), seed).unwrap();
        assert!(!answer.is_good(), "{}", answer.report);
        let shift = answer
            .report
            .checks
            .iter()
            .find(|check| check.name == "shift");
        assert!(!shift.unwrap().failing.is_empty(), "{}", answer.report);
    }
}

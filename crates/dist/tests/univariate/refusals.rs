//! Where there is no density: outside of supports and of the sets of parameters.

use crate::support::*;
use jensen_dist::BadParameters;
use jensen_dist::univariate::{Space, Support};

#[test]
fn outside_there_is_no_density() {
    for_each(|law, theta| {
        let name = law.name();
        let x = draws(law, theta, 1)[0];
        let mut partials = vec![1.0; theta.len() + 1];
        let mut at = |x: f64, theta: &[f64]| law.ln_prob_and_partials(x, theta, &mut partials);

        assert!(at(f64::NAN, theta).is_nan(), "{name}");
        assert_eq!(at(f64::INFINITY, theta), f64::NEG_INFINITY, "{name}");
        let outside: &[f64] = match law.support(theta) {
            Support::Integers(low, high) => &[low - 1.0, low + 0.5, high + 1.0],
            Support::Interval(low, high) => &[low - 0.5, high + 0.5],
            Support::Circle => &[],
        };
        for &x in outside {
            assert_eq!(at(x, theta), f64::NEG_INFINITY, "{name} at {x}");
        }

        for i in 0..theta.len() {
            let space = law.params()[i.min(law.params().len() - 1)].space;
            let bad: &[f64] = match space {
                Space::Real | Space::Vector => &[f64::NAN, f64::INFINITY],
                Space::Positive => &[f64::NAN, 0.0, -1.0, f64::INFINITY],
                Space::Unit => &[f64::NAN, -0.1, 1.1],
                Space::Count => &[f64::NAN, -1.0, 1.5],
                Space::Simplex => &[f64::NAN, -0.1, 0.9],
                Space::Ordered => &[f64::NAN, f64::INFINITY],
            };
            for &value in bad {
                let mut theta = theta.to_vec();
                theta[i] = value;
                assert!(at(x, &theta).is_nan(), "{name} with {theta:?}");
            }
        }
        assert!(at(x, &[]).is_nan(), "{name} without parameters");
    });
    for name in ["ordered_logistic", "uniform"] {
        let law = law(name);
        assert!(
            law.ln_prob(1.0, &[2.0, 1.0, 0.5]).is_nan(),
            "{name} falling"
        );
    }
}

/// `check` refuses what `admits` refuses, with the parameter at fault.
#[test]
fn bad_parameters_are_named() {
    for_each(|law, theta| {
        let name = law.name();
        assert_eq!(law.check(theta), Ok(()), "{name}");
        assert!(law.check(&[]).is_err() && !law.admits(&[]), "{name}");
        let long = [theta, theta, theta].concat();
        assert_eq!(law.check(&long).is_ok(), law.admits(&long), "{name}");
        for i in 0..theta.len() {
            let mut bad = theta.to_vec();
            bad[i] = f64::NAN;
            let Err(BadParameters::Outside { parameter, .. }) = law.check(&bad) else {
                panic!("{name} admits {bad:?}");
            };
            assert_eq!(parameter, law.params()[i.min(law.params().len() - 1)].name);
        }
    });
    let short = BadParameters::Length {
        law: "student_t",
        what: "numbers".to_owned(),
        expected: 3,
        found: 2,
    };
    assert_eq!(law("student_t").check(&[3.0, 0.0]), Err(short));
    let crossed = law("uniform").check(&[2.0, 1.0]);
    assert!(
        matches!(crossed, Err(BadParameters::Together { .. })),
        "{crossed:?}"
    );
}

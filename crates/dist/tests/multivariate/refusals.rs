//! Where there is no density: outside of sets of values and of parameters.

use crate::support::*;
use jensen_dist::BadParameters;
use jensen_dist::multivariate::Set;

#[test]
fn outside_there_is_no_density() {
    for_each(|law, d, theta, _| {
        let name = law.name();
        let x = &draws(law, d, theta, 1)[0];
        assert!(law.ln_prob(d, x, theta).is_finite(), "{name}");
        let mut bad = x.clone();
        bad[0] = f64::NAN;
        assert!(law.ln_prob(d, &bad, theta).is_nan(), "{name}");
        if law.set() != Set::Vector {
            bad[0] = -1.0;
            assert_eq!(law.ln_prob(d, &bad, theta), f64::NEG_INFINITY, "{name}");
        }
        for which in 0..theta.len() {
            for value in [f64::NAN, f64::INFINITY, -1.0] {
                if value == -1.0 && law.params()[which].set == Set::Vector {
                    continue;
                }
                let mut values = theta[which].to_vec();
                values[0] = value;
                let mut bad = theta.to_vec();
                bad[which] = &values;
                assert!(
                    law.ln_prob(d, x, &bad).is_nan(),
                    "{name} parameter {which} with {value}"
                );
            }
        }
        assert!(
            law.ln_prob(d, x, &theta[1..]).is_nan(),
            "{name} with a parameter missing"
        );
    });
    // Two degrees of freedom are too few in three dimensions, and a lopsided matrix is no covariance.
    assert!(law("wishart").ln_prob(3, A, &[&[2.0], B]).is_nan());
    assert!(
        law("multi_normal")
            .ln_prob(2, &[0.0, 0.0], &[&[0.0, 0.0], &[1.0, 0.5, 0.0, 1.0]])
            .is_nan()
    );
    assert!(
        law("multi_normal")
            .ln_prob(2, &[0.0, 0.0], &[&[0.0, 0.0], &[1.0, 2.0, 2.0, 1.0]])
            .is_nan()
    );
}

/// `check` refuses what `admits` refuses, with the parameter at fault.
#[test]
fn bad_parameters_are_named() {
    for_each(|law, d, theta, _| {
        let name = law.name();
        assert_eq!(law.check(d, theta), Ok(()), "{name}");
        assert!(
            matches!(law.check(d, &theta[1..]), Err(BadParameters::Length { .. })),
            "{name}"
        );
        for (i, param) in law.params().iter().enumerate() {
            let mut bad = theta.to_vec();
            bad[i] = &theta[i][1..];
            let Err(BadParameters::Length { what, .. }) = law.check(d, &bad) else {
                panic!("{name} takes a short {}", param.name);
            };
            assert_eq!(what, format!("numbers in {}", param.name));
            let values = vec![f64::NAN; theta[i].len()];
            bad[i] = &values;
            let Err(BadParameters::Outside { parameter, .. }) = law.check(d, &bad) else {
                panic!("{name} takes NaN as {}", param.name);
            };
            assert_eq!(parameter, param.name);
        }
    });
    let wishart = law("wishart");
    let few = wishart.check(3, &[&[2.0], B]);
    assert!(
        matches!(few, Err(BadParameters::Together { .. })),
        "{few:?}"
    );
}

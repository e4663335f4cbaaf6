//! Draws and moments.

use crate::support::*;
use jensen_dist::multivariate::Set;

#[test]
fn draws_have_the_moments() {
    for_each(|law, d, theta, _| {
        let x = draws(law, d, theta, N_DRAWS);
        let n = law.set().len(d);
        let (mut mean, mut variance) = (vec![f64::NAN; n], vec![f64::NAN; n]);
        law.mean(d, theta, &mut mean);
        law.variance(d, theta, &mut variance);
        for i in 0..n {
            let what = format!("{} entry {i}", law.name());
            let entry: Vec<f64> = x.iter().map(|x| x[i]).collect();
            assert_mean(&what, &entry, mean[i]);
            let square: Vec<f64> = entry.iter().map(|x| (x - mean[i]).powi(2)).collect();
            assert_mean(&what, &square, variance[i]);
        }
    });
}

/// Without enough degrees of freedom the entries on the diagonal have the mean infinity, the others none.
#[test]
fn moments_that_do_not_exist_are_not_finite() {
    let law = law("inv_wishart");
    let of = |dof: f64| {
        let (mut mean, mut variance) = ([0.0; 4], [0.0; 4]);
        let theta: &[&[f64]] = &[&[dof], &[2.0, 0.6, 0.6, 1.0]];
        law.mean(2, theta, &mut mean);
        law.variance(2, theta, &mut variance);
        (mean, variance)
    };
    let (mean, variance) = of(2.5);
    assert_eq!((mean[0], mean[3]), (f64::INFINITY, f64::INFINITY));
    assert!(mean[1].is_nan() && variance.iter().all(|v| v.is_nan()));
    let (mean, variance) = of(4.0);
    assert_eq!((mean, variance), ([2.0, 0.6, 0.6, 1.0], [f64::INFINITY; 4]));
}

/// Parameters at the ends of their sets: every sampler ends with a point of its set, or one on its border.
#[test]
fn samplers_end_at_extreme_parameters() {
    let identity: &[f64] = &[1.0, 0.0, 0.0, 1.0];
    let huge: &[f64] = &[1e150, 0.0, 0.0, 1e150];
    let tiny: &[f64] = &[1e-150, 0.0, 0.0, 1e-150];
    let zeros: &[f64] = &[0.0, 0.0];
    let counts = [0.0, 1.0, 1e17, f64::MAX];
    let mut cases: Vec<(&str, Vec<Vec<f64>>)> = Vec::new();
    for scale in [identity, huge, tiny] {
        for name in ["multi_normal", "multi_normal_prec", "multi_normal_cholesky"] {
            cases.push((name, vec![zeros.to_vec(), scale.to_vec()]));
        }
        // Just above the fewest degrees of freedom, and many.
        for dof in [1.0 + 1e-9, 1.01, 1e10] {
            cases.push(("wishart", vec![vec![dof], scale.to_vec()]));
            if dof > 1.1 {
                cases.push(("inv_wishart", vec![vec![dof], scale.to_vec()]));
            }
        }
    }
    cases.push(("inv_wishart", vec![vec![1.1], identity.to_vec()]));
    for a in [5e-324, 1e-10, 1.0, 1e200] {
        cases.push(("lkj_corr_cholesky", vec![vec![a]]));
        for b in [5e-324, 1.0, 1e200] {
            cases.push(("dirichlet", vec![vec![a, b]]));
        }
    }
    for n in counts {
        for p in [0.0, 5e-324, 0.5, 1.0] {
            cases.push(("multinomial", vec![vec![n], vec![p, 1.0 - p]]));
        }
    }
    for (name, theta) in &cases {
        let law = law(name);
        let theta: Vec<&[f64]> = theta.iter().map(Vec::as_slice).collect();
        assert!(law.admits(2, &theta), "{name} {theta:?}");
        for x in draws(law, 2, &theta, 20) {
            let what = format!("{name} {theta:?}: {x:?}");
            assert!(x.iter().all(|x| x.is_finite()), "{what}");
            let sum: f64 = x.iter().sum();
            match law.set() {
                Set::Simplex => assert!((sum - 1.0).abs() < 1e-12, "{what}"),
                Set::Counts => assert_eq!(sum, theta[0][0], "{what}"),
                Set::Covariance => assert!(x[0] >= 0.0 && x[3] >= 0.0 && x[1] == x[2], "{what}"),
                Set::CholeskyCorr => assert!((x[1].hypot(x[3]) - 1.0).abs() < 1e-12, "{what}"),
                _ => {}
            }
        }
    }
}

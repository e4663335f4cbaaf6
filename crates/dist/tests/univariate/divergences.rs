//! Kullback-Leibler divergences, within families and across them.

use crate::support::*;
use jensen_dist::Univariate;
use jensen_dist::univariate::{self, CATALOGUE, Normal, Space, Support};
use jensen_rng::Stream;
use std::collections::BTreeSet;

#[test]
fn divergences_agree_with_quadrature_and_are_zero_only_at_equality() {
    let mut asymmetric = 0;
    for &law in CATALOGUE {
        for pair in members(law).windows(2) {
            for (p, q) in [(pair[0], pair[1]), (pair[1], pair[0])] {
                let Some(kl) = law.kl(p, q) else {
                    continue;
                };
                let what = format!("{} {p:?} {q:?}", law.name());
                assert!(kl > 0.0, "{what}: {kl}");
                assert_eq!(law.kl(p, p), Some(0.0), "{what}");
                if kl == f64::INFINITY {
                    // Then q lacks mass where p has some.
                    assert!(
                        draws(law, p, 1000)
                            .iter()
                            .any(|&x| law.ln_prob(x, q) == -kl),
                        "{what}"
                    );
                    continue;
                }
                let expected = expect(law, p, |x, ln_p| ln_p - law.ln_prob(x, q));
                assert_close(kl, expected, QUADRATURE, &what);
                asymmetric += usize::from((kl - law.kl(q, p).unwrap()).abs() > 1e-3 * kl);
                // Small changes have small divergences, but for a moved end of the support.
                let near: Vec<f64> = p.iter().map(|v| v * (1.0 + 1e-9)).collect();
                let small = law.kl(p, &near).filter(|_| law.admits(&near));
                let fine = |kl: f64| kl == f64::INFINITY || (0.0..1e-9).contains(&kl);
                assert!(small.is_none_or(fine), "{what}: {small:?}");
            }
        }
    }
    // Divergences of some families are symmetric, as of the Cauchy laws; a function that sorted its arguments would make
    // all of them so. At least this many pairs of the catalogue are asymmetric.
    const LEAST_ASYMMETRIC: usize = 31;
    assert!(asymmetric >= LEAST_ASYMMETRIC, "{asymmetric}");
}

/// KL is no metric: it is not symmetric, and the way through a third law can be shorter.
#[test]
fn the_triangle_inequality_fails() {
    // Normals with the standard deviation 1 at 0, 1 and 2: half the squared distance of the means.
    let kl = |a: f64, b: f64| Normal.kl(&[a, 1.0], &[b, 1.0]).unwrap();
    assert_eq!((kl(0.0, 2.0), kl(0.0, 1.0) + kl(1.0, 2.0)), (2.0, 1.0));
    // N(0, 1) against N(0, 2): ln 2 - 3/8 = 0.318, and 3/2 - ln 2 = 0.807 the other way.
    let kl = |a: f64, b: f64| Normal.kl(&[0.0, a], &[0.0, b]).unwrap();
    assert_close(kl(1.0, 2.0), 2.0f64.ln() - 0.375, ROUNDING, "to the wide");
    assert_close(kl(2.0, 1.0), 1.5 - 2.0f64.ln(), ROUNDING, "to the narrow");
}

/// Random neighbors: rounding makes no divergence negative, and none but that of equal laws is zero.
#[test]
fn divergences_of_neighbors_are_above_zero() {
    for_each(|law, theta| {
        let mut stream = Stream::from_seed(22).child(law.name(), 0);
        for size in [1e-15, 1e-12, 1e-9, 1e-6, 1e-3] {
            for _ in 0..20 {
                let mut near = theta.to_vec();
                for (value, i) in near.iter_mut().zip(0..) {
                    let space = law.params()[i.min(law.params().len() - 1)].space;
                    if space != Space::Count {
                        *value *= 1.0 + size * stream.normal();
                    }
                }
                let Some(kl) = law.kl(theta, &near).filter(|_| law.admits(&near)) else {
                    continue;
                };
                let what = format!("{} {theta:?} {near:?}: {kl}", law.name());
                assert!(
                    kl >= 0.0 && (kl > 0.0 || size < 1e-7 || near == theta),
                    "{what}"
                );
            }
        }
    });
}

/// Divergences between neighbors and between members far apart, of `tests/tables/divergences.tsv`, made from
/// the definitions with 60 digits by the library named in its first line.
#[test]
fn divergences_agree_with_the_table() {
    /// Conditions of the formulas: the worst are those of von Mises laws, about the concentration.
    const RELATIVE: f64 = 1e-12;
    let text = include_str!("../tables/divergences.tsv");
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let law = law(cells[0]);
        let numbers =
            |cell: &str| -> Vec<f64> { cell.split(' ').map(|x| x.parse().unwrap()).collect() };
        let [expected, theta, other] = [1, 2, 3].map(|i| numbers(cells[i]));
        let found = law.kl(&theta, &other).unwrap();
        assert!(
            found == expected[0] || (found - expected[0]).abs() <= RELATIVE * expected[0],
            "{line}: {found}"
        );
        seen.insert(law.name());
    }
    let missing: Vec<&str> = (CATALOGUE.iter().map(|law| law.name()))
        .filter(|name| !seen.contains(name) && !NO_KL.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Of the continuous families: which are known from which others, as far as their members have mass where the
/// other has.
#[test]
fn divergences_across_families_agree_with_quadrature() {
    /// What the rule leaves where the integrand has a kink.
    const KINK: f64 = 1e-5;
    let is_continuous =
        |law: &&dyn Univariate| matches!(law.support(members(*law)[0]), Support::Interval(..));
    let continuous: Vec<&dyn Univariate> = (CATALOGUE.iter().copied())
        .filter(|law| is_continuous(law))
        .collect();
    let mut known = BTreeSet::new();
    for &p in &continuous {
        for &q in continuous.iter().filter(|q| q.name() != p.name()) {
            for theta in members(p) {
                for other in members(q) {
                    let Some(kl) = univariate::kl(p, theta, q, other) else {
                        continue;
                    };
                    let what = format!("{} {theta:?} to {} {other:?}", p.name(), q.name());
                    assert!(kl >= 0.0, "{what}: {kl}");
                    if kl == f64::INFINITY {
                        continue;
                    }
                    let expected = expect(p, theta, |x, ln_p| ln_p - q.ln_prob(x, other));
                    let tolerance = match q.name() == "double_exponential" {
                        true => KINK,
                        false => QUADRATURE,
                    };
                    assert_close(kl, expected, tolerance, &what);
                    known.insert((p.name(), q.name()));
                }
            }
        }
    }
    for pair in [
        ("double_exponential", "normal"),
        ("normal", "double_exponential"),
        ("logistic", "normal"),
        ("gamma", "normal"),
        ("student_t", "normal"),
        ("exponential", "weibull"),
        ("weibull", "exponential"),
        ("gamma", "lognormal"),
        ("lognormal", "gamma"),
        ("weibull", "inv_gamma"),
        ("pareto", "gamma"),
        ("beta", "gamma"),
        ("chi_square", "lognormal"),
        ("uniform", "normal"),
        ("uniform", "double_exponential"),
        ("uniform", "cauchy"),
        ("uniform", "student_t"),
        ("uniform", "gamma"),
        ("uniform", "inv_gamma"),
        ("beta", "uniform"),
    ] {
        assert!(known.contains(&pair), "{pair:?}");
    }
    assert!(known.len() > 60, "{}", known.len());
}

/// Mass outside of the other, tails too heavy for it, and a density too steep at its end.
#[test]
fn divergences_across_families_are_infinite_where_they_should_be() {
    type Case<'a> = (&'a str, &'a [f64], &'a str, &'a [f64], bool);
    let cases: &[Case<'_>] = &[
        ("normal", &[0.0, 1.0], "gamma", &[2.0, 1.0], true),
        ("uniform", &[-1.0, 0.5], "beta", &[2.0, 1.0], true),
        ("uniform", &[0.25, 0.5], "beta", &[2.0, 1.0], false),
        ("gamma", &[2.0, 1.0], "pareto", &[1.0, 1.0], true),
        ("cauchy", &[0.0, 1.0], "normal", &[0.0, 1.0], true),
        ("student_t", &[2.0, 0.0, 1.0], "normal", &[0.0, 1.0], true),
        ("student_t", &[2.5, 0.0, 1.0], "normal", &[0.0, 1.0], false),
        ("pareto", &[1.0, 1.0], "exponential", &[1.0], true),
        ("pareto", &[1.0, 1.1], "exponential", &[1.0], false),
        (
            "cauchy",
            &[0.0, 1.0],
            "double_exponential",
            &[0.0, 1.0],
            true,
        ),
        ("gamma", &[1.0, 1.0], "inv_gamma", &[1.0, 1.0], true),
        ("gamma", &[1.1, 1.0], "inv_gamma", &[1.0, 1.0], false),
        ("uniform", &[0.0, 1.0], "inv_gamma", &[1.0, 1.0], true),
        ("inv_gamma", &[2.0, 1.0], "weibull", &[2.0, 1.0], true),
        ("inv_gamma", &[2.0, 1.0], "weibull", &[1.9, 1.0], false),
    ];
    for (p, theta, q, other, is_infinite) in cases {
        let kl = univariate::kl(law(p), theta, law(q), other).unwrap();
        assert_eq!(
            kl == f64::INFINITY,
            *is_infinite,
            "{p} {theta:?} to {q} {other:?}: {kl}"
        );
    }
}

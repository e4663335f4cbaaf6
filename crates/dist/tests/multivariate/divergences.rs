//! Entropies and Kullback-Leibler divergences.

use crate::support::*;
use jensen_dist::multivariate::{Multivariate, Set};
use jensen_dist::univariate;
use jensen_rng::Stream;

/// Of a normalized density the partial by each parameter has the mean zero, whatever the parameters; this
/// also finds a constant that depends wrongly on them. Entropy and divergence are means of the same draws.
#[test]
fn scores_entropies_and_divergences_are_means_of_draws() {
    for_each(|law, d, theta, other| {
        let name = law.name();
        let x = draws(law, d, theta, N_DRAWS);
        let all: Vec<(f64, Vec<Vec<f64>>)> = x.iter().map(|x| partials(law, d, x, theta)).collect();
        for (which, param) in law.params().iter().enumerate() {
            // A simplex has no free entries.
            if param.set == Set::Simplex {
                continue;
            }
            for i in 0..theta[which].len() {
                let score: Vec<f64> = all.iter().map(|(_, by)| by[1 + which][i]).collect();
                assert_mean(
                    &format!("score of {name}, {} entry {i}", param.name),
                    &score,
                    0.0,
                );
            }
        }
        if let Some(entropy) = law.entropy(d, theta) {
            let surprise: Vec<f64> = all.iter().map(|(value, _)| -value).collect();
            assert_mean(&format!("entropy of {name}"), &surprise, entropy);
        }
        let kl = law.kl(d, theta, other).unwrap();
        let ratios: Vec<f64> = (all.iter().zip(&x))
            .map(|((value, _), x)| value - law.ln_prob(d, x, other))
            .collect();
        assert_mean(&format!("divergence of {name}"), &ratios, kl);
        assert!(
            kl > 0.0 && (kl - law.kl(d, other, theta).unwrap()).abs() > 1e-3 * kl,
            "{name}"
        );
        assert_eq!(law.kl(d, theta, theta), Some(0.0), "{name}");
    });
}

/// Moves that leave each parameter in its set, none for counts; a simplex moves along itself.
fn neighbor(
    law: &dyn Multivariate,
    d: usize,
    theta: &[&[f64]],
    size: f64,
    stream: &mut Stream,
) -> Vec<Vec<f64>> {
    let mut near: Vec<Vec<f64>> = theta.iter().map(|t| t.to_vec()).collect();
    for (param, values) in law.params().iter().zip(&mut near) {
        for (entries, scale) in moves(param.set, d, values) {
            let step = scale * size * stream.normal();
            for i in entries {
                values[i] += step;
            }
        }
    }
    near
}

#[test]
fn divergences_of_neighbors_are_above_zero() {
    for_each(|law, d, theta, _| {
        let mut stream = Stream::from_seed(25).child(law.name(), 0);
        for size in [1e-15, 1e-12, 1e-9, 1e-6, 1e-3] {
            for _ in 0..20 {
                let near = neighbor(law, d, theta, size, &mut stream);
                let near: Vec<&[f64]> = near.iter().map(Vec::as_slice).collect();
                let kl = law.kl(d, theta, &near).unwrap();
                let what = format!("{} {theta:?} {near:?}: {kl}", law.name());
                assert!(kl >= 0.0 && (kl > 0.0 || size < 1e-7), "{what}");
                // It is a square of the change: a tenth of the way has a hundredth of it.
                let tenth: Vec<Vec<f64>> = (theta.iter().zip(&near))
                    .map(|(t, n)| t.iter().zip(*n).map(|(t, n)| t + 0.1 * (n - t)).collect())
                    .collect();
                let tenth: Vec<&[f64]> = tenth.iter().map(Vec::as_slice).collect();
                let ratio = law.kl(d, theta, &tenth).unwrap() / kl;
                // What rounding of the parameters makes of it, and the cubic term.
                assert!(
                    size != 1e-6 || (ratio - 0.01).abs() < 1e-5,
                    "{what}: {ratio}"
                );
            }
        }
    });
}

/// In the smallest dimension divergences are those of laws of one number, which a table of 60 digits tests, also
/// between neighbors, where a relative error of 1e-12 leaves nothing to cancel.
#[test]
fn divergences_of_small_members_are_those_of_laws_of_one_number() {
    const RELATIVE: f64 = 1e-12;
    let many = |name: &str, d: usize, p: &[&[f64]], q: &[&[f64]]| {
        let law = law(name);
        law.kl(d, p, q).unwrap()
    };
    let single = |name: &str, p: &[f64], q: &[f64]| {
        let law = (univariate::CATALOGUE.iter()).find(|law| law.name() == name);
        law.unwrap().kl(p, q).unwrap()
    };
    for e in [1e-9, 1e-3, 0.7] {
        let f = 1.0 + e;
        let [n, s, m, sd] = [3.0 * f, 2.0 * f, 0.2 * f, 2.0 * f];
        let p = 0.25 + e / 4.0;
        let cases = [
            (
                many("wishart", 1, &[&[3.0], &[2.0]], &[&[n], &[2.0]]),
                single("gamma", &[1.5, 0.25], &[0.5 * n, 0.25]),
            ),
            (
                many("wishart", 1, &[&[3.0], &[2.0]], &[&[3.0], &[s]]),
                single("gamma", &[1.5, 0.25], &[1.5, 0.5 / s]),
            ),
            (
                many("inv_wishart", 1, &[&[3.0], &[2.0]], &[&[n], &[2.0]]),
                single("inv_gamma", &[1.5, 1.0], &[0.5 * n, 1.0]),
            ),
            (
                many(
                    "multi_normal_cholesky",
                    1,
                    &[&[0.2], &[2.0]],
                    &[&[m], &[sd]],
                ),
                single("normal", &[0.2, 2.0], &[m, sd]),
            ),
            (
                many("lkj_corr_cholesky", 2, &[&[2.5]], &[&[2.5 + e]]),
                single("beta", &[2.5, 2.5], &[2.5 + e, 2.5 + e]),
            ),
            (
                many(
                    "multinomial",
                    2,
                    &[&[9.0], &[0.25, 0.75]],
                    &[&[9.0], &[p, 1.0 - p]],
                ),
                single("binomial", &[9.0, 0.25], &[9.0, p]),
            ),
        ];
        for (i, (found, expected)) in cases.iter().enumerate() {
            // The scale's square root and the rate's quotient have a rounding of their own.
            let tolerance = if i == 1 { 4.0 * f64::EPSILON / e } else { 0.0 };
            assert!(
                (found - expected).abs() <= (RELATIVE + tolerance) * expected,
                "case {i} at {e}: {found} {expected}"
            );
        }
    }
}

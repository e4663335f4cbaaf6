//! Laws over the catalogue of distributions of vectors and matrices.

use jensen_dist::BadParameters;
use jensen_dist::multivariate::{CATALOGUE, Multivariate, Set};
use jensen_dist::univariate;
use jensen_rng::Stream;
use jensen_testkit::gradient;

/// A dimension and parameters of two members.
struct Pair {
    law: &'static str,
    d: usize,
    members: [&'static [&'static [f64]]; 2],
}

/// [[2, 0.6, -0.3], [0.6, 1, 0.2], [-0.3, 0.2, 0.5]], positive definite.
const A: &[f64] = &[2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5];
/// [[1, -0.2, 0], [-0.2, 0.7, 0.1], [0, 0.1, 1.3]], positive definite.
const B: &[f64] = &[1.0, -0.2, 0.0, -0.2, 0.7, 0.1, 0.0, 0.1, 1.3];
/// Lower triangular, column by column.
const L: &[f64] = &[1.4, 0.4, -0.3, 0.0, 0.9, 0.5, 0.0, 0.0, 0.6];
const M: &[f64] = &[0.8, -0.2, 0.1, 0.0, 1.1, 0.0, 0.0, 0.0, 1.3];
const U: &[f64] = &[0.5, -1.0, 2.0];
const V: &[f64] = &[0.0, 0.3, 1.0];

const PAIRS: &[Pair] = &[
    Pair {
        law: "dirichlet",
        d: 3,
        members: [&[&[2.5, 0.8, 4.0]], &[&[1.0, 1.5, 0.6]]],
    },
    Pair {
        law: "inv_wishart",
        d: 3,
        members: [&[&[13.0], A], &[&[12.5], B]],
    },
    Pair {
        law: "lkj_corr_cholesky",
        d: 4,
        members: [&[&[0.7]], &[&[3.0]]],
    },
    Pair {
        law: "multi_normal",
        d: 3,
        members: [&[U, A], &[V, B]],
    },
    Pair {
        law: "multi_normal_cholesky",
        d: 3,
        members: [&[U, L], &[V, M]],
    },
    Pair {
        law: "multi_normal_prec",
        d: 3,
        members: [&[U, A], &[V, B]],
    },
    Pair {
        law: "multinomial",
        d: 3,
        members: [&[&[9.0], &[0.2, 0.5, 0.3]], &[&[9.0], &[0.6, 0.1, 0.3]]],
    },
    Pair {
        law: "wishart",
        d: 3,
        members: [&[&[4.5], A], &[&[7.0], B]],
    },
];

/// The sums and products of these densities lose up to three digits.
const ROUNDING: f64 = 1e-12;
/// Relative step of the differences and what remains of their error: h^4 and the last place over h.
const STEP: f64 = 2e-3;
const DIFFERENCE: f64 = 1e-8;
/// Draws for moments.
const N_DRAWS: usize = 10_000;
/// Deviations beyond this many standard errors do not happen by chance with a fixed seed.
const STANDARD_ERRORS: f64 = 5.0;

fn for_each(check: impl Fn(&dyn Multivariate, usize, &[&[f64]], &[&[f64]])) {
    for &law in CATALOGUE {
        let pair = PAIRS.iter().find(|pair| pair.law == law.name());
        let pair = pair.unwrap_or_else(|| panic!("no members of {}", law.name()));
        let [p, q] = pair.members;
        check(law, pair.d, p, q);
        check(law, pair.d, q, p);
    }
}

fn draws(law: &dyn Multivariate, d: usize, theta: &[&[f64]], n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::from_seed(21).child(law.name(), 0);
    (0..n)
        .map(|_| {
            let mut x = vec![f64::NAN; law.set().len(d)];
            law.sample(d, theta, &mut stream, &mut x);
            x
        })
        .collect()
}

fn partials(law: &dyn Multivariate, d: usize, x: &[f64], theta: &[&[f64]]) -> (f64, Vec<Vec<f64>>) {
    let mut by: Vec<Vec<f64>> = std::iter::once(x)
        .chain(theta.iter().copied())
        .map(|values| vec![f64::NAN; values.len()])
        .collect();
    let (by_x, by_theta) = by.split_first_mut().unwrap();
    let mut by_theta: Vec<&mut [f64]> = by_theta.iter_mut().map(Vec::as_mut_slice).collect();
    let value = law.ln_prob_and_partials(d, x, theta, by_x, &mut by_theta);
    (value, by)
}

/// The moves that stay in a set, each as the entries that take part, with the scale of the move.
fn moves(set: Set, d: usize, values: &[f64]) -> Vec<(Vec<usize>, f64)> {
    let each = |scale: &dyn Fn(f64) -> f64| {
        (0..values.len())
            .map(|i| (vec![i], scale(values[i])))
            .collect::<Vec<_>>()
    };
    match set {
        Set::Count | Set::Counts => Vec::new(),
        Set::Vector => each(&|_| 1.0),
        Set::Positive | Set::PositiveVector | Set::Simplex => each(&|v| v),
        Set::Covariance => (0..d)
            .flat_map(|j| (j..d).map(move |i| (i, j)))
            .map(|(i, j)| {
                let entries = if i == j {
                    vec![i + d * j]
                } else {
                    vec![i + d * j, j + d * i]
                };
                (
                    entries,
                    0.1 * (values[i + d * i] * values[j + d * j]).sqrt(),
                )
            })
            .collect(),
        Set::CholeskyFactor | Set::CholeskyCorr => (0..d)
            .flat_map(|j| (j..d).map(move |i| (i, j)))
            .map(|(i, j)| (vec![i + d * j], 0.1 * values[i + d * i]))
            .collect(),
    }
}

#[test]
fn partials_agree_with_differences() {
    for_each(|law, d, theta, _| {
        for x in draws(law, d, theta, 10) {
            let (value, by) = partials(law, d, &x, theta);
            assert!(value.is_finite(), "{}", law.name());
            let all: Vec<&[f64]> = std::iter::once(x.as_slice())
                .chain(theta.iter().copied())
                .collect();
            let sets: Vec<Set> = std::iter::once(law.set())
                .chain(law.params().iter().map(|p| p.set))
                .collect();
            for (which, (&set, &values)) in sets.iter().zip(&all).enumerate() {
                if matches!(set, Set::Count | Set::Counts) {
                    assert!(by[which].iter().all(|&g| g == 0.0), "{}", law.name());
                }
                for (entries, scale) in moves(set, d, values) {
                    let at = |u: &[f64]| {
                        let mut all: Vec<Vec<f64>> = all.iter().map(|v| v.to_vec()).collect();
                        for &i in &entries {
                            all[which][i] += scale * u[0];
                        }
                        let theta: Vec<&[f64]> = all[1..].iter().map(Vec::as_slice).collect();
                        let mut unused: Vec<Vec<f64>> = all.clone();
                        let (by_x, by_theta) = unused.split_first_mut().unwrap();
                        let mut by_theta: Vec<&mut [f64]> =
                            by_theta.iter_mut().map(Vec::as_mut_slice).collect();
                        law.formula(d, &all[0], &theta, by_x, &mut by_theta)
                    };
                    let difference = gradient(at, &[0.0], STEP)[0];
                    let partial = scale * entries.iter().map(|&i| by[which][i]).sum::<f64>();
                    assert!(
                        (difference - partial).abs()
                            <= DIFFERENCE * (1.0 + value.abs() + partial.abs()),
                        "{} argument {which} entries {entries:?}: {partial} against {difference}",
                        law.name()
                    );
                }
            }
        }
    });
}

/// The integral over R^k of a smooth f that vanishes at the ends, by the trapezoid rule; with each variable
/// taken as tanh, exp or itself the error is below e^-25 at this step.
fn trapezoid(ranges: &[[f64; 2]], f: &mut dyn FnMut(&[f64]) -> f64) -> f64 {
    const STEP: f64 = 0.3;
    fn inner(ranges: &[[f64; 2]], x: &mut Vec<f64>, f: &mut dyn FnMut(&[f64]) -> f64) -> f64 {
        let Some(([low, high], rest)) = ranges.split_first() else {
            return f(x);
        };
        let n = ((high - low) / STEP).ceil() as usize;
        (0..=n)
            .map(|i| {
                x.push(low + STEP * i as f64);
                let value = STEP * inner(rest, x, f);
                x.pop();
                value
            })
            .sum()
    }
    inner(ranges, &mut Vec::new(), f)
}

/// What the rules leave for these integrands.
const QUADRATURE: f64 = 1e-8;

#[test]
fn the_total_mass_is_one() {
    let law = |name: &str| *CATALOGUE.iter().find(|law| law.name() == name).unwrap();
    let check =
        |what: &str, total: f64| assert!((total - 1.0).abs() < QUADRATURE, "{what}: {total}");
    let [a, b]: [&[f64]; 2] = [&[2.0, 0.6, 0.6, 1.0], &[0.7, -0.3, -0.3, 1.9]];
    let l: &[f64] = &[1.4, 0.4, 0.0, 0.9];
    let mut seen = Vec::new();

    for (name, spread) in [
        ("multi_normal", a),
        ("multi_normal", b),
        ("multi_normal_prec", a),
        ("multi_normal_cholesky", l),
    ] {
        let theta: &[&[f64]] = &[&[0.5, -1.0], spread];
        let mut density = |x: &[f64]| law(name).ln_prob(2, x, theta).exp();
        check(name, trapezoid(&[[-14.0, 14.0]; 2], &mut density));
        seen.push(name);
    }

    // W_11 = e^y, W_22 = e^z, W_21 = tanh(u) sqrt(W_11 W_22).
    for (name, dof, scale) in [
        ("wishart", 4.5, a),
        ("wishart", 6.0, b),
        ("inv_wishart", 4.5, a),
        ("inv_wishart", 6.0, b),
    ] {
        let theta: &[&[f64]] = &[&[dof], scale];
        let mut density = |at: &[f64]| {
            let (y, z, r) = (at[0].exp(), at[1].exp(), at[2].tanh());
            let across = r * (y * z).sqrt();
            // sech^2 without the cancellation of 1 - tanh^2.
            let volume = (y * z).powf(1.5) * at[2].cosh().powi(-2);
            let value = law(name).ln_prob(2, &[y, across, across, z], theta);
            // So near to a singular matrix that it counts as one there is no mass to speak of.
            if value > f64::NEG_INFINITY {
                value.exp() * volume
            } else {
                0.0
            }
        };
        let tails = if name == "wishart" {
            [-11.0, 6.0]
        } else {
            [-6.0, 11.0]
        };
        check(name, trapezoid(&[tails, tails, [-8.0, 8.0]], &mut density));
        seen.push(name);
    }

    // Each row by hyperbolic tangents of the share of what the entries before leave.
    for shape in [0.7, 3.0] {
        let theta: &[&[f64]] = &[&[shape]];
        let sech = |u: f64| 1.0 / u.cosh();
        let mut line = |at: &[f64]| {
            let x = [1.0, at[0].tanh(), 0.0, sech(at[0])];
            law("lkj_corr_cholesky").ln_prob(2, &x, theta).exp() * sech(at[0]).powi(2)
        };
        check("lkj_corr_cholesky", trapezoid(&[[-20.0, 20.0]], &mut line));
        let mut solid = |at: &[f64]| {
            let (left, rest) = (sech(at[1]), at[2].tanh());
            let mut x = [
                1.0,
                at[0].tanh(),
                at[1].tanh(),
                0.0,
                sech(at[0]),
                left * rest,
                0.0,
                0.0,
                0.0,
            ];
            x[8] = left * sech(at[2]);
            let volume = sech(at[0]).powi(2) * left.powi(3) * sech(at[2]).powi(2);
            law("lkj_corr_cholesky").ln_prob(3, &x, theta).exp() * volume
        };
        check(
            "lkj_corr_cholesky",
            trapezoid(&[[-16.0, 16.0]; 3], &mut solid),
        );
    }
    seen.push("lkj_corr_cholesky");

    for a in [[2.5, 0.8, 4.0], [1.0, 1.5, 0.6]] {
        let theta: &[&[f64]] = &[&a];
        // x_1 = s(u), x_2 = (1 - x_1) s(v) with the logistic function s.
        let mut density = |at: &[f64]| {
            let [s, t, not_s, not_t] =
                [at[0], at[1], -at[0], -at[1]].map(|u| 1.0 / (1.0 + (-u).exp()));
            let x = [s, not_s * t, not_s * not_t];
            law("dirichlet").ln_prob(3, &x, theta).exp() * s * not_s * not_s * t * not_t
        };
        check("dirichlet", trapezoid(&[[-36.0, 36.0]; 2], &mut density));
    }
    seen.push("dirichlet");

    for (n, p) in [
        (9.0, [0.2, 0.5, 0.3]),
        (40.0, [0.0, 0.9, 0.1]),
        (0.0, [0.2, 0.5, 0.3]),
    ] {
        let theta: &[&[f64]] = &[&[n], &p];
        let counts = (0..=n as u32).flat_map(|i| (0..=n as u32 - i).map(move |j| (i, j)));
        let total: f64 = counts
            .map(|(i, j)| {
                let (i, j) = (f64::from(i), f64::from(j));
                law("multinomial")
                    .ln_prob(3, &[i, j, n - i - j], theta)
                    .exp()
            })
            .sum();
        check("multinomial", total);
    }
    seen.push("multinomial");

    for law in CATALOGUE {
        assert!(seen.contains(&law.name()), "{}", law.name());
    }
}

/// Asserts that the mean of values is `expected` within standard errors.
fn assert_mean(what: &str, values: &[f64], expected: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = (variance / n).sqrt() * STANDARD_ERRORS;
    assert!(
        (mean - expected).abs() <= error + ROUNDING * (1.0 + expected.abs()),
        "{what}: found {mean}, expected {expected} within {error}"
    );
}

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
    let law = CATALOGUE
        .iter()
        .find(|law| law.name() == "inv_wishart")
        .unwrap();
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

/// What has no closed form, checked both ways.
#[test]
fn every_law_has_entropy_divergence_and_view() {
    for_each(|law, d, theta, other| {
        assert!(law.entropy(d, theta).is_some(), "{}", law.name());
        assert!(law.kl(d, theta, other).is_some(), "{}", law.name());
        assert!(law.exponential_family().is_some(), "{}", law.name());
    });
}

#[test]
fn exponential_families_agree_with_their_densities() {
    for_each(|law, d, theta, other| {
        let family = law.exponential_family().unwrap();
        let name = law.name();
        let k = family.n_statistics(d);
        let (mut eta, mut t, mut expected) = (vec![0.0; k], vec![0.0; k], vec![0.0; k]);
        family.natural(d, theta, &mut eta);
        let log_partition = family.log_partition(d, &eta, theta, &mut expected);
        let size = 1.0 + log_partition.abs();

        for x in draws(law, d, theta, 20) {
            family.statistics(d, &x, theta, &mut t);
            let dot: f64 = eta.iter().zip(&t).map(|(eta, t)| eta * t).sum();
            let value = dot - log_partition + family.ln_base(d, &x, theta);
            let direct = law.ln_prob(d, &x, theta);
            let tolerance = 100.0 * ROUNDING * (1.0 + direct.abs() + dot.abs());
            assert!(
                (value - direct).abs() <= tolerance,
                "{name}: {value} {direct}"
            );
        }

        // The known parameters stay, the others come back.
        let mut back: Vec<Vec<f64>> = theta.iter().map(|t| vec![f64::NAN; t.len()]).collect();
        for &i in family.known() {
            back[i].copy_from_slice(theta[i]);
        }
        let mut slices: Vec<&mut [f64]> = back.iter_mut().map(Vec::as_mut_slice).collect();
        family.usual(d, &eta, &mut slices);
        for (back, theta) in back.iter().flatten().zip(theta.iter().copied().flatten()) {
            assert!(
                (back - theta).abs() <= 100.0 * ROUNDING * (1.0 + theta.abs()),
                "{name}, back"
            );
        }

        // Matrices stand after the other statistics, with both triangles, which move together.
        let first = match k == d * d + 1 || k == d * d + d {
            true => k - d * d,
            false => k,
        };
        let directions = (0..first).map(|i| vec![i]).chain(
            (0..d * d)
                .filter(|at| first < k && at % d >= at / d)
                .map(|at| vec![first + at, first + at / d + at % d * d]),
        );
        let (mut draws_t, n) = (vec![vec![0.0; k]; N_DRAWS], N_DRAWS);
        for (x, t) in draws(law, d, theta, n).iter().zip(&mut draws_t) {
            family.statistics(d, x, theta, t);
        }
        for mut entries in directions {
            entries.dedup();
            let scale = 0.1 * eta[entries[0]].abs().max(0.1);
            let at = |u: &[f64]| {
                let mut moved = eta.clone();
                for &i in &entries {
                    moved[i] += scale * u[0];
                }
                family.log_partition(d, &moved, theta, &mut vec![0.0; k])
            };
            let difference = gradient(at, &[0.0], STEP)[0];
            let slope = scale * entries.iter().map(|&i| expected[i]).sum::<f64>();
            assert!(
                (difference - slope).abs() <= DIFFERENCE * (size + slope.abs()),
                "{name}, gradient of A by {entries:?}: {difference} {slope}"
            );
            let values: Vec<f64> = draws_t.iter().map(|t| t[entries[0]]).collect();
            assert_mean(
                &format!("{name}, E t {entries:?}"),
                &values,
                expected[entries[0]],
            );
        }

        let (own, bregman) = (law.kl(d, theta, other), family.divergence(d, theta, other));
        let (own, bregman) = (own.unwrap(), bregman.unwrap());
        assert!(
            (own - bregman).abs() <= 100.0 * ROUNDING * (size + own),
            "{name}, divergence: {own} {bregman}"
        );
    });
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
        let law = *CATALOGUE.iter().find(|law| law.name() == *name).unwrap();
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

/// In the smallest dimension each is a known law of one number, which fixes the constants.
#[test]
fn small_members_are_laws_of_one_number() {
    let law = |name: &str| *CATALOGUE.iter().find(|law| law.name() == name).unwrap();
    let single = |name: &str, x: f64, theta: &[f64]| {
        let law = univariate::CATALOGUE
            .iter()
            .find(|law| law.name() == name)
            .unwrap();
        law.ln_prob(x, theta)
    };
    let cases = [
        (
            law("multi_normal").ln_prob(1, &[0.7], &[&[0.2], &[4.0]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("multi_normal_prec").ln_prob(1, &[0.7], &[&[0.2], &[0.25]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("multi_normal_cholesky").ln_prob(1, &[0.7], &[&[0.2], &[2.0]]),
            single("normal", 0.7, &[0.2, 2.0]),
        ),
        (
            law("wishart").ln_prob(1, &[0.7], &[&[3.0], &[2.0]]),
            single("gamma", 0.7, &[1.5, 0.25]),
        ),
        (
            law("inv_wishart").ln_prob(1, &[0.7], &[&[3.0], &[2.0]]),
            single("inv_gamma", 0.7, &[1.5, 1.0]),
        ),
        (
            law("dirichlet").ln_prob(2, &[0.3, 0.7], &[&[2.5, 0.8]]),
            single("beta", 0.3, &[2.5, 0.8]),
        ),
        (
            law("multinomial").ln_prob(2, &[3.0, 6.0], &[&[9.0], &[0.3, 0.7]]),
            single("binomial", 3.0, &[9.0, 0.3]),
        ),
        // The correlation r = L_21 has the density of 2 Beta(e, e) - 1.
        (
            law("lkj_corr_cholesky").ln_prob(2, &[1.0, 0.6, 0.0, 0.8], &[&[2.5]]),
            single("beta", 0.8, &[2.5, 2.5]) - 2.0f64.ln(),
        ),
    ];
    for (found, expected) in cases {
        assert!((found - expected).abs() < ROUNDING, "{found} {expected}");
    }
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
    let wishart = CATALOGUE
        .iter()
        .find(|law| law.name() == "wishart")
        .unwrap();
    let few = wishart.check(3, &[&[2.0], B]);
    assert!(
        matches!(few, Err(BadParameters::Together { .. })),
        "{few:?}"
    );
}

/// In the smallest dimension divergences are those of laws of one number, which a table of 60 digits tests, also
/// between neighbors, where a relative error of 1e-12 leaves nothing to cancel.
#[test]
fn divergences_of_small_members_are_those_of_laws_of_one_number() {
    const RELATIVE: f64 = 1e-12;
    let many = |name: &str, d: usize, p: &[&[f64]], q: &[&[f64]]| {
        let law = CATALOGUE.iter().find(|law| law.name() == name).unwrap();
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
    let law = |name: &str| *CATALOGUE.iter().find(|law| law.name() == name).unwrap();
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

/// Log densities from scipy 1.17.1 (scipy.stats). Those of LKJ are volumes: of the sets of correlation
/// matrices, pi^2 / 2 for d = 3 and 32 pi^2 / 27 for d = 4 ([rousseeuw-1994]), at the identity.
#[test]
fn log_densities_agree_with_other_sources() {
    let x = &[0.3, 0.9, -1.1];
    let pi2 = std::f64::consts::PI.powi(2);
    let identity = |d: usize| {
        (0..d * d)
            .map(|i| f64::from(u8::from(i % (d + 1) == 0)))
            .collect()
    };
    let [three, four]: [Vec<f64>; 2] = [3, 4].map(identity);
    type Slices<'a> = &'a [&'a [f64]];
    let cases: &[(&str, usize, &[f64], Slices<'_>, f64)] = &[
        ("multi_normal", 3, x, &[U, A], -25.571565724908965),
        ("multi_normal_prec", 3, x, &[U, A], -5.686406304768897),
        ("multi_normal_cholesky", 3, x, &[U, L], -29.70487037629965),
        ("wishart", 3, B, &[&[4.5], A], -7.963321591047335),
        ("inv_wishart", 3, B, &[&[4.5], A], -9.060586485208333),
        (
            "dirichlet",
            3,
            &[0.2, 0.5, 0.3],
            &[&[2.5, 0.8, 4.0]],
            -0.9680553405955319,
        ),
        (
            "multinomial",
            3,
            &[2.0, 6.0, 1.0],
            &[&[9.0], &[0.2, 0.5, 0.3]],
            -3.052302625042385,
        ),
        ("lkj_corr_cholesky", 3, &three, &[&[1.0]], -(pi2 / 2.0).ln()),
        (
            "lkj_corr_cholesky",
            4,
            &four,
            &[&[1.0]],
            -(32.0 * pi2 / 27.0).ln(),
        ),
    ];
    for (name, d, x, theta, expected) in cases {
        let law = CATALOGUE.iter().find(|law| law.name() == *name).unwrap();
        let found = law.ln_prob(*d, x, theta);
        assert!(
            (found - expected).abs() < ROUNDING * 100.0,
            "{name}: {found} {expected}"
        );
    }
}

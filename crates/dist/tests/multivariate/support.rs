//! Members, moves that stay in a set, and the tolerances.

use jensen_dist::multivariate::{CATALOGUE, Multivariate, Set};
use jensen_rng::Stream;

/// A dimension and parameters of two members.
pub(crate) struct Pair {
    pub(crate) law: &'static str,
    pub(crate) d: usize,
    pub(crate) members: [&'static [&'static [f64]]; 2],
}

/// [[2, 0.6, -0.3], [0.6, 1, 0.2], [-0.3, 0.2, 0.5]], positive definite.
pub(crate) const A: &[f64] = &[2.0, 0.6, -0.3, 0.6, 1.0, 0.2, -0.3, 0.2, 0.5];
/// [[1, -0.2, 0], [-0.2, 0.7, 0.1], [0, 0.1, 1.3]], positive definite.
pub(crate) const B: &[f64] = &[1.0, -0.2, 0.0, -0.2, 0.7, 0.1, 0.0, 0.1, 1.3];
/// Lower triangular, column by column.
pub(crate) const L: &[f64] = &[1.4, 0.4, -0.3, 0.0, 0.9, 0.5, 0.0, 0.0, 0.6];
pub(crate) const M: &[f64] = &[0.8, -0.2, 0.1, 0.0, 1.1, 0.0, 0.0, 0.0, 1.3];
pub(crate) const U: &[f64] = &[0.5, -1.0, 2.0];
pub(crate) const V: &[f64] = &[0.0, 0.3, 1.0];

pub(crate) const PAIRS: &[Pair] = &[
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
pub(crate) const ROUNDING: f64 = 1e-12;
/// Relative step of the differences and what remains of their error: h^4 and the last place over h.
pub(crate) const STEP: f64 = 2e-3;
pub(crate) const DIFFERENCE: f64 = 1e-8;
/// Draws for moments.
pub(crate) const N_DRAWS: usize = 10_000;
/// Deviations beyond this many standard errors do not happen by chance with a fixed seed.
pub(crate) const STANDARD_ERRORS: f64 = 5.0;

/// The law of that name.
pub(crate) fn law(name: &str) -> &'static dyn Multivariate {
    let found = CATALOGUE.iter().find(|law| law.name() == name);
    *found.unwrap_or_else(|| panic!("no law {name}"))
}

pub(crate) fn for_each(check: impl Fn(&dyn Multivariate, usize, &[&[f64]], &[&[f64]])) {
    for &law in CATALOGUE {
        let pair = PAIRS.iter().find(|pair| pair.law == law.name());
        let pair = pair.unwrap_or_else(|| panic!("no members of {}", law.name()));
        let [p, q] = pair.members;
        check(law, pair.d, p, q);
        check(law, pair.d, q, p);
    }
}

pub(crate) fn draws(law: &dyn Multivariate, d: usize, theta: &[&[f64]], n: usize) -> Vec<Vec<f64>> {
    let mut stream = Stream::from_seed(21).child(law.name(), 0);
    (0..n)
        .map(|_| {
            let mut x = vec![f64::NAN; law.set().len(d)];
            law.sample(d, theta, &mut stream, &mut x);
            x
        })
        .collect()
}

pub(crate) fn partials(
    law: &dyn Multivariate,
    d: usize,
    x: &[f64],
    theta: &[&[f64]],
) -> (f64, Vec<Vec<f64>>) {
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
pub(crate) fn moves(set: Set, d: usize, values: &[f64]) -> Vec<(Vec<usize>, f64)> {
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

/// Asserts that the mean of values is `expected` within standard errors.
pub(crate) fn assert_mean(what: &str, values: &[f64], expected: f64) {
    jensen_testkit::assert_mean(what, values, expected, STANDARD_ERRORS, ROUNDING);
}

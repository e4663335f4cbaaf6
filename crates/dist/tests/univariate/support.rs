//! Members, what they lack, means by quadrature and the tolerances.

use jensen_dist::Univariate;
use jensen_dist::univariate::{CATALOGUE, Support};
use jensen_rng::Stream;
use jensen_special::logspace::{inv_logit, logit};
use jensen_testkit::{integrate, integrate_line};
use std::f64::consts::PI;

/// Members of each family; the laws that compare two take neighbors.
pub(crate) const MEMBERS: &[(&str, &[&[f64]])] = &[
    ("bernoulli", &[&[0.3], &[0.85]]),
    ("bernoulli_logit", &[&[-0.7], &[2.5]]),
    ("beta", &[&[2.5, 1.7], &[0.6, 3.0]]),
    ("beta_binomial", &[&[9.0, 2.5, 0.8], &[40.0, 12.0, 30.0]]),
    ("binomial", &[&[7.0, 0.3], &[7.0, 0.6], &[300.0, 0.9]]),
    ("binomial_logit", &[&[7.0, -0.4], &[7.0, 1.1], &[50.0, 3.0]]),
    ("categorical", &[&[0.2, 0.5, 0.3], &[0.6, 0.1, 0.3]]),
    (
        "categorical_logit",
        &[&[0.2, -1.5, 0.3, 2.0], &[0.0, 0.1, 0.3, -0.5]],
    ),
    ("cauchy", &[&[0.5, 2.0], &[-1.0, 0.7]]),
    ("chi_square", &[&[3.5], &[12.0]]),
    (
        "double_exponential",
        &[&[0.5, 2.0], &[0.5, 0.7], &[-1.0, 1.2]],
    ),
    ("exponential", &[&[0.4], &[3.0]]),
    ("gamma", &[&[2.5, 0.7], &[0.6, 3.0], &[40.0, 2.0]]),
    (
        "inv_gamma",
        &[&[6.5, 0.7], &[5.5, 30.0], &[1.5, 2.0], &[0.7, 0.4]],
    ),
    ("logistic", &[&[0.5, 2.0], &[-1.0, 0.7]]),
    ("lognormal", &[&[0.5, 0.6], &[-1.0, 0.3]]),
    ("neg_binomial_2", &[&[3.0, 1.5], &[9.0, 1.5], &[60.0, 20.0]]),
    ("normal", &[&[0.5, 2.0], &[-1.0, 0.7]]),
    (
        "ordered_logistic",
        &[&[0.3, -1.0, 0.2, 2.5], &[-1.2, -0.5, 0.1, 0.4]],
    ),
    (
        "pareto",
        &[
            &[1.5, 6.0],
            &[1.5, 9.0],
            &[0.7, 7.0],
            &[0.7, 1.4],
            &[0.5, 0.8],
        ],
    ),
    ("poisson", &[&[2.5], &[7.0], &[150.0]]),
    ("poisson_log", &[&[0.9], &[2.0], &[5.0]]),
    (
        "student_t",
        &[
            &[9.0, 0.5, 2.0],
            &[30.0, -1.0, 0.7],
            &[1.6, 0.5, 2.0],
            &[0.7, -1.0, 0.7],
        ],
    ),
    ("uniform", &[&[0.5, 2.0], &[-1.0, 3.0]]),
    (
        "von_mises",
        &[&[0.5, 2.0], &[-1.0, 0.3], &[3.0, 80.0], &[0.0, 1e-9]],
    ),
    ("weibull", &[&[1.7, 2.0], &[1.7, 5.0], &[3.0, 0.7]]),
];

/// Laws without a closed form or a short sum. A formula that gets lost is found here, and so is one that
/// comes in.
pub(crate) const NO_ENTROPY: &[&str] = &[];
pub(crate) const NO_KL: &[&str] = &["beta_binomial", "logistic", "student_t"];
/// Of these not only the ends of the support stand in the way of a view as an exponential family.
pub(crate) const NO_FAMILY: &[&str] = &[
    "beta_binomial",
    "cauchy",
    "logistic",
    "ordered_logistic",
    "student_t",
    "uniform",
];

/// What the quadrature rule reaches for these integrands, also where they are infinite at an end.
pub(crate) const QUADRATURE: f64 = 1e-8;
/// Sums and closed forms differ by rounding, amplified by logarithms of at most a few hundred.
pub(crate) const ROUNDING: f64 = 1e-12;
/// Relative step of the differences and what remains of their error: h^4 and the last place over h.
pub(crate) const STEP: f64 = 2e-3;
pub(crate) const DIFFERENCE: f64 = 1e-8;
/// Draws for moments.
pub(crate) const N_DRAWS: usize = 100_000;
/// Deviations beyond this many standard errors do not happen by chance with a fixed seed.
pub(crate) const STANDARD_ERRORS: f64 = 5.0;

/// The law of that name.
pub(crate) fn law(name: &str) -> &'static dyn Univariate {
    let found = CATALOGUE.iter().find(|law| law.name() == name);
    *found.unwrap_or_else(|| panic!("no law {name}"))
}

/// Calls `check` with every member of every family.
pub(crate) fn for_each(check: impl Fn(&dyn Univariate, &[f64])) {
    for &law in CATALOGUE {
        for theta in members(law) {
            check(law, theta);
        }
    }
}

pub(crate) fn members(law: &dyn Univariate) -> &'static [&'static [f64]] {
    let found = MEMBERS.iter().find(|(name, _)| *name == law.name());
    found
        .unwrap_or_else(|| panic!("no members of {}", law.name()))
        .1
}

pub(crate) fn draws(law: &dyn Univariate, theta: &[f64], n: usize) -> Vec<f64> {
    let mut stream = Stream::from_seed(20).child(law.name(), theta.len() as u64);
    (0..n).map(|_| law.sample(theta, &mut stream)).collect()
}

/// E f(x, ln p(x)) by quadrature, or by the sum.
pub(crate) fn expect(law: &dyn Univariate, theta: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let term = |x: f64, ln_jacobian: f64| {
        let ln_p = law.ln_prob(x, theta);
        // Where there is no mass, f may be infinite.
        match ln_jacobian == f64::NEG_INFINITY || (ln_p + ln_jacobian).exp() == 0.0 {
            true => 0.0,
            false => f(x, ln_p) * (ln_p + ln_jacobian).exp(),
        }
    };
    // Intervals become the line; the middle and width of the mass there come from a few draws.
    let on_line = |to_line: &dyn Fn(f64) -> f64, from_line: &dyn Fn(f64) -> (f64, f64)| {
        let mut few: Vec<f64> = draws(law, theta, 199).into_iter().map(to_line).collect();
        few.sort_by(f64::total_cmp);
        let inside = |y: f64| {
            let (x, ln_jacobian) = from_line(y);
            term(x, ln_jacobian)
        };
        integrate_line(inside, few[99], few[149] - few[49])
    };
    match law.support(theta) {
        Support::Integers(low, high) => {
            let mut sum = 0.0;
            let mut x = low;
            while x <= high && (x < 2.0 * law.mean(theta) || law.ln_prob(x, theta) > -90.0) {
                sum += term(x, 0.0);
                x += 1.0;
            }
            sum
        }
        Support::Circle => integrate(|x| term(x, 0.0), -PI, PI),
        Support::Interval(low, _) if low.is_infinite() && law.name() == "double_exponential" => {
            // The rule wants the kinks of both members at the ends of its intervals.
            let [a, b] = [-1.0, 0.5];
            let left = |x: f64| if x < a { term(x, 0.0) } else { 0.0 };
            let right = |x: f64| if x > b { term(x, 0.0) } else { 0.0 };
            integrate_line(left, a, 1.0)
                + integrate(|x| term(x, 0.0), a, b)
                + integrate_line(right, b, 1.0)
        }
        Support::Interval(low, high) if low.is_infinite() && high.is_infinite() => {
            on_line(&|x| x, &|y| (y, 0.0))
        }
        Support::Interval(low, high) if high.is_infinite() => on_line(&|x| (x - low).ln(), &|y| {
            let x = low + y.exp();
            // On the ends themselves the substitution has no volume.
            (x, if x > low { y } else { f64::NEG_INFINITY })
        }),
        Support::Interval(low, high) => {
            let width = high - low;
            on_line(&|x| logit((x - low) / width), &|y| {
                let x = low + width * inv_logit(y);
                let volume = (width * inv_logit(y) * inv_logit(-y)).ln();
                (
                    x,
                    if low < x && x < high {
                        volume
                    } else {
                        f64::NEG_INFINITY
                    },
                )
            })
        }
    }
}

pub(crate) fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs() / (1.0 + expected.abs());
    assert!(
        found == expected || error <= tolerance,
        "{what}: found {found}, expected {expected}"
    );
}

/// Asserts that the mean of f over draws is `expected` within standard errors.
pub(crate) fn assert_mean(what: &str, values: &[f64], expected: f64) {
    jensen_testkit::assert_mean(what, values, expected, STANDARD_ERRORS, QUADRATURE);
}

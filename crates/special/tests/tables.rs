//! Every function against a table of 50-digit values, to its stated number of units in the last place.
//!
//! The tables in `tests/tables` were computed with mpmath, whose version stands in their first line, from
//! the definitions: at random points (with those of 33 000 others that came out worst), log-uniform where the domain spans decades, at zeros and next to
//! them, where methods change, and far out.

use jensen_special::incomplete_beta::beta_inc;
use jensen_special::incomplete_gamma::{gamma_p, gamma_q};
use jensen_special::{bessel, error, gamma, gamma_divergence, logspace, remainder};
use jensen_special::{incomplete_beta, incomplete_gamma};

/// A function with the column that holds its values.
struct Case {
    table: &'static str,
    column: &'static str,
    function: fn(&[f64]) -> f64,
    /// Allowed distance in units in the last place of the larger of value and `scale`.
    ulps: f64,
    /// Zero demands relative accuracy everywhere. One is for functions with a zero at which their terms
    /// cancel.
    scale: f64,
}

const fn case(
    table: &'static str,
    column: &'static str,
    function: fn(&[f64]) -> f64,
    ulps: f64,
    scale: f64,
) -> Case {
    Case {
        table,
        column,
        function,
        ulps,
        scale,
    }
}

const CASES: &[Case] = &[
    case(
        "softplus",
        "log1p_exp",
        |x| logspace::log1p_exp(x[0]),
        2.0,
        0.0,
    ),
    case(
        "softplus",
        "inv_logit",
        |x| logspace::inv_logit(x[0]),
        3.0,
        0.0,
    ),
    case(
        "log1m_exp",
        "log1m_exp",
        |x| logspace::log1m_exp(x[0]),
        2.0,
        0.0,
    ),
    case("logit", "logit", |x| logspace::logit(x[0]), 3.0, 0.0),
    case("gamma", "ln_gamma", |x| gamma::ln_gamma(x[0]), 6.0, 0.0),
    case("gamma", "digamma", |x| gamma::digamma(x[0]), 3.0, 1.0),
    case("gamma", "trigamma", |x| gamma::trigamma(x[0]), 5.0, 0.0),
    case(
        "ln_beta",
        "ln_beta",
        |x| gamma::ln_beta(x[0], x[1]),
        4.0,
        1.0,
    ),
    case(
        "ln_choose",
        "ln_choose",
        |x| gamma::ln_choose(x[0], x[1]),
        8.0,
        1.0,
    ),
    case(
        "multivariate_gamma",
        "multivariate_ln_gamma",
        |x| gamma::multivariate_ln_gamma(x[0] as usize, x[1]),
        4.0,
        1.0,
    ),
    case(
        "multivariate_gamma",
        "multivariate_digamma",
        |x| gamma::multivariate_digamma(x[0] as usize, x[1]),
        4.0,
        1.0,
    ),
    case("error", "erf", |x| error::erf(x[0]), 2.0, 0.0),
    case("error", "erfc", |x| error::erfc(x[0]), 5.0, 0.0),
    case("error", "erfcx", |x| error::erfcx(x[0]), 4.0, 0.0),
    case("error", "normal_cdf", |x| error::normal_cdf(x[0]), 5.0, 0.0),
    case(
        "error",
        "ln_normal_cdf",
        |x| error::ln_normal_cdf(x[0]),
        5.0,
        0.0,
    ),
    case(
        "error",
        "inverse_mills",
        |x| error::inverse_mills(x[0]),
        4.0,
        0.0,
    ),
    case(
        "normal_quantile",
        "normal_quantile",
        |x| error::normal_quantile(x[0]),
        5.0,
        0.0,
    ),
    case("bessel", "ln_i0", |x| bessel::ln_i0(x[0]), 3.0, 0.0),
    case(
        "bessel",
        "ln_i0_scaled",
        |x| bessel::ln_i0_scaled(x[0]),
        4.0,
        0.0,
    ),
    case(
        "bessel",
        "i1_over_i0",
        |x| bessel::i1_over_i0(x[0]),
        5.0,
        0.0,
    ),
    case(
        "incomplete_gamma",
        "ln_p",
        |x| gamma_p(x[0], x[1]).ln,
        32.0,
        1.0,
    ),
    case(
        "incomplete_gamma",
        "ln_q",
        |x| gamma_q(x[0], x[1]).ln,
        32.0,
        1.0,
    ),
    case(
        "incomplete_gamma",
        "ln_p_by_shape",
        |x| gamma_p(x[0], x[1]).ln_by_shape,
        32.0,
        1.0,
    ),
    case(
        "incomplete_gamma",
        "ln_q_by_shape",
        |x| gamma_q(x[0], x[1]).ln_by_shape,
        32.0,
        1.0,
    ),
    case(
        "incomplete_beta",
        "ln_i",
        |x| beta_inc(x[0], x[1], x[2]).ln,
        32.0,
        1.0,
    ),
    case(
        "incomplete_beta",
        "ln_i_by_a",
        |x| beta_inc(x[0], x[1], x[2]).ln_by_a,
        32.0,
        1.0,
    ),
    case(
        "incomplete_beta",
        "ln_i_by_b",
        |x| beta_inc(x[0], x[1], x[2]).ln_by_b,
        32.0,
        1.0,
    ),
    case(
        "remainder",
        "log1pmx",
        |x| remainder::log1pmx(x[0]),
        5.0,
        0.0,
    ),
    case(
        "remainder",
        "expm1mx",
        |x| remainder::expm1mx(x[0]),
        4.0,
        0.0,
    ),
    case(
        "excess",
        "excess",
        |x| remainder::excess(x[0], x[1]),
        8.0,
        0.0,
    ),
    case(
        "excess_by",
        "excess",
        |x| remainder::excess_by(x[0], x[1], x[2]),
        8.0,
        0.0,
    ),
    case(
        "gamma_divergence",
        "ln_gamma",
        |x| gamma_divergence::ln_gamma_divergence(x[0], x[1], x[1] - x[0]),
        16.0,
        0.0,
    ),
    case(
        "gamma_divergence",
        "beyond",
        |x| gamma_divergence::ln_gamma_divergence_beyond(x[0], x[1], x[1] - x[0]),
        300.0,
        0.0,
    ),
    case(
        "gamma_divergence",
        "x_ln_x",
        |x| gamma_divergence::x_ln_x_divergence(x[0], x[1], x[1] - x[0]),
        10.0,
        0.0,
    ),
    case(
        "gamma",
        "digamma_half_step",
        |x| gamma::digamma_half_step(x[0]),
        5.0,
        0.0,
    ),
    case(
        "gamma",
        "ln_gamma_intercept",
        |x| gamma::ln_gamma_intercept(x[0]),
        32.0,
        1.0,
    ),
    case(
        "bessel",
        "i1_over_i0_complement",
        |x| bessel::i1_over_i0_complement(x[0]),
        40.0,
        0.1,
    ),
    case(
        "bessel_far",
        "i1_over_i0_complement",
        |x| bessel::i1_over_i0_complement(x[0]),
        8.0,
        0.0,
    ),
    case(
        "sums",
        "log_sum_exp",
        |x| logspace::log_sum_exp(&x[..3]),
        2.0,
        1.0,
    ),
    case(
        "sums",
        "softmax",
        |x| {
            let mut weights = [0.0; 3];
            logspace::softmax(&x[..3], &mut weights);
            weights[0]
        },
        13.0,
        0.0,
    ),
    case(
        "pairs",
        "log_add_exp",
        |x| logspace::log_add_exp(x[0], x[1]),
        2.0,
        1.0,
    ),
    case(
        "pairs",
        "log_diff_exp",
        |x| logspace::log_diff_exp(x[0], x[1]),
        4.0,
        1.0,
    ),
    case(
        "products",
        "xlogy",
        |x| logspace::xlogy(x[0], x[1]),
        2.0,
        0.0,
    ),
    case(
        "products",
        "xlog1py",
        |x| logspace::xlog1py(x[0], x[1]),
        2.0,
        0.0,
    ),
    case(
        "incomplete_gamma",
        "ln_p_by_x",
        |x| gamma_p(x[0], x[1]).ln_by_x,
        256.0,
        0.0,
    ),
    case(
        "incomplete_gamma",
        "ln_q_by_x",
        |x| gamma_q(x[0], x[1]).ln_by_x,
        256.0,
        0.0,
    ),
    case(
        "incomplete_beta",
        "ln_i_by_x",
        |x| beta_inc(x[0], x[1], x[2]).ln_by_x,
        256.0,
        0.0,
    ),
];

/// Column names and rows of a table.
fn read(table: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let path = format!("{}/tests/tables/{table}.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let names = lines
        .next()
        .unwrap()
        .split('\t')
        .map(str::to_owned)
        .collect();
    let rows = lines.map(|line| line.split('\t').map(|cell| cell.parse().unwrap()).collect());
    (names, rows.collect())
}

/// Distance of `found` from the double next to the exact value, in units in the last place.
fn distance(found: f64, exact: f64, scale: f64) -> f64 {
    if found == exact {
        return 0.0;
    }
    let size = exact.abs().max(scale);
    (found - exact).abs() / (size.next_up() - size)
}

#[test]
fn functions_agree_with_their_tables() {
    let mut misses = Vec::new();
    for case in CASES {
        let (names, rows) = read(case.table);
        let column = names.iter().position(|name| name == case.column).unwrap();
        let (worst, row) = (rows.iter())
            .map(|row| {
                let found = (case.function)(row);
                (distance(found, row[column], case.scale), row)
            })
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap();
        if worst > case.ulps || worst.is_nan() {
            misses.push(format!("{}: {worst:.1} ulp at {row:?}", case.column));
        }
    }
    assert!(misses.is_empty(), "{}", misses.join("\n"));
}

/// Powers at the largest shapes: errors in units of the larger of one, the value and the root of the shapes,
/// as the rounding of x itself moves the value by so much around the mode.
#[test]
fn powers_keep_their_digits() {
    const ULPS: f64 = 16.0;
    let check = |table: &str, function: &dyn Fn(&[f64]) -> (f64, f64)| {
        let (_, rows) = read(table);
        for row in rows {
            let exact = row[row.len() - 1];
            let (found, shapes) = function(&row);
            let error = (found - exact).abs() / exact.abs().max(shapes.sqrt()).max(1.0);
            assert!(error <= ULPS * f64::EPSILON, "{table} {row:?}: {found}");
        }
    };
    check("gamma_power", &|x| {
        (incomplete_gamma::ln_power(x[0], x[1]), x[0])
    });
    check("beta_power", &|x| {
        let found = incomplete_beta::ln_power(x[0], x[1], x[2], 1.0 - x[2]);
        (found, x[0] + x[1])
    });
}

/// The slope of I1/I0, from which what cancels takes a share that grows with x.
#[test]
fn the_slope_of_the_bessel_ratio_loses_what_is_said() {
    let (names, rows) = read("bessel");
    let column = names.iter().position(|name| name == "i1_over_i0_slope");
    for row in rows {
        let (x, exact) = (row[0].abs(), row[column.unwrap()]);
        let ulps = match x {
            x if x < 20.0 => (20.0 * x * x).max(10.0),
            x => 40.0 * x,
        };
        let found = bessel::i1_over_i0_slope(x);
        let lost = distance(found, exact, 0.0);
        assert!(lost <= ulps, "{x}: {found} {exact}, {lost} ulp");
    }
}

/// The functions themselves have the errors of their logarithms, to 32 units of the larger of one and the logarithm, and
/// one of the exponential function.
#[test]
fn incomplete_functions_are_the_exponentials_of_their_logarithms() {
    let check = |table: &str, column: &str, function: &dyn Fn(&[f64]) -> (f64, f64)| {
        let (names, rows) = read(table);
        let column = names.iter().position(|name| name == column).unwrap();
        for row in rows {
            let (exact, (found, ln)) = (row[column], function(&row));
            // What underflows has no digits.
            if exact < f64::MIN_POSITIVE {
                assert!(found <= f64::MIN_POSITIVE, "{table} {row:?}: {found}");
                continue;
            }
            let allowed = 32.0 * ln.abs().max(1.0) + 1.0;
            let error = (found / exact - 1.0).abs();
            assert!(error <= allowed * f64::EPSILON, "{table} {row:?}: {found}");
        }
    };
    let both = |f: incomplete_gamma::Incomplete| (f.value, f.ln);
    check("incomplete_gamma", "p", &|x| both(gamma_p(x[0], x[1])));
    check("incomplete_gamma", "q", &|x| both(gamma_q(x[0], x[1])));
    check("incomplete_beta", "i", &|x| {
        let found = beta_inc(x[0], x[1], x[2]);
        (found.value, found.ln)
    });
}

/// Neighbors have the relative accuracy of the slope between them; far ones lose what their terms lose, and a unit for
/// each sum.
#[test]
fn the_divergence_of_the_bessel_function_loses_what_is_said() {
    let (_, rows) = read("bessel_divergence");
    for row in rows {
        let (a, b, exact) = (row[0], row[1], row[2]);
        let found = bessel::ln_i0_divergence(a, b);
        let allowed = if (b - a).abs() > 0.25 * a.max(1.0) {
            let logarithms = bessel::ln_i0_scaled(a).abs() + bessel::ln_i0_scaled(b).abs();
            let slope = match a < 20.0 {
                true => 5.0,
                false => 8.0 * bessel::i1_over_i0_complement(a),
            };
            (5.0 * logarithms + (slope + 1.0) * (b - a).abs()) * f64::EPSILON
        } else {
            let most = match a.max(b) {
                x if x < 20.0 => (20.0 * x * x).max(10.0),
                x => (40.0 * x).max(20.0 * 400.0),
            };
            most * exact * f64::EPSILON
        };
        let lost = (found - exact).abs();
        assert!(
            lost <= allowed,
            "{a} {b}: {found} {exact}, {:.1}",
            lost / allowed
        );
    }
}

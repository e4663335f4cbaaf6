//! Log densities and their partials, by quadrature, differences and tables.

use crate::support::*;
use jensen_dist::univariate::{CATALOGUE, Space, Support};
use jensen_testkit::gradient;
use std::collections::BTreeSet;

#[test]
fn the_total_mass_is_one() {
    for_each(|law, theta| {
        let total = expect(law, theta, |_, _| 1.0);
        assert_close(total, 1.0, QUADRATURE, &format!("{} {theta:?}", law.name()));
    });
}

#[test]
fn partials_agree_with_differences() {
    for_each(|law, theta| {
        let spaces: Vec<Space> = (0..theta.len())
            .map(|i| law.params()[i.min(law.params().len() - 1)].space)
            .collect();
        for x in draws(law, theta, 20) {
            let mut partials = vec![f64::NAN; theta.len() + 1];
            let value = law.ln_prob_and_partials(x, theta, &mut partials);
            assert!(value.is_finite(), "{} at {x}", law.name());
            // How far each number can move, in units of which the step is taken; zero if it cannot.
            let x_scale = match law.support(theta) {
                Support::Integers(..) => 0.0,
                Support::Circle => 1.0,
                Support::Interval(low, high) => (x - low).min(high - x).min(1.0 + x.abs()),
            };
            let theta_scales = theta.iter().zip(&spaces).map(|(&v, space)| match space {
                Space::Count => 0.0,
                Space::Real | Space::Vector => 1.0,
                Space::Positive | Space::Simplex => v,
                Space::Unit => v.min(1.0 - v),
                Space::Ordered => 0.1,
            });
            let scales: Vec<f64> = std::iter::once(x_scale).chain(theta_scales).collect();
            let at = |moves: &[f64]| {
                let moved: Vec<f64> = (theta.iter().zip(&scales[1..]).zip(&moves[1..]))
                    .map(|((v, scale), u)| v + scale * u)
                    .collect();
                let mut unused = vec![0.0; theta.len() + 1];
                law.formula(x + scales[0] * moves[0], &moved, &mut unused)
            };
            let differences = gradient(at, &vec![0.0; scales.len()], STEP);
            for (i, (difference, scale)) in differences.iter().zip(&scales).enumerate() {
                let what = format!("{} {theta:?} at {x}, partial {i}", law.name());
                if *scale == 0.0 {
                    assert_eq!(partials[i], 0.0, "{what}");
                }
                let size = 1.0 + value.abs();
                assert_close(
                    scale * partials[i] / size,
                    difference / size,
                    DIFFERENCE,
                    &what,
                );
            }
        }
    });
}

/// Log densities of `tests/tables/univariate.tsv`, made with the libraries named in its first line.
#[test]
fn log_densities_agree_with_the_table() {
    let text = include_str!("../tables/univariate.tsv");
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let law = law(cells[0]);
        let numbers: Vec<f64> = cells[1..]
            .iter()
            .map(|cell| cell.parse().unwrap())
            .collect();
        let [x, expected] = [numbers[0], numbers[1]];
        // The other library loses up to three digits at large counts.
        assert_close(
            law.ln_prob(x, &numbers[2..]),
            expected,
            1e3 * f64::EPSILON,
            line,
        );
        seen.insert(law.name());
    }
    assert_eq!(seen.len(), CATALOGUE.len());
}

/// Log densities and partials far out and at the ends of parameters, of `tests/tables/extremes.tsv`, made with
/// the library named in its first line; columns: distribution, x, parameters, log density, partials.
#[test]
fn log_densities_and_partials_agree_with_the_table_of_extremes() {
    /// Rounding of the worst conditioned value, a power of 1e10 next to one.
    const VALUE: f64 = 1e-11;
    /// Digits that derivatives keep by which nothing cancels but what is named below.
    const PARTIAL: f64 = 1e-9;
    // The last place of differences of digamma functions, of a count and its mean, and of 1/(2k) and
    // 1 - cos, next to their zeros.
    let slack = |name: &str, x: f64| match name {
        "gamma" | "inv_gamma" | "beta" | "chi_square" | "neg_binomial_2" => 1e-14,
        "binomial_logit" | "poisson_log" | "beta_binomial" => 1e-14 + 1e-16 * x,
        "von_mises" => 1e-25,
        _ => f64::MIN_POSITIVE,
    };
    let text = include_str!("../tables/extremes.tsv");
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let law = law(cells[0]);
        let numbers =
            |cell: &str| -> Vec<f64> { cell.split(' ').map(|x| x.parse().unwrap()).collect() };
        let [x, theta, value, expected] = [1, 2, 3, 4].map(|i| numbers(cells[i]));
        let mut partials = vec![f64::NAN; theta.len() + 1];
        let found = law.ln_prob_and_partials(x[0], &theta, &mut partials);
        let close = |found: f64, expected: f64, error: f64| {
            found == expected || (found - expected).abs() <= error
        };
        assert!(value[0].is_finite(), "{line}");
        if !close(found, value[0], VALUE * (1.0 + value[0].abs())) {
            wrong.push(format!(
                "{} {} {}: {found}, expected {}",
                cells[0], cells[1], cells[2], value[0]
            ));
        }
        for (i, (p, e)) in partials.iter().zip(&expected).enumerate() {
            if !close(*p, *e, PARTIAL * e.abs() + slack(cells[0], x[0])) {
                wrong.push(format!(
                    "{} {} {}: partial {i} {p}, expected {e}",
                    cells[0], cells[1], cells[2]
                ));
            }
        }
        seen.insert(law.name());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(seen.len(), CATALOGUE.len());
}

//! Views as exponential families.

use crate::support::*;
use jensen_testkit::gradient;

/// What has no closed form, checked both ways.
#[test]
fn every_law_has_entropy_divergence_and_view() {
    for_each(|law, d, theta, other| {
        assert!(law.entropy(d, theta).is_some(), "{}", law.name());
        assert!(law.kl(d, theta, other).is_some(), "{}", law.name());
        assert!(law.exponential_family().is_some(), "{}", law.name());
    });
}

/// Values by mpmath 1.3 at 120 digits.
#[test]
fn entropies_keep_their_digits_at_large_concentrations() {
    let unit: &[f64] = &[1.0, 0.0, 0.0, 1.0];
    for (name, d, theta, expected) in [
        (
            "dirichlet",
            3,
            &[&[12.5, 30.0, 1.5] as &[f64]] as &[&[f64]],
            -3.725_076_914_788_355,
        ),
        (
            "dirichlet",
            3,
            &[&[1e14, 2e14, 3e14]],
            -32.981_833_173_963_41,
        ),
        ("wishart", 2, &[&[1e14], unit], 53.304_249_733_048_9),
        ("inv_wishart", 2, &[&[1e14], unit], -140.112_898_078_450_84),
    ] {
        let law = jensen_dist::multivariate::CATALOGUE
            .iter()
            .find(|law| law.name() == name)
            .unwrap();
        let found = law.entropy(d, theta).unwrap();
        assert!(
            (found - expected).abs() < 1e-12 * expected.abs(),
            "{name}: {found} {expected}"
        );
    }
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

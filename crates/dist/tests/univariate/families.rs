//! Views as exponential families and as members of wider ones, and what is lacking.

use crate::support::*;
use jensen_dist::univariate::{self, CATALOGUE};
use jensen_testkit::gradient;

#[test]
fn exponential_families_agree_with_their_densities() {
    for_each(|law, theta| {
        let Some(family) = law.exponential_family() else {
            return;
        };
        let name = format!("{} {theta:?}", law.name());
        let k = family.n_statistics(theta.len());
        let (mut eta, mut t, mut expected) = (vec![0.0; k], vec![0.0; k], vec![0.0; k]);
        family.natural(theta, &mut eta);
        let log_partition = family.log_partition(&eta, theta, &mut expected);

        for x in draws(law, theta, 20) {
            family.statistics(x, theta, &mut t);
            let dot: f64 = eta.iter().zip(&t).map(|(eta, t)| eta * t).sum();
            let value = dot - log_partition + family.ln_base(x, theta);
            // The terms are larger than their sum by up to two orders.
            assert_close(value, law.ln_prob(x, theta), 100.0 * ROUNDING, &name);
        }

        // The known parameters stay, the others come back.
        let mut back = vec![f64::NAN; theta.len()];
        for &i in family.known() {
            back[i] = theta[i];
        }
        family.usual(&eta, &mut back);
        for (back, theta) in back.iter().zip(theta) {
            assert_close(*back, *theta, 100.0 * ROUNDING, &format!("{name}, back"));
        }

        let at = |u: &[f64]| {
            let moved: Vec<f64> = eta.iter().zip(u).map(|(eta, u)| eta * (1.0 + u)).collect();
            family.log_partition(&moved, theta, &mut vec![0.0; k])
        };
        let slopes = gradient(at, &vec![0.0; k], STEP / 10.0);
        for i in 0..k {
            let size = 1.0 + log_partition.abs();
            assert_close(
                eta[i] * expected[i] / size,
                slopes[i] / size,
                DIFFERENCE,
                &format!("{name}, gradient of A"),
            );
            let by_quadrature = expect(law, theta, |x, _| {
                let mut t = vec![0.0; k];
                family.statistics(x, theta, &mut t);
                t[i]
            });
            assert_close(
                expected[i],
                by_quadrature,
                QUADRATURE,
                &format!("{name}, E t"),
            );
        }

        let other = members(law)[1];
        if let (Some(own), Some(bregman)) = (law.kl(theta, other), family.divergence(theta, other))
        {
            assert_close(
                own,
                bregman,
                100.0 * ROUNDING,
                &format!("{name}, divergence"),
            );
        }
    });
}

#[test]
fn a_member_of_a_wider_family_has_its_density_and_its_divergence() {
    for_each(|law, theta| {
        let Some((wider, parameters)) = law.wider(theta) else {
            return;
        };
        let what = format!("{} {theta:?} as {}", law.name(), wider.name());
        for x in draws(law, theta, 20) {
            let expected = wider.ln_prob(x, &parameters);
            assert_close(law.ln_prob(x, theta), expected, ROUNDING, &what);
        }
        let other = members(law)[members(law).len() - 1];
        let (_, other_parameters) = law.wider(other).unwrap();
        let across = univariate::kl(law, theta, wider, &other_parameters);
        if let (Some(across), Some(kl)) = (across, law.kl(theta, other)) {
            assert_close(across, kl, ROUNDING, &what);
        }
    });
    // Exponential against chi-square: both are gamma laws.
    let [exponential, chi_square] = ["exponential", "chi_square"].map(law);
    let kl = univariate::kl(exponential, &[0.5], chi_square, &[2.0]).unwrap();
    assert_close(
        kl,
        0.0,
        ROUNDING,
        "chi-square with 2 degrees of freedom is exponential",
    );
    let logistic = law("logistic");
    assert!(univariate::kl(exponential, &[0.5], logistic, &[0.0, 1.0]).is_none());
}

#[test]
fn absences_are_those_that_are_named() {
    for &law in CATALOGUE {
        let (name, theta) = (law.name(), members(law)[0]);
        let lacks = |list: &[&str]| list.contains(&name);
        assert_eq!(law.entropy(theta).is_none(), lacks(NO_ENTROPY), "{name}");
        assert_eq!(law.kl(theta, theta).is_none(), lacks(NO_KL), "{name}");
        let family = law.exponential_family();
        assert_eq!(family.is_none(), lacks(NO_FAMILY), "{name}");
    }
}

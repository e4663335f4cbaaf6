//! Entropies.

use crate::support::*;
use std::f64::consts::{E, TAU};

#[test]
fn entropies_agree_with_quadrature() {
    for_each(|law, theta| {
        let Some(entropy) = law.entropy(theta) else {
            return;
        };
        let expected = expect(law, theta, |_, ln_p| -ln_p);
        assert_close(
            entropy,
            expected,
            QUADRATURE,
            &format!("{} {theta:?}", law.name()),
        );
    });
}

/// Entropies where the sum goes by strides or is an integral: Poisson's from its expansion
/// ln(2 pi e r) / 2 - 1/(12 r) - 1/(24 r^2) - 19/(360 r^3), that of a geometric law, of precision one, as ln(1 + m) + m ln(1 + 1/m).
#[test]
fn entropies_of_wide_laws_of_counts_agree_with_closed_forms() {
    for rate in [1e3f64, 1e5, 1e9, 1e14, 1e18] {
        let expansion = 0.5 * (TAU * E * rate).ln()
            - 1.0 / (12.0 * rate)
            - 1.0 / (24.0 * rate * rate)
            - 19.0 / (360.0 * rate.powi(3));
        let found = law("poisson").entropy(&[rate]).unwrap();
        assert_close(found, expansion, ROUNDING, &format!("poisson {rate}"));
        let found = law("poisson_log").entropy(&[rate.ln()]).unwrap();
        assert_close(found, expansion, ROUNDING, &format!("poisson_log {rate}"));
        let found = law("neg_binomial_2").entropy(&[rate, 1.0]).unwrap();
        let expected = rate.ln_1p() + rate * rate.recip().ln_1p();
        assert_close(found, expected, ROUNDING, &format!("geometric {rate}"));
    }
    assert_close(
        law("binomial").entropy(&[1e6, 0.0]).unwrap(),
        0.0,
        ROUNDING,
        "a sure thing",
    );
}

/// Values by mpmath 1.3 at 120 digits.
#[test]
fn entropies_keep_their_digits_at_large_shapes() {
    for (name, theta, expected) in [
        ("gamma", &[12.0, 1.0] as &[f64], 2.633_029_366_139_953_6),
        ("gamma", &[1e14, 1.0], 17.537_034_184_162_988),
        ("gamma", &[1e16, 1.0], 19.839_619_277_157_04),
        ("chi_square", &[1e15], 19.034_900_320_939_987),
        ("inv_gamma", &[12.0, 1.0], -2.252_293_993_811_67),
        ("inv_gamma", &[1e14, 1.0], -46.935_348_419_670_28),
        ("inv_gamma", &[1e16, 1.0], -53.843_103_698_652_43),
        ("beta", &[20.0, 30.0], -1.261_978_167_919_610_8),
        ("beta", &[3.0, 1e14], -30.388_612_791_553_67),
        ("beta", &[1e12, 1e12], -13.436_292_795_599_77),
        ("beta", &[1e16, 1e16], -18.041_462_981_587_61),
        ("student_t", &[50.0, 0.0, 1.0], 1.439_037_180_845_762_5),
        ("student_t", &[1e12, 0.0, 1.0], 1.418_938_533_205_672_8),
        ("student_t", &[1e14, 0.0, 1.0], 1.418_938_533_204_682_7),
        ("student_t", &[1e16, 0.0, 1.0], 1.418_938_533_204_673),
    ] {
        let found = law(name).entropy(theta).unwrap();
        assert_close(found, expected, ROUNDING, &format!("{name} {theta:?}"));
    }
}

/// Of many trials: uniform counts for shapes of one, the last five by all terms with mpmath 1.3. The sum over a
/// thousand million counts would take twenty minutes; now it is some thousand masses.
#[test]
fn entropies_of_many_trials_need_few_masses() {
    for n in [2000.0f64, 2001.0, 1e5, 1e7, 1e9, 1e12] {
        let found = law("beta_binomial").entropy(&[n, 1.0, 1.0]).unwrap();
        assert_close(found, n.ln_1p(), OF_MASSES, &format!("uniform {n}"));
    }
    for (theta, expected) in [
        ([2e4, 0.5, 0.5], 9.666_474_998_922_68),
        ([2e4, 2.5, 0.3], 8.030_658_753_546_915),
        ([2e4, 3.0, 500.0], 5.540_843_519_686_614),
        ([2e4, 160.0, 200.0], 7.687_496_341_935_206),
        ([2e4, 40.0, 4e4], 3.107_020_187_503_843),
    ] {
        let found = law("beta_binomial").entropy(&theta).unwrap();
        assert_close(found, expected, OF_MASSES, &format!("{theta:?}"));
    }
}

/// Rounding of the masses' logarithms, which are differences of powers of the size of the trials.
const OF_MASSES: f64 = 1e-11;

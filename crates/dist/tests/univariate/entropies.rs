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

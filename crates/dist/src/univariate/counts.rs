//! Expectations over counts by their sums, with bounded tails.
//!
//! From the mean the sum goes both ways, until a term times one more than the variance over the mean, and than
//! the standard deviation, is below [`NEGLIGIBLE`]: to either side the masses of these laws fall at least like
//! powers of (1 - 1 / that), so that what is left out is below a few times [`NEGLIGIBLE`] times the size of
//! the integrand.
//! Of a law that is wide and far from zero, every h-th count with the weight h is enough: by Poisson's
//! summation formula the error is that of its characteristic function at 2 pi / h, below e^-80 for h an eighth
//! of the standard deviation. Cost: some hundreds of masses, or as many as there are up to 12 standard
//! deviations (40 of them, as for an exponential law, at small precisions).

use super::{Support, Univariate};
use std::f64::consts::{E, TAU};

/// Masses below this do not count.
const NEGLIGIBLE: f64 = 1e-18;
/// How many standard deviations from zero a law has to be for its counts to be skipped.
pub(super) const FAR: f64 = 13.0;

/// E f(x, ln p(x)) for a law of counts that falls on both sides of its mean, with f of the size of ln p. For
/// masses whose logarithm has the error e the result has it, too; it is below 1e-13 + e relative to the sizes.
pub(crate) fn expect(law: &dyn Univariate, theta: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let Support::Integers(low, high) = law.support(theta) else {
        panic!("internal error: {} is no law of counts", law.name());
    };
    let (mean, sd) = (law.mean(theta), law.variance(theta).sqrt());
    // Distances to both ends, as a law of few failures is one of few successes turned round.
    let near = (mean - low).min(high - mean);
    let stride = if near > FAR * sd {
        (sd / 8.0).floor().max(1.0)
    } else {
        1.0
    };
    let width = 1.0 + sd + if mean > 0.0 { sd * sd / mean } else { 0.0 };
    let start = mean.round().clamp(low, high);
    let side = |first: f64, step: f64| {
        let (mut sum, mut x) = (0.0, first);
        while (low..=high).contains(&x) {
            let ln_p = law.ln_prob(x, theta);
            if ln_p > f64::NEG_INFINITY {
                sum += ln_p.exp() * f(x, ln_p);
            }
            let left = ln_p.exp() * (1.0 - ln_p) * width;
            let is_done = (left < NEGLIGIBLE || ln_p == f64::NEG_INFINITY) && (x - mean).abs() > sd;
            // Beyond 2^53 standard deviations from zero the steps vanish.
            if is_done || x + step == x {
                break;
            }
            x += step;
        }
        sum
    };
    stride * (side(start, stride) + side(start - stride, -stride))
}

/// The same for a law that is wide next to its mean and smooth beyond the first thousand counts: the sum of
/// those, and for the rest the Euler-Maclaurin formula, whose second correction is below 1e-13. The
/// integral is one over y with x = 1000 + e^y by the trapezoid rule, which is as good as exact there.
fn expect_wide(law: &dyn Univariate, theta: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    const FIRST: f64 = 1000.0;
    const STEP: f64 = 0.05;
    const LOWEST: f64 = -40.0;
    let term = |x: f64| {
        let ln_p = law.formula(x, theta, &mut vec![0.0; theta.len() + 1]);
        ln_p.exp() * f(x, ln_p)
    };
    let mut sum: f64 = (0..FIRST as u32).map(|x| term(f64::from(x))).sum();
    sum += 0.5 * term(FIRST) - (term(FIRST + 1.0) - term(FIRST - 1.0)) / 24.0;
    let top = law.mean(theta).ln();
    for node in 0.. {
        let y = LOWEST + STEP * f64::from(node);
        let inner = term(FIRST + y.exp()) * y.exp();
        sum += STEP * inner;
        if y > top && inner.abs() < NEGLIGIBLE {
            break;
        }
    }
    sum
}

/// The entropy -E ln p, nats.
pub(super) fn entropy(law: &dyn Univariate, theta: &[f64]) -> f64 {
    /// This many standard deviations from both ends the skewness is below 1e-7 and the entropy that of a
    /// normal law to the last place.
    const NORMAL: f64 = 2e7;
    /// From here on the steps from count to count are small.
    const SMOOTH: f64 = 1000.0;
    let (mean, variance) = (law.mean(theta), law.variance(theta));
    let high = match law.support(theta) {
        Support::Integers(_, high) => high,
        _ => f64::INFINITY,
    };
    let near = mean.min(high - mean);
    if near > NORMAL * variance.sqrt() {
        return 0.5 * ((TAU * E).ln() + variance.ln());
    }
    let surprise = |_: f64, ln_p: f64| -ln_p;
    match high.is_infinite() && mean > SMOOTH && near <= FAR * variance.sqrt() {
        true => expect_wide(law, theta, surprise),
        false => expect(law, theta, surprise),
    }
}

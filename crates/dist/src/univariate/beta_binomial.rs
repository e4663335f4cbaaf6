//! Beta-binomial distribution: binomial with n trials, whose chance is beta with shapes a and b. Standard.
//!
//! ln p(x) = ln (n choose x) + ln B(x + a, n - x + b) - ln B(a, b)

use super::binomial::ln_mass;
use super::{Param, Space, Support, Univariate, counts};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::error::erfc;
use jensen_special::gamma::digamma;
use jensen_special::incomplete_beta::ln_power;
use jensen_special::logspace::inv_logit;

/// Beta-binomial: `trials`, `alpha`, `beta`.
pub struct BetaBinomial;

impl Univariate for BetaBinomial {
    fn name(&self) -> &'static str {
        "beta_binomial"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("trials", Space::Count),
                Param::new("alpha", Space::Positive),
                Param::new("beta", Space::Positive),
            ]
        }
    }

    fn support(&self, theta: &[f64]) -> Support {
        Support::Integers(0.0, theta[0])
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [n, a, b] = [theta[0], theta[1], theta[2]];
        let all = digamma(a + b) - digamma(n + a + b);
        partials[..2].fill(0.0);
        partials[2] = digamma(x + a) - digamma(a) + all;
        partials[3] = digamma(n - x + b) - digamma(b) + all;
        // With the powers of the share r = (x + a) / (n + a + b), which cancel in all, every part is small.
        let whole = n + a + b;
        let [r, s] = [(x + a) / whole, (n - x + b) / whole];
        ln_mass(n, x, r, s) + ln_power(a, b, r, s) - ln_power(x + a, n - x + b, r, s)
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        let chance = draw::beta(theta[1], theta[2], stream);
        draw::binomial(theta[0], chance, stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] * theta[1] / (theta[1] + theta[2])
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        let [n, a, b] = [theta[0], theta[1], theta[2]];
        let total = a + b;
        n * (a / total) * (b / total) * (total + n) / (total + 1.0)
    }

    /// By the sum over all counts of few trials, else by strides, or between windows at
    /// both ends: at most some thousand masses, to 1e-11 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        /// Up to here every count is taken; beyond it the windows at both ends do not meet.
        const FEW: f64 = 2000.0;
        let n = theta[0];
        if n <= FEW {
            let counts = (0..=n as u32).map(|x| surprise(self.ln_prob(f64::from(x), theta)));
            return Some(counts.sum());
        }
        let mean = self.mean(theta);
        let is_narrow = mean.min(n - mean) > counts::FAR * self.variance(theta).sqrt();
        Some(match is_narrow {
            true => counts::entropy(self, theta),
            false => entropy_wide(theta),
        })
    }
}

/// -p ln p, and 0 where p = 0.
fn surprise(ln_p: f64) -> f64 {
    if ln_p == f64::NEG_INFINITY {
        0.0
    } else {
        -ln_p.exp() * ln_p
    }
}

/// The entropy where the mass may be most at both ends and is smooth between them, for many trials.
///
/// Windows W cut the sum of -p ln p without an edge: at each end the sum of its product with W, between them that
/// with 1 - W - W', which is as good as its integral, because it has no step and no singularity within a dozen
/// counts. The integral is one over y with x = n / (1 + e^-y) by the trapezoid rule, whose integrand is at least
/// 1/13 wide in y where the law is not narrow. Its errors are below 1e-15;
/// rounding is what remains.
fn entropy_wide(theta: &[f64]) -> f64 {
    const STEP: f64 = 1.0 / 32.0;
    /// Where a window is one half, and how steep it is in ln x: one at 13 and zero at 740, to e^-36.
    const CENTER: f64 = 100.0;
    const STEEPNESS: f64 = 3.0;
    const LAST: u32 = 740;
    let n = theta[0];
    let window = |x: f64| 0.5 * erfc(STEEPNESS * (x / CENTER).ln());
    let half = |alpha: f64, beta: f64| {
        let theta = [n, alpha, beta];
        let term = |x: f64| surprise(BetaBinomial.formula(x, &theta, &mut [0.0; 4]));
        let end: f64 = (0..=LAST)
            .map(|x| window(f64::from(x)) * term(f64::from(x)))
            .sum();
        // From the middle, y = 0, towards zero, until the window is one.
        let mut middle = 0.0;
        for node in 0.. {
            let share = inv_logit(-STEP * f64::from(node));
            let x = n * share;
            let outside = 0.5 * erfc(-STEEPNESS * (x / CENTER).ln());
            if outside < f64::EPSILON * f64::EPSILON {
                break;
            }
            // The middle belongs to both halves.
            let weight = if node == 0 { 0.5 } else { 1.0 };
            middle += weight * STEP * outside * term(x) * x * (1.0 - share);
        }
        end + middle
    };
    half(theta[1], theta[2]) + half(theta[2], theta[1])
}

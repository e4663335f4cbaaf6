//! Beta-binomial distribution: binomial with n trials, whose chance is beta with shapes a and b. Standard.
//!
//! ln p(x) = ln (n choose x) + ln B(x + a, n - x + b) - ln B(a, b)

use super::binomial::ln_mass;
use super::{Param, Space, Support, Univariate};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::digamma;
use jensen_special::incomplete_beta::ln_power;

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

    /// By the sum over all counts, which may be most at both ends. Cost n.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let (mut sum, mut x) = (0.0, 0.0);
        while x <= theta[0] {
            let ln_p = self.ln_prob(x, theta);
            sum -= ln_p.exp() * ln_p;
            x += 1.0;
        }
        Some(sum)
    }
}

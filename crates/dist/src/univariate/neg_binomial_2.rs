//! Negative binomial distribution with mean m and precision f: a Poisson law whose rate is gamma with
//! shape f and mean m. Standard.
//!
//! ln p(x) = -ln B(f, x + 1) - ln(x + f) - f ln(1 + m/f) - x ln(1 + f/m)

use super::{ExponentialFamily, Param, Space, Support, Univariate, counts};
use crate::draw;
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_beta};
use jensen_special::incomplete_beta::ln_power;
use jensen_special::logspace::log1m_exp;
use jensen_special::remainder::excess_by;

/// Negative binomial by mean and precision: `mean`, `precision`; variance mean + mean^2 / precision.
pub struct NegBinomial2;

impl Univariate for NegBinomial2 {
    fn name(&self) -> &'static str {
        "neg_binomial_2"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("mean", Space::Positive),
                Param::new("precision", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        Support::Integers(0.0, f64::INFINITY)
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [mean, precision] = [theta[0], theta[1]];
        let excess = (x - mean) / (mean + precision);
        let ln_zero = (mean / precision).ln_1p();
        partials[0] = 0.0;
        partials[1] = excess * (precision / mean);
        partials[2] = digamma(x + precision) - digamma(precision) - ln_zero - excess;
        if x == 0.0 {
            return -precision * ln_zero;
        }
        // Gamma(x + f) / (Gamma(f) x!) is 1 / (x B(f, x)).
        let all = mean + precision;
        match all.is_finite() {
            true => ln_power(precision, x, precision / all, mean / all) - x.ln(),
            false => ln_ways(x, precision) - precision * ln_zero - x * (precision / mean).ln_1p(),
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        let [mean, precision] = [theta[0], theta[1]];
        let rate = if precision < 1.0 {
            // By logarithms, since the gamma draw may be below the smallest number and the factor above
            // the largest.
            (stream.gamma_ln(precision) + mean.ln() - precision.ln()).exp()
        } else {
            stream.gamma(precision) * (mean / precision)
        };
        draw::poisson(rate, stream)
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] + theta[0] * theta[0] / theta[1]
    }

    /// By its sum, to 1e-12 of one more than itself.
    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        Some(counts::entropy(self, theta))
    }

    /// Between laws of the same precision f: (m1 + f) times the divergence between coins with the chances
    /// m / (m + f).
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let ([m, f], [n, g]) = ([theta[0], theta[1]], [other[0], other[1]]);
        if f != g {
            return None;
        }
        let (change, rest) = ((n - m) / (n + f), (m + f) / (n + f));
        Some(m * excess_by(change * (f / m), n / m * rest, 1.0) + f * excess_by(-change, rest, 1.0))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// ln of Gamma(x + f) / (Gamma(f) x!).
fn ln_ways(x: f64, precision: f64) -> f64 {
    -ln_beta(precision, x + 1.0) - (x + precision).ln()
}

/// With f known: eta = -ln(1 + f/m), t = x, A = -f ln(1 - e^eta), h = Gamma(x + f) / (Gamma(f) x!).
impl ExponentialFamily for NegBinomial2 {
    fn known(&self) -> &'static [usize] {
        &[1]
    }

    fn n_statistics(&self, _: usize) -> usize {
        1
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = -(theta[1] / theta[0]).ln_1p();
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = theta[1] / (-eta[0]).exp_m1();
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x;
    }

    fn log_partition(&self, eta: &[f64], theta: &[f64], expected: &mut [f64]) -> f64 {
        expected[0] = theta[1] / (-eta[0]).exp_m1();
        -theta[1] * log1m_exp(eta[0])
    }

    fn ln_base(&self, x: f64, theta: &[f64]) -> f64 {
        ln_ways(x, theta[1])
    }
}

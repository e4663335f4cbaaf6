//! Gamma distribution with shape a and rate b. Standard.
//!
//! ln p(x) = a ln b - ln Gamma(a) + (a - 1) ln x - b x

use super::{ExponentialFamily, POSITIVES, Param, Space, Support, Univariate, ratio};
use jensen_rng::Stream;
use jensen_special::gamma::{digamma, ln_gamma, ln_gamma_intercept, trigamma};
use jensen_special::gamma_divergence::ln_gamma_divergence_beyond;
use jensen_special::incomplete_gamma::ln_power;
use jensen_special::logspace::xlogy;
use jensen_special::remainder::log1pmx;

/// Gamma: `shape`, `rate`.
pub struct Gamma;

/// From this shape on the terms of the log density cancel more than its parts by x.
const CANCELS: f64 = 10.0;

impl Univariate for Gamma {
    fn name(&self) -> &'static str {
        "gamma"
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param::new("shape", Space::Positive),
                Param::new("rate", Space::Positive),
            ]
        }
    }

    fn support(&self, _: &[f64]) -> Support {
        POSITIVES
    }

    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        let [shape, rate] = [theta[0], theta[1]];
        partials[0] = match x > 0.0 {
            // One quotient, as near the mode the two parts cancel.
            true => ((shape - 1.0) - rate * x) / x,
            false => ratio(shape - 1.0, x) - rate,
        };
        partials[1] = rate.ln() - digamma(shape) + x.ln();
        partials[2] = (-rate).mul_add(x, shape) / rate;
        let scaled = rate * x;
        // The large terms cancel in the power; out of its range, and at the ends, they do not.
        match scaled.is_normal() && shape >= CANCELS {
            true => ln_power(shape, scaled) + shape.ln() - x.ln(),
            false => shape * rate.ln() - ln_gamma(shape) + xlogy(shape - 1.0, x) - scaled,
        }
    }

    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64 {
        stream.gamma(theta[0]) / theta[1]
    }

    fn mean(&self, theta: &[f64]) -> f64 {
        theta[0] / theta[1]
    }

    fn variance(&self, theta: &[f64]) -> f64 {
        theta[0] / theta[1] / theta[1]
    }

    fn entropy(&self, theta: &[f64]) -> Option<f64> {
        let [shape, rate] = [theta[0], theta[1]];
        Some(ln_gamma_intercept(shape) + digamma(shape) - rate.ln())
    }

    /// The part of the means w = a1 b2 / (a2 b1) is a2 (w - 1 - ln w); what ln Gamma has beyond x ln x - x
    /// gives the rest.
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        let ([a, b], [c, d]) = ([theta[0], theta[1]], [other[0], other[1]]);
        let shapes = ln_gamma_divergence_beyond(a, c, c - a);
        // w is y / x with y = a d and x = c b, each as a product of two ratios that are in range.
        let w = a / c * (d / b);
        let means = match product_difference(a, d, c, b) / (c * b) {
            u if u.abs() < 0.25 => -log1pmx(u),
            _ if w.is_normal() => w - 1.0 - w.ln(),
            _ => w - 1.0 - (a.ln() - c.ln() + d.ln() - b.ln()),
        };
        Some(shapes + c * means)
    }

    fn ln_moments(&self, theta: &[f64]) -> Option<[f64; 2]> {
        Some([digamma(theta[0]) - theta[1].ln(), trigamma(theta[0])])
    }

    fn power_moment(&self, theta: &[f64], c: f64) -> Option<f64> {
        let [shape, rate] = [theta[0], theta[1]];
        Some(match shape + c > 0.0 {
            true => (ln_gamma(shape + c) - ln_gamma(shape) - c * rate.ln()).exp(),
            false => f64::INFINITY,
        })
    }

    fn mean_ln_prob(&self, theta: &[f64], of: &dyn Univariate, with: &[f64]) -> Option<f64> {
        let [shape, rate] = [theta[0], theta[1]];
        let by_ln = (shape - 1.0) * of.ln_moments(with)?[0];
        Some(shape * rate.ln() - ln_gamma(shape) + by_ln - rate * of.mean(with))
    }

    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        Some(self)
    }
}

/// a d - c b with one rounding of each product's error.
fn product_difference(a: f64, d: f64, c: f64, b: f64) -> f64 {
    let product = c * b;
    a.mul_add(d, -product) - c.mul_add(b, -product)
}

/// eta = (a - 1, -b), t = (ln x, x), A = ln Gamma(a) - a ln b, h = 1.
impl ExponentialFamily for Gamma {
    fn n_statistics(&self, _: usize) -> usize {
        2
    }

    fn natural(&self, theta: &[f64], eta: &mut [f64]) {
        eta[0] = theta[0] - 1.0;
        eta[1] = -theta[1];
    }

    fn usual(&self, eta: &[f64], theta: &mut [f64]) {
        theta[0] = eta[0] + 1.0;
        theta[1] = -eta[1];
    }

    fn statistics(&self, x: f64, _: &[f64], t: &mut [f64]) {
        t[0] = x.ln();
        t[1] = x;
    }

    fn log_partition(&self, eta: &[f64], _: &[f64], expected: &mut [f64]) -> f64 {
        let [shape, rate] = [eta[0] + 1.0, -eta[1]];
        expected[0] = digamma(shape) - rate.ln();
        expected[1] = shape / rate;
        ln_gamma(shape) - shape * rate.ln()
    }

    fn ln_base(&self, _: f64, _: &[f64]) -> f64 {
        0.0
    }
}

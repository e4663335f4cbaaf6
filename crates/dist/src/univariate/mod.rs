//! Distributions of one number, continuous or discrete.

mod normal;

pub use normal::Normal;

use jensen_rng::Stream;

/// The distributions of one number, by name.
pub static CATALOGUE: &[&dyn Univariate] = &[&Normal];

/// A parameter of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Its name: `sd`, `shape`.
    pub name: &'static str,
    /// Where it lives.
    pub space: Space,
}

/// A set of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Space {
    /// Any real number.
    Real,
    /// Above zero.
    Positive,
    /// Between zero and one.
    Unit,
    /// 0, 1, 2, ...; it has no partial.
    Count,
}

/// Where a distribution has its mass, for given parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// An interval; its ends may be infinite.
    Interval(f64, f64),
    /// The whole numbers from the first to the last; the last may be infinite.
    Integers(f64, f64),
}

/// A distribution of one number x with parameters theta `[p]`.
///
/// Parameters outside their space give NaN; x outside the support gives minus infinity.
pub trait Univariate: Sync {
    /// Its name, with the parameterization where in doubt.
    fn name(&self) -> &'static str;

    /// The parameters in their order.
    fn params(&self) -> &'static [Param];

    /// Where the mass is.
    fn support(&self, theta: &[f64]) -> Support;

    /// The normalized log density or log mass at x, nats; writes the partials `[1 + p]` by x and by each
    /// parameter. The partial of a discrete x or parameter is zero.
    fn ln_prob_and_partials(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64;

    /// The normalized log density or log mass at x, nats.
    fn ln_prob(&self, x: f64, theta: &[f64]) -> f64 {
        let mut partials = [0.0; MAX_PARTIALS];
        self.ln_prob_and_partials(x, theta, &mut partials[..=theta.len()])
    }

    /// One draw; the method is fixed, so that the same stream gives the same draws in every version.
    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64;

    /// The mean; NaN where it does not exist.
    fn mean(&self, theta: &[f64]) -> f64;

    /// The variance; NaN where it does not exist, infinite where it diverges.
    fn variance(&self, theta: &[f64]) -> f64;

    /// The entropy, nats, where there is a closed form.
    fn entropy(&self, _theta: &[f64]) -> Option<f64> {
        None
    }

    /// KL(theta || other) between two members, nats, at least zero, where there is a closed form.
    fn kl(&self, _theta: &[f64], _other: &[f64]) -> Option<f64> {
        None
    }

    /// The view as an exponential family, where it is one.
    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        None
    }
}

/// The most partials of a distribution of one number.
pub const MAX_PARTIALS: usize = 6;

/// ln p(x) = eta . t(x) - A(eta) + ln h(x), minimal, with k statistics.
pub trait ExponentialFamily {
    /// Number of statistics k.
    fn n_statistics(&self) -> usize;

    /// Natural parameters eta `[k]` of usual parameters.
    fn natural(&self, theta: &[f64], eta: &mut [f64]);

    /// Usual parameters of natural ones.
    fn usual(&self, eta: &[f64], theta: &mut [f64]);

    /// Sufficient statistics t(x) `[k]`.
    fn statistics(&self, x: f64, t: &mut [f64]);

    /// The log-partition A(eta), nats; writes its gradient, the expected statistics E[t] `[k]`.
    fn log_partition(&self, eta: &[f64], expected: &mut [f64]) -> f64;

    /// ln h(x), the part without parameters.
    fn ln_base(&self, x: f64) -> f64;
}

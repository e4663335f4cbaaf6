//! Distributions of one number, continuous or discrete.

mod bernoulli;
mod bernoulli_logit;
mod beta;
mod beta_binomial;
mod binomial;
mod binomial_logit;
mod categorical;
mod categorical_logit;
mod cauchy;
mod chi_square;
pub(crate) mod counts;
mod double_exponential;
mod exponential;
mod exponential_family;
mod gamma;
mod inv_gamma;
mod logistic;
mod lognormal;
mod neg_binomial_2;
mod normal;
mod ordered_logistic;
mod pareto;
mod poisson;
mod poisson_log;
mod student_t;
mod uniform;
mod von_mises;
mod weibull;

pub use bernoulli::Bernoulli;
pub use bernoulli_logit::BernoulliLogit;
pub use beta::Beta;
pub use beta_binomial::BetaBinomial;
pub use binomial::Binomial;
pub use binomial_logit::BinomialLogit;
pub use categorical::Categorical;
pub use categorical_logit::CategoricalLogit;
pub use cauchy::Cauchy;
pub use chi_square::ChiSquare;
pub use double_exponential::DoubleExponential;
pub use exponential::Exponential;
pub use exponential_family::ExponentialFamily;
pub use gamma::Gamma;
pub use inv_gamma::InvGamma;
pub use logistic::Logistic;
pub use lognormal::Lognormal;
pub use neg_binomial_2::NegBinomial2;
pub use normal::Normal;
pub use ordered_logistic::OrderedLogistic;
pub use pareto::Pareto;
pub use poisson::Poisson;
pub use poisson_log::PoissonLog;
pub use student_t::StudentT;
pub use uniform::Uniform;
pub use von_mises::VonMises;
pub use weibull::Weibull;

use crate::BadParameters;
use jensen_rng::Stream;
use jensen_special::gamma_divergence::x_ln_x_divergence;
use jensen_special::logspace::{inv_logit, log1p_exp};
use jensen_special::remainder::{expm1mx, log1pmx};
use std::f64::consts::LN_2;

/// The distributions of one number, by name.
pub static CATALOGUE: &[&dyn Univariate] = &[
    &Bernoulli,
    &BernoulliLogit,
    &Beta,
    &BetaBinomial,
    &Binomial,
    &BinomialLogit,
    &Categorical,
    &CategoricalLogit,
    &Cauchy,
    &ChiSquare,
    &DoubleExponential,
    &Exponential,
    &Gamma,
    &InvGamma,
    &Logistic,
    &Lognormal,
    &NegBinomial2,
    &Normal,
    &OrderedLogistic,
    &Pareto,
    &Poisson,
    &PoissonLog,
    &StudentT,
    &Uniform,
    &VonMises,
    &Weibull,
];

/// A distribution of one number x with parameters theta `[p]`. Names of laws and parameterizations are Stan's;
/// parameters have words where Stan has letters: `chance` for theta, `dof` for nu, `mean` for mu, `sd` for sigma,
/// `precision` for phi, `concentrations` for alpha.
///
/// The author writes [`formula`](Univariate::formula) for one point inside; callers ask for
/// [`ln_prob_and_partials`](Univariate::ln_prob_and_partials), which looks after the outside: parameters
/// outside their space give NaN; x outside the support gives minus infinity.
/// All other functions expect parameters that [`admits`](Univariate::admits) accepts.
pub trait Univariate: Sync {
    /// Its name, with the parameterization where in doubt.
    fn name(&self) -> &'static str;

    /// The parameters in their order; the last may be a vector, which takes the rest of theta.
    fn params(&self) -> &'static [Param];

    /// Whether the parameters are inside their space.
    fn admits(&self, theta: &[f64]) -> bool {
        let mut rest = theta;
        for param in self.params() {
            let n = if param.space.is_vector() {
                rest.len()
            } else {
                1
            };
            if rest.len() < n || !param.space.holds(&rest[..n]) {
                return false;
            }
            rest = &rest[n..];
        }
        rest.is_empty()
    }

    /// The same with a reason, for the border to a user.
    ///
    /// # Errors
    /// [`BadParameters`] with the parameter at fault.
    fn check(&self, theta: &[f64]) -> Result<(), BadParameters> {
        let (law, params) = (self.name(), self.params());
        // A vector takes the rest, which is at least one number.
        let is_long =
            params.last().is_some_and(|p| p.space.is_vector()) && theta.len() > params.len();
        if theta.len() != params.len() && !is_long {
            return Err(BadParameters::Length {
                law,
                what: "numbers".to_owned(),
                expected: params.len(),
                found: theta.len(),
            });
        }
        for (i, param) in params.iter().enumerate() {
            let values = if param.space.is_vector() {
                &theta[i..]
            } else {
                &theta[i..=i]
            };
            if !param.space.holds(values) {
                return Err(BadParameters::Outside {
                    law,
                    parameter: param.name,
                    expected: param.space.describe(),
                    found: values.to_vec(),
                });
            }
        }
        match self.admits(theta) {
            true => Ok(()),
            false => Err(BadParameters::Together {
                law,
                found: theta.to_vec(),
            }),
        }
    }

    /// Where the mass is.
    fn support(&self, theta: &[f64]) -> Support;

    /// [`ln_prob_and_partials`](Univariate::ln_prob_and_partials) for admitted parameters and x in the
    /// support, ends included.
    fn formula(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64;

    /// The normalized log density or log mass at x, nats; writes the partials `[1 + p]` by x and by each
    /// parameter. The partial of a discrete x or parameter is zero. Entries of a simplex count as free.
    fn ln_prob_and_partials(&self, x: f64, theta: &[f64], partials: &mut [f64]) -> f64 {
        if x.is_nan() || !self.admits(theta) {
            partials.fill(f64::NAN);
            return f64::NAN;
        }
        if !self.support(theta).contains(x) {
            return nothing(partials);
        }
        self.formula(x, theta, partials)
    }

    /// The normalized log density or log mass at x, nats.
    fn ln_prob(&self, x: f64, theta: &[f64]) -> f64 {
        // Only vectors of parameters are longer than this.
        const FEW: usize = 8;
        if theta.len() < FEW {
            let mut partials = [0.0; FEW];
            self.ln_prob_and_partials(x, theta, &mut partials[..=theta.len()])
        } else {
            self.ln_prob_and_partials(x, theta, &mut vec![0.0; theta.len() + 1])
        }
    }

    /// One draw; the method is fixed, so that the same stream gives the same draws in every version.
    fn sample(&self, theta: &[f64], stream: &mut Stream) -> f64;

    /// The mean; infinite where it diverges, NaN where it does not exist. On a circle the mean direction.
    fn mean(&self, theta: &[f64]) -> f64;

    /// The variance; infinite where it diverges, NaN where it does not exist. On a circle
    /// 1 - |E e^(ix)|, between 0 and 1.
    fn variance(&self, theta: &[f64]) -> f64;

    /// The entropy, nats, where there is a closed form or a sum of few terms.
    fn entropy(&self, _theta: &[f64]) -> Option<f64> {
        None
    }

    /// KL(theta || other) between two members, nats, at least zero, where there is a closed form;
    /// infinite where theta has mass and other has none.
    fn kl(&self, theta: &[f64], other: &[f64]) -> Option<f64> {
        self.exponential_family()?.divergence(theta, other)
    }

    /// The view as an exponential family, where it is one.
    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        None
    }

    /// E ln x and the variance of ln x, for laws on positive numbers where there are closed forms.
    fn ln_moments(&self, _theta: &[f64]) -> Option<[f64; 2]> {
        None
    }

    /// E x^c for laws on positive numbers where there is a closed form; infinite where it diverges.
    fn power_moment(&self, _theta: &[f64], _c: f64) -> Option<f64> {
        None
    }

    /// E ln p(x) for this density under a law of another family that has its mass inside, nats, where there
    /// is a closed form; minus infinity where it diverges.
    fn mean_ln_prob(&self, _theta: &[f64], _of: &dyn Univariate, _with: &[f64]) -> Option<f64> {
        None
    }

    /// The same law as a member of a wider family with its parameters: an exponential law is a gamma law.
    fn wider(&self, _theta: &[f64]) -> Option<(&'static dyn Univariate, Vec<f64>)> {
        None
    }
}

/// KL(p || q) between members of one family, of families that share a wider one, or of two continuous families
/// whose cross-entropy has a closed form, nats. Infinite where p has mass outside of q or tails too heavy for
/// it. Across families entropy and cross-entropy cancel: the error is some ulp of them.
pub fn kl(p: &dyn Univariate, theta: &[f64], q: &dyn Univariate, other: &[f64]) -> Option<f64> {
    if p.name() == q.name() {
        return p.kl(theta, other);
    }
    if let Some((wider, theta)) = p.wider(theta) {
        return kl(wider, &theta, q, other);
    }
    if let Some((wider, other)) = q.wider(other) {
        return kl(p, theta, wider, &other);
    }
    let (Support::Interval(low, high), Support::Interval(least, most)) =
        (p.support(theta), q.support(other))
    else {
        return None;
    };
    if low < least || high > most {
        return Some(f64::INFINITY);
    }
    let cross = q.mean_ln_prob(other, p, theta)?;
    Some((-p.entropy(theta)? - cross).max(0.0))
}

/// A parameter of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Its name: `sd`, `shape`.
    pub name: &'static str,
    /// Where it lives.
    pub space: Space,
}

impl Param {
    const fn new(name: &'static str, space: Space) -> Self {
        Self { name, space }
    }
}

/// A set of numbers, or of vectors of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Space {
    /// Any real number.
    Real,
    /// Above zero.
    Positive,
    /// Between zero and one, ends included.
    Unit,
    /// 0, 1, 2, ...; it has no partial.
    Count,
    /// Any vector of at least one real number.
    Vector,
    /// Vectors of numbers of at least zero that sum to one, within [`SIMPLEX_TOLERANCE`].
    Simplex,
    /// Rising vectors of at least one number.
    Ordered,
}

/// How far from one the sum of a simplex may be: Stan's tolerance for the same check.
pub const SIMPLEX_TOLERANCE: f64 = 1e-8;

impl Space {
    /// What its members are, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Real => "a finite number",
            Self::Positive => "a number above zero",
            Self::Unit => "a number between zero and one",
            Self::Count => "a whole number of at least zero",
            Self::Vector => "finite numbers",
            Self::Simplex => "numbers of at least zero with sum one",
            Self::Ordered => "rising numbers",
        }
    }

    /// Whether its members are vectors.
    pub fn is_vector(self) -> bool {
        matches!(self, Self::Vector | Self::Simplex | Self::Ordered)
    }

    /// Whether the numbers are in it; one number unless it is a space of vectors.
    pub fn holds(self, values: &[f64]) -> bool {
        if values.is_empty() || !values.iter().all(|v| v.is_finite()) {
            return false;
        }
        match self {
            Self::Real | Self::Vector => true,
            Self::Positive => values[0] > 0.0,
            Self::Unit => (0.0..=1.0).contains(&values[0]),
            Self::Count => values[0] >= 0.0 && values[0].fract() == 0.0,
            Self::Simplex => {
                values.iter().all(|&v| v >= 0.0)
                    && (values.iter().sum::<f64>() - 1.0).abs() <= SIMPLEX_TOLERANCE
            }
            Self::Ordered => values.windows(2).all(|pair| pair[0] < pair[1]),
        }
    }
}

/// Where a distribution has its mass, for given parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// An interval with its ends, which may be infinite.
    Interval(f64, f64),
    /// The whole numbers from the first to the last; the last may be infinite.
    Integers(f64, f64),
    /// The circle: x and x + 2 pi are the same point, and any interval of that length has mass one.
    Circle,
}

impl Support {
    /// Whether a number lies in it.
    pub fn contains(self, x: f64) -> bool {
        x.is_finite()
            && match self {
                Self::Interval(low, high) => low <= x && x <= high,
                Self::Integers(low, high) => low <= x && x <= high && x.fract() == 0.0,
                Self::Circle => true,
            }
    }
}

const REALS: Support = Support::Interval(f64::NEG_INFINITY, f64::INFINITY);
const POSITIVES: Support = Support::Interval(0.0, f64::INFINITY);

/// Log density and partials where there is no mass.
fn nothing(partials: &mut [f64]) -> f64 {
    partials.fill(0.0);
    f64::NEG_INFINITY
}

/// ln(1 + z^2 / n) for z = (x - m) / s, also where z, its square or x - m is too large a number.
fn ln_1p_square(x: f64, location: f64, scale: f64, n: f64) -> f64 {
    /// From here on the one is below the last place.
    const LARGE: f64 = 1e17;
    let z = (x - location) / scale;
    let ratio = z * (z / n);
    if ratio < LARGE {
        return ratio.ln_1p();
    }
    let ln_distance = (0.5 * x - 0.5 * location).abs().ln() + LN_2;
    2.0 * (ln_distance - scale.ln()) - n.ln()
}

/// a / x, and 0 where a = 0: the partial of a ln x.
fn ratio(a: f64, x: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / x }
}

/// p ln(p / q) - (p - q): a term of the divergence between laws on few points. The masses cancel in the sum,
/// every term is at least zero, and neighbors keep their digits. `difference` is p - q.
pub(crate) fn divergence_term(p: f64, q: f64, difference: f64) -> f64 {
    x_ln_x_divergence(q, p, difference)
}

/// The same by the logarithm of p and that of q / p.
fn divergence_term_by_ln(ln_p: f64, ln_ratio: f64) -> f64 {
    let (p, q) = (ln_p.exp(), (ln_p + ln_ratio).exp());
    match ln_ratio < 1.0 && p > 0.0 {
        true => p * expm1mx(ln_ratio),
        // The ratio may be too large a number where its product with p is none.
        false => q - if p > 0.0 { p * (1.0 + ln_ratio) } else { 0.0 },
    }
}

/// The divergence between coins with the chances p and q.
fn divergence_of_coins(p: f64, q: f64) -> f64 {
    divergence_term(p, q, p - q) + divergence_term(1.0 - p, 1.0 - q, q - p)
}

/// The same by the log-odds a and b: ln(1 + p (e^t - 1)) - p t for t = b - a, where p is the smaller chance.
fn divergence_of_odds(a: f64, b: f64) -> f64 {
    // Both signs change alike, which exchanges the sides of the coins.
    let (a, b) = if a > 0.0 { (-a, -b) } else { (a, b) };
    let (t, p) = (b - a, inv_logit(a));
    match t < 1.0 {
        true => (log1pmx(p * t.exp_m1()) + p * expm1mx(t)).max(0.0),
        // ln of the ratio of 1 + e^b and 1 + e^a: the power may be too large a number.
        false => (log1p_exp(b) - log1p_exp(a) - p * t).max(0.0),
    }
}

/// Mean and variance of a law on 1, ..., n by their sums.
fn moments_of_categories(law: &dyn Univariate, theta: &[f64], n: usize) -> (f64, f64) {
    let moment = |f: &dyn Fn(f64) -> f64| -> f64 {
        (1..=n)
            .map(|k| f(k as f64) * law.ln_prob(k as f64, theta).exp())
            .sum()
    };
    let mean = moment(&|k| k);
    (mean, moment(&|k| (k - mean) * (k - mean)))
}

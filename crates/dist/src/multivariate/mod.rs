//! Distributions of vectors and matrices.
//!
//! x and each parameter are slices; matrices `[d, d]` stand column after column. One number d fixes all
//! shapes. Linear algebra allocates: these densities cost d^3 and are evaluated once per model, not once
//! per datum.

pub(crate) mod dirichlet;
mod exponential_family;
mod inv_wishart;
mod lkj_corr_cholesky;
mod matrix;
mod multi_normal;
mod multi_normal_cholesky;
mod multi_normal_prec;
mod multinomial;
mod wishart;

pub use dirichlet::Dirichlet;
pub use exponential_family::ExponentialFamily;
pub use inv_wishart::InvWishart;
pub use lkj_corr_cholesky::LkjCorrCholesky;
pub use multi_normal::MultiNormal;
pub use multi_normal_cholesky::MultiNormalCholesky;
pub use multi_normal_prec::MultiNormalPrec;
pub use multinomial::Multinomial;
pub use wishart::Wishart;

use crate::BadParameters;
use crate::univariate::{SIMPLEX_TOLERANCE, Space};
use jensen_rng::Stream;

/// The distributions of vectors and matrices, by name.
pub static CATALOGUE: &[&dyn Multivariate] = &[
    &Dirichlet,
    &InvWishart,
    &LkjCorrCholesky,
    &MultiNormal,
    &MultiNormalCholesky,
    &MultiNormalPrec,
    &Multinomial,
    &Wishart,
];

/// A distribution of a vector `[d]` or matrix `[d, d]` x with parameters theta. Names of laws and
/// parameterizations are Stan's; parameters have words, as in [`Univariate`](crate::Univariate).
///
/// As with [`Univariate`](crate::Univariate) the author writes [`formula`](Multivariate::formula) for one
/// point inside, and callers ask for [`ln_prob_and_partials`](Multivariate::ln_prob_and_partials).
/// All other functions expect parameters that [`admits`](Multivariate::admits) accepts.
///
/// Partials by a symmetric matrix are a symmetric matrix G with df = sum_ij G_ij dM_ij for symmetric dM;
/// those by a triangular matrix are zero above the diagonal; entries of a simplex count as free.
pub trait Multivariate: Sync {
    /// Its name, with the parameterization where in doubt.
    fn name(&self) -> &'static str;

    /// The set that x lies in, which also says its shape.
    fn set(&self) -> Set;

    /// The parameters in their order.
    fn params(&self) -> &'static [Param];

    /// Whether the parameters have their shapes and are inside their sets.
    fn admits(&self, d: usize, theta: &[&[f64]]) -> bool {
        theta.len() == self.params().len()
            && (self.params().iter().zip(theta)).all(|(param, values)| param.set.holds(d, values))
    }

    /// The same with a reason, for the border to a user.
    ///
    /// # Errors
    /// [`BadParameters`] with the parameter at fault.
    fn check(&self, d: usize, theta: &[&[f64]]) -> Result<(), BadParameters> {
        let (law, params) = (self.name(), self.params());
        let length = |what: String, expected: usize, found: usize| BadParameters::Length {
            law,
            what,
            expected,
            found,
        };
        if theta.len() != params.len() {
            return Err(length("parameters".to_owned(), params.len(), theta.len()));
        }
        for (param, values) in params.iter().zip(theta) {
            let expected = param.set.len(d);
            if values.len() != expected {
                return Err(length(
                    format!("numbers in {}", param.name),
                    expected,
                    values.len(),
                ));
            }
            if !param.set.holds(d, values) {
                return Err(BadParameters::Outside {
                    law,
                    parameter: param.name,
                    expected: param.set.describe(),
                    found: values.to_vec(),
                });
            }
        }
        match self.admits(d, theta) {
            true => Ok(()),
            false => Err(BadParameters::Together {
                law,
                found: theta.concat(),
            }),
        }
    }

    /// Whether x, which has its shape, is in the support.
    fn supports(&self, d: usize, x: &[f64], _theta: &[&[f64]]) -> bool {
        self.set().holds(d, x)
    }

    /// [`ln_prob_and_partials`](Multivariate::ln_prob_and_partials) for admitted parameters and x in the
    /// support.
    fn formula(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64;

    /// The normalized log density or log mass at x, nats; writes the partials by x and by each parameter,
    /// shaped like them. The partial of a discrete x or parameter is zero. Parameters outside their sets
    /// give NaN; x outside the support gives minus infinity.
    fn ln_prob_and_partials(
        &self,
        d: usize,
        x: &[f64],
        theta: &[&[f64]],
        by_x: &mut [f64],
        by_theta: &mut [&mut [f64]],
    ) -> f64 {
        let value = if x.iter().any(|x| x.is_nan()) || !self.admits(d, theta) {
            f64::NAN
        } else if !self.supports(d, x, theta) {
            f64::NEG_INFINITY
        } else {
            return self.formula(d, x, theta, by_x, by_theta);
        };
        let partial = if value.is_nan() { value } else { 0.0 };
        by_x.fill(partial);
        by_theta.iter_mut().for_each(|by| by.fill(partial));
        value
    }

    /// The normalized log density or log mass at x, nats.
    fn ln_prob(&self, d: usize, x: &[f64], theta: &[&[f64]]) -> f64 {
        let mut by_theta: Vec<Vec<f64>> = theta.iter().map(|t| vec![0.0; t.len()]).collect();
        let mut by_theta: Vec<&mut [f64]> = by_theta.iter_mut().map(Vec::as_mut_slice).collect();
        self.ln_prob_and_partials(d, x, theta, &mut vec![0.0; x.len()], &mut by_theta)
    }

    /// Writes one draw to x; the method is fixed.
    fn sample(&self, d: usize, theta: &[&[f64]], stream: &mut Stream, x: &mut [f64]);

    /// Writes the mean of every entry; infinite or NaN where it does not exist.
    fn mean(&self, d: usize, theta: &[&[f64]], mean: &mut [f64]);

    /// Writes the variance of every entry; infinite or NaN where it does not exist.
    fn variance(&self, d: usize, theta: &[&[f64]], variance: &mut [f64]);

    /// The entropy, nats, where there is a closed form or a sum of few terms.
    fn entropy(&self, _d: usize, _theta: &[&[f64]]) -> Option<f64> {
        None
    }

    /// KL(theta || other) between two members, nats, at least zero, where there is a closed form.
    fn kl(&self, d: usize, theta: &[&[f64]], other: &[&[f64]]) -> Option<f64> {
        self.exponential_family()?.divergence(d, theta, other)
    }

    /// The view as an exponential family, where it is one.
    fn exponential_family(&self) -> Option<&dyn ExponentialFamily> {
        None
    }
}

/// A parameter of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Its name: `mean`, `scale`.
    pub name: &'static str,
    /// Where it lives, which also says its shape.
    pub set: Set,
}

impl Param {
    const fn new(name: &'static str, set: Set) -> Self {
        Self { name, set }
    }
}

/// A set of numbers, vectors `[d]` or matrices `[d, d]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Set {
    /// One number above zero.
    Positive,
    /// One whole number of at least zero.
    Count,
    /// Vectors of real numbers.
    Vector,
    /// Vectors of numbers above zero.
    PositiveVector,
    /// Vectors of whole numbers of at least zero.
    Counts,
    /// Vectors of numbers of at least zero that sum to one.
    Simplex,
    /// Symmetric positive definite matrices.
    Covariance,
    /// Lower triangular matrices with a positive diagonal.
    CholeskyFactor,
    /// Those whose rows have length one: Cholesky factors of correlation matrices.
    CholeskyCorr,
}

impl Set {
    /// What its members are, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Positive => "a number above zero",
            Self::Count => "a whole number of at least zero",
            Self::Vector => "finite numbers",
            Self::PositiveVector => "numbers above zero",
            Self::Counts => "whole numbers of at least zero",
            Self::Simplex => "numbers of at least zero with sum one",
            Self::Covariance => "a symmetric positive definite matrix",
            Self::CholeskyFactor => "a lower triangular matrix with a positive diagonal",
            Self::CholeskyCorr => {
                "a lower triangular matrix with a positive diagonal and rows of length one"
            }
        }
    }

    /// How many numbers a member has.
    pub fn len(self, d: usize) -> usize {
        match self {
            Self::Positive | Self::Count => 1,
            Self::Vector | Self::PositiveVector | Self::Counts | Self::Simplex => d,
            Self::Covariance | Self::CholeskyFactor | Self::CholeskyCorr => d * d,
        }
    }

    /// Whether the numbers are a member.
    pub fn holds(self, d: usize, values: &[f64]) -> bool {
        if values.len() != self.len(d) || !values.iter().all(|v| v.is_finite()) {
            return false;
        }
        match self {
            Self::Vector => true,
            Self::Positive | Self::PositiveVector => values.iter().all(|&v| v > 0.0),
            Self::Count | Self::Counts => values.iter().all(|v| *v >= 0.0 && v.fract() == 0.0),
            Self::Simplex => Space::Simplex.holds(values),
            Self::Covariance => {
                matrix::is_symmetric(d, values) && matrix::cholesky(d, values).is_some()
            }
            Self::CholeskyFactor => matrix::is_cholesky_factor(d, values),
            Self::CholeskyCorr => {
                let square = |i: usize| (0..d).map(|j| values[i + d * j].powi(2)).sum::<f64>();
                matrix::is_cholesky_factor(d, values)
                    && (0..d).all(|i| (square(i) - 1.0).abs() <= SIMPLEX_TOLERANCE)
            }
        }
    }
}

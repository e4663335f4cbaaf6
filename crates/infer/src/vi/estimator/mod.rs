//! Unbiased estimates of the gradient of an objective by lambda, from a batch of draws.
//!
//! An estimator gives one estimate for each group of K draws; their mean is the step's gradient and their
//! spread tells how noisy it is.

mod factors;
mod reparameterization;
mod score;

pub use reparameterization::Reparameterization;
pub use score::{Baseline, Score};

use crate::InferError;
use crate::family::Family;
use crate::optimize::Place;
use crate::vi::{Batch, Objective};
use jensen_density::{Factored, LogDensity, Reject};

/// How the gradient is estimated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Estimator {
    /// By the score function: no gradient of the density is used.
    Score(Score),
    /// By the path of each draw.
    Reparameterization(Reparameterization),
}

/// What an estimate is made of.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// The family of q.
    pub family: &'a dyn Family,
    /// Its parameters lambda, `[n_params]`.
    pub params: &'a [f64],
    /// What rises.
    pub objective: Objective,
    /// The factors of the density, for Rao-Blackwellization.
    pub factored: Option<&'a dyn Factored>,
    /// The running mean of the objective in earlier steps, where there were any.
    pub baseline: Option<f64>,
}

impl Estimator {
    /// Estimates `[G, n_params]` from the G full groups of the batch; none at all where
    /// [`Estimator::try_gradients`] refuses.
    pub fn gradients(&self, problem: Problem<'_>, batch: &Batch) -> Vec<f64> {
        self.try_gradients(problem, batch).unwrap_or_default()
    }

    /// Estimates `[G, n_params]` from the G full groups of the batch.
    ///
    /// # Errors
    /// [`Reject`] where the factors refuse a position that the density accepts.
    pub fn try_gradients(&self, problem: Problem<'_>, batch: &Batch) -> Result<Vec<f64>, Reject> {
        match self {
            Self::Score(score) => score.gradients(problem, batch),
            Self::Reparameterization(path) => Ok(path.gradients(problem, batch)),
        }
    }

    /// Whether the factors, where they are used, are those of the density at a position `[d]` that it accepts.
    ///
    /// # Errors
    /// [`InferError::Factors`] with what differs.
    pub(crate) fn check_factors(
        &self,
        factored: Option<&dyn Factored>,
        target: &dyn LogDensity,
        place: &Place,
    ) -> Result<(), InferError> {
        match (self, factored) {
            (Self::Score(score), Some(factored)) if score.rao_blackwell => {
                factors::check(factored, target, place)
            }
            _ => Ok(()),
        }
    }

    /// Whether the parts fit together.
    ///
    /// # Errors
    /// [`InferError::Contradiction`] that names the parts.
    pub(crate) fn check(
        &self,
        family: &dyn Family,
        objective: Objective,
        factored: Option<&dyn Factored>,
        n_draws: usize,
    ) -> Result<(), InferError> {
        match self {
            Self::Score(score) => score.check(family, objective, factored, n_draws),
            Self::Reparameterization(_) => Ok(()),
        }
    }
}

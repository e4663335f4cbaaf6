//! A bound on the gradients of a fit: a density that counts its evaluations, and refuses them once they are too many.
//!
//! What is under way then comes to its end on refusals, as after a request to stop, and its result is thrown away:
//! evaluations of threads come in any order, so that only work that ended within the budget is the same for any number
//! of them.

use crate::InferError;
use jensen_density::{Cause, Layout, LogDensity, Reject};
use jensen_run::{Event, Observer};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What a refusal of a budget names as its place.
const PLACE: &str = "max_gradients";

/// Gradients that may be used, and those that were.
pub(crate) struct Budget {
    most: u64,
    used: AtomicU64,
    has_refused: AtomicBool,
}

impl Budget {
    /// So many gradients, or any number of them.
    pub(crate) fn new(most: Option<u64>) -> Self {
        Self {
            most: most.unwrap_or(u64::MAX),
            used: AtomicU64::new(0),
            has_refused: AtomicBool::new(false),
        }
    }

    /// Gradients that may be used.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Gradients asked for so far.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Charges gradients that another run of the same fit has used.
    pub(crate) fn charge(&self, n_gradients: u64) {
        self.used.fetch_add(n_gradients, Ordering::Relaxed);
    }

    /// Whether more were asked for than there are.
    pub(crate) fn is_spent(&self) -> bool {
        self.used() > self.most
    }

    /// Whether a budget, this one or one around it, refused an evaluation: what came of it is to be thrown away.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused.load(Ordering::Relaxed)
    }

    /// Listens to the refusals of a budget around this one.
    fn heard<T>(&self, outcome: Result<T, Reject>) -> Result<T, Reject> {
        if outcome.as_ref().is_err_and(|reject| reject.place == PLACE) {
            self.has_refused.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// The error of a method that ended so.
    pub(crate) fn error(&self, method: &'static str) -> InferError {
        InferError::Budget {
            method,
            max_gradients: self.most,
        }
    }

    fn take(&self, n_gradients: u64) -> Result<(), Reject> {
        let before = self.used.fetch_add(n_gradients, Ordering::Relaxed);
        match before.saturating_add(n_gradients) > self.most {
            false => Ok(()),
            true => self.heard(Err(Reject::at(PLACE, Cause::OutsideSupport))),
        }
    }
}

/// A density whose evaluations a budget pays.
pub(crate) struct Paid<'a> {
    pub(crate) target: &'a dyn LogDensity,
    pub(crate) budget: &'a Budget,
}

impl LogDensity for Paid<'_> {
    fn layout(&self) -> &Layout {
        self.target.layout()
    }

    fn dim(&self) -> usize {
        self.target.dim()
    }

    fn scratch_len(&self) -> usize {
        self.target.scratch_len()
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        self.budget.take(1)?;
        let outcome = self.target.log_density_and_grad(position, grad, scratch);
        self.budget.heard(outcome)
    }

    fn log_density_and_grad_batch(
        &self,
        positions: &[f64],
        grads: &mut [f64],
        scratch: &mut [f64],
    ) -> Vec<Result<f64, Reject>> {
        let n = positions.len() / self.dim().max(1);
        match self.budget.take(n as u64) {
            Ok(()) => {
                let batch = (self.target).log_density_and_grad_batch(positions, grads, scratch);
                let each = batch.into_iter();
                each.map(|outcome| self.budget.heard(outcome)).collect()
            }
            Err(reject) => vec![Err(reject); n],
        }
    }

    fn hessian_vector_product(
        &self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
        scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        let outcome = (self.target).hessian_vector_product(position, vector, product, scratch)?;
        // A density without products of its own is asked for gradients instead, which pay for themselves.
        Some((self.budget.take(1)).and(self.budget.heard(outcome)))
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        self.target.constrain(position, values);
    }
}

/// An observer that asks to stop once a budget is spent, too.
pub(crate) struct Payer<'a> {
    pub(crate) observer: &'a mut dyn Observer,
    pub(crate) budget: &'a Budget,
}

impl Payer<'_> {
    /// Whether the budget is spent, and nobody else asked to stop.
    pub(crate) fn is_broke(&self) -> bool {
        self.budget.is_spent() && !self.observer.stop_requested()
    }
}

impl Observer for Payer<'_> {
    fn on(&mut self, event: &Event<'_>) {
        self.observer.on(event);
    }

    fn stop_requested(&self) -> bool {
        self.observer.stop_requested() || self.budget.is_spent()
    }
}

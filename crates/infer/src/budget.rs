//! A bound on the gradients of a fit: a density that counts its evaluations, and refuses them once they are too many.
//!
//! What is under way then comes to its end on refusals, as after a request to stop, and its result is thrown away:
//! evaluations of threads come in any order, so that only work that ended within the budget is the same for any number
//! of them.

use crate::InferError;
use crate::guard::{Gate, Guarded};
use jensen_density::{Cause, Reject};
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

    /// The error of a method that ended so.
    pub(crate) fn error(&self, method: &'static str) -> InferError {
        InferError::Budget {
            method,
            max_gradients: self.most,
        }
    }
}

impl Gate for Budget {
    fn admit(&self) -> Result<(), Reject> {
        match self.used.fetch_add(1, Ordering::Relaxed) < self.most {
            true => Ok(()),
            false => self.heard(Err(Reject::at(PLACE, Cause::OutsideSupport))),
        }
    }

    fn check(&self) -> Result<(), Reject> {
        match self.used.load(Ordering::Relaxed) < self.most {
            true => Ok(()),
            false => self.heard(Err(Reject::at(PLACE, Cause::OutsideSupport))),
        }
    }

    /// Listens to the refusals of a budget around this one, too.
    fn heard<T>(&self, outcome: Result<T, Reject>) -> Result<T, Reject> {
        if outcome.as_ref().is_err_and(|reject| reject.place == PLACE) {
            self.has_refused.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// A density whose evaluations a budget pays.
pub(crate) type Paid<'a> = Guarded<'a, Budget>;

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

    /// Whether work failed for want of gradients; files that cannot be read or written fail for themselves.
    pub(crate) fn explains(&self, error: &InferError) -> bool {
        self.is_broke() && !matches!(error, InferError::Run(_))
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

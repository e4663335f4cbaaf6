//! A density behind a gate, which may refuse evaluations and listens to their outcomes.

use jensen_density::{Layout, LogDensity, Reject};

/// What stands between a method and its density.
pub(crate) trait Gate: Sync {
    /// Lets an evaluation pass, or says why not.
    fn admit(&self) -> Result<(), Reject>;

    /// Says why it would let none pass, without counting.
    fn check(&self) -> Result<(), Reject>;

    /// Listens to the outcome of one that passed.
    fn heard<T>(&self, outcome: Result<T, Reject>) -> Result<T, Reject> {
        outcome
    }
}

/// A density behind a gate.
pub(crate) struct Guarded<'a, G> {
    pub(crate) target: &'a dyn LogDensity,
    pub(crate) gate: &'a G,
}

impl<G: Gate> LogDensity for Guarded<'_, G> {
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
        self.gate.admit()?;
        let outcome = self.target.log_density_and_grad(position, grad, scratch);
        self.gate.heard(outcome)
    }

    fn hessian_vector_product(
        &self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
        scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        // Before the density is asked; a product is counted once it is known to have any, since otherwise it is asked
        // for gradients instead, which come to the gate themselves.
        if let Err(reject) = self.gate.check() {
            return Some(Err(reject));
        }
        let outcome = (self.target).hessian_vector_product(position, vector, product, scratch)?;
        Some(self.gate.admit().and(self.gate.heard(outcome)))
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        self.target.constrain(position, values);
    }
}

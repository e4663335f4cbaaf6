//! A density that counts what it is asked for, with or without Hessian products of its own.

use jensen_density::{Layout, LogDensity, Reject};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts gradients and Hessian products, from any thread.
pub struct Counted<'a> {
    target: &'a dyn LogDensity,
    has_products: bool,
    n: AtomicU64,
}

impl<'a> Counted<'a> {
    /// Counts what this density is asked for; without `has_products` it says that it has none.
    pub fn new(target: &'a dyn LogDensity, has_products: bool) -> Self {
        Self {
            target,
            has_products,
            n: AtomicU64::new(0),
        }
    }

    /// Gradients and products so far.
    pub fn n(&self) -> u64 {
        self.n.load(Ordering::Relaxed)
    }

    /// Begins to count from zero, and says how many there were.
    pub fn reset(&self) -> u64 {
        self.n.swap(0, Ordering::Relaxed)
    }
}

impl LogDensity for Counted<'_> {
    fn layout(&self) -> &Layout {
        self.target.layout()
    }

    fn scratch_len(&self) -> usize {
        self.target.scratch_len()
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        self.target.constrain(position, values);
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        self.n.fetch_add(1, Ordering::Relaxed);
        self.target.log_density_and_grad(position, grad, scratch)
    }

    fn hessian_vector_product(
        &self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
        scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        if !self.has_products {
            return None;
        }
        let outcome = (self.target).hessian_vector_product(position, vector, product, scratch)?;
        self.n.fetch_add(1, Ordering::Relaxed);
        Some(outcome)
    }
}

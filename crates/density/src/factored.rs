//! Contract: a density whose factors are known, and which coordinates each of them touches.

use crate::{LogDensity, Reject};

/// A log density that is a sum of factors: ln p(x) = sum_a ln f_a(x).
pub trait Factored: LogDensity {
    /// Number of factors.
    fn n_factors(&self) -> usize;

    /// The coordinates that a factor depends on, rising.
    fn coordinates(&self, factor: usize) -> &[usize];

    /// Writes ln f_a at `position` `[d]`, nats, `[n_factors]`; their sum is the log density.
    ///
    /// # Errors
    /// [`Reject`] where [`LogDensity::log_density_and_grad`] refuses.
    fn ln_factors(
        &self,
        position: &[f64],
        ln_factors: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<(), Reject>;
}

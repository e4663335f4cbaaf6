//! Work that ends soon after the observer asks for it, although no loop of it looks.
//!
//! The work runs on the pool while the calling thread listens to the observer. Once a stop is asked for, the
//! density refuses every position: whatever runs comes to its end on refusals, and its result is thrown away.

use crate::InferError;
use jensen_density::{Cause, Layout, LogDensity, Reject};
use jensen_run::Observer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often the observer is asked; it affects no result.
const POLL: Duration = Duration::from_millis(20);

/// Runs `work` on a density that refuses everything once the observer asks to stop.
///
/// # Errors
/// [`InferError::Stopped`] if it was asked to, else none of its own.
pub(crate) fn watched<T: Send>(
    target: &dyn LogDensity,
    observer: &mut dyn Observer,
    work: impl FnOnce(&dyn LogDensity) -> T + Send,
) -> Result<T, InferError> {
    let stop = AtomicBool::new(false);
    let stoppable = Stoppable {
        target,
        stop: &stop,
    };
    let (sender, inbox) = mpsc::channel();
    let density = &stoppable;
    let result = rayon::in_place_scope(|scope| {
        scope.spawn(move |_| {
            // The listener lives until this message arrives.
            let _ = sender.send(work(density));
        });
        loop {
            if observer.stop_requested() {
                stop.store(true, Ordering::Relaxed);
            }
            // On the only thread of a pool the work waits for this one.
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                continue;
            }
            match inbox.recv_timeout(POLL) {
                Ok(result) => return Some(result),
                Err(RecvTimeoutError::Timeout) => {}
                // The work panicked; the scope hands it on.
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    });
    match result {
        Some(result) if !stop.load(Ordering::Relaxed) => Ok(result),
        _ => Err(InferError::Stopped),
    }
}

struct Stoppable<'a> {
    target: &'a dyn LogDensity,
    stop: &'a AtomicBool,
}

impl Stoppable<'_> {
    fn going(&self) -> Result<(), Reject> {
        match self.stop.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Reject::at("a stop on request", Cause::OutsideSupport)),
        }
    }
}

impl LogDensity for Stoppable<'_> {
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
        self.going()?;
        self.target.log_density_and_grad(position, grad, scratch)
    }

    fn log_density_and_grad_batch(
        &self,
        positions: &[f64],
        grads: &mut [f64],
        scratch: &mut [f64],
    ) -> Vec<Result<f64, Reject>> {
        match self.going() {
            Ok(()) => (self.target).log_density_and_grad_batch(positions, grads, scratch),
            Err(reject) => vec![Err(reject); positions.len() / self.dim()],
        }
    }

    fn hessian_vector_product(
        &self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
        scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        match self.going() {
            Ok(()) => (self.target).hessian_vector_product(position, vector, product, scratch),
            Err(reject) => Some(Err(reject)),
        }
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        self.target.constrain(position, values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::Quadratic;
    use jensen_density::Evaluator;
    use jensen_run::{Event, Silent};

    /// Asks to stop at once.
    struct Impatient;

    impl Observer for Impatient {
        fn on(&mut self, _: &Event<'_>) {}

        fn stop_requested(&self) -> bool {
            true
        }
    }

    /// Evaluates until the density refuses.
    fn until_refused(target: &dyn LogDensity) -> u64 {
        let mut evaluator = Evaluator::new(target);
        while evaluator.log_density(&[0.0]) > f64::NEG_INFINITY {}
        evaluator.n_gradients()
    }

    #[test]
    fn endless_work_ends_on_request() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        let outcome = watched(&target, &mut Impatient, until_refused);
        assert!(matches!(outcome, Err(InferError::Stopped)));
    }

    #[test]
    fn work_runs_on_any_number_of_threads() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        for n_threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(n_threads)
                .build()
                .unwrap();
            let value = pool.install(|| {
                watched(&target, &mut Silent, |target| {
                    Evaluator::new(target).log_density(&[1.0])
                })
            });
            assert_eq!(value.unwrap(), Evaluator::new(&target).log_density(&[1.0]));
        }
    }
}

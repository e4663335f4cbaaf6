//! Work that ends soon after the observer asks for it, although no loop of it looks.
//!
//! The work has a thread of its own while the calling thread listens to the observer. Once a stop is asked for, the
//! density refuses every position: whatever runs comes to its end on refusals, and its result is thrown away.
//!
//! A caller that listens does nothing else. Inside a pool that is a thread less, and where several listen at once
//! there may be none left; so work that is called from a pool has a pool of its own.

use crate::InferError;
use jensen_density::{Cause, Layout, LogDensity, Reject};
use jensen_run::Observer;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often the observer is asked; it affects no result.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Runs `work` on a density that refuses everything once the observer asks to stop. A panic of the work is one of the
/// caller.
///
/// # Errors
/// [`InferError::Stopped`] if it was asked to, else none of its own.
pub(crate) fn watched<T: Send>(
    target: &dyn LogDensity,
    observer: &mut dyn Observer,
    work: impl FnOnce(&dyn LogDensity) -> T + Send,
) -> Result<T, InferError> {
    let stop = AtomicBool::new(false);
    let density = Stoppable {
        target,
        stop: &stop,
    };
    let room = Room::of(rayon::current_num_threads());
    let outcome = thread::scope(|scope| {
        let _alarm = Alarm(&stop);
        let (end, inbox) = mpsc::channel::<()>();
        let (room, density) = (&room, &density);
        let worker = scope.spawn(move || {
            // Dropped at the end of the work, which wakes the listener.
            let _end = end;
            room.run(|| work(density))
        });
        loop {
            if observer.stop_requested() {
                stop.store(true, Ordering::Relaxed);
            }
            if inbox.recv_timeout(POLL) == Err(RecvTimeoutError::Disconnected) {
                return worker.join();
            }
        }
    });
    match outcome {
        Err(panic) => resume_unwind(panic),
        Ok(_) if stop.load(Ordering::Relaxed) => Err(InferError::Stopped),
        Ok(result) => Ok(result),
    }
}

/// Where parallel work runs whose caller waits without helping.
pub(crate) struct Room {
    /// None outside of pools, since nobody there holds up the global one.
    pool: Option<rayon::ThreadPool>,
}

impl Room {
    /// A room of this many threads for a caller in a pool.
    pub(crate) fn of(n_threads: usize) -> Self {
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(n_threads);
        Self {
            pool: rayon::current_thread_index()
                .map(|_| pool().build().expect("the system starts no more threads")),
        }
    }

    /// Runs work to its end, on the calling thread where it need not be elsewhere.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            None => work(),
            Some(pool) => pool.install(work),
        }
    }
}

/// Asks others to stop when its thread panics, so that nobody waits for their end in vain.
pub(crate) struct Alarm<'a>(pub(crate) &'a AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
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
    use crate::targets::{Quadratic, Target};
    use jensen_density::Evaluator;
    use jensen_run::{Event, Silent};
    use rayon::prelude::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

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

    /// Runs a test outside of pools, and inside pools of one and two threads.
    fn everywhere(test: impl Fn() + Sync) {
        test();
        for n_threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads);
            pool.build().unwrap().install(&test);
        }
    }

    #[test]
    fn work_runs_on_any_number_of_threads() {
        let target = Quadratic::new(&[1.0], &[0.0]);
        everywhere(|| {
            let n_threads = rayon::current_num_threads();
            let (value, n_own) = watched(&target, &mut Silent, |target| {
                let values = [1.0, 2.0].par_iter();
                let values = values.map(|x| Evaluator::new(target).log_density(&[*x]));
                (values.collect::<Vec<f64>>(), rayon::current_num_threads())
            })
            .unwrap();
            assert_eq!((value, n_own), (vec![-0.5, -2.0], n_threads));
        });
    }

    /// A density that is asked for its value waits until its observer was asked to stop.
    #[derive(Default)]
    struct Patience {
        n_asked: AtomicU64,
        n_evaluations: AtomicU64,
    }

    impl Patience {
        fn evaluate(&self) {
            /// For a listener that never comes.
            const LONGEST: Duration = Duration::from_secs(2);
            self.n_evaluations.fetch_add(1, Ordering::SeqCst);
            let (begin, before) = (Instant::now(), self.n_asked.load(Ordering::SeqCst));
            // One answer may have been under way already.
            while self.n_asked.load(Ordering::SeqCst) < before + 2 && begin.elapsed() < LONGEST {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Asks to stop from the second evaluation on.
    struct Listener<'a>(&'a Patience);

    impl Observer for Listener<'_> {
        fn on(&mut self, _: &Event<'_>) {}

        fn stop_requested(&self) -> bool {
            self.0.n_asked.fetch_add(1, Ordering::SeqCst);
            self.0.n_evaluations.load(Ordering::SeqCst) >= 2
        }
    }

    #[test]
    fn a_stop_is_heard_while_the_work_goes_on() {
        everywhere(|| {
            let patience = Patience::default();
            let target = Target::new(1, |_: &[f64], _: &mut [f64]| {
                patience.evaluate();
                0.0
            });
            let outcome = watched(&target, &mut Listener(&patience), |target| {
                let mut evaluator = Evaluator::new(target);
                (0..5).for_each(|_| _ = evaluator.log_density(&[0.0]));
            });
            assert!(matches!(outcome, Err(InferError::Stopped)));
            assert_eq!(patience.n_evaluations.into_inner(), 2);
        });
    }

    /// What a panic says.
    fn panic_of<T>(work: impl FnOnce() -> T) -> &'static str {
        let panic = catch_unwind(AssertUnwindSafe(work)).err();
        let panic = panic.expect("nothing panicked");
        panic.downcast_ref::<&str>().expect("other words")
    }

    #[test]
    fn panics_arrive_with_their_words() {
        let target = Target::new(1, |_: &[f64], _: &mut [f64]| panic!("in the density"));
        everywhere(|| {
            let outcome = || watched(&target, &mut Silent, until_refused);
            assert_eq!(panic_of(outcome), "in the density");
        });
    }

    #[test]
    fn work_ends_where_the_observer_panics() {
        struct Faulty;

        impl Observer for Faulty {
            fn on(&mut self, _: &Event<'_>) {}

            fn stop_requested(&self) -> bool {
                panic!("in the observer")
            }
        }

        let target = Quadratic::new(&[1.0], &[0.0]);
        everywhere(|| {
            let outcome = || watched(&target, &mut Faulty, until_refused);
            assert_eq!(panic_of(outcome), "in the observer");
        });
    }
}

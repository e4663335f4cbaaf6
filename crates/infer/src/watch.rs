//! Work that ends soon after the observer asks for it, although no loop of it looks.
//!
//! The work has a thread of its own while the calling thread listens to the observer. Once a stop is asked for, the
//! density refuses every position: whatever runs comes to its end on refusals, and its result is thrown away.
//!
//! A caller that listens does nothing else. Inside a pool that is a thread less, and where several listen at once
//! there may be none left; so work that is called from a pool has a [`Room`], a pool of its own. All rooms together
//! have no more threads than the caller's pool, and one for each caller: n fits at once in a pool of n take some
//! multiple of n threads and not of its square. How many a room has affects no result.

use crate::InferError;
use crate::guard::{Gate, Guarded};
use jensen_density::{Cause, LogDensity, Reject};
use jensen_run::Observer;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How often the observer is asked; it affects no result.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// Runs `work` on a density that refuses everything once the observer asks to stop. A panic of the work is one of the
/// caller.
///
/// # Errors
/// [`InferError::Stopped`] if it was asked to, [`InferError::Threads`] if there is no thread for the work, else none of
/// its own.
pub(crate) fn watched<T: Send>(
    target: &dyn LogDensity,
    observer: &mut dyn Observer,
    work: impl FnOnce(&dyn LogDensity) -> T + Send,
) -> Result<T, InferError> {
    let stop = AtomicBool::new(false);
    let density = Stoppable {
        target,
        gate: &stop,
    };
    let rooms = Room::several(1)?;
    let outcome = thread::scope(|scope| -> Result<thread::Result<T>, InferError> {
        let _alarm = Alarm(&stop);
        let (end, inbox) = mpsc::channel::<()>();
        let (room, density) = (&rooms[0], &density);
        let worker = thread::Builder::new().spawn_scoped(scope, move || {
            // Dropped at the end of the work, which wakes the listener.
            let _end = end;
            room.run(|| work(density))
        });
        let worker = worker.map_err(|error| no_threads(1, &error))?;
        loop {
            if observer.stop_requested() {
                stop.store(true, Ordering::Relaxed);
            }
            if inbox.recv_timeout(POLL) == Err(RecvTimeoutError::Disconnected) {
                return Ok(worker.join());
            }
        }
    })?;
    match outcome {
        Err(panic) => resume_unwind(panic),
        Ok(_) if stop.load(Ordering::Relaxed) => Err(InferError::Stopped),
        Ok(result) => Ok(result),
    }
}

/// Where parallel work runs whose caller waits without helping.
pub(crate) struct Room {
    /// None outside of pools, since nobody there holds up the global one.
    pool: Option<ThreadPool>,
    /// Its threads, counted among those that are lent.
    n_threads: usize,
    /// Threads of all rooms, from which on none is kept for the next caller.
    n_most: usize,
}

/// All rooms of the process.
struct Rooms {
    /// Threads of those in use.
    n_lent: usize,
    /// Those that wait for the next caller: a fit needs one several times.
    idle: Vec<ThreadPool>,
}

static ROOMS: Mutex<Rooms> = Mutex::new(Rooms {
    n_lent: 0,
    idle: Vec::new(),
});

fn rooms() -> MutexGuard<'static, Rooms> {
    ROOMS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rooms {
    fn n_threads(&self) -> usize {
        let idle = self.idle.iter().map(ThreadPool::current_num_threads);
        self.n_lent + idle.sum::<usize>()
    }
}

impl Room {
    /// At least one room and at most so many, unless none is wanted. Inside a pool they share as many threads as that
    /// pool has and other rooms have left, at least one.
    ///
    /// # Errors
    /// [`InferError::Threads`] if the system starts no more.
    pub(crate) fn several(most: usize) -> Result<Vec<Self>, InferError> {
        let n_most = rayon::current_num_threads();
        let room = |n_threads| Self {
            pool: None,
            n_threads,
            n_most,
        };
        if rayon::current_thread_index().is_none() {
            return Ok((0..n_most.min(most)).map(|_| room(0)).collect());
        }
        let mut rooms = rooms();
        let n_free = n_most.saturating_sub(rooms.n_lent).max(1);
        let n_rooms = n_free.min(most);
        let several: Vec<Self> = (0..n_rooms).map(|_| room(n_free / n_rooms)).collect();
        rooms.n_lent += several.iter().map(|room| room.n_threads).sum::<usize>();
        drop(rooms);
        several.into_iter().map(Self::furnished).collect()
    }

    /// With a pool that waits, or a new one.
    fn furnished(mut self) -> Result<Self, InferError> {
        let mut rooms = rooms();
        let fits = |pool: &ThreadPool| pool.current_num_threads() == self.n_threads;
        if let Some(index) = rooms.idle.iter().position(fits) {
            self.pool = Some(rooms.idle.swap_remove(index));
            return Ok(self);
        }
        while rooms.n_threads() > self.n_most && rooms.idle.pop().is_some() {}
        drop(rooms);
        self.pool = Some(build(self.n_threads, ThreadPoolBuilder::new())?);
        Ok(self)
    }

    /// Runs work to its end, on the calling thread where it need not be elsewhere.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            None => work(),
            Some(pool) => pool.install(work),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut rooms = rooms();
        rooms.n_lent -= self.n_threads;
        if rooms.n_threads() + self.n_threads <= self.n_most {
            rooms.idle.extend(self.pool.take());
        }
    }
}

fn build(n_threads: usize, pool: ThreadPoolBuilder) -> Result<ThreadPool, InferError> {
    (pool.num_threads(n_threads).build()).map_err(|error| no_threads(n_threads, &error))
}

/// The error where the system starts no threads.
pub(crate) fn no_threads(wanted: usize, error: &dyn std::error::Error) -> InferError {
    InferError::Threads {
        wanted,
        reason: error.to_string(),
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

/// Closed once a stop is asked for.
impl Gate for AtomicBool {
    fn admit(&self) -> Result<(), Reject> {
        self.check()
    }

    fn check(&self) -> Result<(), Reject> {
        match self.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(Reject::at("a stop on request", Cause::OutsideSupport)),
        }
    }
}

/// A density that refuses every position once a stop is asked for.
pub(crate) type Stoppable<'a> = Guarded<'a, AtomicBool>;

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
            assert_eq!(value, [-0.5, -2.0]);
            // Others may have some of them at the moment.
            assert!((1..=n_threads).contains(&n_own), "{n_own} of {n_threads}");
        });
    }

    /// No system gives a stack of this size.
    #[test]
    fn threads_that_the_system_does_not_start_are_an_error() {
        let pool = ThreadPoolBuilder::new().stack_size(1 << 60);
        match build(2, pool) {
            Err(InferError::Threads { wanted: 2, reason }) => assert!(!reason.is_empty()),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("there are threads"),
        }
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

//! The one thread pool of all kernels: a job is a count of tasks, claimed one by one.
//!
//! A kernel splits its work into tasks by shape alone and every task writes its own part of the output,
//! so the bits do not depend on how many threads there are or on who claims what. The caller works too.
//! Idle workers spin for a few microseconds, because the next kernel of a training step follows at once
//! (a wake-up from the kernel of the system costs more than many a layer), then they sleep.
//! A job started inside a task, or while another thread's job runs, is done by its caller alone.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

/// More threads than this are never used.
const MAX_THREADS: usize = 256;
/// Looks at the ticket before a worker sleeps: some 30 microseconds.
const N_SPINS: usize = 1500;
/// Low half of a ticket: tasks not yet claimed. The high half numbers the job.
const LEFT: u64 = u32::MAX as u64;

/// Sets how many threads the kernels use; results have the same bits for any number.
///
/// 0, the default, takes all processors. Numbers above 256 mean 256.
pub fn set_threads(n: usize) {
    let n = match n {
        0 => thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    POOL.limit.store(n.min(MAX_THREADS), Ordering::SeqCst);
}

/// How many threads the kernels use.
pub fn threads() -> usize {
    match POOL.limit.load(Ordering::Relaxed) {
        0 => {
            set_threads(0);
            POOL.limit.load(Ordering::Relaxed)
        }
        n => n,
    }
}

/// Runs `task(0)`, ..., `task(n_tasks - 1)`, each once, in any order and on any thread of the pool.
pub(crate) fn run(n_tasks: usize, task: &(dyn Fn(usize) + Sync)) {
    // Tests choose the level of a thread, and the workers follow it.
    #[cfg(test)]
    let level = crate::simd::level();
    #[cfg(test)]
    let task: &(dyn Fn(usize) + Sync) = &|index| crate::simd::at(level, || task(index));
    let n_threads = threads();
    if n_tasks > 1
        && n_threads > 1
        && n_tasks < LEFT as usize
        && let Some(mut spawned) = POOL.claim()
    {
        while *spawned + 1 < n_threads {
            let index = *spawned + 1;
            let worker = thread::Builder::new().name(format!("jensen-kernels-{index}"));
            if worker.spawn(move || work(index)).is_err() {
                break;
            }
            *spawned += 1;
        }
        POOL.run(n_tasks, task);
    } else {
        (0..n_tasks).for_each(task);
    }
}

struct Pool {
    /// Threads in use, the caller among them; 0 before the first question.
    limit: AtomicUsize,
    /// Held by the thread whose job runs; counts the workers that were started.
    busy: Mutex<usize>,
    ticket: AtomicU64,
    job: UnsafeCell<Option<Job>>,
    n_done: AtomicUsize,
    n_asleep: AtomicUsize,
    bell: Mutex<()>,
    ring: Condvar,
    /// The first panic of a task of the running job.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Clone, Copy)]
struct Job(*const (dyn Fn(usize) + Sync));

// SAFETY: `job` is written only by the holder of `busy` while no task is unclaimed or unfinished, and
// read only after claiming a task, which the writer's release store of the ticket precedes.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool {
    limit: AtomicUsize::new(0),
    busy: Mutex::new(0),
    ticket: AtomicU64::new(0),
    job: UnsafeCell::new(None),
    n_done: AtomicUsize::new(0),
    n_asleep: AtomicUsize::new(0),
    bell: Mutex::new(()),
    ring: Condvar::new(),
    panic: Mutex::new(None),
};

impl Pool {
    /// The right to run a job, if no other thread's job runs. A job whose task panicked has ended like any
    /// other, so the poison that it leaves on the lock says nothing.
    fn claim(&self) -> Option<MutexGuard<'_, usize>> {
        match self.busy.try_lock() {
            Ok(spawned) => Some(spawned),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Only for the holder of `busy`.
    fn run(&self, n_tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        // SAFETY: the lifetime is erased only for the length of this call, which returns after the last
        // task has finished; the cell is free because the previous job finished too.
        unsafe {
            *self.job.get() = Some(Job(std::mem::transmute::<
                *const (dyn Fn(usize) + Sync + '_),
                *const (dyn Fn(usize) + Sync + 'static),
            >(task)));
        }
        self.n_done.store(0, Ordering::Relaxed);
        let number = self.ticket.load(Ordering::Relaxed) & !LEFT;
        let ticket = number.wrapping_add(LEFT + 1) | n_tasks as u64;
        self.ticket.store(ticket, Ordering::SeqCst);
        if self.n_asleep.load(Ordering::SeqCst) > 0 {
            drop(self.bell.lock().unwrap_or_else(PoisonError::into_inner));
            self.ring.notify_all();
        }
        while self.claim_and_run() {}
        let mut n_looks = 0;
        while self.n_done.load(Ordering::Acquire) < n_tasks {
            // On a crowded machine the worker that is waited for may need this very processor.
            if n_looks < N_SPINS {
                n_looks += 1;
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        let panic = self
            .panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Does one task if one is left.
    fn claim_and_run(&self) -> bool {
        let mut ticket = self.ticket.load(Ordering::Acquire);
        while ticket & LEFT > 0 {
            let claim = self.ticket.compare_exchange_weak(
                ticket,
                ticket - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            let Err(newer) = claim else {
                // SAFETY: a claimed and unfinished task keeps its job alive, see `run`.
                let task = unsafe { (*self.job.get()).map(|job| &*job.0) };
                let index = (ticket & LEFT) as usize - 1;
                let result = catch_unwind(AssertUnwindSafe(|| task.map(|task| task(index))));
                if let Err(panic) = result {
                    let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert(panic);
                }
                self.n_done.fetch_add(1, Ordering::Release);
                return true;
            };
            ticket = newer;
        }
        false
    }

    /// Sleeps until there is work; the count of sleepers goes up before the last look at the ticket, and
    /// the ticket before the caller's look at the count, so nobody is forgotten.
    fn sleep(&self, index: usize) {
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        self.n_asleep.fetch_add(1, Ordering::SeqCst);
        while !self.has_work_for(index) {
            bell = self.ring.wait(bell).unwrap_or_else(PoisonError::into_inner);
        }
        self.n_asleep.fetch_sub(1, Ordering::SeqCst);
    }

    fn has_work_for(&self, index: usize) -> bool {
        self.ticket.load(Ordering::SeqCst) & LEFT > 0 && index < self.limit.load(Ordering::Relaxed)
    }
}

/// The life of worker `index`, 1 or more.
fn work(index: usize) {
    loop {
        let found = (0..N_SPINS).any(|_| {
            std::hint::spin_loop();
            POOL.has_work_for(index)
        });
        if !found {
            POOL.sleep(index);
        }
        while POOL.has_work_for(index) && POOL.claim_and_run() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Threads;
    use crate::simd;
    use std::time::{Duration, Instant};

    /// Longer than any crowd of tests keeps the pool from one of them.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Tests run in threads of their own, so jobs also meet busy pools here.
    #[test]
    fn every_task_runs_once_for_any_number_of_threads() {
        let threads = Threads::alone();
        for n_threads in [1, 2, 3, 5] {
            threads.set(n_threads);
            for n_tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..n_tasks).map(|_| AtomicUsize::new(0)).collect();
                run(n_tasks, &|i| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(
                    counts
                        .iter()
                        .all(|count| count.load(Ordering::Relaxed) == 1)
                );
            }
        }
    }

    /// Without this the tests of kernels at every level would run some tasks at the best one.
    #[test]
    fn tasks_run_at_the_level_that_a_test_asks_for() {
        let threads = Threads::alone();
        threads.set(3);
        for level in simd::available_levels() {
            let n_others = AtomicUsize::new(0);
            let count = || {
                let is_other = simd::level() != level;
                n_others.fetch_add(usize::from(is_other), Ordering::Relaxed);
            };
            assert!(simd::at(level, || a_worker_helps(&count)));
            assert_eq!(n_others.load(Ordering::Relaxed), 0, "{level:?}");
        }
    }

    /// Whether one of many jobs of this task is shared with a worker; the pool may be busy with another
    /// test's job for a while, or its workers late.
    fn a_worker_helps(task: &(dyn Fn() + Sync)) -> bool {
        let (caller, begun) = (thread::current().id(), Instant::now());
        let n_by_workers = AtomicUsize::new(0);
        while n_by_workers.load(Ordering::Relaxed) == 0 && begun.elapsed() < PATIENCE {
            run(100, &|_| {
                task();
                let by_worker = thread::current().id() != caller;
                n_by_workers.fetch_add(usize::from(by_worker), Ordering::Relaxed);
                thread::yield_now();
            });
        }
        n_by_workers.into_inner() > 0
    }

    #[test]
    fn no_threads_mean_all_processors() {
        let alone = Threads::alone();
        alone.set(1);
        alone.set(0);
        let n = thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(threads(), n.min(MAX_THREADS));
        alone.set(100_000);
        assert_eq!(threads(), MAX_THREADS);
    }

    #[test]
    fn jobs_nest_and_come_from_many_threads() {
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        run(5, &|_| {
                            run(3, &|i| {
                                total.fetch_add(i, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 4 * 200 * 5 * 3);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_survives() {
        let threads = Threads::alone();
        threads.set(3);
        let result = catch_unwind(|| run(8, &|i| assert_ne!(i, 3, "task three")));
        assert!(result.is_err());
        let n_run = AtomicUsize::new(0);
        run(8, &|_| {
            n_run.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(n_run.load(Ordering::Relaxed), 8);
        assert!(a_worker_helps(&|| ()), "later jobs are shared too");
    }
}

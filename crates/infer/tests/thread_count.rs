//! Fits at once in a pool take threads in proportion to the pool and not to its square. Threads are those of the whole
//! process, so this test is alone in it.

#![cfg(target_os = "linux")]

use jensen_density::{Layout, Variable, from_fn};
use jensen_infer::method::{FitOptions, Method, fit_with};
use jensen_rng::Stream;
use jensen_run::Silent;
use rayon::prelude::*;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

fn n_threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// As many fits as the pool has threads.
const N: usize = 4;
/// Rooms have N threads for the first of the fits and one for every other; so many wait for their ends at most; the
/// threads of a room that is given up need a moment.
const MOST: usize = 2 * (2 * N - 1) + N;

#[test]
fn fits_at_once_in_a_pool_take_threads_in_proportion_to_it() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(N);
    let pool = pool.build().unwrap();
    let before = n_threads();
    let most = AtomicUsize::new(0);
    let layout = Layout::new(vec![Variable::new("x", &[2])]);
    let target = from_fn(layout, |x: &[f64], grad: &mut [f64]| {
        most.fetch_max(n_threads(), Ordering::Relaxed);
        // So slow that the fits are under way at once.
        thread::sleep(Duration::from_micros(100));
        (grad.iter_mut().zip(x)).for_each(|(g, x)| *g = -x);
        -0.5 * x.iter().map(|x| x * x).sum::<f64>()
    });
    let options = FitOptions {
        n_chain_draws: 50,
        ..FitOptions::default()
    };
    for name in ["multi-path", "nuts"] {
        let method = Method::from_name(name).unwrap();
        pool.install(|| {
            (0..N as u64).into_par_iter().for_each(|seed| {
                let stream = Stream::from_seed(seed);
                fit_with(&target, &method, &options, &stream, None, &mut Silent).unwrap();
            });
        });
        let used = most.load(Ordering::Relaxed) - before;
        assert!(used <= MOST, "{name}: {used} threads, {MOST} are enough");
    }
}

//! For tests: an operation against its plain composition and against finite differences, at every level of
//! instructions and for shapes drawn at random too, and the number of threads, which only one test at a
//! time may set.

use crate::pool::{set_threads, threads};
use crate::simd::{self, available_levels};
use burn::tensor::{Device, Tensor};
use jensen_rng::Stream;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Relative L2 error of values and gradients in f32 against another order of the same sums.
const SAME: f64 = 3e-6;
/// Relative L2 difference of the results of two levels: a fused multiply-add drops one rounding, so this is
/// a few units in the last place, and less than the error against another order.
const LEVELS: f64 = 5e-7;
/// Relative L2 error of a central difference of step 1e-2 over f32 values: rounding over step.
const DIFFERENCE: f64 = 5e-3;

/// A function of flat leaves with a flat result.
pub(crate) type Function<'a> = &'a dyn Fn(&[Tensor<1>]) -> Tensor<1>;

/// The result and the gradient of each input, for a fixed random upstream gradient.
fn evaluate(inputs: &[Vec<f32>], function: Function<'_>, tracked: bool) -> Vec<Vec<f32>> {
    let device = Device::flex().autodiff();
    let leaves: Vec<Tensor<1>> = inputs
        .iter()
        .map(|values| Tensor::from_floats(values.as_slice(), &device))
        .map(|leaf: Tensor<1>| {
            if tracked {
                leaf.require_grad()
            } else {
                leaf.inner()
            }
        })
        .collect();
    let y = function(&leaves);
    let mut results = vec![to_vec(y.clone())];
    if tracked {
        let upstream = upstream(results[0].len());
        let upstream = Tensor::<1>::from_floats(upstream.as_slice(), &device);
        let mut grads = (y * upstream).sum().backward();
        results.extend(
            leaves
                .iter()
                .map(|leaf| leaf.grad_remove(&mut grads).map_or_else(Vec::new, to_vec)),
        );
    }
    results
}

/// Random upstream gradients around 1: with mean zero, long sums would cancel and show only rounding.
fn upstream(n: usize) -> Vec<f32> {
    let mut values = vec![0f32; n];
    Stream::from_seed(17).fill_normal(&mut values);
    values.iter().map(|value| 1.0 + 0.5 * value).collect()
}

fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("f32 values")
}

/// |a - b| / |b|, or |a - b| where b vanishes.
pub(crate) fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    let scale = norm(&mut b.iter().map(|&b| f64::from(b)));
    difference / if scale > 0.0 { scale } else { 1.0 }
}

/// `n` standard normals, a new set for every `index`.
pub(crate) fn normals(n: usize, index: u64) -> Vec<f32> {
    let mut values = vec![0f32; n];
    Stream::from_seed(11)
        .child("normals", index)
        .fill_normal(&mut values);
    values
}

/// How many shapes are drawn for one operation.
const N_SHAPES: u64 = 20;

/// Calls `check` with shapes whose size i lies between 1 and `limits[i]`, small ones as likely as large
/// ones: edges of tiles and rests of vectors that nobody thought of.
pub(crate) fn for_random_shapes<const N: usize>(limits: [usize; N], check: impl Fn([usize; N])) {
    for idx in 0..N_SHAPES {
        let mut stream = Stream::from_seed(23).child("shape", idx);
        check(limits.map(|limit| {
            let size = ((limit as f64 + 1.0).ln() * stream.uniform()).exp() as usize;
            size.clamp(1, limit)
        }));
    }
}

/// The right to set the number of threads, which is one for the whole process while tests run side by
/// side; the number from before comes back at the end, after a failure too.
pub(crate) struct Threads {
    before: usize,
    _alone: MutexGuard<'static, ()>,
}

impl Threads {
    /// Waits until no other test sets the number.
    pub(crate) fn alone() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            before: threads(),
            _alone: alone,
        }
    }

    pub(crate) fn set(&self, n_threads: usize) {
        set_threads(n_threads);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        set_threads(self.before);
    }
}

/// Checks values and gradients of `own` against `plain`, and that threads do not change a bit, at every
/// level that this processor has.
#[track_caller]
pub(crate) fn against_plain(
    what: &str,
    inputs: &[Vec<f32>],
    own: Function<'_>,
    plain: Function<'_>,
) {
    let expected = evaluate(inputs, plain, true);
    let best = evaluate(inputs, own, true);
    for level in available_levels() {
        let what = format!("{what}, {level:?}");
        simd::at(level, || {
            let found = evaluate(inputs, own, true);
            compare(&what, &found, &expected, SAME);
            compare(&format!("{what} and the best level"), &found, &best, LEVELS);
            assert_eq!(
                evaluate(inputs, own, false)[0],
                found[0],
                "{what}: value without a graph"
            );
            let threads = Threads::alone();
            for n_threads in [1, 2, 3] {
                threads.set(n_threads);
                assert!(
                    evaluate(inputs, own, true) == found,
                    "{what}: other bits on {n_threads} threads"
                );
            }
        });
    }
}

#[track_caller]
fn compare(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f64) {
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = relative_error(found, expected);
        assert!(
            error < tolerance,
            "{what}: relative error {error} of result {index} (0 is the value)"
        );
    }
}

/// Checks that an operation without a fused multiply-add of its own has the same bits at every level.
#[track_caller]
pub(crate) fn same_bits_at_every_level(what: &str, inputs: &[Vec<f32>], own: Function<'_>) {
    let best = evaluate(inputs, own, true);
    for level in available_levels() {
        let found = simd::at(level, || evaluate(inputs, own, true));
        assert!(found == best, "{what}: other bits at the level {level:?}");
    }
}

/// Checks the gradients of `own` against central differences; for few, moderate inputs.
#[track_caller]
pub(crate) fn against_differences(what: &str, inputs: &[Vec<f32>], own: Function<'_>) {
    gradients_against_differences_of(what, inputs, own, own);
}

/// Checks the gradients of `own` against central differences of another function, for an operation whose
/// gradient is not that of its value.
#[track_caller]
pub(crate) fn gradients_against_differences_of(
    what: &str,
    inputs: &[Vec<f32>],
    own: Function<'_>,
    value: Function<'_>,
) {
    let found = evaluate(inputs, own, true);
    let upstream = upstream(found[0].len());
    for (index, gradient) in found[1..].iter().enumerate() {
        if gradient.is_empty() {
            continue;
        }
        let loss = |x: &[f64]| {
            let mut inputs = inputs.to_vec();
            inputs[index] = x.iter().map(|&x| x as f32).collect();
            let y = &evaluate(&inputs, value, false)[0];
            y.iter()
                .zip(&upstream)
                .map(|(&y, &u)| f64::from(y) * f64::from(u))
                .sum()
        };
        let x: Vec<f64> = inputs[index].iter().map(|&x| f64::from(x)).collect();
        let expected: Vec<f32> = jensen_testkit::gradient(loss, &x, 1e-2)
            .iter()
            .map(|&g| g as f32)
            .collect();
        let error = relative_error(gradient, &expected);
        assert!(
            error < DIFFERENCE,
            "{what}: relative error {error} of gradient {index}"
        );
    }
}

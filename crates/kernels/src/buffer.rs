//! Memory of kernels: new buffers that are not cleared first, and parts of them for parallel tasks.

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};

/// A buffer whose values do not exist yet. Clearing it first would cost a tenth of a training step.
pub(crate) fn uninit(len: usize) -> Vec<MaybeUninit<f32>> {
    let mut values = Vec::with_capacity(len);
    // SAFETY: values that may be uninitialized need no initialization.
    unsafe { values.set_len(len) };
    values
}

/// The same buffer once it is filled.
///
/// # Safety
/// Every value has been written.
pub(crate) unsafe fn filled(values: Vec<MaybeUninit<f32>>) -> Vec<f32> {
    let mut values = ManuallyDrop::new(values);
    // SAFETY: `MaybeUninit<f32>` has the layout of `f32`, and the caller filled the values.
    unsafe { Vec::from_raw_parts(values.as_mut_ptr().cast(), values.len(), values.capacity()) }
}

/// Sets every value to zero.
pub(crate) fn clear(values: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    values.fill(MaybeUninit::new(0.0));
    // SAFETY: all values were just written, and the layouts agree.
    unsafe { &mut *(std::ptr::from_mut(values) as *mut [f32]) }
}

/// A mutable slice that several tasks write to, each its own part.
pub(crate) struct Parts<'a, T> {
    first: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: parts are handed out by `part`, whose caller promises that they do not overlap.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self {
            first: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// The first value; for parts that are not consecutive.
    pub(crate) fn as_mut_ptr(&self) -> *mut T {
        self.first
    }

    /// The part from `start`, `len` long. Panics if it is not inside the slice.
    ///
    /// # Safety
    /// No two parts that live at the same time overlap.
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &'a mut [T] {
        assert!(
            start <= self.len && len <= self.len - start,
            "internal error: part out of range"
        );
        // SAFETY: inside the slice by the check, and nobody else's by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(start), len) }
    }
}

/// Runs `task(index, part)` on consecutive parts of `chunk` values of `out`, the last one shorter.
pub(crate) fn for_chunks<T: Send>(
    out: &mut [T],
    chunk: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) {
    let (len, parts) = (out.len(), Parts::new(out));
    let chunk = chunk.max(1);
    crate::pool::run(len.div_ceil(chunk), &|index| {
        let start = index * chunk;
        // SAFETY: chunks of different indices do not overlap, and each index runs once.
        task(index, unsafe { parts.part(start, chunk.min(len - start)) });
    });
}

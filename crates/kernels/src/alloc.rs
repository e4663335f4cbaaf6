//! A global allocator that keeps large blocks for the next request of their size.
//!
//! A training step asks for the same few dozen megabytes again and again. The system's allocator gives
//! such blocks back to the operating system, and every step then pays for page faults: up to half of the
//! throughput. Blocks of 64 KiB and more are rounded up to four sizes per power of two (at most a
//! quarter is lost) and go to a free list of their size; everything else goes to the system.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// Smallest block that is kept, bytes.
const SMALLEST: usize = 1 << 16;
/// Larger blocks than this go to the system, bytes.
const LARGEST: usize = 1 << 28;
/// The lists together hold at most this much, bytes; what comes later goes back to the system.
const MOST_KEPT: usize = 1 << 30;
/// Alignment of kept blocks, bytes: a cache line, and the widest vector register.
const ALIGNMENT: usize = 64;
/// Four sizes for each power of two, ends included.
const N_CLASSES: usize = 4 * (28 - 16) + 1;

/// Recycles blocks of 64 KiB to 256 MiB; register it with `#[global_allocator]`.
///
/// At most 1 GiB of free blocks is kept until the process ends.
#[derive(Clone, Copy, Debug, Default)]
pub struct CachingAllocator;

// SAFETY: a block comes from `System` with the size and alignment that `class_of` derives from the
// layout alone, so `alloc` and `dealloc` of one layout agree; a block in a list belongs to nobody else.
unsafe impl GlobalAlloc for CachingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's contract is passed on; `block` is a valid layout for `System`.
        unsafe {
            match class_of(layout) {
                None => System.alloc(layout),
                Some((class, block)) => match LISTS[class].pop(block.size()) {
                    kept if kept.is_null() => System.alloc(block),
                    kept => kept,
                },
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as `alloc`; a kept block has at least `layout.size()` bytes to clear.
        unsafe {
            match class_of(layout) {
                None => System.alloc_zeroed(layout),
                Some((class, block)) => match LISTS[class].pop(block.size()) {
                    kept if kept.is_null() => System.alloc_zeroed(block),
                    kept => {
                        kept.write_bytes(0, layout.size());
                        kept
                    }
                },
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the block was given out for this layout, hence with this class.
        unsafe {
            match class_of(layout) {
                None => System.dealloc(pointer, layout),
                Some((class, block)) => {
                    if !LISTS[class].push(pointer, block.size()) {
                        System.dealloc(pointer, block);
                    }
                }
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` with this alignment is a valid layout; within a class
        // the block is large enough already; otherwise the bytes common to both sizes are moved.
        unsafe {
            let wanted = Layout::from_size_align_unchecked(size, layout.align());
            match (class_of(layout), class_of(wanted)) {
                (None, None) => System.realloc(pointer, layout, size),
                (Some((old, _)), Some((new, _))) if old == new => pointer,
                _ => {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        pointer.copy_to_nonoverlapping(moved, layout.size().min(size));
                        self.dealloc(pointer, layout);
                    }
                    moved
                }
            }
        }
    }
}

/// The list and the rounded layout of a request; `None` if the system serves it.
fn class_of(layout: Layout) -> Option<(usize, Layout)> {
    let size = layout.size();
    if !(SMALLEST..=LARGEST).contains(&size) || layout.align() > ALIGNMENT {
        return None;
    }
    let power = usize::BITS - 1 - size.leading_zeros();
    let quarter = 1usize << (power - 2);
    let n_quarters = (size - (1 << power)).div_ceil(quarter);
    let class = 4 * (power as usize - 16) + n_quarters;
    let rounded = (1 << power) + n_quarters * quarter;
    Layout::from_size_align(rounded, ALIGNMENT)
        .ok()
        .map(|block| (class, block))
}

/// Bytes in all lists.
static N_KEPT: AtomicUsize = AtomicUsize::new(0);
static LISTS: [List; N_CLASSES] = [const { List::new() }; N_CLASSES];

/// Free blocks of one size, linked through their first word, behind a spin lock: the critical section is
/// two loads and a store, and a lock that allocates or parks is out of the question here.
struct List {
    locked: AtomicBool,
    head: AtomicPtr<Link>,
}

/// What a free block begins with.
struct Link(*mut Link);

impl List {
    const fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            head: AtomicPtr::new(null_mut()),
        }
    }

    fn with_head<T>(&self, change: impl FnOnce(&AtomicPtr<Link>) -> T) -> T {
        while self.locked.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        let result = change(&self.head);
        self.locked.store(false, Ordering::Release);
        result
    }

    /// A kept block of `size` bytes, or null.
    fn pop(&self, size: usize) -> *mut u8 {
        let block = self.with_head(|head| {
            let block = head.load(Ordering::Relaxed);
            if !block.is_null() {
                // SAFETY: a block in the list is ours, aligned, and begins with a link.
                head.store(unsafe { block.read().0 }, Ordering::Relaxed);
            }
            block
        });
        if !block.is_null() {
            N_KEPT.fetch_sub(size, Ordering::Relaxed);
        }
        block.cast()
    }

    /// Keeps a block of `size` bytes; false if the lists are full.
    fn push(&self, block: *mut u8, size: usize) -> bool {
        if N_KEPT.fetch_add(size, Ordering::Relaxed) + size > MOST_KEPT {
            N_KEPT.fetch_sub(size, Ordering::Relaxed);
            return false;
        }
        let block = block.cast::<Link>();
        self.with_head(|head| {
            // SAFETY: the block was freed, is aligned to 64 bytes and has room for a link.
            unsafe { block.write(Link(head.load(Ordering::Relaxed))) };
            head.store(block, Ordering::Relaxed);
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_by_at_most_a_quarter() {
        for size in [
            SMALLEST,
            SMALLEST + 1,
            81_920,
            81_921,
            131_071,
            131_072,
            1_605_632,
            LARGEST,
        ] {
            let layout = Layout::from_size_align(size, 4).unwrap();
            let (class, block) = class_of(layout).unwrap();
            assert!(block.size() >= size && block.size() <= size + size / 4);
            assert!(class < N_CLASSES && block.align() == ALIGNMENT);
            let again = class_of(Layout::from_size_align(block.size(), 4).unwrap()).unwrap();
            assert_eq!(again.0, class, "a class holds its own size");
        }
        assert!(class_of(Layout::from_size_align(SMALLEST - 1, 4).unwrap()).is_none());
        assert!(class_of(Layout::from_size_align(LARGEST + 1, 4).unwrap()).is_none());
        assert!(class_of(Layout::from_size_align(SMALLEST, 4096).unwrap()).is_none());
    }

    /// Threads fill blocks with their own pattern, hand some to each other, grow some, and check all.
    #[test]
    fn blocks_are_never_shared() {
        use std::sync::mpsc::channel;
        const N_THREADS: usize = 4;
        const N_ROUNDS: usize = 400;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..N_THREADS)
            .map(|_| channel::<(usize, Layout, u8)>())
            .unzip();
        let all_sent = std::sync::Barrier::new(N_THREADS);
        std::thread::scope(|scope| {
            for (index, receiver) in receivers.into_iter().enumerate() {
                let sender = senders[(index + 1) % N_THREADS].clone();
                let all_sent = &all_sent;
                scope.spawn(move || {
                    let check_and_free = |(address, layout, pattern): (usize, Layout, u8)| {
                        let pointer = address as *mut u8;
                        // SAFETY: the block was allocated with this layout and filled.
                        unsafe {
                            let bytes = std::slice::from_raw_parts(pointer, layout.size());
                            assert!(bytes.iter().all(|&byte| byte == pattern));
                            CachingAllocator.dealloc(pointer, layout);
                        }
                    };
                    let mut stream = jensen_rng::Stream::from_seed(3).child("thread", index as u64);
                    for round in 0..N_ROUNDS {
                        let size = 60_000 + stream.below(200_000);
                        let align = [1, 4, 64, 128][stream.below(4)];
                        let layout = Layout::from_size_align(size, align).unwrap();
                        let pattern = (index * 61 + round) as u8;
                        // SAFETY: layouts are not empty and each block is freed once with its layout.
                        unsafe {
                            let block = if round % 3 == 0 {
                                let block = CachingAllocator.alloc_zeroed(layout);
                                let bytes = std::slice::from_raw_parts(block, size);
                                assert!(bytes.iter().all(|&byte| byte == 0));
                                block
                            } else {
                                CachingAllocator.alloc(layout)
                            };
                            assert_eq!(block as usize % align, 0);
                            block.write_bytes(pattern, size);
                            let grown = size + stream.below(100_000);
                            let block = CachingAllocator.realloc(block, layout, grown);
                            let bytes = std::slice::from_raw_parts(block, size);
                            assert!(bytes.iter().all(|&byte| byte == pattern));
                            block.write_bytes(pattern, grown);
                            let layout = Layout::from_size_align(grown, align).unwrap();
                            let owned = (block as usize, layout, pattern);
                            if round % 2 == 0 {
                                sender.send(owned).unwrap();
                            } else {
                                check_and_free(owned);
                            }
                        }
                        receiver.try_iter().for_each(check_and_free);
                    }
                    all_sent.wait();
                    receiver.try_iter().for_each(check_and_free);
                });
            }
        });
    }

    #[test]
    fn a_freed_block_comes_back() {
        let layout = Layout::from_size_align(7_000_001, 8).unwrap();
        // SAFETY: allocated and freed once each with one layout.
        unsafe {
            let first = CachingAllocator.alloc(layout);
            CachingAllocator.dealloc(first, layout);
            let second = CachingAllocator.alloc(layout);
            assert_eq!(first, second);
            CachingAllocator.dealloc(second, layout);
        }
    }
}

//! Endless epochs of shuffled batches whose state is two numbers.
//!
//! The order of an epoch depends on the stream and the epoch's number only, so that a resumed run
//! goes on with the same batches as an unbroken one.

use jensen_rng::Stream;

/// Gives out indices of examples, each once an epoch, in batches; the last batch may be short.
///
/// ```
/// use jensen_data::Batches;
/// use jensen_rng::Stream;
/// let mut batches = Batches::new(10, 4, Stream::from_seed(1));
/// let sizes: Vec<usize> = (0..3).map(|_| batches.next_batch().len()).collect();
/// assert_eq!(sizes, [4, 4, 2]);
/// assert_eq!((batches.epoch(), batches.position()), (1, 0));
/// ```
#[derive(Debug, Clone)]
pub struct Batches {
    batch_size: usize,
    stream: Stream,
    epoch: u64,
    position: usize,
    order: Vec<usize>,
    /// The epoch that `order` belongs to; the order is made when its first batch is asked for.
    ordered: Option<u64>,
}

impl Batches {
    /// Batches of at most `batch_size` out of `n` examples, from epoch 0 on.
    ///
    /// Panics if either is zero.
    pub fn new(n: usize, batch_size: usize, stream: Stream) -> Self {
        assert!(
            n > 0 && batch_size > 0,
            "internal error: batches of {batch_size} out of {n}"
        );
        Self {
            batch_size,
            stream,
            epoch: 0,
            position: 0,
            order: (0..n).collect(),
            ordered: None,
        }
    }

    /// The indices of the next batch.
    pub fn next_batch(&mut self) -> &[usize] {
        let n = self.order.len();
        if self.ordered != Some(self.epoch) {
            self.order = self.stream.child("epoch", self.epoch).permutation(n);
            self.ordered = Some(self.epoch);
        }
        let begin = self.position;
        let end = (begin + self.batch_size).min(n);
        self.seek(self.epoch, end);
        &self.order[begin..end]
    }

    /// The epoch of the next batch, counted from 0.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many examples of the epoch have been given out; 0 right after an epoch has ended.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Batches in an epoch, the short one included.
    pub fn n_batches(&self) -> usize {
        self.order.len().div_ceil(self.batch_size)
    }

    /// Goes to a place that [`Batches::epoch`] and [`Batches::position`] told.
    ///
    /// Panics if `position` is beyond the number of examples.
    pub fn seek(&mut self, epoch: u64, position: usize) {
        let n = self.order.len();
        assert!(
            position <= n,
            "internal error: position {position} of {n} examples"
        );
        (self.epoch, self.position) = if position == n {
            (epoch + 1, 0)
        } else {
            (epoch, position)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_gives_every_example_once_and_epochs_differ() {
        let mut batches = Batches::new(10, 4, Stream::from_seed(3));
        let mut epochs = Vec::new();
        for _ in 0..2 {
            let mut seen = Vec::new();
            for _ in 0..batches.n_batches() {
                seen.extend_from_slice(batches.next_batch());
            }
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
            epochs.push(seen);
        }
        assert_ne!(epochs[0], epochs[1]);
    }

    #[test]
    fn a_sought_place_goes_on_as_if_never_left() {
        for (n, size) in [(10, 4), (8, 4), (3, 7), (1, 1)] {
            let mut unbroken = Batches::new(n, size, Stream::from_seed(3));
            for _ in 0..11 {
                let mut resumed = Batches::new(n, size, Stream::from_seed(3));
                resumed.seek(unbroken.epoch(), unbroken.position());
                let mut copy = unbroken.clone();
                for _ in 0..5 {
                    assert_eq!(resumed.next_batch(), copy.next_batch());
                }
                unbroken.next_batch();
            }
        }
    }
}

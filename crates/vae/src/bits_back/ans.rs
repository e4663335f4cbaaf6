//! A stack of bits: asymmetric numeral systems with a 64-bit head and a tail of 32-bit words.
//!
//! An interval of c numbers out of 2^28 is pushed in 28 - log2 c bits and popped in the reverse order. Popping what
//! was never pushed draws clean bits from a stream that both sides know: pushed back later, they are what bits-back
//! coding starts from. Source: [duda-2009]; the form with words after [townsend-2019], appendix A.

use jensen_rng::Stream;

/// Intervals are parts of 2^PRECISION.
pub(super) const PRECISION: u32 = 28;
/// The head stays at or above this.
const LEAST: u64 = 1 << 32;

/// An interval [start, start + count) of 0..2^[`PRECISION`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) start: u32,
    pub(super) count: u32,
}

/// The stack.
pub(super) struct Ans {
    head: u64,
    tail: Vec<u32>,
    clean: Stream,
}

impl Ans {
    /// An empty stack above the clean bits of a stream.
    pub(super) fn new(clean: Stream) -> Self {
        Self {
            head: LEAST,
            tail: Vec::new(),
            clean,
        }
    }

    /// The stack of these words, top last; `None` if no stack has them.
    pub(super) fn from_words(words: &[u32], clean: Stream) -> Option<Self> {
        let (tail, head) = words.split_at_checked(words.len().checked_sub(2)?)?;
        let head = u64::from(head[1]) << 32 | u64::from(head[0]);
        (head >= LEAST).then(|| Self {
            head,
            tail: tail.to_vec(),
            clean,
        })
    }

    /// All words, top last.
    pub(super) fn into_words(self) -> Vec<u32> {
        let mut words = self.tail;
        words.extend([self.head as u32, (self.head >> 32) as u32]);
        words
    }

    /// Puts an interval on the stack.
    pub(super) fn push(&mut self, interval: Interval) {
        let Interval { start, count } = interval;
        debug_assert!(count > 0);
        if self.head >= u64::from(count) << (64 - PRECISION) {
            self.tail.push(self.head as u32);
            self.head >>= 32;
        }
        let count = u64::from(count);
        self.head = ((self.head / count) << PRECISION) + self.head % count + u64::from(start);
    }

    /// The number in 0..2^[`PRECISION`] that lies in the interval on top.
    pub(super) fn peek(&self) -> u32 {
        (self.head & ((1 << PRECISION) - 1)) as u32
    }

    /// Takes the interval on top off; it must hold [`Ans::peek`].
    pub(super) fn pop(&mut self, interval: Interval) {
        let Interval { start, count } = interval;
        self.head = u64::from(count) * (self.head >> PRECISION) + u64::from(self.peek() - start);
        if self.head < LEAST {
            let word = match self.tail.pop() {
                Some(word) => word,
                None => self.clean.next_u64() as u32,
            };
            self.head = self.head << 32 | u64::from(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intervals(n: usize) -> Vec<Interval> {
        let mut stream = Stream::from_seed(1);
        let whole = 1usize << PRECISION;
        let one = |_| {
            let size = [1, 50, 1 << 20, whole][stream.below(4)];
            let count = 1 + stream.below(size);
            let start = stream.below(whole - count + 1);
            Interval {
                start: start as u32,
                count: count as u32,
            }
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn what_was_pushed_last_is_popped_first_and_takes_its_information() {
        let all = intervals(3000);
        let mut ans = Ans::new(Stream::from_seed(2));
        all.iter().for_each(|&interval| ans.push(interval));
        let words = ans.into_words();
        let bits = |interval: &Interval| f64::from(PRECISION) - f64::from(interval.count).log2();
        let expected: f64 = all.iter().map(bits).sum();
        // The head holds up to 64 bits.
        let found = 32.0 * words.len() as f64;
        assert!((found - expected).abs() < 65.0, "{found}, {expected}");
        let mut ans = Ans::from_words(&words, Stream::from_seed(2)).unwrap();
        for &interval in all.iter().rev() {
            assert!((interval.start..interval.start + interval.count).contains(&ans.peek()));
            ans.pop(interval);
        }
        assert_eq!((ans.head, ans.tail.len()), (LEAST, 0));
    }

    #[test]
    fn popping_first_and_pushing_back_leaves_no_trace() {
        let clean = Stream::from_seed(3);
        let mut ans = Ans::new(clean.clone());
        let drawn: Vec<Interval> = (0..500)
            .map(|i| {
                let count = 1 << (i % 20);
                let start = ans.peek() / count * count;
                ans.pop(Interval { start, count });
                Interval { start, count }
            })
            .collect();
        drawn.iter().rev().for_each(|&interval| ans.push(interval));
        let words = ans.into_words();
        let mut expected: Vec<u32> = {
            let mut clean = clean;
            (0..words.len() - 2)
                .map(|_| clean.next_u64() as u32)
                .collect()
        };
        expected.reverse();
        expected.extend([0, 1]);
        assert_eq!(words, expected);
    }

    #[test]
    fn words_that_no_stack_has_are_refused() {
        for words in [&[][..], &[7], &[5, 0]] {
            assert!(Ans::from_words(words, Stream::from_seed(1)).is_none());
        }
    }
}

//! Probabilities as intervals of whole numbers: of levels, and of buckets of a Gaussian.

use super::ans::{Interval, PRECISION};
use jensen_special::error::{normal_cdf, normal_quantile};

const WHOLE: u32 = 1 << PRECISION;

/// Probabilities of K symbols as K intervals that fill the whole, each at least 1.
pub(super) struct Table {
    /// Where each interval starts, and the end of the last, `[K + 1]`.
    starts: Vec<u32>,
}

impl Table {
    /// Of numbers that are proportional to the probabilities; others than positive ones are worth nothing.
    pub(super) fn new(weights: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = |weight: f64| if weight > 0.0 { weight } else { 0.0 };
        let total: f64 = weights.clone().map(positive).sum();
        let n = weights.clone().count();
        let free = f64::from(WHOLE) - n as f64;
        let mut before = 0.0;
        let mut starts = Vec::with_capacity(n + 1);
        for (i, weight) in weights.enumerate() {
            starts.push((before / total * free) as u32 + i as u32);
            before += positive(weight);
        }
        starts.push(WHOLE);
        Self { starts }
    }

    pub(super) fn interval(&self, symbol: usize) -> Interval {
        let start = self.starts[symbol];
        Interval {
            start,
            count: self.starts[symbol + 1] - start,
        }
    }

    /// The symbol whose interval holds this number.
    pub(super) fn symbol(&self, number: u32) -> usize {
        self.starts.partition_point(|&start| start <= number) - 1
    }
}

/// 2^bits buckets of equal mass under N(0, 1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    pub(super) bits: u32,
}

impl Buckets {
    fn n(self) -> u32 {
        1 << self.bits
    }

    /// The middle of a bucket, by mass.
    pub(super) fn middle(self, bucket: u32) -> f32 {
        normal_quantile((f64::from(bucket) + 0.5) / f64::from(self.n())) as f32
    }

    /// The interval of a bucket under N(0, 1).
    pub(super) fn of_prior(self, bucket: u32) -> Interval {
        let count = WHOLE >> self.bits;
        Interval {
            start: bucket * count,
            count,
        }
    }

    /// The bucket under N(0, 1) whose interval holds this number.
    pub(super) fn found_by_prior(self, number: u32) -> u32 {
        number / (WHOLE >> self.bits)
    }

    /// Where the interval of a bucket starts under N(mean, scale^2).
    fn start(self, bucket: u32, mean: f64, scale: f64) -> u32 {
        if bucket == 0 {
            return 0;
        }
        if bucket == self.n() {
            return WHOLE;
        }
        let edge = normal_quantile(f64::from(bucket) / f64::from(self.n()));
        let below = normal_cdf((edge - mean) / scale);
        (below * f64::from(WHOLE - self.n())) as u32 + bucket
    }

    /// The interval of a bucket under N(mean, scale^2).
    pub(super) fn of_posterior(self, bucket: u32, mean: f64, scale: f64) -> Interval {
        let start = self.start(bucket, mean, scale);
        Interval {
            start,
            count: self.start(bucket + 1, mean, scale) - start,
        }
    }

    /// The bucket under N(mean, scale^2) whose interval holds this number.
    pub(super) fn found_by_posterior(self, number: u32, mean: f64, scale: f64) -> u32 {
        let (mut low, mut high) = (0, self.n());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.start(middle, mean, scale) <= number {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_fill_the_whole_in_proportion() {
        let weights = [0.0, 3.0, 1e-30, 1.0, f64::NAN];
        let table = Table::new(weights.iter().copied());
        let mut end = 0;
        for symbol in 0..5 {
            let Interval { start, count } = table.interval(symbol);
            assert_eq!(start, end);
            assert!(count > 0);
            assert_eq!(table.symbol(start), symbol);
            assert_eq!(table.symbol(start + count - 1), symbol);
            end = start + count;
        }
        assert_eq!(end, WHOLE);
        let share = f64::from(table.interval(1).count) / f64::from(WHOLE);
        assert!((share - 0.75).abs() < 1e-6, "{share}");
    }

    #[test]
    fn buckets_have_the_mass_of_the_gaussian() {
        let buckets = Buckets { bits: 6 };
        for (mean, scale) in [(0.0, 1.0), (1.3, 0.4), (-7.0, 1e-3), (0.2, 50.0)] {
            let mut end = 0;
            for bucket in 0..64 {
                let Interval { start, count } = buckets.of_posterior(bucket, mean, scale);
                assert_eq!(start, end);
                for number in [start, start + count - 1] {
                    assert_eq!(buckets.found_by_posterior(number, mean, scale), bucket);
                }
                end = start + count;
                let edge = |i: u32| normal_quantile(f64::from(i) / 64.0);
                let below = |i: u32| normal_cdf((edge(i) - mean) / scale);
                let expected = below(bucket + 1) - below(bucket);
                let share = f64::from(count) / f64::from(WHOLE);
                // Each bucket has one part of 2^28 for itself.
                assert!((share - expected).abs() < 1e-6, "{share}, {expected}");
            }
            assert_eq!(end, WHOLE);
        }
        for bucket in [0, 31, 63] {
            let Interval { start, count } = buckets.of_prior(bucket);
            assert_eq!(count, WHOLE / 64);
            assert_eq!(buckets.found_by_prior(start + count - 1), bucket);
            let middle = normal_cdf(f64::from(buckets.middle(bucket))) * 64.0;
            // The middle is kept as f32.
            assert!((middle - f64::from(bucket) - 0.5).abs() < 1e-4, "{middle}");
        }
    }
}

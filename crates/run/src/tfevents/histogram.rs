//! Counts of values between fixed limits that grow by a tenth, as TensorFlow draws them.
//!
//! The limits are 0 and ±1e-12 · 1.1^k up to 1e20, so a bucket's width is a tenth of its distance
//! from zero. Source: tensorflow `core/lib/histogram/histogram.cc`. Cost: a binary search a value.

use std::sync::LazyLock;

/// How values are distributed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram {
    pub(super) min: f64,
    pub(super) max: f64,
    /// Number of values.
    pub(super) num: f64,
    pub(super) sum: f64,
    pub(super) sum_squares: f64,
    /// Upper limit (not included) and count, by limit; a run of empty buckets is one.
    pub(super) buckets: Vec<(f64, f64)>,
}

impl Histogram {
    /// Of the finite values; none where there are none.
    pub(super) fn of(values: &[f32]) -> Option<Self> {
        let mut counts = vec![0u64; LIMITS.len()];
        let mut all = Self {
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            num: 0.0,
            sum: 0.0,
            sum_squares: 0.0,
            buckets: Vec::new(),
        };
        for x in values
            .iter()
            .filter(|x| x.is_finite())
            .map(|&x| f64::from(x))
        {
            all.min = all.min.min(x);
            all.max = all.max.max(x);
            all.num += 1.0;
            all.sum += x;
            all.sum_squares += x * x;
            counts[LIMITS.partition_point(|&limit| limit <= x)] += 1;
        }
        let mut empty = false;
        for (&limit, &count) in LIMITS.iter().zip(&counts) {
            if empty && count == 0 {
                all.buckets.pop();
            }
            empty = count == 0;
            all.buckets.push((limit, count as f64));
        }
        // The empty run above the largest value bounds nothing.
        all.buckets.pop_if(|&mut (_, count)| count == 0.0);
        (all.num > 0.0).then_some(all)
    }
}

/// The upper limits of all buckets; every finite number is below the last.
static LIMITS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let grow = |x: &f64| Some(x * 1.1);
    let mut above: Vec<f64> = std::iter::successors(Some(1e-12), grow)
        .take_while(|&x| x < 1e20)
        .collect();
    above.push(f64::MAX);
    let below = above.iter().rev().map(|x| -x);
    below.chain([0.0]).chain(above.iter().copied()).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lie_between_their_limits() {
        let values: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let histogram = Histogram::of(&values).unwrap();
        assert_eq!(histogram.num, 1000.0);
        let mut lower = f64::NEG_INFINITY;
        for &(upper, count) in &histogram.buckets {
            let inside = values
                .iter()
                .filter(|&&x| (lower..upper).contains(&x.into()));
            assert_eq!(inside.count() as f64, count, "{lower} to {upper}");
            lower = upper;
        }
        assert_eq!(histogram.buckets.iter().map(|b| b.1).sum::<f64>(), 1000.0);
        assert!(histogram.buckets.windows(2).all(|w| w[0].1 + w[1].1 > 0.0));
    }

    #[test]
    fn odd_values() {
        assert_eq!(Histogram::of(&[]), None);
        assert_eq!(Histogram::of(&[f32::NAN, f32::INFINITY]), None);
        let histogram = Histogram::of(&[0.0, -0.0, f32::MAX, f32::MIN, f32::NAN]).unwrap();
        assert_eq!(histogram.num, 4.0);
        assert_eq!(
            (histogram.min, histogram.max),
            (f32::MIN.into(), f32::MAX.into())
        );
        let counts: Vec<f64> = histogram.buckets.iter().map(|b| b.1).collect();
        assert_eq!(counts, [0.0, 1.0, 0.0, 2.0, 0.0, 1.0]);
    }
}

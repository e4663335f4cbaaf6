//! Means that keep their digits far from zero, and a unit in which squares neither overflow nor vanish.
//!
//! m + mean(x - m) with m the mean as it comes out: the second sum is one of small numbers and takes back the rounding of
//! the first. Equal numbers have exactly themselves as their mean. Standard. Cost two passes.

/// The mean of numbers; NaN for none.
pub(crate) fn mean(x: impl Iterator<Item = f64> + Clone) -> f64 {
    let (sum, n) = (x.clone()).fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    let near = sum / n;
    if !near.is_finite() {
        return near;
    }
    near + x.map(|x| x - near).sum::<f64>() / n
}

/// The power of two at or below the largest of these numbers without their signs, by which they are divided without
/// rounding; one for zeros.
pub(crate) fn unit(x: impl Iterator<Item = f64>) -> f64 {
    /// Sign and mantissa are left out.
    const EXPONENT: u64 = 0x7FF0_0000_0000_0000;
    let largest = x.fold(0.0, |top: f64, x| top.max(x.abs()));
    match largest {
        0.0 => 1.0,
        x if !x.is_finite() => 1.0,
        // Below this one only powers of two have a mantissa of zero.
        x => f64::from_bits(x.to_bits() & EXPONENT).max(f64::MIN_POSITIVE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_their_own_mean() {
        for x in [0.1, -0.7, 1e300, 1e10 / 3.0] {
            assert_eq!(mean([x; 101].into_iter()), x);
        }
    }

    #[test]
    fn units_are_powers_of_two() {
        let of = |x: f64| unit([0.0, -x].into_iter());
        assert_eq!((of(0.0), of(5.0), of(0.3)), (1.0, 4.0, 0.25));
        assert_eq!(
            (of(1e308), of(5e-324)),
            (2f64.powi(1023), f64::MIN_POSITIVE)
        );
    }
}

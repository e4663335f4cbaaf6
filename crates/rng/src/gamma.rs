//! Gamma draws with rate 1 by squeezing a cubed normal ([marsagliatsang-2000], algorithm of section 3 without
//! its first test), with the boost of its section 6 below shape 1. Expected cost: a constant for every shape.

use crate::Stream;

/// A draw with this shape above zero.
pub(crate) fn standard(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        return logarithm(shape, stream).exp();
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    // Without a finite shape no proposal would be accepted.
    if !d.is_finite() {
        return d;
    }
    loop {
        let z = stream.normal();
        let v = 1.0 + c * z;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        let u = stream.uniform_open();
        if u.ln() < 0.5 * z * z + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

/// The logarithm of a draw.
pub(crate) fn logarithm(shape: f64, stream: &mut Stream) -> f64 {
    if shape >= 1.0 {
        return standard(shape, stream).ln();
    }
    standard(shape + 1.0, stream).ln() - stream.exponential() / shape
}

#[cfg(test)]
mod tests {
    use crate::Stream;

    /// Mean and variance are the shape; five standard errors, the fourth central moment is 3 a^2 + 6 a.
    #[test]
    fn moments_are_those_of_the_law() {
        for shape in [0.3, 1.0, 4.5, 1e6] {
            let mut stream = Stream::from_seed(13);
            let n = 200_000;
            let (mut m1, mut m2) = (0.0, 0.0);
            for _ in 0..n {
                let x = stream.gamma(shape) - shape;
                m1 += x;
                m2 += x * x;
            }
            let n = f64::from(n);
            assert!((m1 / n).abs() < 5.0 * (shape / n).sqrt(), "{shape}");
            let spread = (2.0 * shape * shape + 6.0 * shape) / n;
            assert!((m2 / n - shape).abs() < 5.0 * spread.sqrt(), "{shape}");
        }
    }

    #[test]
    fn draws_end_at_extreme_shapes() {
        let mut stream = Stream::from_seed(14);
        assert!(stream.gamma(f64::INFINITY).is_infinite());
        assert!(stream.gamma(f64::NAN).is_nan());
        assert_eq!(stream.gamma(f64::MAX), f64::MAX);
        assert_eq!(stream.gamma(1e-300), 0.0);
        // E ln x is -1/a - g + O(a).
        let n = 10_000;
        let mean = (0..n).map(|_| stream.gamma_ln(1e-300)).sum::<f64>() / f64::from(n);
        assert!((mean * 1e-300 + 1.0).abs() < 5.0 / f64::from(n).sqrt());
    }
}

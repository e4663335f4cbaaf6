//! Draws of the few laws from which the others are made. The methods are exact and written out here, so
//! that a stream gives the same draws in every version.
//!
//! Gamma: [marsagliatsang-2000], with the boost of its section 6 below shape 1. Binomial: halving by beta
//! order statistics down to few trials ([devroye-1986], X.4.4). Poisson: the gamma time of the m-th point
//! down to small rates ([ahrens-1974], method PG). Expected cost: a constant, or the logarithm of the count.

use jensen_rng::Stream;

/// Standard exponential, by inversion.
pub(crate) fn exponential(stream: &mut Stream) -> f64 {
    -stream.uniform_open().ln()
}

/// Gamma with this shape and rate 1.
pub(crate) fn gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape < 1.0 {
        return ln_gamma(shape, stream).exp();
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
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

/// The logarithm of a gamma draw, for shapes so small that the draw itself is zero.
pub(crate) fn ln_gamma(shape: f64, stream: &mut Stream) -> f64 {
    if shape >= 1.0 {
        return gamma(shape, stream).ln();
    }
    gamma(shape + 1.0, stream).ln() - exponential(stream) / shape
}

/// Beta with shapes a and b.
pub(crate) fn beta(a: f64, b: f64, stream: &mut Stream) -> f64 {
    let [x, y] = [a, b].map(|shape| ln_gamma(shape, stream));
    jensen_special::logspace::inv_logit(x - y)
}

/// Number of ones among `trials` trials.
pub(crate) fn binomial(trials: f64, chance: f64, stream: &mut Stream) -> f64 {
    /// From here on the split, two gammas, costs less than the trials.
    const FEW: f64 = 16.0;
    let (mut n, mut p, mut ones) = (trials, chance, 0.0);
    while n > FEW {
        // The i-th smallest of n uniforms; the trials on its one side are decided, the others are
        // uniform on their side.
        let i = (0.5 * n).floor() + 1.0;
        let y = beta(i, n + 1.0 - i, stream);
        if y <= p {
            ones += i;
            n -= i;
            p = if y < 1.0 { (p - y) / (1.0 - y) } else { 0.0 };
        } else {
            n = i - 1.0;
            p /= y;
        }
    }
    for _ in 0..n as usize {
        ones += f64::from(u8::from(stream.uniform() < p));
    }
    ones
}

/// Number of points of a Poisson process of rate 1 before the time `rate`.
pub(crate) fn poisson(rate: f64, stream: &mut Stream) -> f64 {
    /// From here on a gamma draw costs less than counting points.
    const FEW: f64 = 12.0;
    let (mut rest, mut points) = (rate, 0.0);
    while rest > FEW {
        let m = (0.875 * rest).floor();
        let time = gamma(m, stream);
        if time > rest {
            return points + binomial(m - 1.0, rest / time, stream);
        }
        points += m;
        rest -= time;
    }
    let mut time = exponential(stream);
    while time < rest {
        points += 1.0;
        time += exponential(stream);
    }
    points
}

/// An index with chances in proportion to `weights`, by inversion.
pub(crate) fn index(weights: &[f64], stream: &mut Stream) -> usize {
    let mut rest = stream.uniform() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return index;
        }
        rest -= weight;
    }
    // Rounding may leave a last place; it belongs to the last index that has weight.
    weights.iter().rposition(|&w| w > 0.0).unwrap_or(0)
}

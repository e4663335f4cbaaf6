//! Draws of the few laws from which the others are made. The methods are exact and written out here, so
//! that a stream gives the same draws in every version.
//!
//! Gamma draws are the stream's. Binomial: halving by beta order statistics down to few trials
//! ([devroye-1986], X.4.4). Poisson: the gamma time of the m-th point down to small rates ([ahrens-1974],
//! method PG). Expected cost: a constant, or the logarithm of the count.

use jensen_rng::Stream;

/// Beta with shapes a and b.
pub(crate) fn beta(a: f64, b: f64, stream: &mut Stream) -> f64 {
    let [x, y] = [a, b].map(|shape| stream.gamma_ln(shape));
    if x == y && x.is_infinite() {
        // Shapes so small that only the ends have mass, in proportion to the shapes.
        return f64::from(u8::from(stream.uniform() * (1.0 + b / a) < 1.0));
    }
    jensen_special::logspace::inv_logit(x - y)
}

/// Number of ones among `trials` trials.
pub(crate) fn binomial(trials: f64, chance: f64, stream: &mut Stream) -> f64 {
    /// From here on the split, two gammas, costs less than the trials.
    const FEW: f64 = 16.0;
    if chance <= 0.0 || chance >= 1.0 {
        return if chance <= 0.0 { 0.0 } else { trials };
    }
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

/// Number of points of a Poisson process of rate 1 before the time `rate`; infinite where the rate is.
pub(crate) fn poisson(rate: f64, stream: &mut Stream) -> f64 {
    if !rate.is_finite() {
        return rate;
    }
    /// From here on a gamma draw costs less than counting points.
    const FEW: f64 = 12.0;
    let (mut rest, mut points) = (rate, 0.0);
    while rest > FEW {
        let m = (0.875 * rest).floor();
        let time = stream.gamma(m);
        if time > rest {
            return points + binomial(m - 1.0, rest / time, stream);
        }
        points += m;
        rest -= time;
    }
    let mut time = stream.exponential();
    while time < rest {
        points += 1.0;
        time += stream.exponential();
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

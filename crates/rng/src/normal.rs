//! Standard normal draws by the ziggurat method with 256 layers ([marsaglia-2000]).
//!
//! One 64-bit word serves most draws: 8 bits choose the layer, one the sign, 53 the abscissa.
//! The tables are computed once from the two constants of the 256-layer ziggurat.

use crate::Stream;
use std::sync::LazyLock;

const N_LAYERS: usize = 256;
/// Right edge of the bottom layer, [marsaglia-2000] for 256 layers.
const TAIL_START: f64 = 3.654_152_885_361_009;
/// Area of each layer.
const LAYER_AREA: f64 = 0.004_928_673_233_974_658;

struct Tables {
    /// Right edges, falling; `edge[0]` is the width of the bottom layer with its tail folded in.
    edge: [f64; N_LAYERS + 1],
    /// exp(-x^2/2) at the edges.
    height: [f64; N_LAYERS + 1],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let density = |x: f64| (-0.5 * x * x).exp();
    let mut edge = [0.0; N_LAYERS + 1];
    edge[0] = LAYER_AREA / density(TAIL_START);
    edge[1] = TAIL_START;
    for i in 2..N_LAYERS {
        edge[i] = (-2.0 * (LAYER_AREA / edge[i - 1] + density(edge[i - 1])).ln()).sqrt();
    }
    edge[N_LAYERS] = 0.0;
    Tables {
        edge,
        height: edge.map(density),
    }
});

pub(crate) fn standard(stream: &mut Stream) -> f64 {
    let tables = &*TABLES;
    loop {
        let bits = stream.next_u64();
        let layer = (bits & 0xff) as usize;
        let sign = if bits & 0x100 == 0 { 1.0 } else { -1.0 };
        let unit = (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        let x = unit * tables.edge[layer];
        if x < tables.edge[layer + 1] {
            return sign * x;
        }
        if layer == 0 {
            return sign * tail(stream);
        }
        let low = tables.height[layer];
        let high = tables.height[layer + 1];
        if low + stream.uniform() * (high - low) < (-0.5 * x * x).exp() {
            return sign * x;
        }
    }
}

/// A draw beyond `TAIL_START` by Marsaglia's exponential rejection.
#[cold]
fn tail(stream: &mut Stream) -> f64 {
    loop {
        let x = -stream.uniform_open().ln() / TAIL_START;
        let y = -stream.uniform_open().ln();
        if 2.0 * y > x * x {
            return TAIL_START + x;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Stream;

    #[test]
    fn moments_and_tail_are_those_of_a_standard_normal() {
        let mut stream = Stream::from_seed(11);
        let n = 2_000_000;
        let (mut m1, mut m2, mut m3, mut m4, mut beyond, mut far) = (0.0, 0.0, 0.0, 0.0, 0, 0);
        for _ in 0..n {
            let x = stream.normal();
            m1 += x;
            m2 += x * x;
            m3 += x * x * x;
            m4 += x * x * x * x;
            beyond += usize::from(x.abs() > 1.0);
            far += usize::from(x.abs() > 3.7);
        }
        let n = n as f64;
        // Five standard errors; the variances of x, x^2, x^3, x^4 are 1, 2, 15, 96.
        assert!((m1 / n).abs() < 5.0 * (1.0 / n).sqrt());
        assert!((m2 / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt());
        assert!((m3 / n).abs() < 5.0 * (15.0 / n).sqrt());
        assert!((m4 / n - 3.0).abs() < 5.0 * (96.0 / n).sqrt());
        let within =
            |count: usize, p: f64| (count as f64 / n - p).abs() < 5.0 * (p * (1.0 - p) / n).sqrt();
        assert!(within(beyond, 0.317_310_507_862_914_1));
        assert!(within(far, 2.155_994_669_547_765e-4));
    }
}

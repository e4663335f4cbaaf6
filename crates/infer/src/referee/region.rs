//! The region of a mode: where draws would be that visit it.
//!
//! The denser half of the Gaussian q of a mode at m is not enough. In d coordinates the squared distance of a draw is
//! d, give or take (2 d)^1/2, so that with d = 200 some draws of a mode nine standard deviations away lie nearer than
//! half of q does. So a draw has to be on the mode's side as well: along the direction to each place a that the draws
//! know, in the metric of q, it goes no farther than one standard deviation,
//!
//! ```text
//! t_a(x) = <x - m, a - m> / |a - m| <= 1,    <u, v> = u^T S^-1 v
//! ```
//!
//! which holds for five of six draws of q, and for draws at m whatever a is. Products come from densities:
//! 2 <u, v> = |u|^2 + |v|^2 - |u - v|^2 with |u|^2 = 2 (ln q(m) - ln q(m + u)).

use crate::pathfinder::PathGaussian;
use jensen_posterior::Approximation;
use jensen_rng::Stream;

/// Draws by which q tells where half of its mass lies, and how much the region holds.
const N_INSIDE: u64 = 400;
/// Standard deviations that a draw may be off towards what the draws know.
const ASIDE: f64 = 1.0;
/// The region of a mode.
pub(super) struct Region {
    /// The log density of q at its mean and at the edge of the denser half.
    top: f64,
    edge: f64,
    /// Places that the draws know, and their squared distances.
    known: Vec<(Vec<f64>, f64)>,
    /// The share of q in the region.
    pub(super) share: f64,
}

impl Region {
    /// Of a Gaussian, with places that the draws know.
    pub(super) fn new(q: &PathGaussian, known: &[Vec<f64>], stream: &Stream) -> Self {
        let mut drawn: Vec<(f64, Vec<f64>)> = (0..N_INSIDE)
            .map(|i| {
                let mut position = vec![0.0; q.dim()];
                let height = q.sample(&mut stream.child("inside", i), &mut position);
                (height, position)
            })
            .collect();
        drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
        let top = q.ln_density(&q.mean);
        let distances = known.iter().map(|a| 2.0 * (top - q.ln_density(a)));
        let known = known.iter().cloned().zip(distances);
        let mut region = Self {
            top,
            edge: drawn[drawn.len() / 2].0,
            // The mode itself has no direction.
            known: known.filter(|(_, distance)| *distance > 0.0).collect(),
            share: 1.0,
        };
        let n_inside = drawn.iter().filter(|(_, x)| region.holds(q, x)).count();
        region.share = n_inside.max(1) as f64 / N_INSIDE as f64;
        region
    }

    /// Whether a position lies in the region.
    pub(super) fn holds(&self, q: &PathGaussian, position: &[f64]) -> bool {
        let height = q.ln_density(position);
        let of_position = 2.0 * (self.top - height);
        // Comparisons with NaN fail: what cannot be computed is nowhere.
        height >= self.edge
            && self.known.iter().all(|(a, of_known)| {
                let gap: Vec<f64> = (position.iter().zip(a).zip(&q.mean))
                    .map(|((x, a), m)| x - a + m)
                    .collect();
                let between = 2.0 * (self.top - q.ln_density(&gap));
                0.5 * (of_position + of_known - between) <= ASIDE * of_known.sqrt()
            })
    }
}

//! Two unit normals in d dimensions, their centers apart along the first axis.
//!
//! ```text
//! p = w normal(x; -a e_1, I) + (1 - w) normal(x; a e_1, I),  a = separation / 2
//! ```
//!
//! The density is normalized, ln normalizer = 0. E x_1 = a (1 - 2 w), Var x_1 = 1 + 4 a^2 w (1 - w). From a
//! separation of about 6 a chain does not cross and a unimodal family sees one mode.

use std::f64::consts::TAU;

use jensen_density::{Layout, Variable, from_fn};

use super::Target;
use super::logistic::logistic;

/// The mixture.
pub struct Bimodal {
    dim: usize,
    /// Half of the distance of the centers, a.
    half: f64,
    /// Weight w of the component on the negative side.
    weight: f64,
}

impl Bimodal {
    /// In `dim` dimensions with centers at distance `separation`; the one on the negative side has `weight`.
    pub fn new(dim: usize, separation: f64, weight: f64) -> Self {
        assert!(0.0 < weight && weight < 1.0, "weight {weight}");
        Self {
            dim,
            half: separation / 2.0,
            weight,
        }
    }

    /// With its moments and normalizer.
    pub fn target(self) -> Target {
        let (a, w, dim) = (self.half, self.weight, self.dim);
        let layout = Layout::new(vec![Variable::new("x", &[dim])]);
        let density = from_fn(layout, move |x, grad| {
            let left = w.ln() - 0.5 * (x[0] + a).powi(2);
            let right = (-w).ln_1p() - 0.5 * (x[0] - a).powi(2);
            let (high, gap) = (left.max(right), (left - right).abs());
            let mut value = high + (-gap).exp().ln_1p() - 0.5 * x.len() as f64 * TAU.ln();
            for (g, x) in grad.iter_mut().zip(x).skip(1) {
                value -= 0.5 * x * x;
                *g = -x;
            }
            let share_left = logistic(left - right);
            grad[0] = -(x[0] + a) * share_left - (x[0] - a) * (1.0 - share_left);
            value
        });
        let (mut mean, mut sd) = (vec![0.0; dim], vec![1.0; dim]);
        mean[0] = a * (1.0 - 2.0 * w);
        sd[0] = (1.0 + 4.0 * a * a * w * (1.0 - w)).sqrt();
        Target::exact(format!("bimodal-{dim}"), density, mean, sd, Some(0.0))
    }
}

/// Two standard normal modes, the second `offset` away from the origin in the first of d coordinates and with
/// this share of the mass: starts near the origin all lie in the basin of the first.
pub fn far_mode(d: usize, offset: f64, share: f64) -> Target {
    let layout = Layout::new(vec![Variable::new("x", &[d])]);
    let ln_odds = (share / (1.0 - share)).ln();
    let density = from_fn(layout, move |x, grad| {
        let ln_near = -0.5 * x.iter().map(|x| x * x).sum::<f64>();
        let ln_ratio = offset * x[0] - 0.5 * offset * offset + ln_odds;
        grad.iter_mut().zip(x).for_each(|(g, x)| *g = -x);
        grad[0] += offset / (1.0 + (-ln_ratio).exp());
        ln_near + ln_ratio.max(0.0) + (-ln_ratio.abs()).exp().ln_1p()
    });
    let (mut mean, mut sd) = (vec![0.0; d], vec![1.0; d]);
    mean[0] = share * offset;
    sd[0] = (1.0 + share * (1.0 - share) * offset * offset).sqrt();
    let log_normalizer = 0.5 * d as f64 * TAU.ln() - (-share).ln_1p();
    Target::exact(
        format!("far_mode-{d}-{offset}"),
        density,
        mean,
        sd,
        Some(log_normalizer),
    )
}

//! What lies beyond the draws: tails that carry no moments, and mass on a larger scale than theirs.
//!
//! Draws of a density that has no normalizer may look as good as any, since nothing forces them out to where it does
//! not fall. So the density is asked there: along every coordinate and every principal direction of the draws, on
//! both sides of one of them, at 4, 8, .. 512 standard deviations. With p along such a ray, s = -d ln p / d ln r and
//! g = d ln |value - value at the draw| / d ln r, both from doublings of r,
//!
//! - **tail**: the least s of all rays. Of a proper density almost every line through its draws carries a finite
//!   integral (Fubini), so s > 1 far out.
//! - **moments**: for each value the order up to which its moments exist, (s - 1) / g: that of a Student-t law is its
//!   degrees of freedom, that of a Pareto law its exponent. Below 2 there is no variance in which an error of the mean
//!   could be told, below 1 no mean. Below 4 the standard deviation has no error that could be told: the remark
//!   **sd_moments** on it. Of a value in one of several coordinates it is that of the conditional law, whose
//!   tail is at least as light. A value that overflows is told by the doublings before.
//! - **tail_unseen**: rays along which numbers end, by overflow or a solver that fails, before two doublings: of them
//!   nothing is known. A wall, where the density refuses values that are finite, is a true end.
//! - **beyond_spread**: ln of the factor by which a standard deviation grows with what was not drawn. Along the
//!   coordinates it is the integral of r^2 p beyond eight standard deviations, over that of p if the draw were the top
//!   of a Gaussian. In all coordinates together draws z are stretched from their mean m: with z from p
//!
//! ```text
//! E[p(m + r (z - m)) r^d / p(z)] = 1    for every r > 0,
//! ```
//!
//!   so that what terms far from m add up to is mass which z alone does not show, as that of a wide component beneath a
//!   narrow peak. It is of no single coordinate: where it fails all of them are named.
//!
//! Standard deviations of rays are marginal ones. It costs up to 18 d evaluations along coordinates, as many along
//! principal directions and at most 144 others (16 draws, at eight radii each);
//! a ray ends where the density refuses or is less than e^-700 of what it is at the draw, mostly after five.

use super::compare::{SPREAD, SPREAD_FAR};
use super::drift::moments;
use super::{Check, Sense};
use crate::dense;
use faer::Mat;
use jensen_density::{Cause, Evaluator, LogDensity};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::f64::consts::{LN_2, TAU};

/// Radii of rays, in standard deviations: the first, and how often it is doubled.
const FIRST_RADIUS: f64 = 4.0;
const N_RADII: i32 = 8;
/// Standard deviations from which on mass counts as beyond the draws: along one line of hundreds a skewed density may
/// have some at the half.
const FAR: f64 = 8.0;
/// Nats below the draw at which a ray ends: less is nothing in double precision.
const DEEP: f64 = 700.0;
/// Slopes of ln p by ln r up to this one belong to no proper density, rounding included.
const PROPER: f64 = 1.05;
/// Orders of moments without which standard deviations have no standard error, without which means have none, and
/// without which there are no means.
const ERROR_OF_VARIANCE: f64 = 4.0;
const VARIANCE: f64 = 2.0;
const MEAN: f64 = 1.0;
/// Orders are told by differences far out, which are off by as much where values are sums.
const ROUNDING: f64 = 0.02;
/// A value that grows more slowly along a ray, by ln r, does not go to infinity with it.
const LEAST_GROWTH: f64 = 0.1;
/// Draws that are stretched, and by which the top of a draw is chosen.
const N_STRETCHED: usize = 16;
/// Principal directions are looked for in at most this many coordinates: they cost O(d^3).
const MOST_PRINCIPAL: usize = 100;
/// A coordinate with at least this share of the largest component of a direction is named.
const SHARE: f64 = 0.5;

/// The checks of unconstrained draws of equal weight, and the evaluations used.
pub(super) fn beyond(target: &dyn LogDensity, draws: &[&[f64]]) -> (Vec<Check>, u64) {
    let (d, n) = (target.dim(), draws.len());
    let (mean, sd) = moments(draws.iter(), d, n as f64);
    let mut evaluator = Evaluator::new(target);
    // Draws at equal distances are of every chain.
    let chosen: Vec<(&[f64], f64)> = (0..N_STRETCHED.min(n))
        .map(|i| draws[(2 * i + 1) * n / (2 * N_STRETCHED.min(n))])
        .map(|row| (row, evaluator.log_density(row)))
        .filter(|(_, ln_p)| ln_p.is_finite())
        .collect();
    let n_chosen = evaluator.n_gradients();
    let top = chosen.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let Some(&(top, ln_top)) = top else {
        // What cannot be looked at is no better for it.
        let unmade = |name| Check::whole(name, f64::NAN, Sense::AtMost, 0.0, 0.0);
        let checks = ["tail", "moments", "beyond_spread"].map(unmade);
        return (checks.to_vec(), n_chosen);
    };
    let directions = directions(draws, &mean, &sd);
    let rays: Vec<Ray> = (0..2 * directions.len())
        .into_par_iter()
        .map(|i| {
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            // Along a coordinate radii count from its mean, which a draw of many coordinates is far from in some.
            let mut from = top.to_vec();
            if i / 2 < d {
                from[i / 2] = mean[i / 2];
            }
            Ray::along(target, &from, ln_top, &directions[i / 2], sign)
        })
        .collect();
    let layout = target.layout();
    let coordinates: Vec<String> = (0..d).map(|i| layout.coordinate(i)).collect();
    let falls: Vec<f64> = rays.iter().map(Ray::fall).collect();
    let least = falls.iter().copied().fold(f64::INFINITY, f64::min);
    let named = |ray_idx: usize| -> Vec<String> {
        let size: Vec<f64> = (directions[ray_idx / 2].iter().zip(&sd))
            .map(|(v, s)| (v / s).abs())
            .collect();
        let most = size.iter().copied().fold(0.0, f64::max);
        let named = (0..d).filter(|&i| size[i] >= SHARE * most);
        named.map(|i| coordinates[i].clone()).collect()
    };
    let tail = Check::whole("tail", least, Sense::AtLeast, PROPER, PROPER).blaming(|| {
        let worst = falls.iter().position(|fall| *fall == least);
        named(worst.unwrap_or(0))
    });
    let n_unseen = rays.iter().filter(|ray| ray.is_unseen()).count() as f64;
    let most_unseen = rays.len() as f64;
    let unseen = Check::whole("tail_unseen", n_unseen, Sense::AtMost, 0.0, most_unseen);
    let unseen = unseen.blaming(|| {
        rays.iter()
            .position(Ray::is_unseen)
            .map_or(Vec::new(), named)
    });
    let orders: Vec<f64> = (0..layout.n_values())
        .map(|j| (rays.iter().map(|ray| ray.order(j))).fold(f64::INFINITY, f64::min))
        .collect();
    let (stretched, n_stretched) = stretched(target, &chosen, &mean, &sd);
    let along = |i: usize| rays[2 * i].spread + rays[2 * i + 1].spread;
    let spreads: Vec<f64> = (0..d)
        .map(|i| 0.5 * along(i).max(stretched).ln_1p())
        .collect();
    let (limit, far) = (SPREAD.ln(), SPREAD_FAR.ln());
    let names = layout.value_names();
    let checks = vec![
        tail,
        unseen,
        Check::each(
            "moments",
            &orders,
            &names,
            Sense::AtLeast,
            VARIANCE + ROUNDING,
            MEAN + ROUNDING,
        ),
        Check::each(
            "sd_moments",
            &orders,
            &names,
            Sense::AtLeast,
            ERROR_OF_VARIANCE + ROUNDING,
            VARIANCE + ROUNDING,
        )
        .qualifying(),
        Check::each(
            "beyond_spread",
            &spreads,
            &coordinates,
            Sense::AtMost,
            limit,
            far,
        ),
    ];
    let n_rays: u64 = rays.iter().map(|ray| ray.n_gradients).sum();
    (checks, n_chosen + n_rays + n_stretched)
}

/// The coordinates, and the principal directions of draws that are not those, one standard deviation long each.
fn directions(draws: &[&[f64]], mean: &[f64], sd: &[f64]) -> Vec<Vec<f64>> {
    let d = mean.len();
    let axis = |i: usize| -> Vec<f64> {
        let mut axis = vec![0.0; d];
        axis[i] = sd[i];
        axis
    };
    let mut directions: Vec<Vec<f64>> = (0..d).map(axis).collect();
    let moves = sd.iter().all(|s| *s > 0.0 && s.is_finite());
    if d == 1 || d > MOST_PRINCIPAL || !moves {
        return directions;
    }
    let mut correlation = Mat::<f64>::zeros(d, d);
    for row in draws {
        let u: Vec<f64> = (0..d).map(|i| (row[i] - mean[i]) / sd[i]).collect();
        for i in 0..d {
            for j in 0..=i {
                correlation[(i, j)] += u[i] * u[j] / draws.len() as f64;
            }
        }
    }
    for i in 0..d {
        for j in 0..i {
            correlation[(j, i)] = correlation[(i, j)];
        }
    }
    let (variances, vectors) = dense::eigen(&correlation);
    for (k, variance) in variances.iter().enumerate() {
        let length = variance.max(0.0).sqrt();
        let direction = (0..d).map(|i| length * sd[i] * vectors[(i, k)]);
        directions.push(direction.collect());
    }
    directions
}

/// A density along a half-line from a draw.
struct Ray {
    /// Every radius at which the density gave a number: how far ln p has fallen there, nats, and
    /// ln |value - value at the draw|, `[n_values]`.
    seen: Vec<(f64, Vec<f64>)>,
    /// Whether the density has come to nothing: a wall, or a fall that leaves no doubt after few radii.
    is_gone: bool,
    /// The integral of r^2 p over that of a Gaussian with the draw as its top.
    spread: f64,
    n_gradients: u64,
}

impl Ray {
    fn along(
        target: &dyn LogDensity,
        from: &[f64],
        ln_top: f64,
        direction: &[f64],
        sign: f64,
    ) -> Self {
        let mut evaluator = Evaluator::new(target);
        let ln_top = evaluator.log_density(from).max(ln_top);
        let values_at = |position: &[f64]| {
            let mut values = vec![0.0; target.layout().n_values()];
            target.constrain(position, &mut values);
            values
        };
        let origin = values_at(from);
        let mut grad = vec![0.0; from.len()];
        let mut seen: Vec<(f64, Vec<f64>)> = Vec::new();
        let mut spread = 0.0;
        let mut is_gone = false;
        for k in 0..N_RADII {
            let radius = FIRST_RADIUS * 2f64.powi(k);
            let position: Vec<f64> = (from.iter().zip(direction))
                .map(|(x, v)| x + sign * radius * v)
                .collect();
            let values = values_at(&position);
            let drop = match evaluator.log_density_and_grad(&position, &mut grad) {
                Ok(ln_p) => ln_top - ln_p,
                Err(reject) => {
                    // A wall is a true end, if it is not one of numbers: an infinite value is outside of any support.
                    is_gone = reject.cause == Cause::OutsideSupport
                        && values.iter().all(|x| x.is_finite());
                    break;
                }
            };
            let gaps = values.iter().zip(&origin);
            let gaps: Vec<f64> = gaps.map(|(x, o)| (x - o).abs().ln()).collect();
            // Trapezoids over ln r, in which r^3 p is even where p is a power of r.
            let width = match radius.total_cmp(&FAR) {
                Ordering::Less => 0.0,
                Ordering::Equal => 0.5 * LN_2,
                Ordering::Greater => LN_2,
            };
            spread += radius.powi(3) * (-drop).exp() * width / TAU.sqrt();
            seen.push((drop, gaps));
            if drop > DEEP {
                is_gone = seen.len() < 3;
                break;
            }
        }
        Self {
            seen,
            is_gone,
            spread,
            n_gradients: evaluator.n_gradients(),
        }
    }

    /// Whether numbers ended before two doublings of the radius, so that nothing can be told.
    fn is_unseen(&self) -> bool {
        !self.is_gone && self.seen.len() < 3
    }

    /// The better of the slopes -d ln p / d ln r of the two farthest doublings; infinite where the density has come
    /// to nothing, and where nothing can be told.
    fn fall(&self) -> f64 {
        match &self.seen[..] {
            [.., a, b, c] if !self.is_gone => slope(a.0, b.0).max(slope(b.0, c.0)),
            _ => f64::INFINITY,
        }
    }

    /// The order up to which moments of a value exist, infinite where the ray says nothing of it.
    fn order(&self, value_idx: usize) -> f64 {
        let is_finite = |(_, gaps): &&(f64, Vec<f64>)| gaps[value_idx] < f64::INFINITY;
        let n_finite = self.seen.iter().take_while(is_finite).count();
        let overflow = self.seen.get(n_finite);
        if self.is_gone && overflow.is_none() {
            return f64::INFINITY;
        }
        let [.., a, b, c] = &self.seen[..n_finite] else {
            // A value without bound where the density has not decayed has no moment of any order; else x^k p is at
            // least e^(k ln(largest number) - fall).
            return match overflow {
                Some((drop, _)) if *drop < DEEP => 0.0,
                Some((drop, _)) => drop / f64::MAX.ln(),
                None => f64::INFINITY,
            };
        };
        let order = |near: &(f64, Vec<f64>), far: &(f64, Vec<f64>)| {
            let growth = slope(near.1[value_idx], far.1[value_idx]);
            match growth {
                // From no difference at all to some: the other doubling decides.
                f64::INFINITY => 0.0,
                _ if growth > LEAST_GROWTH => (slope(near.0, far.0) - 1.0) / growth,
                _ => f64::INFINITY,
            }
        };
        order(a, b).max(order(b, c))
    }
}

/// The slope by ln r over a doubling of r.
fn slope(near: f64, far: f64) -> f64 {
    (far - near) / LN_2
}

/// The variance that stretched draws add, in variances of the draws, of the scale where it is largest; and the
/// evaluations used.
fn stretched(
    target: &dyn LogDensity,
    chosen: &[(&[f64], f64)],
    mean: &[f64],
    sd: &[f64],
) -> (f64, u64) {
    let d = mean.len() as f64;
    let mut evaluator = Evaluator::new(target);
    let mut most: f64 = 0.0;
    for k in 0..N_RADII {
        let factor = FAR * 2f64.powi(k);
        let mut added = 0.0;
        for (row, ln_p) in chosen {
            let position: Vec<f64> = (row.iter().zip(mean))
                .map(|(x, m)| m + factor * (x - m))
                .collect();
            let square: f64 = (position.iter().zip(mean).zip(sd))
                .map(|((x, m), s)| ((x - m) / s).powi(2))
                .sum::<f64>()
                / d;
            // What lies near the mean is no news, how ever far it came.
            if square > FAR * FAR {
                let ln_w = evaluator.log_density(&position) + d * factor.ln() - ln_p;
                added += square * ln_w.exp() / chosen.len() as f64;
            }
        }
        most = most.max(added);
    }
    (most, evaluator.n_gradients())
}

#[cfg(test)]
mod tests;

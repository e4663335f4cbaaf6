//! Gaussians with a diagonal plus rank-r covariance: q(z) = N(z; m, D^2 + V V^T), z = m + D e + V f.
//!
//! [ong-2018], equation (4). lambda = (m `[d]`, ln D_ii `[d]`, V `[d, r]` row after row), noise (e, f)
//! `[d + r]`. With C = I + V^T D^-2 V (r by r) the inverse P of the covariance is
//! D^-2 - D^-2 V C^-1 V^T D^-2, and with a = P (z - m):
//!
//! - ln q = -d/2 ln 2 pi - (ln det D^2 + ln det C)/2 - (z - m)^T a / 2
//! - by z: -a, by m: a, by covariance: G = (a a^T - P)/2; so by ln D_ii: 2 G_ii D_ii^2, by V: 2 G V
//! - entropy d/2 ln(2 pi e) + (ln det D^2 + ln det C)/2, by covariance: P/2
//!
//! The local coordinates use the marginal standard deviations s = sqrt(D_ii^2 + |V_i|^2): J = s for m and
//! for the rows of V, 1/sqrt 2 for ln D. Cost O(d r^2 + r^3) a draw.
//! For many coordinates with a few strong directions. V = 0 is a saddle of the bound, so V starts away from it.

use super::{Family, Member};
use jensen_posterior::Approximation;
use std::f64::consts::{E, FRAC_1_SQRT_2, PI, TAU};

/// Gaussians on R^d with a diagonal plus low-rank covariance.
#[derive(Clone, Copy, Debug)]
pub struct LowRank {
    /// Number of coordinates d.
    pub dim: usize,
    /// Number r of columns of V.
    pub rank: usize,
}

/// Norm of the rows of V at the start, in marginal standard deviations: away from the saddle at zero, and
/// little against the diagonal.
const START_SHARE: f64 = 0.1;

/// What P needs: the weights 1/D^2, W = D^-2 V `[d, r]`, W C^-1 `[d, r]`, and ln det of the covariance.
struct Inverse {
    weight: Vec<f64>,
    scaled: Vec<f64>,
    solved: Vec<f64>,
    ln_det: f64,
}

impl LowRank {
    fn split<'a>(&self, params: &'a [f64]) -> (&'a [f64], &'a [f64], &'a [f64]) {
        let (mean, rest) = params.split_at(self.dim);
        let (ln_diagonal, columns) = rest.split_at(self.dim);
        (mean, ln_diagonal, columns)
    }

    /// Row i of V.
    fn row<'a>(&self, columns: &'a [f64], i: usize) -> &'a [f64] {
        &columns[i * self.rank..(i + 1) * self.rank]
    }

    fn inverse(&self, params: &[f64]) -> Inverse {
        let (d, r) = (self.dim, self.rank);
        let (_, ln_diagonal, columns) = self.split(params);
        let weight: Vec<f64> = ln_diagonal.iter().map(|w| (-2.0 * w).exp()).collect();
        let scaled: Vec<f64> = (0..d * r).map(|k| columns[k] * weight[k / r]).collect();
        let mut c = vec![0.0; r * r];
        for i in 0..d {
            let (v, w) = (self.row(columns, i), self.row(&scaled, i));
            for a in 0..r {
                for b in 0..=a {
                    c[a * r + b] += w[a] * v[b];
                }
            }
        }
        for a in 0..r {
            c[a * r + a] += 1.0;
        }
        factorize(&mut c, r);
        let mut solved = scaled.clone();
        for row in solved.chunks_exact_mut(r.max(1)) {
            solve(&c, row);
        }
        let ln_det_c: f64 = (0..r).map(|a| 2.0 * c[a * r + a].ln()).sum();
        Inverse {
            weight,
            scaled,
            solved,
            ln_det: 2.0 * ln_diagonal.iter().sum::<f64>() + ln_det_c,
        }
    }

    /// Adds `weight` times the derivative of -ln det(covariance)/2 to `by_params`.
    fn add_ln_det(&self, params: &[f64], inverse: &Inverse, weight: f64, by_params: &mut [f64]) {
        let (_, ln_diagonal, _) = self.split(params);
        let (by_ln_diagonal, by_columns) = by_params[self.dim..].split_at_mut(self.dim);
        for i in 0..self.dim {
            let inner: f64 = (self.row(&inverse.scaled, i).iter())
                .zip(self.row(&inverse.solved, i))
                .map(|(w, s)| w * s)
                .sum();
            let p_ii = inverse.weight[i] - inner;
            by_ln_diagonal[i] -= weight * p_ii * (2.0 * ln_diagonal[i]).exp();
        }
        // P V = W - W C^-1 (C - I) = W C^-1.
        for (g, s) in by_columns.iter_mut().zip(&inverse.solved) {
            *g -= weight * s;
        }
    }

    fn marginal_sd(&self, params: &[f64], i: usize) -> f64 {
        let (_, ln_diagonal, columns) = self.split(params);
        let squares: f64 = self.row(columns, i).iter().map(|v| v * v).sum();
        ((2.0 * ln_diagonal[i]).exp() + squares).sqrt()
    }
}

impl Family for LowRank {
    fn name(&self) -> String {
        format!("low-rank({})", self.rank)
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn n_params(&self) -> usize {
        self.dim * (2 + self.rank)
    }

    fn n_noise(&self) -> usize {
        self.dim + self.rank
    }

    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64> {
        // Columns of a cosine transform: different and orthogonal, without any randomness.
        let share = START_SHARE / (self.rank.max(1) as f64).sqrt();
        let cosine = |i: usize, column: usize| {
            let angle = PI * (i as f64 + 0.5) * (column as f64 + 1.0) / self.dim as f64;
            share * angle.cos()
        };
        let taken = |i: usize| (0..self.rank).map(|c| cosine(i, c).powi(2)).sum::<f64>();
        let ln_diagonal = (0..self.dim).map(|i| sd[i].ln() + 0.5 * (-taken(i)).ln_1p());
        let columns = (0..self.dim * self.rank)
            .map(|k| sd[k / self.rank] * cosine(k / self.rank, k % self.rank));
        mean.iter()
            .copied()
            .chain(ln_diagonal)
            .chain(columns)
            .collect()
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        let (mean, ln_diagonal, columns) = self.split(params);
        let (e, f) = noise.split_at(self.dim);
        for i in 0..self.dim {
            let along: f64 = self.row(columns, i).iter().zip(f).map(|(v, f)| v * f).sum();
            z[i] = mean[i] + ln_diagonal[i].exp() * e[i] + along;
        }
    }

    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]) {
        let (d, r) = (self.dim, self.rank);
        let (_, ln_diagonal, _) = self.split(params);
        let (e, f) = noise.split_at(d);
        for i in 0..d {
            by_params[i] += by_z[i];
            by_params[d + i] += by_z[i] * ln_diagonal[i].exp() * e[i];
            let by_row = &mut by_params[2 * d + i * r..2 * d + (i + 1) * r];
            for (g, f) in by_row.iter_mut().zip(f) {
                *g += by_z[i] * f;
            }
        }
    }

    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64 {
        let (d, r) = (self.dim, self.rank);
        let (mean, ln_diagonal, columns) = self.split(params);
        let inverse = self.inverse(params);
        let away: Vec<f64> = z.iter().zip(mean).map(|(z, m)| z - m).collect();
        // a = D^-2 x - W C^-1 (W^T x), and V^T a for the gradient by V.
        let mut inner = vec![0.0; r];
        for (i, x) in away.iter().enumerate() {
            for (t, w) in inner.iter_mut().zip(self.row(&inverse.scaled, i)) {
                *t += w * x;
            }
        }
        let mut along = vec![0.0; r];
        let mut squares = 0.0;
        by_params.fill(0.0);
        for i in 0..d {
            let taken: f64 = (self.row(&inverse.solved, i).iter())
                .zip(&inner)
                .map(|(s, t)| s * t)
                .sum();
            let a = inverse.weight[i] * away[i] - taken;
            for (t, v) in along.iter_mut().zip(self.row(columns, i)) {
                *t += v * a;
            }
            squares += a * away[i];
            by_z[i] = -a;
            by_params[i] = a;
            by_params[d + i] = a * a * (2.0 * ln_diagonal[i]).exp();
        }
        for i in 0..d {
            let by_row = &mut by_params[2 * d + i * r..2 * d + (i + 1) * r];
            for (g, t) in by_row.iter_mut().zip(&along) {
                *g = -by_z[i] * t;
            }
        }
        self.add_ln_det(params, &inverse, 1.0, by_params);
        -0.5 * (d as f64 * TAU.ln() + inverse.ln_det + squares)
    }

    fn entropy(&self, params: &[f64], weight: f64, by_params: &mut [f64]) -> Option<f64> {
        let inverse = self.inverse(params);
        self.add_ln_det(params, &inverse, -weight, by_params);
        Some(0.5 * (self.dim as f64 * (TAU * E).ln() + inverse.ln_det))
    }

    fn gradient_to_local(&self, params: &[f64], grad: &mut [f64]) {
        let (d, r) = (self.dim, self.rank);
        for i in 0..d {
            let sd = self.marginal_sd(params, i);
            grad[i] *= sd;
            grad[d + i] *= FRAC_1_SQRT_2;
            for g in &mut grad[2 * d + i * r..2 * d + (i + 1) * r] {
                *g *= sd;
            }
        }
    }

    fn step_from_local(&self, params: &[f64], step: &mut [f64]) {
        // J is diagonal.
        self.gradient_to_local(params, step);
    }

    fn member(&self, params: &[f64]) -> Box<dyn Approximation> {
        Box::new(Member {
            family: *self,
            params: params.to_vec(),
        })
    }
}

/// The lower Cholesky factor in place; C = I + a positive semidefinite matrix always has one.
fn factorize(c: &mut [f64], r: usize) {
    for a in 0..r {
        for b in 0..=a {
            let known: f64 = (0..b).map(|k| c[a * r + k] * c[b * r + k]).sum();
            let rest = c[a * r + b] - known;
            c[a * r + b] = match a == b {
                true => rest.sqrt(),
                false => rest / c[b * r + b],
            };
        }
    }
}

/// x = (L L^T)^-1 x.
fn solve(lower: &[f64], x: &mut [f64]) {
    let r = x.len();
    for a in 0..r {
        let known: f64 = (0..a).map(|k| lower[a * r + k] * x[k]).sum();
        x[a] = (x[a] - known) / lower[a * r + a];
    }
    for a in (0..r).rev() {
        let known: f64 = (a + 1..r).map(|k| lower[k * r + a] * x[k]).sum();
        x[a] = (x[a] - known) / lower[a * r + a];
    }
}

//! Batch and match: full-rank Gaussians by matching scores, with a closed-form proximal update. [cai-2024]
//!
//! Minimizes the score divergence E_q |grad ln q - grad ln p|^2, weighted by the covariance of q, plus a
//! proximal term (2 / lambda) KL(q_t || q). From B draws z_b of q_t with scores g_b, means z-, g-, covariances
//! C of z and Gamma of g (divided by B), [cai-2024], Algorithm 1:
//!
//! - U = lambda Gamma + lambda/(1+lambda) g- g-^T
//! - V = S_t + lambda C + lambda/(1+lambda) (m_t - z-)(m_t - z-)^T
//! - S_{t+1} solves S U S + S = V;  m_{t+1} = (m_t + lambda (S_{t+1} g- + z-)) / (1 + lambda)
//!
//! With V = L L^T and S = L X L^T the equation is X M X + X = I, M = L^T U L; X shares the eigenvectors of M
//! and has the eigenvalues 2 / (1 + sqrt(1 + 4 mu)), so S stays positive definite. Schedules of the paper:
//! lambda = B d for Gaussian targets, B d / (t + 1) for others. Needs no step size and no normalizer;
//! cost O(d^3) a step. Where the family is wrong it fits scores, not mass.
//!
//! **Start.** The first lambda is large, so the first update follows the scores of B draws alone, and takes the
//! spread of the scores for curvature. Far from the mass scores are steep or point away; q is thrown by hundreds
//! of standard deviations, and lambda has fallen before it is back. So q begins at the Gaussian that a
//! quasi-Newton ascent from the start finds.
//!
//! # Differences from the paper
//! The paper starts from N(0, I) or a given Gaussian; here it is found.

use super::batch::row;
use crate::check::positive;
use crate::found::{diagonal, gaussian_from};
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use faer::{Mat, Side};
use jensen_density::{Evaluator, Reject};
use jensen_posterior::{Gaussian, Scale};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bam {
    /// Draws B in a step, at least 2.
    pub n_draws: usize,
    /// How lambda falls.
    pub schedule: BamSchedule,
    /// Where q begins.
    pub start: BamStart,
}

/// The first q.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BamStart {
    /// The Gaussian of a path of Pathfinder from the start, or Laplace's at its end, whichever has the better bound;
    /// around the start with standard deviation 0.1 where there is none.
    Found,
    /// Around the start with this standard deviation in every coordinate, units of position; above 0.
    Fixed(f64),
}

/// The inverse strength of the proximal term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BamSchedule {
    /// lambda = B d: for targets that are nearly Gaussian.
    Constant,
    /// lambda = B d / (t + 1): for all others.
    Falling,
}

impl Default for Bam {
    fn default() -> Self {
        Self {
            n_draws: 16,
            schedule: BamSchedule::Falling,
            start: BamStart::Found,
        }
    }
}

/// The Gaussian q_t.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BamState {
    /// Mean, `[d]`.
    pub mean: Vec<f64>,
    /// The lower Cholesky factor of the covariance, row after row, `[d, d]`.
    pub lower: Vec<f64>,
    /// Updates done, t.
    pub n_updates: u64,
    /// Gradients used before the first step, those of the path included.
    pub n_gradients_start: u64,
}

impl BamState {
    /// q_t as an approximation.
    pub fn gaussian(&self) -> Gaussian {
        Gaussian {
            mean: self.mean.clone(),
            scale: Scale::Lower(self.lower.clone()),
        }
    }
}

/// What a step measured.
#[derive(Clone, Debug, PartialEq)]
pub struct BamInfo {
    /// Estimate of E_q |L^T (grad ln p - grad ln q)|^2 with S = L L^T: free of units, 0 where q = p.
    pub score_divergence: f64,
    /// Draws refused, left out.
    pub n_rejected: usize,
    /// The newest refusal.
    pub reject: Option<Reject>,
    /// Whether q moved; not where fewer than two draws were accepted or a matrix was not finite.
    pub updated: bool,
}

impl Algorithm for Bam {
    type State = BamState;
    type Info = BamInfo;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        stream: &Stream,
    ) -> Result<BamState, InferError> {
        if let BamStart::Fixed(sd) = self.start {
            positive("start", sd)?;
        }
        if self.n_draws < 2 {
            return Err(InferError::Option {
                option: "n_draws",
                expected: "at least 2".to_owned(),
                found: self.n_draws.to_string(),
            });
        }
        let before = evaluator.n_gradients();
        Place::start(evaluator, position)?;
        let mut n_gradients_start = evaluator.n_gradients() - before;
        let around = |sd| {
            let sds = position.iter().map(|_| sd);
            (position.to_vec(), diagonal(sds))
        };
        let (mean, lower) = match self.start {
            BamStart::Fixed(sd) => around(sd),
            BamStart::Found => {
                let (found, used) = gaussian_from(evaluator.target(), position, stream);
                n_gradients_start += used;
                found.map_or_else(|| around(SD_WITHOUT), |found| found.factored())
            }
        };
        Ok(BamState {
            mean,
            lower,
            n_updates: 0,
            n_gradients_start,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut BamState,
        stream: &Stream,
    ) -> BamInfo {
        let d = state.mean.len();
        let scale = Scale::Lower(state.lower.clone());
        let (mut draws, mut scores) = (Vec::new(), Vec::new());
        let (mut divergence, mut n_rejected, mut reject) = (0.0, 0, None);
        let (mut e, mut z, mut g) = (vec![0.0; d], vec![0.0; d], vec![0.0; d]);
        for b in 0..self.n_draws {
            let mut noise = stream.child("draw", b as u64);
            e.fill_with(|| noise.normal());
            scale.times(&e, &mut z);
            for (z, m) in z.iter_mut().zip(&state.mean) {
                *z += m;
            }
            match evaluator.log_density_and_grad(&z, &mut g) {
                Ok(_) => {
                    draws.extend_from_slice(&z);
                    scores.extend_from_slice(&g);
                    // L^T grad ln q = -e.
                    divergence += (0..d)
                        .map(|j| (j..d).map(|i| state.lower[i * d + j] * g[i]).sum::<f64>() + e[j])
                        .map(|x| x * x)
                        .sum::<f64>();
                }
                Err(refused) => {
                    n_rejected += 1;
                    reject = Some(refused);
                }
            }
        }
        let n_accepted = self.n_draws - n_rejected;
        let lambda = (self.n_draws * d) as f64
            / match self.schedule {
                BamSchedule::Constant => 1.0,
                BamSchedule::Falling => (state.n_updates + 1) as f64,
            };
        let matched = match n_accepted {
            0 | 1 => None,
            _ => matched(state, &draws, &scores, lambda),
        };
        let updated = matched.is_some();
        if let Some((mean, lower)) = matched {
            state.mean = mean;
            state.lower = lower;
            state.n_updates += 1;
        }
        BamInfo {
            score_divergence: divergence / n_accepted as f64,
            n_rejected,
            reject,
            updated,
        }
    }
}

/// Standard deviation of q at the start where no Gaussian was found: small, so that draws are not refused.
const SD_WITHOUT: f64 = 0.1;

/// The mean and the factor of the proximal update from draws and scores `[B, d]`.
fn matched(
    state: &BamState,
    draws: &[f64],
    scores: &[f64],
    lambda: f64,
) -> Option<(Vec<f64>, Vec<f64>)> {
    let d = state.mean.len();
    let (z_mean, z_cov) = moments(draws, d);
    let (g_mean, g_cov) = moments(scores, d);
    let share = lambda / (1.0 + lambda);
    let lower = Mat::from_fn(
        d,
        d,
        |i, j| if j <= i { state.lower[i * d + j] } else { 0.0 },
    );
    let before = &lower * lower.transpose();
    let away: Vec<f64> = state.mean.iter().zip(&z_mean).map(|(m, z)| m - z).collect();
    let u = Mat::from_fn(d, d, |i, j| {
        lambda * g_cov[(i, j)] + share * g_mean[i] * g_mean[j]
    });
    let v = Mat::from_fn(d, d, |i, j| {
        before[(i, j)] + lambda * z_cov[(i, j)] + share * away[i] * away[j]
    });
    let root = v.llt(Side::Lower).ok()?.L().to_owned();
    let m = root.transpose() * &u * &root;
    let eigen = m.self_adjoint_eigen(Side::Lower).ok()?;
    let values = eigen.S().column_vector();
    // S = (L Q x^1/2)(L Q x^1/2)^T; rounding may leave an eigenvalue of M just below zero.
    let mut half = &root * eigen.U();
    for j in 0..d {
        let x = 2.0 / (1.0 + (1.0 + 4.0 * values[j].max(0.0)).sqrt());
        for i in 0..d {
            half[(i, j)] *= x.sqrt();
        }
    }
    let covariance = &half * half.transpose();
    let factor = covariance.llt(Side::Lower).ok()?;
    let rows: Vec<f64> = (0..d * d)
        .map(|k| (k / d, k % d))
        .map(|(i, j)| if j <= i { factor.L()[(i, j)] } else { 0.0 })
        .collect();
    let mean: Vec<f64> = (0..d)
        .map(|i| {
            let moved: f64 = (0..d).map(|j| covariance[(i, j)] * g_mean[j]).sum();
            (state.mean[i] + lambda * (moved + z_mean[i])) / (1.0 + lambda)
        })
        .collect();
    (rows.iter().chain(&mean))
        .all(|x| x.is_finite())
        .then_some((mean, rows))
}

/// Mean and covariance, divided by their number, of rows of d numbers.
fn moments(rows: &[f64], d: usize) -> (Vec<f64>, Mat<f64>) {
    let n = rows.len() / d;
    let mut mean = vec![0.0; d];
    let mut covariance = Mat::zeros(d, d);
    for b in 0..n {
        for (m, x) in mean.iter_mut().zip(row(rows, b, d)) {
            *m += x / n as f64;
        }
    }
    for b in 0..n {
        let x = row(rows, b, d);
        for i in 0..d {
            for j in 0..d {
                covariance[(i, j)] += (x[i] - mean[i]) * (x[j] - mean[j]) / n as f64;
            }
        }
    }
    (mean, covariance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// d = 1, q = N(0, 1), draws -1 and 1 with scores 2 and 0 and lambda = 1: C = 1, Gamma = 1, g- = 1, so
    /// U = 3/2, V = 2, 3/2 S^2 + S = 2 and m = (S + 0) / 2.
    #[test]
    fn one_update_by_hand() {
        let state = BamState {
            mean: vec![0.0],
            lower: vec![1.0],
            n_updates: 0,
            n_gradients_start: 0,
        };
        let (mean, lower) = matched(&state, &[-1.0, 1.0], &[2.0, 0.0], 1.0).unwrap();
        let s = (13f64.sqrt() - 1.0) / 3.0;
        assert!((lower[0] * lower[0] - s).abs() < 1e-14);
        assert!((mean[0] - s / 2.0).abs() < 1e-14);
    }
}

//! Normalized targets, so that the log evidence is zero and the ELBO is -KL(q || p).

use jensen_density::{Cause, Factored, Layout, LogDensity, Reject, Variable, from_fn};
use jensen_infer::family::{Family, FullRank};

pub(crate) fn layout(d: usize) -> Layout {
    Layout::new(vec![Variable::new("x", &[d])])
}

/// N(mean, P^-1) with P = F F^T given by the rows of a lower factor F; its factors are the terms of
/// -1/2 sum_ij P_ij (x_i - mean_i)(x_j - mean_j).
pub(crate) struct Gaussian {
    layout: Layout,
    pub(crate) mean: Vec<f64>,
    pub(crate) precision: Vec<Vec<f64>>,
    pub(crate) ln_det_precision: f64,
    /// Added to the log density, nats.
    pub(crate) constant: f64,
    pairs: Vec<Vec<usize>>,
}

impl Gaussian {
    pub(crate) fn new(mean: &[f64], factor: &[&[f64]]) -> Self {
        let d = mean.len();
        let entry = |i: usize, j: usize| if j <= i { factor[i][j] } else { 0.0 };
        let precision: Vec<Vec<f64>> = (0..d)
            .map(|i| {
                (0..d)
                    .map(|j| (0..d).map(|k| entry(i, k) * entry(j, k)).sum())
                    .collect()
            })
            .collect();
        let pairs = (0..d)
            .flat_map(|i| (0..=i).map(move |j| if i == j { vec![i] } else { vec![j, i] }))
            .collect();
        Self {
            layout: layout(d),
            mean: mean.to_vec(),
            precision,
            ln_det_precision: (0..d).map(|i| 2.0 * entry(i, i).ln()).sum(),
            constant: 0.0,
            pairs,
        }
    }

    /// Three correlated coordinates on scales from a hundredth to ten.
    pub(crate) fn correlated() -> Self {
        Self::new(
            &[3.0, -20.0, 0.5],
            &[&[1.0], &[-0.12, 0.1], &[30.0, 4.0, 100.0]],
        )
    }

    /// Of size one in every direction, for statements about variances.
    pub(crate) fn mild() -> Self {
        Self::new(&[0.5, -1.0, 0.2], &[&[1.0], &[0.4, 0.8], &[0.0, -0.5, 1.3]])
    }

    /// The log density at the mean.
    fn ln_front(&self) -> f64 {
        let d = self.mean.len() as f64;
        self.constant + 0.5 * (self.ln_det_precision - d * std::f64::consts::TAU.ln())
    }

    /// The closed-form ELBO of N(m, S S^T), S as rows, without the constant.
    pub(crate) fn elbo(&self, m: &[f64], s: &[f64]) -> f64 {
        let d = m.len();
        let mut value = 0.5 * (d as f64 + self.ln_det_precision);
        for i in 0..d {
            value += s[i * d + i].ln();
            for j in 0..d {
                let covariance: f64 = (0..d).map(|k| s[i * d + k] * s[j * d + k]).sum();
                let away = (m[i] - self.mean[i]) * (m[j] - self.mean[j]);
                value -= 0.5 * self.precision[i][j] * (covariance + away);
            }
        }
        value
    }

    /// The closed-form ELBO of a mean-field or full-rank member.
    pub(crate) fn elbo_of(&self, params: &[f64]) -> f64 {
        let d = self.mean.len();
        let mut rows = vec![0.0; d * d];
        for i in 0..d {
            rows[i * d + i] = params[d + i].exp();
            for j in 0..i {
                rows[i * d + j] = params
                    .get(2 * d + i * (i - 1) / 2 + j)
                    .copied()
                    .unwrap_or(0.0);
            }
        }
        self.elbo(&params[..d], &rows)
    }

    /// The parameters of the exact posterior in the full-rank family, from the inverse of P.
    pub(crate) fn exact(&self) -> Vec<f64> {
        let d = self.mean.len();
        let covariance = inverse(&self.precision);
        let mut params = FullRank { dim: d }.start(&self.mean, &vec![1.0; d]);
        let mut s = vec![vec![0.0; d]; d];
        for i in 0..d {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| s[i][k] * s[j][k]).sum();
                s[i][j] = match i == j {
                    true => (covariance[i][i] - known).sqrt(),
                    false => (covariance[i][j] - known) / s[j][j],
                };
                match i == j {
                    true => params[d + i] = s[i][i].ln(),
                    false => params[2 * d + i * (i - 1) / 2 + j] = s[i][j],
                }
            }
        }
        params
    }
}

/// By Gauss-Jordan elimination without pivots, for positive definite matrices.
fn inverse(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let d = matrix.len();
    let mut a = matrix.to_vec();
    let mut b: Vec<Vec<f64>> = (0..d)
        .map(|i| (0..d).map(|j| if i == j { 1.0 } else { 0.0 }).collect())
        .collect();
    for k in 0..d {
        let pivot = a[k][k];
        for j in 0..d {
            a[k][j] /= pivot;
            b[k][j] /= pivot;
        }
        for i in (0..d).filter(|i| *i != k) {
            let f = a[i][k];
            for j in 0..d {
                a[i][j] -= f * a[k][j];
                b[i][j] -= f * b[k][j];
            }
        }
    }
    b
}

impl LogDensity for Gaussian {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        x: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        let mut value = self.ln_front();
        for (i, g) in grad.iter_mut().enumerate() {
            *g = (0..x.len())
                .map(|j| -self.precision[i][j] * (x[j] - self.mean[j]))
                .sum();
            value += 0.5 * *g * (x[i] - self.mean[i]);
        }
        Ok(value)
    }
}

impl Factored for Gaussian {
    fn n_factors(&self) -> usize {
        self.pairs.len()
    }

    fn coordinates(&self, factor: usize) -> &[usize] {
        &self.pairs[factor]
    }

    fn ln_factors(&self, x: &[f64], ln_factors: &mut [f64], _: &mut [f64]) -> Result<(), Reject> {
        let share = self.ln_front() / self.pairs.len() as f64;
        for (ln_f, pair) in ln_factors.iter_mut().zip(&self.pairs) {
            let (i, j) = (pair[0], pair[pair.len() - 1]);
            let times = if i == j { 0.5 } else { 1.0 };
            let away = (x[i] - self.mean[i]) * (x[j] - self.mean[j]);
            *ln_f = share - times * self.precision[i][j] * away;
        }
        Ok(())
    }
}

/// x ~ N(0, 1), y | x ~ N(x^2, 1/2^2): bent.
pub(crate) fn banana() -> impl LogDensity {
    from_fn(layout(2), |x, grad| {
        let e = (x[1] - x[0] * x[0]) / 0.5;
        grad[1] = -e / 0.5;
        grad[0] = -x[0] + 2.0 * x[0] * e / 0.5;
        -std::f64::consts::TAU.ln() - 0.5f64.ln() - 0.5 * (x[0] * x[0] + e * e)
    })
}

/// A standard normal that refuses x[0] above `edge`.
pub(crate) fn edged(edge: f64) -> impl LogDensity {
    from_fn(layout(2), move |x, grad| {
        if x[0] > edge {
            return Err(Reject::at("line 7", Cause::OutsideSupport));
        }
        grad[0] = -x[0];
        grad[1] = -x[1];
        Ok(-0.5 * (x[0] * x[0] + x[1] * x[1]))
    })
}

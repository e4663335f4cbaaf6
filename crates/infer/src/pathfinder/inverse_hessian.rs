//! Gaussians from the pairs of a quasi-Newton path, without a dense matrix.
//!
//! The inverse Hessian is diag(a) + B G B^T with B = [diag(a) Y, S] and
//! G = [[0, -R^-1], [-R^-T, R^-T (D + Y^T diag(a) Y) R^-1]], R the upper triangle of S^T Y, D its diagonal
//! ([byrd-1994], eq. 2.6; [zhang-2022], Alg. 3). With diag(a)^(-1/2) B = Q U (thin QR) and
//! I + U G U^T = L L^T it has the square root diag(a)^(1/2) (I + Q (L - I) Q^T), so a draw and a density cost
//! O(d r) with r at most twice the number of pairs.

use crate::dense;
use faer::Mat;
use jensen_posterior::Approximation;
use jensen_rng::Stream;
use std::f64::consts::TAU;

/// A Gaussian whose covariance is a diagonal with a low-rank update inside.
#[derive(Clone, Debug)]
pub struct PathGaussian {
    /// The mean, `[d]`.
    pub mean: Vec<f64>,
    /// Square roots of a, `[d]`.
    root: Vec<f64>,
    /// Orthonormal columns, `[d, r]`.
    q: Mat<f64>,
    /// Lower triangular, row after row, `[r, r]`.
    lower: Vec<f64>,
    ln_det: f64,
}

/// Steps and changes of gradient along a path.
pub(super) struct Pairs<'a> {
    /// Diagonal a, `[d]`.
    pub(super) diagonal: &'a [f64],
    /// The newest pairs (s, y), oldest first.
    pub(super) newest: &'a [(Vec<f64>, Vec<f64>)],
}

impl PathGaussian {
    /// The Gaussian at a position with its gradient: mean x + H g, covariance H. `None` where rounding has
    /// made H indefinite.
    pub(super) fn new(position: &[f64], grad: &[f64], pairs: &Pairs<'_>) -> Option<Self> {
        let (d, m) = (position.len(), pairs.newest.len());
        let a = pairs.diagonal;
        let root: Vec<f64> = a.iter().map(|a| a.sqrt()).collect();
        let s = |i: usize, k: usize| pairs.newest[k].0[i];
        let y = |i: usize, k: usize| pairs.newest[k].1[i];
        let whitened = Mat::from_fn(d, 2 * m, |i, k| match k < m {
            true => root[i] * y(i, k),
            false => s(i, k - m) / root[i],
        });
        let middle = middle(pairs)?;
        let qr = whitened.qr();
        let q = qr.compute_thin_Q();
        let upper = qr.thin_R().to_owned();
        let r = q.ncols();
        let mut inner = &upper * &middle * upper.transpose();
        for k in 0..r {
            inner[(k, k)] += 1.0;
        }
        let symmetric = (&inner + inner.transpose()) * 0.5;
        let lower = dense::cholesky(&symmetric)?;
        // H g = diag(a)^(1/2) (I + Q (L L^T - I) Q^T) diag(a)^(1/2) g.
        let white: Vec<f64> = root.iter().zip(grad).map(|(r, g)| r * g).collect();
        let along: Vec<f64> = (0..r).map(|k| column_dot(&q, k, &white)).collect();
        let change: Vec<f64> = (0..r)
            .map(|k| (0..r).map(|l| symmetric[(k, l)] * along[l]).sum::<f64>() - along[k])
            .collect();
        let mean: Vec<f64> = (0..d)
            .map(|i| {
                let update: f64 = (0..r).map(|k| q[(i, k)] * change[k]).sum();
                position[i] + root[i] * (white[i] + update)
            })
            .collect();
        let ln_det = root.iter().map(|r| r.ln()).sum::<f64>()
            + (0..r).map(|k| lower[k * r + k].ln()).sum::<f64>();
        let usable = ln_det.is_finite() && mean.iter().all(|x| x.is_finite());
        usable.then_some(Self {
            mean,
            root,
            q,
            lower,
            ln_det,
        })
    }

    /// Standard deviations of the coordinates, `[d]`.
    pub fn sd(&self) -> Vec<f64> {
        let r = self.rank();
        (self.root.iter().enumerate())
            .map(|(i, root)| {
                // |L^T q_i|^2 in place of |q_i|^2, q_i the i-th row of Q.
                let change: f64 = (0..r)
                    .map(|k| {
                        let along: f64 =
                            (k..r).map(|l| self.lower[l * r + k] * self.q[(i, l)]).sum();
                        along * along - self.q[(i, k)].powi(2)
                    })
                    .sum();
                root * (1.0 + change).max(0.0).sqrt()
            })
            .collect()
    }

    /// The covariance diag(a)^(1/2) (I + Q (L L^T - I) Q^T) diag(a)^(1/2), `[d, d]`.
    pub(crate) fn covariance(&self) -> Vec<f64> {
        let (d, r) = (self.mean.len(), self.rank());
        let lower = Mat::from_fn(r, r, |i, j| match j <= i {
            true => self.lower[i * r + j],
            false => 0.0,
        });
        let change = &lower * lower.transpose() - Mat::<f64>::identity(r, r);
        let change = &self.q * change * self.q.transpose();
        (0..d * d)
            .map(|k| (k / d, k % d))
            .map(|(i, j)| {
                let unit = if i == j { 1.0 } else { 0.0 };
                self.root[i] * self.root[j] * (unit + change[(i, j)])
            })
            .collect()
    }

    fn rank(&self) -> usize {
        self.q.ncols()
    }
}

/// G, `[2 m, 2 m]`.
fn middle(pairs: &Pairs<'_>) -> Option<Mat<f64>> {
    let m = pairs.newest.len();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let r = Mat::from_fn(m, m, |i, j| match i <= j {
        true => dot(&pairs.newest[i].0, &pairs.newest[j].1),
        false => 0.0,
    });
    // R^-1 by back substitution, column after column.
    let mut inverse = Mat::<f64>::zeros(m, m);
    for j in 0..m {
        for i in (0..=j).rev() {
            let known: f64 = (i + 1..=j).map(|k| r[(i, k)] * inverse[(k, j)]).sum();
            let right = if i == j { 1.0 } else { 0.0 };
            inverse[(i, j)] = (right - known) / r[(i, i)];
        }
    }
    let mut inside = Mat::from_fn(m, m, |i, j| {
        let weighted = pairs.newest[i]
            .1
            .iter()
            .zip(&pairs.newest[j].1)
            .zip(pairs.diagonal);
        weighted.map(|((yi, yj), a)| yi * yj * a).sum::<f64>()
    });
    for i in 0..m {
        inside[(i, i)] += r[(i, i)];
    }
    let corner = inverse.transpose() * inside * &inverse;
    let finite = (0..m).all(|i| (0..m).all(|j| corner[(i, j)].is_finite()));
    finite.then(|| {
        Mat::from_fn(2 * m, 2 * m, |i, j| match (i < m, j < m) {
            (true, true) => 0.0,
            (true, false) => -inverse[(i, j - m)],
            (false, true) => -inverse[(j, i - m)],
            (false, false) => corner[(i - m, j - m)],
        })
    })
}

fn column_dot(q: &Mat<f64>, k: usize, v: &[f64]) -> f64 {
    v.iter().enumerate().map(|(i, v)| q[(i, k)] * v).sum()
}

impl Approximation for PathGaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let (d, r) = (self.dim(), self.rank());
        let e: Vec<f64> = (0..d).map(|_| stream.normal()).collect();
        let along: Vec<f64> = (0..r).map(|k| column_dot(&self.q, k, &e)).collect();
        let change: Vec<f64> = (0..r)
            .map(|k| {
                let row = &self.lower[k * r..=k * r + k];
                row.iter().zip(&along).map(|(l, c)| l * c).sum::<f64>() - along[k]
            })
            .collect();
        for i in 0..d {
            let update: f64 = (0..r).map(|k| self.q[(i, k)] * change[k]).sum();
            position[i] = self.mean[i] + self.root[i] * (e[i] + update);
        }
        let squared: f64 = e.iter().map(|e| e * e).sum();
        -0.5 * (d as f64 * TAU.ln() + squared) - self.ln_det
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let (d, r) = (self.dim(), self.rank());
        let white: Vec<f64> = (0..d)
            .map(|i| (position[i] - self.mean[i]) / self.root[i])
            .collect();
        let along: Vec<f64> = (0..r).map(|k| column_dot(&self.q, k, &white)).collect();
        let mut solved = along.clone();
        for k in 0..r {
            let row = &self.lower[k * r..=k * r + k];
            let known: f64 = row[..k].iter().zip(&solved[..k]).map(|(l, c)| l * c).sum();
            solved[k] = (solved[k] - known) / row[k];
        }
        let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
        // What is orthogonal to Q keeps its length.
        let squared = (length(&white) - length(&along)).max(0.0) + length(&solved);
        -0.5 * (d as f64 * TAU.ln() + squared) - self.ln_det
    }

    fn describe(&self) -> String {
        format!("gaussian/diagonal+rank({})", self.rank())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H from its defining recursion, the BFGS update of the inverse, one pair after the other.
    fn by_recursion(a: &[f64], pairs: &[(Vec<f64>, Vec<f64>)]) -> Mat<f64> {
        let d = a.len();
        let mut h = Mat::from_fn(d, d, |i, j| if i == j { a[i] } else { 0.0 });
        for (s, y) in pairs {
            let rho = 1.0 / s.iter().zip(y).map(|(s, y)| s * y).sum::<f64>();
            let v = Mat::from_fn(d, d, |i, j| f64::from(i == j) - rho * y[i] * s[j]);
            let ss = Mat::from_fn(d, d, |i, j| rho * s[i] * s[j]);
            h = v.transpose() * &h * &v + ss;
        }
        h
    }

    #[test]
    fn the_compact_form_is_the_recursion() {
        for (d, m) in [(7, 2), (3, 3)] {
            let mut stream = Stream::from_seed(3);
            let mut vector = || (0..d).map(|_| stream.normal()).collect::<Vec<f64>>();
            let a: Vec<f64> = vector().iter().map(|x| x.exp()).collect();
            let scale: Vec<f64> = vector().iter().map(|x| x.exp()).collect();
            let pairs: Vec<(Vec<f64>, Vec<f64>)> = (0..m)
                .map(|_| {
                    let s = vector();
                    let y = s.iter().zip(&scale).map(|(s, c)| s * c).collect();
                    (s, y)
                })
                .collect();
            let h = by_recursion(&a, &pairs);
            let (position, grad) = (vector(), vector());
            let pairs = Pairs {
                diagonal: &a,
                newest: &pairs,
            };
            let q = PathGaussian::new(&position, &grad, &pairs).unwrap();
            let (sd, covariance) = (q.sd(), q.covariance());
            for i in 0..d {
                for j in 0..d {
                    assert!((covariance[i * d + j] - h[(i, j)]).abs() < 1e-9 * sd[i] * sd[j]);
                }
                assert!((sd[i] - h[(i, i)].sqrt()).abs() < 1e-9 * sd[i]);
                let step: f64 = (0..d).map(|j| h[(i, j)] * grad[j]).sum();
                assert!((q.mean[i] - position[i] - step).abs() < 1e-9);
            }
            // ln q at the mean is -ln det(2 pi H)/2, and curvature along a direction is that of H^-1.
            let (values, _) = dense::eigen(&h);
            let ln_det: f64 = values.iter().map(|v| v.ln()).sum();
            let top = q.ln_density(&q.mean);
            assert!((top + 0.5 * (d as f64 * TAU.ln() + ln_det)).abs() < 1e-9);
            let u = vector();
            let moved: Vec<f64> = q.mean.iter().zip(&u).map(|(m, u)| m + u).collect();
            let inverse = dense::inverse(&h).unwrap();
            let quadratic: f64 = (0..d)
                .map(|i| (0..d).map(|j| u[i] * inverse[(i, j)] * u[j]).sum::<f64>())
                .sum();
            assert!((top - q.ln_density(&moved) - 0.5 * quadratic).abs() < 1e-8);
            let mut z = vec![0.0; d];
            let mut draws = Stream::from_seed(4);
            for _ in 0..20 {
                let ln_q = q.sample(&mut draws, &mut z);
                assert!((ln_q - q.ln_density(&z)).abs() < 1e-9);
            }
        }
    }
}

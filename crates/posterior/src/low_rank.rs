//! Gaussian with a low-rank plus diagonal covariance: q(z) = N(m, D^2 + V V^T), D diagonal, V `[d, r]`.
//!
//! z = m + D e + V f with standard normal e `[d]` and f `[r]`. With C = I + V^T D^-2 V and
//! w = C^-1 V^T D^-2 (z - m), the Woodbury identity in the form of a ridge regression gives
//! (z - m)^T (D^2 + V V^T)^-1 (z - m) = |D^-1 (z - m - V w)|^2 + |w|^2, a sum of squares that does not cancel
//! where V is much larger than D; and ln det = 2 sum ln D_ii + ln det C ([ong-2018], section 3; standard).
//! Cost O(d r^2) once, O(d r) for each draw or density. For many coordinates with few strong directions.

use crate::{Approximation, PosteriorError, Scale, gaussian::ln_standard};
use jensen_rng::Stream;

/// A Gaussian on R^d whose covariance is a diagonal plus r directions.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRankGaussian {
    mean: Vec<f64>,
    diagonal: Vec<f64>,
    factor: Vec<f64>,
    /// The Cholesky factor of C, `[r, r]`.
    core: Scale,
}

impl LowRankGaussian {
    /// From the mean `[d]`, the diagonal of D `[d]` and V `[d, r]`, row after row.
    ///
    /// # Errors
    /// Lengths that do not fit; an entry of D that is not positive; an entry of V or of the mean that is not finite.
    pub fn new(
        mean: Vec<f64>,
        diagonal: Vec<f64>,
        factor: Vec<f64>,
    ) -> Result<Self, PosteriorError> {
        let d = mean.len();
        if diagonal.len() != d {
            return Err(PosteriorError::Length {
                what: "the diagonal of a low-rank Gaussian",
                expected: d,
                found: diagonal.len(),
            });
        }
        let rank = factor.len() / d.max(1);
        if factor.len() != rank * d {
            return Err(PosteriorError::Length {
                what: "the factor of a low-rank Gaussian",
                expected: rank * d,
                found: factor.len(),
            });
        }
        let finite = |x: f64| x.is_finite();
        check("the mean of a low-rank Gaussian", &mean, finite)?;
        check("the diagonal of a low-rank Gaussian", &diagonal, |x| {
            finite(x) && x > 0.0
        })?;
        check("the factor of a low-rank Gaussian", &factor, finite)?;
        let mut core = vec![0.0; rank * rank];
        for (row, sd) in factor.chunks_exact(rank.max(1)).zip(&diagonal) {
            for i in 0..rank {
                for j in 0..=i {
                    core[i * rank + j] += (row[i] / sd) * (row[j] / sd);
                }
            }
        }
        for i in 0..rank {
            core[i * rank + i] += 1.0;
        }
        Ok(Self {
            core: Scale::from_covariance(&core, rank)?,
            mean,
            diagonal,
            factor,
        })
    }

    /// The mean m, `[d]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The diagonal of D, `[d]`.
    pub fn diagonal(&self) -> &[f64] {
        &self.diagonal
    }

    /// The factor V, `[d, r]`, row after row.
    pub fn factor(&self) -> &[f64] {
        &self.factor
    }

    /// Number of directions r.
    pub fn rank(&self) -> usize {
        self.factor.len() / self.mean.len().max(1)
    }

    /// Marginal variances, `[d]`.
    pub fn variances(&self) -> Vec<f64> {
        (self.diagonal.iter().enumerate())
            .map(|(i, sd)| sd * sd + self.row(i).iter().map(|v| v * v).sum::<f64>())
            .collect()
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.factor[i * self.rank()..(i + 1) * self.rank()]
    }

    fn ln_det(&self) -> f64 {
        self.diagonal.iter().map(|sd| sd.ln()).sum::<f64>() + self.core.ln_det()
    }
}

impl Approximation for LowRankGaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let f: Vec<f64> = (0..self.rank()).map(|_| stream.normal()).collect();
        for (i, z) in position.iter_mut().enumerate() {
            *z = self.mean[i] + self.diagonal[i] * stream.normal() + dot(self.row(i), &f);
        }
        self.ln_density(position)
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let mut scaled: Vec<f64> = (position.iter().zip(&self.mean).zip(&self.diagonal))
            .map(|((z, m), sd)| (z - m) / sd)
            .collect();
        let mut w = vec![0.0; self.rank()];
        for (i, x) in scaled.iter().enumerate() {
            for (w, v) in w.iter_mut().zip(self.row(i)) {
                *w += v * x / self.diagonal[i];
            }
        }
        self.core.solve(&mut w);
        self.core.solve_transposed(&mut w);
        for (i, x) in scaled.iter_mut().enumerate() {
            *x -= dot(self.row(i), &w) / self.diagonal[i];
        }
        ln_standard(&scaled) - 0.5 * dot(&w, &w) - self.ln_det()
    }

    fn describe(&self) -> String {
        format!("gaussian/low-rank({})", self.rank())
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn check(
    what: &'static str,
    list: &[f64],
    fits: impl Fn(f64) -> bool,
) -> Result<(), PosteriorError> {
    match list.iter().position(|&x| !fits(x)) {
        None => Ok(()),
        Some(index) => Err(PosteriorError::Entry {
            what,
            index,
            value: list[index],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gaussian;

    #[test]
    fn the_density_is_that_of_the_dense_gaussian() {
        let (d, r) = (4, 2);
        let diagonal = vec![0.5, 1.0, 2.0, 0.1];
        // The second direction is strong: the covariance has a condition of about 1e9.
        let factor = vec![1.0, 300.0, -0.5, 100.0, 0.3, -200.0, 0.0, 50.0];
        let mean = vec![1.0, -1.0, 0.0, 3.0];
        let mut covariance = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..d {
                let vv = dot(&factor[i * r..(i + 1) * r], &factor[j * r..(j + 1) * r]);
                let dd = if i == j {
                    diagonal[i] * diagonal[i]
                } else {
                    0.0
                };
                covariance[i * d + j] = vv + dd;
            }
        }
        let dense = Gaussian {
            mean: mean.clone(),
            scale: Scale::from_covariance(&covariance, d).unwrap(),
        };
        let q = LowRankGaussian::new(mean, diagonal, factor).unwrap();
        for (v, c) in q.variances().iter().zip(covariance.iter().step_by(d + 1)) {
            assert!((v - c).abs() <= 1e-15 * c);
        }
        for at in [
            [0.0; 4],
            [1.0, -1.0, 0.0, 3.0],
            [400.0, 130.0, -260.0, 70.0],
        ] {
            let (ours, theirs) = (q.ln_density(&at), dense.ln_density(&at));
            // The dense form carries the condition of the covariance, 1e9 ulp.
            assert!(
                (ours - theirs).abs() < 1e-6 * theirs.abs(),
                "{ours} {theirs}"
            );
        }
        // No direction at all is a diagonal Gaussian.
        let plain = LowRankGaussian::new(vec![1.0], vec![2.0], Vec::new()).unwrap();
        let same = Gaussian {
            mean: vec![1.0],
            scale: Scale::Diagonal(vec![2.0]),
        };
        assert_eq!(plain.ln_density(&[0.3]), same.ln_density(&[0.3]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let new = |d: &[f64], v: &[f64]| LowRankGaussian::new(vec![0.0; 2], d.to_vec(), v.to_vec());
        assert!(matches!(
            new(&[1.0], &[]),
            Err(PosteriorError::Length {
                expected: 2,
                found: 1,
                ..
            })
        ));
        assert!(matches!(
            new(&[1.0; 2], &[1.0; 3]),
            Err(PosteriorError::Length { .. })
        ));
        assert!(matches!(
            new(&[1.0, 0.0], &[]),
            Err(PosteriorError::Entry { index: 1, .. })
        ));
        assert!(matches!(
            new(&[1.0; 2], &[f64::NAN, 0.0]),
            Err(PosteriorError::Entry { index: 0, .. })
        ));
    }
}

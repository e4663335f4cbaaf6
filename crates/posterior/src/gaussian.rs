//! Gaussian approximations: q(z) = N(m, S S^T) with a diagonal or a lower triangular S.
//!
//! z = m + S e, ln q = -d/2 ln 2 pi - sum_i ln S_ii - |S^-1 (z - m)|^2 / 2. Standard.

use crate::ess::is_constant;
use crate::{Approximation, PosteriorError, average};
use jensen_rng::Stream;
use std::f64::consts::TAU;

/// A Gaussian on R^d.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// The mean m, `[d]`.
    pub mean: Vec<f64>,
    /// The factor S of the covariance.
    pub scale: Scale,
}

/// A factor S of a covariance S S^T, with a positive diagonal.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// Standard deviations, `[d]`.
    Diagonal(Vec<f64>),
    /// Lower triangular, row after row, `[d, d]`; what stands above the diagonal is not read.
    Lower(Vec<f64>),
}

impl Scale {
    /// The Cholesky factor of a covariance `[d, d]`, of which the lower half is read; row after row, d^3/6
    /// products in a fixed order.
    ///
    /// # Errors
    /// [`PosteriorError::NotPositiveDefinite`], also where a coordinate follows from those before it to
    /// rounding.
    pub fn from_covariance(covariance: &[f64], d: usize) -> Result<Self, PosteriorError> {
        let mut rows = covariance.to_vec();
        for i in 0..d {
            let (before, row) = rows.split_at_mut(i * d);
            for j in 0..i {
                let other = &before[j * d..=j * d + j];
                let known: f64 = other[..j].iter().zip(&row[..j]).map(|(a, b)| a * b).sum();
                row[j] = (row[j] - known) / other[j];
            }
            let left = row[i] - row[..i].iter().map(|x| x * x).sum::<f64>();
            // What is left of a variance by rounding alone; written so that a NaN is refused as well.
            let rounding = d as f64 * f64::EPSILON * row[i];
            if !(left > rounding && left.is_finite()) {
                return Err(PosteriorError::NotPositiveDefinite {
                    what: "a covariance",
                });
            }
            row[i] = left.sqrt();
            row[i + 1..d].fill(0.0);
        }
        Ok(Self::Lower(rows))
    }

    /// S e, `[d]`.
    pub fn times(&self, e: &[f64], out: &mut [f64]) {
        match self {
            Self::Diagonal(sd) => {
                for ((o, s), e) in out.iter_mut().zip(sd).zip(e) {
                    *o = s * e;
                }
            }
            Self::Lower(rows) => {
                for (i, o) in out.iter_mut().enumerate() {
                    let row = &rows[i * e.len()..=i * e.len() + i];
                    *o = row.iter().zip(e).map(|(s, e)| s * e).sum();
                }
            }
        }
    }

    /// S^-1 x in place for x `[d]`, by forward substitution; not finite where a diagonal entry of S is zero.
    pub fn solve(&self, x: &mut [f64]) {
        match self {
            Self::Diagonal(sd) => {
                for (x, s) in x.iter_mut().zip(sd) {
                    *x /= s;
                }
            }
            Self::Lower(rows) => {
                let d = x.len();
                for i in 0..d {
                    let row = &rows[i * d..=i * d + i];
                    let known: f64 = row[..i].iter().zip(&x[..i]).map(|(s, x)| s * x).sum();
                    x[i] = (x[i] - known) / row[i];
                }
            }
        }
    }

    /// S^-T x in place for x `[d]`, by back substitution; S^-T S^-1 is the precision. Not finite where a diagonal entry
    /// of S is zero.
    pub fn solve_transposed(&self, x: &mut [f64]) {
        match self {
            Self::Diagonal(_) => self.solve(x),
            Self::Lower(rows) => {
                let d = x.len();
                for i in (0..d).rev() {
                    let known: f64 = (i + 1..d).map(|j| rows[j * d + i] * x[j]).sum();
                    x[i] = (x[i] - known) / rows[i * d + i];
                }
            }
        }
    }

    /// ln det S.
    pub fn ln_det(&self) -> f64 {
        match self {
            Self::Diagonal(sd) => sd.iter().map(|s| s.ln()).sum(),
            Self::Lower(rows) => {
                let d = (rows.len() as f64).sqrt().round() as usize;
                (0..d).map(|i| rows[i * d + i].ln()).sum()
            }
        }
    }

    /// Marginal variances, the diagonal of S S^T, `[d]`.
    pub fn variances(&self) -> Vec<f64> {
        match self {
            Self::Diagonal(sd) => sd.iter().map(|s| s * s).collect(),
            Self::Lower(rows) => {
                let d = (rows.len() as f64).sqrt().round() as usize;
                (0..d)
                    .map(|i| rows[i * d..=i * d + i].iter().map(|s| s * s).sum())
                    .collect()
            }
        }
    }
}

impl Gaussian {
    /// The Gaussian with the mean and the covariance (divisor n - 1) of n draws `[d]` each.
    ///
    /// # Errors
    /// No more draws than coordinates; a covariance that is not positive definite, as of a constant quantity.
    pub fn of_draws<'a>(
        draws: impl ExactSizeIterator<Item = &'a [f64]> + Clone,
    ) -> Result<Self, PosteriorError> {
        let n = draws.len();
        let d = draws.clone().next().map_or(0, <[f64]>::len);
        if n <= d {
            return Err(PosteriorError::TooFewDraws {
                what: "a covariance",
                needed: d + 1,
                found: n,
            });
        }
        let mean: Vec<f64> = (0..d)
            .map(|i| average::mean(draws.clone().map(|row| row[i])))
            .collect();
        for i in 0..d {
            let column = draws.clone().map(|row| row[i]).collect();
            if is_constant(&[column]) {
                return Err(PosteriorError::NotPositiveDefinite {
                    what: "the covariance of draws",
                });
            }
        }
        let mut covariance = vec![0.0; d * d];
        for row in draws {
            for i in 0..d {
                let c = (row[i] - mean[i]) / (n - 1) as f64;
                for j in 0..=i {
                    covariance[i * d + j] += c * (row[j] - mean[j]);
                }
            }
        }
        Ok(Self {
            mean,
            scale: Scale::from_covariance(&covariance, d)?,
        })
    }

    /// The covariance of two coordinates.
    pub fn covariance(&self, i: usize, j: usize) -> f64 {
        match &self.scale {
            Scale::Diagonal(sd) => {
                if i == j {
                    sd[i] * sd[i]
                } else {
                    0.0
                }
            }
            Scale::Lower(rows) => {
                let d = self.mean.len();
                let n = i.min(j) + 1;
                let (a, b) = (&rows[i * d..i * d + n], &rows[j * d..j * d + n]);
                a.iter().zip(b).map(|(a, b)| a * b).sum()
            }
        }
    }

    /// ln q at a position `[d]`, nats, normalized; writes its gradient -(S S^T)^-1 (z - m), `[d]`. With it a
    /// Gaussian serves as a target whose posterior is known.
    pub fn ln_density_and_grad(&self, position: &[f64], grad: &mut [f64]) -> f64 {
        for ((g, m), z) in grad.iter_mut().zip(&self.mean).zip(position) {
            *g = m - z;
        }
        self.scale.solve(grad);
        let ln_q = ln_standard(grad) - self.scale.ln_det();
        self.scale.solve_transposed(grad);
        ln_q
    }

    /// The ellipse `radius` standard deviations from the mean in the plane of two coordinates, for pictures:
    /// `n_points` points and once more the first. Within it lies 1 - exp(-radius^2 / 2) of the mass.
    pub fn ellipse(&self, plane: [usize; 2], radius: f64, n_points: usize) -> Vec<(f64, f64)> {
        let [i, j] = plane;
        // The factor of the two coordinates' own covariance.
        let a = self.covariance(i, i).sqrt();
        let b = self.covariance(i, j) / a;
        let c = (self.covariance(j, j) - b * b).max(0.0).sqrt();
        (0..=n_points)
            .map(|k| TAU * (k % n_points) as f64 / n_points as f64)
            .map(|turn| (radius * turn.cos(), radius * turn.sin()))
            .map(|(u, v)| (self.mean[i] + a * u, self.mean[j] + b * u + c * v))
            .collect()
    }
}

impl Approximation for Gaussian {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let e: Vec<f64> = self.mean.iter().map(|_| stream.normal()).collect();
        self.scale.times(&e, position);
        for (z, m) in position.iter_mut().zip(&self.mean) {
            *z += m;
        }
        ln_standard(&e) - self.scale.ln_det()
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let mut e: Vec<f64> = position
            .iter()
            .zip(&self.mean)
            .map(|(z, m)| z - m)
            .collect();
        self.scale.solve(&mut e);
        ln_standard(&e) - self.scale.ln_det()
    }

    fn describe(&self) -> String {
        match self.scale {
            Scale::Diagonal(_) => "gaussian/diagonal".to_owned(),
            Scale::Lower(_) => "gaussian/full".to_owned(),
        }
    }

    fn as_gaussian(&self) -> Option<&Gaussian> {
        Some(self)
    }
}

/// The log density of a standard normal vector `[d]`, nats.
pub(crate) fn ln_standard(e: &[f64]) -> f64 {
    -0.5 * (e.len() as f64 * TAU.ln() + e.iter().map(|e| e * e).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_know_their_density_and_have_the_moments() {
        let scale = Scale::Lower(vec![2.0, 9.0, -1.0, 0.5]);
        let q = Gaussian {
            mean: vec![1.0, -3.0],
            scale,
        };
        assert_eq!(q.scale.variances(), [4.0, 1.25]);
        let mut stream = Stream::from_seed(1);
        let mut z = [0.0; 2];
        let (n, mut sums) = (20_000, [0.0; 3]);
        for _ in 0..n {
            let ln_q = q.sample(&mut stream, &mut z);
            assert!((ln_q - q.ln_density(&z)).abs() < 1e-12);
            let c = [z[0] - 1.0, z[1] + 3.0];
            for (sum, x) in sums.iter_mut().zip([c[0], c[1], c[0] * c[1]]) {
                *sum += x / f64::from(n);
            }
        }
        // Five standard errors; var(c0 c1) = 4 * 1.25 + 2^2.
        assert!(sums[0].abs() < 5.0 * 2.0 / f64::from(n).sqrt());
        assert!(sums[1].abs() < 5.0 * 1.12 / f64::from(n).sqrt());
        assert!((sums[2] + 2.0).abs() < 5.0 * 3.0 / f64::from(n).sqrt());
    }

    #[test]
    fn the_gaussian_of_draws_has_their_moments() {
        let rows = [[1.0, 2.0], [3.0, 1.0], [2.0, 6.0]];
        let q = Gaussian::of_draws(rows.iter().map(|row| row.as_slice())).unwrap();
        let Scale::Lower(s) = &q.scale else {
            panic!("a full covariance has a triangular factor");
        };
        // Means 2 and 3, variances 1 and 7, covariance -1/2.
        let expected = [1.0, 0.0, -0.5, 6.75f64.sqrt()];
        assert!(
            s.iter().zip(expected).all(|(s, e)| (s - e).abs() < 1e-14),
            "{s:?}"
        );
        assert!(
            q.mean
                .iter()
                .zip([2.0, 3.0])
                .all(|(m, e)| (m - e).abs() < 1e-14)
        );
        let refused = |rows: &[[f64; 2]]| {
            Gaussian::of_draws(rows.iter().map(|row| row.as_slice())).unwrap_err()
        };
        let few = refused(&[[1.0, 2.0], [2.0, 1.0]]);
        assert!(matches!(
            few,
            PosteriorError::TooFewDraws {
                needed: 3,
                found: 2,
                ..
            }
        ));
        let constant = refused(&[[1.0, 0.1], [2.0, 0.1], [4.0, 0.1], [9.0, 0.1]]);
        assert!(matches!(
            constant,
            PosteriorError::NotPositiveDefinite { .. }
        ));
        let dependent = refused(&[[1.0, 0.3], [2.0, 0.6], [4.0, 1.2], [9.0, 2.7]]);
        assert!(matches!(
            dependent,
            PosteriorError::NotPositiveDefinite { .. }
        ));
    }

    #[test]
    fn the_gaussian_of_draws_far_from_zero_keeps_its_digits() {
        /// Numbers next to 1e10 lie 1.9e-6 apart; their mean is one of them.
        const UNIT: f64 = 1.0 / 524_288.0;
        let rows: Vec<[f64; 1]> = (0..3000)
            .map(|i| [1e10 + UNIT * f64::from(i % 11)])
            .collect();
        let q = Gaussian::of_draws(rows.iter().map(|row| row.as_slice())).unwrap();
        assert_eq!(q.mean[0], 1e10 + 5.0 * UNIT);
        // The variance of 0, ..., 10 is 10; three rows are missing from the last round.
        let sd = q.scale.variances()[0].sqrt();
        assert!((sd / (10f64.sqrt() * UNIT) - 1.0).abs() < 1e-3, "{sd}");
    }

    #[test]
    fn a_diagonal_is_a_special_lower_factor() {
        let diagonal = Gaussian {
            mean: vec![0.5, 0.0],
            scale: Scale::Diagonal(vec![2.0, 3.0]),
        };
        let lower = Gaussian {
            mean: vec![0.5, 0.0],
            scale: Scale::Lower(vec![2.0, 0.0, 0.0, 3.0]),
        };
        let at = [1.0, -2.0];
        assert!((diagonal.ln_density(&at) - lower.ln_density(&at)).abs() < 1e-14);
        // ln N(1; 0.5, 2) + ln N(-2; 0, 3) by hand.
        let by_hand = -TAU.ln() - 6.0f64.ln() - 0.5 * (0.0625 + 4.0 / 9.0);
        assert!((lower.ln_density(&at) - by_hand).abs() < 1e-14);
    }

    #[test]
    fn a_box_still_knows_that_it_holds_a_gaussian() {
        let gaussian = Gaussian {
            mean: vec![1.0],
            scale: Scale::Diagonal(vec![2.0]),
        };
        let boxed: Box<dyn Approximation> = Box::new(gaussian.clone());
        assert_eq!(boxed.as_gaussian(), Some(&gaussian));
        let mixture = crate::Mixture::new(&[1.0], vec![gaussian]).unwrap();
        assert_eq!(mixture.as_gaussian(), None);
    }

    #[test]
    fn the_gradient_of_the_log_density_is_that_of_its_value() {
        /// Differences of a quadratic are exact but for rounding over the step of 1e-2.
        const OF_DIFFERENCES: f64 = 1e-10;
        let full = Scale::from_covariance(&[1.0, 0.9, 0.9, 1.0], 2).unwrap();
        for scale in [full, Scale::Diagonal(vec![2.0, 0.5])] {
            let q = Gaussian {
                mean: vec![1.0, -0.5],
                scale,
            };
            let (x, mut grad) = ([0.3, 0.2], [f64::NAN; 2]);
            assert_eq!(q.ln_density_and_grad(&x, &mut grad), q.ln_density(&x));
            let numeric = jensen_testkit::gradient(|x| q.ln_density(x), &x, 1e-2);
            for (exact, numeric) in grad.iter().zip(numeric) {
                assert!((exact - numeric).abs() < OF_DIFFERENCES);
            }
        }
    }

    #[test]
    fn points_of_an_ellipse_lie_at_its_radius() {
        /// Rounding in a few products of numbers near one.
        const ROUNDING: f64 = 1e-12;
        let covariance = [4.0, 1.0, -0.5, 1.0, 2.0, 0.3, -0.5, 0.3, 1.0];
        let full = Gaussian {
            mean: vec![1.0, -1.0, 2.0],
            scale: Scale::from_covariance(&covariance, 3).unwrap(),
        };
        for (index, expected) in covariance.iter().enumerate() {
            assert!((full.covariance(index / 3, index % 3) - expected).abs() < ROUNDING);
        }
        // The marginal of coordinates 2 and 0 by hand: variances 1 and 4, covariance -1/2.
        let det = 1.0 * 4.0 - 0.25;
        let ellipse = full.ellipse([2, 0], 1.5, 7);
        assert_eq!((ellipse.len(), ellipse[0]), (8, ellipse[7]));
        for (x, y) in ellipse {
            let (x, y) = (x - 2.0, y - 1.0);
            let squared = (4.0 * x * x + 2.0 * 0.5 * x * y + y * y) / det;
            assert!((squared - 1.5 * 1.5).abs() < ROUNDING);
        }
    }
}

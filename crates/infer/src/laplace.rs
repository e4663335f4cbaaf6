//! Laplace's approximation: the Gaussian with the mode and the curvature of the density.
//!
//! q = N(x*, (-H)^-1) with H the Hessian of ln p at its mode x*, and
//! ln Z ~ ln p(x*) + d/2 ln 2 pi - 1/2 ln det(-H) (the evidence; [tierney-1986]). H comes from products with
//! unit vectors: exact where the density has its own, else central differences of gradients (2 d of them).
//! Exact for Gaussians; symmetric, so wrong for skewed posteriors: look at k-hat.

use crate::optimize::lbfgs::Lbfgs;
use crate::optimize::newton::Newton;
use crate::optimize::{Place, maximize};
use crate::{InferError, dense};
use faer::Mat;
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::{Gaussian, Scale};
use std::f64::consts::TAU;

/// What was met on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Info {
    /// The mode, `[d]`.
    pub mode: Vec<f64>,
    /// The log density there, nats.
    pub log_density: f64,
    /// Estimate of the log evidence, nats.
    pub log_evidence: f64,
    /// Gradients used.
    pub n_gradients: u64,
}

/// Steps of the quasi-Newton ascent, and of Newton's method that polishes the mode.
const MAX_STEPS: u64 = 1000;
const MAX_POLISH: u64 = 20;

/// Climbs from `start` `[d]` to a mode and approximates there.
///
/// # Errors
/// [`InferError`] for a start that does not fit, or if the place reached has no negative definite Hessian.
pub fn laplace(target: &dyn LogDensity, start: &[f64]) -> Result<(Gaussian, Info), InferError> {
    let climbed = maximize(&Lbfgs::default(), target, start, MAX_STEPS)?;
    let polished = maximize(&Newton, target, &climbed.place.position, MAX_POLISH)?;
    let mut evaluator = Evaluator::new(target);
    let (gaussian, log_evidence) = around(&mut evaluator, &polished.place)?;
    let info = Info {
        mode: gaussian.mean.clone(),
        log_density: polished.place.log_density,
        log_evidence,
        n_gradients: climbed.n_gradients + polished.n_gradients + evaluator.n_gradients(),
    };
    Ok((gaussian, info))
}

/// The approximation around a mode, and its estimate of the log evidence, nats.
///
/// # Errors
/// [`InferError::Failed`] if the Hessian is not negative definite there.
pub fn around(evaluator: &mut Evaluator<'_>, mode: &Place) -> Result<(Gaussian, f64), InferError> {
    let failed = |reason: String| InferError::Failed {
        method: "laplace",
        reason,
    };
    let hessian = dense::hessian(evaluator, &mode.position)
        .map_err(|reject| failed(format!("no Hessian at the mode: {reject}")))?;
    let precision = hessian * -1.0;
    let scale = covariance_factor(&precision).ok_or_else(|| {
        let (values, _) = dense::eigen(&precision);
        failed(format!(
            "the density has no proper peak here: the least curvature is {:.3e}, the largest {:.3e}",
            values[0],
            values[values.len() - 1]
        ))
    })?;
    let d = mode.position.len() as f64;
    let log_evidence = mode.log_density + 0.5 * d * TAU.ln() + scale.ln_det();
    let gaussian = Gaussian {
        mean: mode.position.clone(),
        scale,
    };
    Ok((gaussian, log_evidence))
}

/// The lower factor of the inverse of a precision matrix; `None` if it is not positive definite.
///
/// The matrix is scaled to unit diagonal first, so that only its correlations decide.
fn covariance_factor(precision: &Mat<f64>) -> Option<Scale> {
    let d = precision.nrows();
    let unit: Vec<f64> = (0..d).map(|i| precision[(i, i)].powf(-0.5)).collect();
    if unit.iter().any(|u| !u.is_finite()) {
        return None;
    }
    let scaled = Mat::from_fn(d, d, |i, j| precision[(i, j)] * unit[i] * unit[j]);
    let correlation = dense::inverse(&scaled)?;
    let mut lower = dense::cholesky(&correlation)?;
    for (i, row) in lower.chunks_exact_mut(d).enumerate() {
        row.iter_mut().for_each(|x| *x *= unit[i]);
    }
    Some(Scale::Lower(lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::{Quadratic, Rosenbrock};

    #[test]
    fn a_gaussian_is_its_own_approximation() {
        let target = Quadratic::new(&[1e-3, 2.0, 1e4], &[1.0, -2.0, 5e3]);
        let (q, info) = laplace(&target, &[0.0; 3]).unwrap();
        for (variance, sd) in q.scale.variances().iter().zip(&target.sd) {
            assert!((variance.sqrt() / sd - 1.0).abs() < 1e-6, "{q:?}");
        }
        // The integral of exp(-z^2/2) over three coordinates: the product of sd sqrt(2 pi).
        let exact = 1.5 * TAU.ln() + 20.0f64.ln();
        assert!((info.log_evidence - exact).abs() < 1e-6, "{info:?}");
    }

    #[test]
    fn curvature_by_hand() {
        // At (1, 1) the Hessian of -ln p is [[802, -400], [-400, 200]], with inverse [[1/2, 1], [1, 2.005]].
        let (q, _) = laplace(&Rosenbrock::new(), &[0.0, 0.0]).unwrap();
        let variances = q.scale.variances();
        assert!((variances[0] - 0.5).abs() < 1e-4, "{variances:?}");
        assert!((variances[1] - 2.005).abs() < 4e-4, "{variances:?}");
    }

    #[test]
    fn a_flat_direction_is_refused_in_words() {
        let target = Quadratic::new(&[1.0, f64::INFINITY], &[0.0, 0.0]);
        let error = laplace(&target, &[1.0, 1.0]).unwrap_err();
        assert!(error.to_string().contains("no proper peak"), "{error}");
    }
}

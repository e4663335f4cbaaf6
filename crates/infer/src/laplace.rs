//! Laplace's approximation: the Gaussian with the mode and the curvature of the density.
//!
//! q = N(x*, (-H)^-1) with H the Hessian of ln p at its mode x* ([bishop-2006], eq. 4.134), and
//! ln Z ~ ln p(x*) + d/2 ln 2 pi - 1/2 ln det(-H) (the evidence: eq. 4.135; in statistics from [tierney-1986] on).
//! H comes from products with unit vectors: exact where the density has Hessian products of its own
//! ([`LogDensity::hessian_vector_product`]), and by central differences of gradients, 2 d of them, elsewhere.
//! Exact for Gaussians; symmetric, so wrong for skewed posteriors, and blind to other modes: look at k-hat.
//!
//! Whether a place is a mode is said by the Newton decrement lambda = (g' (-H)^-1 g)^1/2 ([boyd-2004],
//! Sect. 9.5.1; g the gradient): how far the mode of the second-order model lies, in its own standard deviations.

use crate::optimize::lbfgs::Lbfgs;
use crate::optimize::newton::Newton;
use crate::optimize::{Optimum, Place, Stop, maximize};
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
    /// Why the ascent ended. Where it was not satisfied, as by a density whose digits are few, the decrement
    /// alone says that this is a mode.
    pub stop: Stop,
    /// The Newton decrement lambda: distance to the mode, in standard deviations of the approximation.
    pub newton_decrement: f64,
    /// Gradients used.
    pub n_gradients: u64,
}

/// Steps of the quasi-Newton ascent, and of Newton's method that polishes the mode.
const MAX_STEPS: u64 = 1000;
const MAX_POLISH: u64 = 20;
/// The largest Newton decrement at a mode, in standard deviations: a mean that is off by a thousandth of one is
/// beyond what 10^6 draws could tell.
const MODE_TOLERANCE: f64 = 1e-3;

/// Climbs from `start` `[d]` to a mode and approximates there. It judges nothing:
/// [`judge_approximation`](crate::referee::judge_approximation) does.
///
/// # Errors
/// [`InferError`] for a start that does not fit, [`InferError::NoMode`] if the ascent ended where the density
/// still rises, and [`InferError::Failed`] if it has no negative definite Hessian at the place reached.
pub fn laplace(target: &dyn LogDensity, start: &[f64]) -> Result<(Gaussian, Info), InferError> {
    let climbed = maximize(&Lbfgs::default(), target, start, MAX_STEPS)?;
    let polished = maximize(&Newton, target, &climbed.place.position, MAX_POLISH)?;
    let mut evaluator = Evaluator::new(target);
    let (gaussian, log_evidence) =
        around(&mut evaluator, &polished.place).map_err(|error| match polished.stop {
            Stop::Converged => error,
            Stop::Stuck | Stop::MaxSteps => no_mode(target, &polished, None),
        })?;
    let newton_decrement = decrement(&gaussian, &polished.place);
    if newton_decrement.is_nan() || newton_decrement > MODE_TOLERANCE {
        return Err(no_mode(target, &polished, Some(newton_decrement)));
    }
    let info = Info {
        mode: gaussian.mean.clone(),
        log_density: polished.place.log_density,
        log_evidence,
        stop: polished.stop,
        newton_decrement,
        n_gradients: climbed.n_gradients + polished.n_gradients + evaluator.n_gradients(),
    };
    Ok((gaussian, info))
}

/// lambda = |S' g|, with S S' the covariance.
fn decrement(gaussian: &Gaussian, place: &Place) -> f64 {
    let along: Vec<f64> = match &gaussian.scale {
        Scale::Diagonal(sd) => sd.iter().zip(&place.grad).map(|(s, g)| s * g).collect(),
        Scale::Lower(rows) => {
            let d = place.grad.len();
            let column = |j: usize| (j..d).map(move |i| rows[i * d + j] * place.grad[i]);
            (0..d).map(|j| column(j).sum()).collect()
        }
    };
    dense::norm(&along)
}

/// The error of an ascent that ended on a slope.
fn no_mode(target: &dyn LogDensity, ended: &Optimum, newton_decrement: Option<f64>) -> InferError {
    let grad = &ended.place.grad;
    let steepest = (0..grad.len())
        .max_by(|&i, &j| grad[i].abs().total_cmp(&grad[j].abs()))
        .unwrap_or(0);
    InferError::NoMode {
        stop: ended.stop,
        coordinate: target.layout().coordinate(steepest),
        value: ended.place.position[steepest],
        slope: grad[steepest],
        newton_decrement,
        place: Box::new(ended.place.clone()),
    }
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
    use crate::targets::{Correlated, Quadratic, rosenbrock};
    use jensen_density::{Layout, Reject, Variable};
    use jensen_testkit::targets::Counted;

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
    fn own_products_and_differences_are_counted_as_they_are_asked_for() {
        let mut costs = Vec::new();
        for has_products in [false, true] {
            let correlated = Correlated::new(0.9);
            let target = Counted::new(&correlated, has_products);
            let (_, info) = laplace(&target, &[0.0; 2]).unwrap();
            assert_eq!(info.n_gradients, target.n(), "{has_products}");
            costs.push(info.n_gradients);
        }
        assert!(costs[1] < costs[0], "{costs:?}");
    }

    /// 2 x - exp(x) - (y - sin x)^2 / 2, with products of its own.
    struct Bent(Layout);

    impl LogDensity for Bent {
        fn layout(&self) -> &Layout {
            &self.0
        }

        fn log_density_and_grad(
            &self,
            p: &[f64],
            grad: &mut [f64],
            _: &mut [f64],
        ) -> Result<f64, Reject> {
            let (x, off) = (p[0], p[1] - p[0].sin());
            grad[0] = 2.0 - x.exp() + off * x.cos();
            grad[1] = -off;
            Ok(2.0 * x - x.exp() - 0.5 * off * off)
        }

        fn hessian_vector_product(
            &self,
            p: &[f64],
            v: &[f64],
            product: &mut [f64],
            _: &mut [f64],
        ) -> Option<Result<(), Reject>> {
            let (x, off) = (p[0], p[1] - p[0].sin());
            let xx = -x.exp() - x.cos().powi(2) - off * x.sin();
            product[0] = xx * v[0] + x.cos() * v[1];
            product[1] = x.cos() * v[0] - v[1];
            Some(Ok(()))
        }
    }

    /// Truncation h^2/6 and rounding of gradients over h, at h = 6e-6.
    const BY_DIFFERENCES: f64 = 1e-9;

    #[test]
    fn curvature_by_differences_is_that_of_own_products() {
        let bent = Bent(Layout::new(vec![Variable::new("x", &[2])]));
        let hessian = |has_products: bool, at: &[f64]| {
            let target = Counted::new(&bent, has_products);
            dense::hessian(&mut Evaluator::new(&target), at).unwrap()
        };
        for at in [[std::f64::consts::LN_2, 0.6], [-3.0, 2.0], [4.0, -1e3]] {
            let (own, other) = (hessian(true, &at), hessian(false, &at));
            let size = own[(0, 0)].abs();
            for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let error = (own[(i, j)] - other[(i, j)]).abs() / size;
                assert!(error < BY_DIFFERENCES, "{at:?} [{i}, {j}]: {error:e}");
            }
        }
        // At the mode x = ln 2, y = sin x: -Hessian = [[2 + c^2, -c], [-c, 1]] with c = cos x.
        let c = std::f64::consts::LN_2.cos();
        for has_products in [true, false] {
            let (q, _) = laplace(&Counted::new(&bent, has_products), &[0.0; 2]).unwrap();
            let found = q.scale.variances();
            for (found, exact) in found.iter().zip([0.5, 1.0 + 0.5 * c * c]) {
                assert!(
                    (found / exact - 1.0).abs() < 1e-6,
                    "{has_products}: {found}"
                );
            }
        }
    }

    #[test]
    fn curvature_by_hand() {
        // At (1, 1) the Hessian of -ln p is [[802, -400], [-400, 200]], with inverse [[1/2, 1], [1, 2.005]].
        let (q, _) = laplace(&rosenbrock(), &[0.0, 0.0]).unwrap();
        let variances = q.scale.variances();
        assert!((variances[0] - 0.5).abs() < 1e-4, "{variances:?}");
        assert!((variances[1] - 2.005).abs() < 4e-4, "{variances:?}");
    }

    /// A Gaussian whose values are rounded to a grid, as by a solver inside the model, and whose gradient is right
    /// but for an addend.
    struct Rough {
        smooth: Quadratic,
        grid: f64,
        addend: f64,
    }

    impl LogDensity for Rough {
        fn layout(&self) -> &Layout {
            self.smooth.layout()
        }

        fn log_density_and_grad(
            &self,
            position: &[f64],
            grad: &mut [f64],
            scratch: &mut [f64],
        ) -> Result<f64, Reject> {
            let value = (self.smooth).log_density_and_grad(position, grad, scratch)?;
            grad[1] += self.addend;
            Ok((value / self.grid).round() * self.grid)
        }
    }

    #[test]
    fn a_place_on_a_slope_is_no_mode() {
        let target = Rough {
            smooth: Quadratic::new(&[2.0, 0.5], &[3.0, -1.0]),
            grid: 1e-9,
            addend: 10.0,
        };
        match laplace(&target, &[0.0; 2]).unwrap_err() {
            InferError::NoMode {
                stop,
                coordinate,
                slope,
                newton_decrement,
                place,
                ..
            } => {
                assert_eq!((stop, coordinate.as_str()), (Stop::Stuck, "x[2]"));
                // Where it begins: the true gradient is (3/4, -4), and what it points to lies lower.
                assert_eq!((slope, place.position), (6.0, vec![0.0, 0.0]));
                let decrement = newton_decrement.unwrap();
                assert!((decrement - 1.5f64.hypot(3.0)).abs() < 1e-6, "{decrement}");
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn few_digits_of_the_density_do_not_hide_a_mode() {
        let target = Rough {
            smooth: Quadratic::new(&[2.0, 0.5], &[3.0, -1.0]),
            grid: 1e-8,
            addend: 0.0,
        };
        let (q, info) = laplace(&target, &[0.0; 2]).unwrap();
        assert!(info.newton_decrement < MODE_TOLERANCE, "{info:?}");
        assert!((q.mean[1] + 1.0).abs() < 1e-3, "{info:?}");
    }

    #[test]
    fn a_flat_direction_is_refused_in_words() {
        let target = Quadratic::new(&[1.0, f64::INFINITY], &[0.0, 0.0]);
        let error = laplace(&target, &[1.0, 1.0]).unwrap_err();
        assert!(error.to_string().contains("no proper peak"), "{error}");
    }
}

//! Comparison of models by their pointwise log predictive densities, as leave-one-out gives them.
//!
//! Difference to the best: sum_i d_i with standard error sqrt(n var d_i) ([vehtari-2017], Eq. 24). Cost O(n K).
//!
//! Differences from ArviZ: its variance has the divisor n, ours n - 1.

use crate::PosteriorError;
use crate::evidence::Estimate;
use crate::loo::sum_error;

/// The place of one model among those compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// Index of the model as given.
    pub model: usize,
    /// Its expected log predictive density, nats.
    pub elpd: f64,
    /// How much better the best is, nats, at least zero, with its standard error.
    pub behind: Estimate,
}

/// Models by falling elpd, from their pointwise elpd `[k][n]`, nats; equal ones in the order given.
///
/// # Errors
/// No model, no point, different numbers of points, an elpd that is not finite.
pub fn compare(pointwise: &[&[f64]]) -> Result<Vec<Compared>, PosteriorError> {
    check(pointwise)?;
    let totals: Vec<f64> = pointwise.iter().map(|model| model.iter().sum()).collect();
    let mut order: Vec<usize> = (0..totals.len()).collect();
    order.sort_by(|&i, &j| totals[j].total_cmp(&totals[i]));
    let best = pointwise[order[0]];
    let row = |&model: &usize| {
        let behind: Vec<f64> = best
            .iter()
            .zip(pointwise[model])
            .map(|(b, m)| b - m)
            .collect();
        Compared {
            model,
            elpd: totals[model],
            behind: Estimate {
                value: behind.iter().sum(),
                se: sum_error(&behind),
            },
        }
    };
    Ok(order.iter().map(row).collect())
}

/// Refuses pointwise elpd that cannot be compared.
pub(crate) fn check(pointwise: &[&[f64]]) -> Result<(), PosteriorError> {
    let n = pointwise.first().map_or(0, |model| model.len());
    if n == 0 {
        return Err(PosteriorError::TooFewDraws {
            what: "a comparison (pointwise elpd)",
            needed: 1,
            found: 0,
        });
    }
    for model in pointwise {
        if model.len() != n {
            return Err(PosteriorError::Length {
                what: "points of the models compared",
                expected: n,
                found: model.len(),
            });
        }
        if let Some(index) = model.iter().position(|x| !x.is_finite()) {
            return Err(PosteriorError::Entry {
                what: "pointwise elpd",
                index,
                value: model[index],
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_stands_first() {
        let rows = compare(&[&[-1.0, -2.0, -2000.0], &[-1.5, -2.5, -3.0]]).unwrap();
        assert_eq!(
            (rows[0].model, rows[0].behind.value, rows[0].behind.se),
            (1, 0.0, 0.0)
        );
        assert_eq!((rows[1].model, rows[1].behind.value), (0, 1996.0));
        // sqrt(3 var(-1/2, -1/2, 1997)): the variance of (0, 0, 1997.5) is 1997.5^2 / 3.
        assert!((rows[1].behind.se - 1997.5).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        assert!(matches!(
            compare(&[]),
            Err(PosteriorError::TooFewDraws { .. })
        ));
        let ragged = compare(&[&[1.0, 2.0], &[1.0]]);
        assert!(matches!(
            ragged,
            Err(PosteriorError::Length {
                expected: 2,
                found: 1,
                ..
            })
        ));
        let nan = compare(&[&[1.0, f64::NAN]]);
        assert!(matches!(nan, Err(PosteriorError::Entry { index: 1, .. })));
    }
}

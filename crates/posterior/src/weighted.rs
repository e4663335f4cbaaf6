//! Draws with weights: what importance sampling leaves of an approximation.
//!
//! An expectation is sum_i w_i f(z_i). A law of finitely many points has no density, so this is no
//! [`Approximation`]; where one is needed, keep the q that proposed the draws.

use crate::{Approximation, Draws, PosteriorError, Psis, resample};
use jensen_rng::Stream;

/// Draws `[n, d]` of named quantities with weights that sum to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    names: Vec<String>,
    values: Vec<f64>,
    ln_ratios: Vec<f64>,
    psis: Psis,
}

impl Weighted {
    /// Draws `[n, d]`, draw after draw, with log ratios `[n]` of target and proposal, nats with a free constant,
    /// which are smoothed to weights.
    ///
    /// # Errors
    /// Lengths that do not fit, and those of [`Psis::smooth`].
    pub fn new(
        names: Vec<String>,
        values: Vec<f64>,
        ln_ratios: Vec<f64>,
    ) -> Result<Self, PosteriorError> {
        if values.len() != names.len() * ln_ratios.len() {
            return Err(PosteriorError::Length {
                what: "values of weighted draws",
                expected: names.len() * ln_ratios.len(),
                found: values.len(),
            });
        }
        Ok(Self {
            names,
            values,
            psis: Psis::smooth(&ln_ratios)?,
            ln_ratios,
        })
    }

    /// Draws n times from q, draw i from the child `draw`, i of the stream, and weighs with the log density
    /// of the target, nats with a free constant, minus infinity outside its support.
    ///
    /// # Errors
    /// A log density that is NaN or plus infinity; no draw where the target has density.
    pub fn importance(
        q: &dyn Approximation,
        names: Vec<String>,
        mut log_density: impl FnMut(&[f64]) -> f64,
        n: usize,
        stream: &Stream,
    ) -> Result<Self, PosteriorError> {
        let d = q.dim();
        let mut values = vec![0.0; n * d];
        let ln_ratios: Vec<f64> = (values.chunks_exact_mut(d.max(1)).zip(0..))
            .map(|(position, i)| {
                let ln_q = q.sample(&mut stream.child("draw", i), position);
                log_density(position) - ln_q
            })
            .collect();
        Self::new(names, values, ln_ratios)
    }

    /// Names of the quantities, `[d]`.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The draws, `[n, d]`.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.names.len().max(1))
    }

    /// The log ratios as they were, `[n]`, nats: what [`crate::evidence`] is made from.
    pub fn ln_ratios(&self) -> &[f64] {
        &self.ln_ratios
    }

    /// The smoothed weights and the shape of their tail.
    pub fn psis(&self) -> &Psis {
        &self.psis
    }

    /// The weighted mean of a function of a draw `[d]`.
    pub fn expectation(&self, mut f: impl FnMut(&[f64]) -> f64) -> f64 {
        let terms: Vec<(f64, f64)> = (self.rows().zip(&self.psis.ln_weights))
            .map(|(row, ln_w)| (ln_w.exp(), f(row)))
            .collect();
        let near: f64 = terms.iter().map(|(w, x)| w * x).sum();
        if !near.is_finite() {
            return near;
        }
        // Takes back the rounding of values far from zero and that of the weights.
        near + terms.iter().map(|(w, x)| w * (x - near)).sum::<f64>()
    }

    /// `n` draws of equal weight, chosen with replacement, as one chain.
    pub fn resample(&self, n: usize, stream: &mut Stream) -> Draws {
        let chosen = resample::with_replacement(&self.psis.ln_weights, n, stream)
            .expect("internal error: smoothed weights are finite");
        let d = self.names.len();
        let values = chosen
            .iter()
            .flat_map(|&i| &self.values[i * d..(i + 1) * d])
            .copied()
            .collect();
        Draws::new(self.names.clone(), 1, n, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Gaussian, Scale};

    #[test]
    fn weights_move_a_wide_approximation_to_its_target() {
        let q = Gaussian {
            mean: vec![0.0],
            scale: Scale::Diagonal(vec![2.0]),
        };
        // N(1, 1) without its constant, cut at -1, where the cumulated density is Phi(-2).
        let target = |z: &[f64]| match z[0] < -1.0 {
            true => f64::NEG_INFINITY,
            false => -0.5 * (z[0] - 1.0).powi(2),
        };
        let stream = Stream::from_seed(8);
        let draws = Weighted::importance(&q, vec!["z".to_owned()], target, 4000, &stream).unwrap();
        // The mean of a cut normal is 1 + phi(2) / Phi(2).
        let truth = 1.0 + 0.053_990_966_513_188_06 / 0.977_249_868_051_820_8;
        let ess = draws.psis().effective_draws();
        assert!(draws.psis().is_good() && ess > 1500.0);
        let error = draws.expectation(|z| z[0]) - truth;
        // Five standard errors at a standard deviation below one.
        assert!(error.abs() < 5.0 / ess.sqrt(), "{error}");
        let even = draws.resample(4000, &mut stream.child("resample", 0));
        let mean = even.column(0).iter().sum::<f64>() / 4000.0;
        assert!((mean - truth).abs() < 5.0 / ess.sqrt() + 5.0 / 4000f64.sqrt());
        assert!(even.column(0).iter().all(|z| *z >= -1.0));
    }

    #[test]
    fn an_expectation_far_from_zero_keeps_its_digits() {
        let values: Vec<f64> = (0..3000).map(|i| 1e10 + f64::from(i % 11)).collect();
        let ln_ratios = (0..3000).map(|i| 0.1 * f64::from(i % 7)).collect();
        let draws = Weighted::new(vec!["z".to_owned()], values, ln_ratios).unwrap();
        let near = draws.expectation(|z| z[0] - 1e10);
        assert!((draws.expectation(|z| z[0]) - 1e10 - near).abs() < 2e-6);
        assert_eq!(draws.expectation(|_| 0.1), 0.1);
    }

    #[test]
    fn a_target_that_is_nowhere_is_refused() {
        let q = Gaussian {
            mean: vec![0.0],
            scale: Scale::Diagonal(vec![1.0]),
        };
        let names = || vec!["z".to_owned()];
        let stream = Stream::from_seed(1);
        let nowhere = Weighted::importance(&q, names(), |_| f64::NEG_INFINITY, 10, &stream);
        assert!(matches!(nowhere, Err(PosteriorError::NoWeight { .. })));
        let broken = Weighted::importance(&q, names(), |_| f64::NAN, 10, &stream);
        assert!(matches!(
            broken,
            Err(PosteriorError::Entry { index: 0, .. })
        ));
    }
}

//! Logit-Laplace: grey values whose log odds are Laplace, log p(x) = -|logit y - m| / s - log(2 s) - log y - log(1 - y)
//! + log(1 - 2 e) with y = (1 - 2 e) x + e.
//!
//! The map from x to y keeps 0 and 1 away from the ends, where log odds are infinite. y has a density on (0, 1), and so
//! x one on (-e / (1 - 2 e), (1 - e) / (1 - 2 e)): with e above 0 a little of the mass lies outside [0, 1], which the
//! paper passes over. The mean is `E[x]` by a fixed quadrature; the paper shows the median. Source: [ramesh-2021],
//! appendix A.3.

use super::scale::{self, Scale};
use super::{DataFacts, Likelihood, sample_on_host, within};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::{Tensor, activation};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the logit-Laplace density.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Scale of the log odds: `"shared"` (one learned number), `"per_value"` (decoder output), or a positive number.
    scale: scale::Choice,
    /// Distance e of y from 0 and 1, in (0, 0.5).
    epsilon: f64,
}

impl Default for Options {
    /// The value of the paper.
    fn default() -> Self {
        Self {
            scale: scale::Options::default().scale,
            epsilon: 0.1,
        }
    }
}

/// Independent logit-Laplace values.
pub struct LogitLaplace {
    scale: Scale,
    epsilon: f64,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "logit_laplace",
    about: "grey values in [0, 1] whose log odds are Laplace; scale fixed, shared learned, or per value",
    defaults: part::defaults::<Options>,
    build: |table, _, builder| {
        let Options { scale, epsilon } = part::options(table, "likelihood")?;
        if !(epsilon > 0.0 && epsilon < 0.5) {
            return Err(RecipeError::value(
                "likelihood",
                format!("epsilon = {epsilon}: expected a distance in (0, 0.5)"),
            ));
        }
        let scale = Scale::new(&scale::Options { scale }, builder)?;
        Ok(Box::new(LogitLaplace { scale, epsilon }))
    },
};

/// Step of the quadrature; for sigmoids of scales up to 5 the error is below 1e-7, the rounding of f32.
const STEP: f64 = 0.2;

/// Places t above 0 and weights w with E[g(T)] = sum w (g(t) + g(-t)) for T Laplace of scale 1: the trapezoid rule
/// after t = exp(u - exp(-u)).
fn quadrature() -> impl Iterator<Item = (f64, f64)> {
    (-16..=18).map(|k| {
        let u = STEP * f64::from(k);
        let t = (u - (-u).exp()).exp();
        let slope = t * (1.0 + (-u).exp());
        (t, 0.5 * STEP * slope * (-t).exp())
    })
}

impl LogitLaplace {
    /// The length of the interval that x in [0, 1] is mapped to.
    fn width(&self) -> f64 {
        1.0 - 2.0 * self.epsilon
    }
}

impl Likelihood for LogitLaplace {
    fn n_params(&self) -> usize {
        self.scale.n_params()
    }

    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError> {
        within(
            "logit_laplace",
            facts,
            0.0,
            1.0,
            "it is a density of grey values in [0, 1]",
        )
    }

    fn log_prob(&self, params: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let k = outputs.dims()[0] / x.dims()[0];
        let y = x * self.width() + self.epsilon;
        let (log_y, log_rest) = (y.clone().log(), (y.neg() + 1.0).log());
        let log_odds = rows::repeat(log_y.clone() - log_rest.clone(), k);
        let slope = rows::repeat(log_y + log_rest - self.width().ln(), k);
        let (location, log_scale) = self.scale.split(params, outputs);
        let log_scale = log_scale.expand(location.shape());
        let unit = (log_odds - location).abs() * log_scale.clone().neg().exp();
        rows::sum((unit + log_scale + slope + std::f64::consts::LN_2).neg())
    }

    fn mean(&self, params: &Params, outputs: Tensor<2>) -> Tensor<2> {
        let (location, log_scale) = self.scale.split(params, outputs);
        let scale = log_scale.exp().expand(location.shape());
        let parts = quadrature().map(|(t, weight)| {
            let side = |t: f64| activation::sigmoid(location.clone() + scale.clone() * t);
            (side(t) + side(-t)) * weight
        });
        let y = parts.reduce(|sum, part| sum + part);
        (y.expect("internal error: no places") - self.epsilon) * (1.0 / self.width())
    }

    fn sample(&self, params: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        let (location, log_scale) = self.scale.split(params, outputs);
        let log_scale = log_scale.expand(location.shape());
        sample_on_host(Tensor::cat(vec![location, log_scale], 1), 2, |at| {
            let u = stream.uniform_open() - 0.5;
            let log_odds = at[0] - at[1].exp() * u.signum() * (-2.0 * u.abs()).ln_1p();
            let y = 1.0 / (1.0 + (-log_odds).exp());
            (y - self.epsilon) / self.width()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::quadrature;

    /// E[cos(a T)] = 1 / (1 + a^2).
    #[test]
    fn the_quadrature_is_that_of_a_laplace_density() {
        for a in [0.0, 0.5, 1.0, 2.0] {
            let found: f64 = quadrature().map(|(t, w)| 2.0 * w * (a * t).cos()).sum();
            let expected = 1.0 / (1.0 + a * a);
            // The cosine turns faster than a sigmoid.
            assert!((found - expected).abs() < 1e-5, "{a}: {found}, {expected}");
        }
    }
}

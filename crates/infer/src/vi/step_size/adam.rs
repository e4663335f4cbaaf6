//! Adam, [kingma-2015], Algorithm 1: each coordinate divided by the root of its mean squared gradient.
//!
//! m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, step = rate_t m^ / (sqrt v^ + eps) with m^, v^ corrected
//! for their start at zero and rate_t = rate (1 + t / delay)^-1/2. For families whose local coordinates are not
//! those of the Fisher information, as the weights of a flow.

use super::StepState;
use crate::InferError;
use crate::check::positive;

/// Adam with a falling rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// The rate at the first step, about the change of every local coordinate; above 0.
    pub rate: f64,
    /// Steps after which the rate has fallen by sqrt 2, above 0.
    pub delay: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Self {
            rate: 0.02,
            delay: 500.0,
        }
    }
}

/// Decay of the mean and of the mean square, and the addend of the root: the paper's.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Adam {
    pub(super) fn advance(&self, state: &mut StepState, gradient: &mut [f64]) {
        let t = state.n_steps as f64;
        let rate = self.rate / (1.0 + t / self.delay).sqrt();
        let (c1, c2) = (1.0 - BETA1.powf(t + 1.0), 1.0 - BETA2.powf(t + 1.0));
        let moments = state.first.iter_mut().zip(&mut state.second);
        for (g, (m, v)) in gradient.iter_mut().zip(moments) {
            *m = BETA1 * *m + (1.0 - BETA1) * *g;
            *v = BETA2 * *v + (1.0 - BETA2) * *g * *g;
            *g = rate * (*m / c1) / ((*v / c2).sqrt() + EPSILON);
        }
    }

    pub(super) fn check(&self) -> Result<(), InferError> {
        positive("steps.rate", self.rate)?;
        positive("steps.delay", self.delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_rate_whatever_the_gradient() {
        let mut state = StepState::new(2);
        let mut g = [1e-3, -50.0];
        Adam {
            rate: 0.1,
            delay: 1.0,
        }
        .advance(&mut state, &mut g);
        assert!(
            (g[0] - 0.1).abs() < 1e-5 && (g[1] + 0.1).abs() < 1e-5,
            "{g:?}"
        );
    }

    /// Gradients 2 and 1/2: m^ = (0.9 0.2 + 0.05) / 0.19, v^ = (0.999 0.004 + 0.00025) / 0.001999, and a rate of
    /// 0.1 (1 + 1/4)^-1/2.
    #[test]
    fn the_second_step_by_hand() {
        let mut state = StepState::new(1);
        let adam = Adam {
            rate: 0.1,
            delay: 4.0,
        };
        let mut step = |gradient: f64| {
            let mut g = [gradient];
            adam.advance(&mut state, &mut g);
            state.n_steps += 1;
            g[0]
        };
        assert!((step(2.0) - 0.1).abs() < 1e-8);
        let second = step(0.5);
        assert!(
            (second - 0.074_290_901_379_939_12).abs() < 1e-12,
            "{second}"
        );
    }
}

//! Step sizes by dual averaging: the step that makes the acceptance probability what it should be.
//!
//! [hoffman-2014], Eq. 6 and Alg. 5. With H_t the shortfall of the acceptance probability in step t,
//! ln e_t = mu - sqrt(t) / gamma * mean H, and the average of ln e_t with weights t^-kappa is what remains
//! when the adaptation ends. The mean starts with t0 imagined steps without shortfall.

use serde::{Deserialize, Serialize};

/// Shrinkage towards mu; the published value.
const GAMMA: f64 = 0.05;
/// Steps that the first ones are damped by; the published value.
const T0: f64 = 10.0;
/// Decay of the weights of the average; the published value.
const KAPPA: f64 = 0.75;
/// Keeps step sizes away from overflow where every step is accepted or none is.
const LN_LIMIT: f64 = 300.0;

/// Where the adaptation stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DualAveraging {
    mu: f64,
    n_steps: f64,
    shortfall: f64,
    ln_step: f64,
    ln_average: f64,
}

impl DualAveraging {
    /// Begins at a step size; larger ones are tried first, since they are cheap.
    pub(super) fn new(step_size: f64) -> Self {
        Self {
            mu: (10.0 * step_size).ln(),
            n_steps: 0.0,
            shortfall: 0.0,
            ln_step: step_size.ln(),
            ln_average: step_size.ln(),
        }
    }

    /// Takes in the acceptance probability of a step.
    pub(super) fn update(&mut self, accept_prob: f64, target: f64) {
        self.n_steps += 1.0;
        let weight = 1.0 / (self.n_steps + T0);
        self.shortfall += weight * (target - accept_prob - self.shortfall);
        let ln_step = self.mu - self.n_steps.sqrt() / GAMMA * self.shortfall;
        self.ln_step = ln_step.clamp(-LN_LIMIT, LN_LIMIT);
        let weight = self.n_steps.powf(-KAPPA);
        self.ln_average += weight * (self.ln_step - self.ln_average);
    }

    /// The step size to try next.
    pub(super) fn step_size(&self) -> f64 {
        self.ln_step.exp()
    }

    /// The step size to stay with.
    pub(super) fn average(&self) -> f64 {
        self.ln_average.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::{DualAveraging, GAMMA};

    /// With acceptance probability exp(-e), the step for 0.8 is -ln 0.8, from far below and far above.
    #[test]
    fn the_step_with_the_wanted_acceptance_is_found() {
        const N_STEPS: u32 = 20_000;
        for start in [1e-4, 1e3] {
            let mut dual = DualAveraging::new(start);
            for _ in 0..N_STEPS {
                dual.update((-dual.step_size()).exp(), 0.8);
            }
            let expected = -0.8f64.ln();
            // The pull of mu leaves a shortfall of gamma (mu - ln e) / (2 sqrt t), here in units of e with
            // de/da = -1/0.8; twice that allows for the last steps not being the very last.
            let pull = GAMMA * ((10.0 * start).ln() - expected.ln()) / 2.0;
            let tolerance = 2.0 * pull.abs() / f64::from(N_STEPS).sqrt() / 0.8;
            let error = (dual.average() - expected).abs();
            assert!(error < tolerance, "{start}: {error}, allowed {tolerance}");
        }
    }

    /// The first update by hand: weight 1/11, H = 0.8/11, ln e = ln 10 - 20 H.
    #[test]
    fn the_first_update() {
        let mut dual = DualAveraging::new(1.0);
        dual.update(0.0, 0.8);
        let expected = 10f64.ln() - 16.0 / 11.0;
        assert!((dual.step_size().ln() - expected).abs() < 1e-12);
        assert!((dual.average().ln() - expected).abs() < 1e-12);
    }
}

//! Schedules of Robbins and Monro: rho_t = first (1 + t / delay)^-power, step = rho_t g.
//!
//! [robbins-1951]: sum rho_t diverges and sum rho_t^2 does not for 1/2 < power <= 1. With averaged iterates a
//! power below one is best ([polyak-1992], Thm. 2). In local coordinates the Hessian of the bound of a matched
//! Gaussian is the identity, so that first = 1 would be Newton's step without noise.

use super::StepState;
use crate::InferError;
use crate::check::positive;

/// A falling schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RobbinsMonro {
    /// rho at the first step, above 0.
    pub first: f64,
    /// Steps after which it has fallen by 2^power, above 0.
    pub delay: f64,
    /// The power, in (1/2, 1].
    pub power: f64,
}

impl Default for RobbinsMonro {
    fn default() -> Self {
        Self {
            first: 0.5,
            delay: 100.0,
            power: 0.7,
        }
    }
}

impl RobbinsMonro {
    pub(super) fn advance(&self, state: &StepState, gradient: &mut [f64]) {
        let rho = self.first * (1.0 + state.n_steps as f64 / self.delay).powf(-self.power);
        for g in gradient {
            *g *= rho;
        }
    }

    pub(super) fn check(&self) -> Result<(), InferError> {
        positive("steps.first", self.first)?;
        positive("steps.delay", self.delay)?;
        match self.power > 0.5 && self.power <= 1.0 {
            true => Ok(()),
            false => Err(InferError::Option {
                option: "steps.power",
                expected: "a number in (1/2, 1]".to_owned(),
                found: self.power.to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_falls() {
        let rule = RobbinsMonro {
            first: 1.0,
            delay: 3.0,
            power: 1.0,
        };
        let mut state = StepState::new(2);
        let mut step = |n_steps: u64| {
            state.n_steps = n_steps;
            let mut g = [0.25, 0.5];
            rule.advance(&state, &mut g);
            g
        };
        assert_eq!(step(0), [0.25, 0.5]);
        assert_eq!(step(9), [0.0625, 0.125]);
    }
}

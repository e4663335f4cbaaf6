//! Real numbers moved and scaled: v = offset + multiplier x, log-determinant n ln multiplier.
//!
//! No constraint, but better coordinates: with offset and multiplier near mean and spread of v the position is
//! near a standard normal (the noncentered form of a hierarchical model).

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "offset_multiplier",
    summary: "real numbers with a location and a scale",
    examples: || vec![Box::new(OffsetMultiplier::new(1.5, 0.2, 3))],
};

/// n real numbers with a location and a scale.
#[derive(Clone, Debug)]
pub struct OffsetMultiplier {
    offset: f64,
    multiplier: f64,
    n: usize,
}

impl OffsetMultiplier {
    /// `n` numbers. Panics unless the offset is finite and the multiplier finite and above zero.
    pub fn new(offset: f64, multiplier: f64, n: usize) -> Self {
        assert!(offset.is_finite(), "offset {offset}");
        assert!(
            multiplier > 0.0 && multiplier.is_finite(),
            "multiplier {multiplier}"
        );
        Self {
            offset,
            multiplier,
            n,
        }
    }
}

impl Bijector for OffsetMultiplier {
    fn describe(&self) -> String {
        format!("offset={}, multiplier={}", self.offset, self.multiplier)
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        for (v, x) in value.iter_mut().zip(position) {
            *v = self.offset + self.multiplier * x;
        }
        self.n as f64 * self.multiplier.ln()
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (v - self.offset) / self.multiplier;
            if !x.is_finite() {
                return Err(Misfit::new("a finite number", *v, index));
            }
        }
        Ok(())
    }

    fn adjoint(&self, _: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for (g, by) in grad.iter_mut().zip(by_value) {
            *g += self.multiplier * by;
        }
    }
}

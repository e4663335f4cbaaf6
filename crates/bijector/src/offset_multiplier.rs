//! Real numbers moved and scaled: v = offset + multiplier x, log-determinant n ln multiplier.
//!
//! No constraint, but better coordinates: with offset and multiplier near mean and spread of v the position is
//! near a standard normal (the noncentered form of a hierarchical model).

use crate::elementwise::Elementwise;
use crate::{BadConstraint, Bijector, Entry, Misfit, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "offset_multiplier",
    summary: "real numbers with a location and a scale",
    examples: || examples([OffsetMultiplier::new(1.5, 0.2, 3)]),
};

pub(crate) const MAP: Elementwise = Elementwise {
    arguments: &["offset", "multiplier"],
    expected: "a finite offset and a finite multiplier above zero",
    allows: |[offset, multiplier]| offset.is_finite() && multiplier > 0.0 && multiplier.is_finite(),
    forward: |x, [offset, multiplier]| (offset + multiplier * x, multiplier.ln()),
    inverse: |v, [offset, multiplier]| (v - offset) / multiplier,
    adjoint: |x, [_, multiplier], by, weight| (multiplier * by, [by, by * x + weight / multiplier]),
};

/// n real numbers with a location and a scale.
#[derive(Clone, Debug)]
pub struct OffsetMultiplier {
    arguments: [f64; 2],
    n: usize,
}

impl OffsetMultiplier {
    /// `n` numbers; the offset is finite, the multiplier finite and above zero.
    ///
    /// # Errors
    /// [`BadConstraint`] for others.
    pub fn new(offset: f64, multiplier: f64, n: usize) -> Result<Self, BadConstraint> {
        let arguments = MAP.checked("offset_multiplier", [offset, multiplier])?;
        Ok(Self { arguments, n })
    }
}

impl Bijector for OffsetMultiplier {
    fn describe(&self) -> String {
        format!(
            "offset={}, multiplier={}",
            self.arguments[0], self.arguments[1]
        )
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        MAP.forward_all(position, self.arguments, value)
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        MAP.inverse_all(value, self.arguments, position, || {
            "a finite number".to_owned()
        })
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        MAP.adjoint_all(position, self.arguments, by_value, grad);
    }
}

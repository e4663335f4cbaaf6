//! Real numbers moved and scaled: v = offset + multiplier x, log-determinant n ln multiplier.
//!
//! No constraint, but better coordinates: with offset and multiplier near mean and spread of v the position is
//! near a standard normal (the noncentered form of a hierarchical model).

use crate::elementwise::{Elementwise, Fixed};
use crate::{BadConstraint, Entry, examples};

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

impl Fixed for OffsetMultiplier {
    const MAP: Elementwise = MAP;

    fn arguments(&self) -> [f64; 2] {
        self.arguments
    }

    fn n(&self) -> usize {
        self.n
    }

    fn wanted(&self) -> String {
        "a finite number".to_owned()
    }
}

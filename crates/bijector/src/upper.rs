//! Numbers below a bound b: v = b - exp(x), log-determinant sum x.

use crate::elementwise::{Elementwise, Fixed};
use crate::{BadConstraint, Entry, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "upper",
    summary: "numbers below a bound",
    examples: || examples([Upper::new(0.0, 2), Upper::new(3.5, 1)]),
};

pub(crate) const MAP: Elementwise = Elementwise {
    arguments: &["upper"],
    expected: "a finite bound",
    allows: |[b, _]| b.is_finite(),
    forward: |x, [b, _]| (b - x.exp(), x),
    inverse: |v, [b, _]| (b - v).ln(),
    adjoint: |x, _, by, weight| (weight - by * x.exp(), [by, 0.0]),
};

/// n numbers below a bound.
#[derive(Clone, Debug)]
pub struct Upper {
    arguments: [f64; 2],
    n: usize,
}

impl Upper {
    /// `n` numbers below `bound`, which is finite; without a bound use [`crate::Identity`].
    ///
    /// # Errors
    /// [`BadConstraint`] for others.
    pub fn new(bound: f64, n: usize) -> Result<Self, BadConstraint> {
        let arguments = MAP.checked("upper", [bound, 0.0])?;
        Ok(Self { arguments, n })
    }
}

impl Fixed for Upper {
    const MAP: Elementwise = MAP;

    fn arguments(&self) -> [f64; 2] {
        self.arguments
    }

    fn n(&self) -> usize {
        self.n
    }

    fn wanted(&self) -> String {
        format!("a number below {}", self.arguments[0])
    }
}

//! Numbers above a bound a: v = a + exp(x), log-determinant sum x.

use crate::elementwise::{Elementwise, Fixed};
use crate::{BadConstraint, Entry, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "lower",
    summary: "numbers above a bound",
    examples: || examples([Lower::new(0.0, 2), Lower::new(-2.5, 1)]),
};

pub(crate) const MAP: Elementwise = Elementwise {
    arguments: &["lower"],
    expected: "a finite bound",
    allows: |[a, _]| a.is_finite(),
    forward: |x, [a, _]| (a + x.exp(), x),
    inverse: |v, [a, _]| (v - a).ln(),
    adjoint: |x, _, by, weight| (by * x.exp() + weight, [by, 0.0]),
};

/// n numbers above a bound.
#[derive(Clone, Debug)]
pub struct Lower {
    arguments: [f64; 2],
    n: usize,
}

impl Lower {
    /// `n` numbers above `bound`, which is finite; without a bound use [`crate::Identity`].
    ///
    /// # Errors
    /// [`BadConstraint`] for others.
    pub fn new(bound: f64, n: usize) -> Result<Self, BadConstraint> {
        let arguments = MAP.checked("lower", [bound, 0.0])?;
        Ok(Self { arguments, n })
    }
}

impl Fixed for Lower {
    const MAP: Elementwise = MAP;

    fn arguments(&self) -> [f64; 2] {
        self.arguments
    }

    fn n(&self) -> usize {
        self.n
    }

    fn wanted(&self) -> String {
        format!("a number above {}", self.arguments[0])
    }
}

//! Numbers above a bound a: v = a + exp(x), log-determinant sum x.

use crate::elementwise::Elementwise;
use crate::{BadConstraint, Bijector, Entry, Misfit, examples};

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

impl Bijector for Lower {
    fn describe(&self) -> String {
        format!("lower={}", self.arguments[0])
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
            format!("a number above {}", self.arguments[0])
        })
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        MAP.adjoint_all(position, self.arguments, by_value, grad);
    }
}

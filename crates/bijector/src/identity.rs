//! No constraint: the value is the position, its log-determinant zero.

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "identity",
    summary: "any real numbers",
    examples: || vec![Box::new(Identity::new(3))],
};

/// n real numbers.
#[derive(Clone, Debug)]
pub struct Identity {
    n: usize,
}

impl Identity {
    /// `n` numbers.
    pub fn new(n: usize) -> Self {
        Self { n }
    }
}

impl Bijector for Identity {
    fn describe(&self) -> String {
        format!("vector[{}]", self.n)
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        value.copy_from_slice(position);
        0.0
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            if !v.is_finite() {
                return Err(Misfit::new("a finite number", *v, index));
            }
            *x = *v;
        }
        Ok(())
    }

    fn adjoint(&self, _: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for (g, by) in grad.iter_mut().zip(by_value) {
            *g += by;
        }
    }
}

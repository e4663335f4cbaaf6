//! Numbers below a bound b: v = b - exp(x), log-determinant sum x.

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "upper",
    summary: "numbers below a bound",
    examples: || vec![Box::new(Upper::new(0.0, 2)), Box::new(Upper::new(3.5, 1))],
};

/// n numbers below a bound.
#[derive(Clone, Debug)]
pub struct Upper {
    bound: f64,
    n: usize,
}

impl Upper {
    /// `n` numbers below `bound`. Panics unless it is finite; without a bound use [`crate::Identity`].
    pub fn new(bound: f64, n: usize) -> Self {
        assert!(bound.is_finite(), "upper bound {bound}");
        Self { bound, n }
    }
}

impl Bijector for Upper {
    fn describe(&self) -> String {
        format!("upper={}", self.bound)
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        for (v, x) in value.iter_mut().zip(position) {
            *v = self.bound - x.exp();
        }
        position.iter().sum()
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (self.bound - v).ln();
            if !x.is_finite() {
                let expected = format!("a number below {}", self.bound);
                return Err(Misfit::new(expected, *v, index));
            }
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for ((g, x), by) in grad.iter_mut().zip(position).zip(by_value) {
            *g += 1.0 - by * x.exp();
        }
    }
}

//! Numbers above a bound a: v = a + exp(x), log-determinant sum x.

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "lower",
    summary: "numbers above a bound",
    examples: || vec![Box::new(Lower::new(0.0, 2)), Box::new(Lower::new(-2.5, 1))],
};

/// n numbers above a bound.
#[derive(Clone, Debug)]
pub struct Lower {
    bound: f64,
    n: usize,
}

impl Lower {
    /// `n` numbers above `bound`. Panics unless it is finite; without a bound use [`crate::Identity`].
    pub fn new(bound: f64, n: usize) -> Self {
        assert!(bound.is_finite(), "lower bound {bound}");
        Self { bound, n }
    }
}

impl Bijector for Lower {
    fn describe(&self) -> String {
        format!("lower={}", self.bound)
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        for (v, x) in value.iter_mut().zip(position) {
            *v = self.bound + x.exp();
        }
        position.iter().sum()
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (v - self.bound).ln();
            if !x.is_finite() {
                let expected = format!("a number above {}", self.bound);
                return Err(Misfit::new(expected, *v, index));
            }
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for ((g, x), by) in grad.iter_mut().zip(position).zip(by_value) {
            *g += by * x.exp() + 1.0;
        }
    }
}

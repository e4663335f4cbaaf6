//! Rising positive numbers: v_k = v_{k-1} + exp(x_k) from v_0 = 0, log-determinant sum x.

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "positive_ordered",
    summary: "rising positive numbers",
    examples: || vec![Box::new(PositiveOrdered::new(4))],
};

/// K rising positive numbers.
#[derive(Clone, Debug)]
pub struct PositiveOrdered {
    k: usize,
}

impl PositiveOrdered {
    /// `k` numbers.
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

impl Bijector for PositiveOrdered {
    fn describe(&self) -> String {
        format!("positive_ordered[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k
    }

    fn n_values(&self) -> usize {
        self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let mut last = 0.0;
        for (v, x) in value.iter_mut().zip(position) {
            last += x.exp();
            *v = last;
        }
        position.iter().sum()
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let mut last = 0.0;
        for (k, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (v - last).ln();
            if !x.is_finite() {
                return Err(Misfit::new("rising positive numbers", *v, k));
            }
            last = *v;
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        // A step moves all numbers from its own upwards.
        let mut above = 0.0;
        for k in (0..self.k).rev() {
            above += by_value[k];
            grad[k] += above * position[k].exp() + 1.0;
        }
    }
}

//! Rising numbers: v_1 = x_1, v_k = v_{k-1} + exp(x_k), log-determinant x_2 + ... + x_K.

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "ordered",
    summary: "rising numbers",
    examples: || vec![Box::new(Ordered::new(1)), Box::new(Ordered::new(4))],
};

/// K rising numbers.
#[derive(Clone, Debug)]
pub struct Ordered {
    k: usize,
}

impl Ordered {
    /// `k` numbers.
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

impl Bijector for Ordered {
    fn describe(&self) -> String {
        format!("ordered[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k
    }

    fn n_values(&self) -> usize {
        self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let mut last = 0.0;
        for (k, (v, x)) in value.iter_mut().zip(position).enumerate() {
            last = if k == 0 { *x } else { last + x.exp() };
            *v = last;
        }
        position.iter().skip(1).sum()
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for k in 0..self.k {
            position[k] = match k {
                0 => value[0],
                _ => (value[k] - value[k - 1]).ln(),
            };
            if !position[k].is_finite() {
                return Err(Misfit::new("rising numbers", value[k], k));
            }
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        // A step moves all numbers from its own upwards.
        let mut above = 0.0;
        for k in (0..self.k).rev() {
            above += by_value[k];
            grad[k] += match k {
                0 => above,
                _ => above * position[k].exp() + 1.0,
            };
        }
    }
}

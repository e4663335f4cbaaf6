//! A vector of length one: v = x / |x|.
//!
//! K coordinates for a surface of K - 1 dimensions, so the map is not one to one. The length is given a law of
//! its own: the "log-determinant" -|x|^2 / 2 makes x a standard normal where v is uniform on the sphere, and any
//! density of v, by area on the sphere, carries over. The inverse takes x = v. At x = 0 there is no direction and
//! the value is not a number.

use crate::{BadConstraint, Bijector, Entry, Misfit, check_size, examples, is_near};

pub(crate) const ENTRY: Entry = Entry {
    name: "unit_vector",
    summary: "a vector of length one",
    examples: || examples([UnitVector::new(2), UnitVector::new(4)]),
};

/// K numbers whose squares have sum one.
#[derive(Clone, Debug)]
pub struct UnitVector {
    k: usize,
}

impl UnitVector {
    /// `k` numbers, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("unit_vector", "at least one number", k)?;
        Ok(Self { k })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Bijector for UnitVector {
    fn describe(&self) -> String {
        format!("unit_vector[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k
    }

    fn n_values(&self) -> usize {
        self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let square = dot(position, position);
        for (v, x) in value.iter_mut().zip(position) {
            *v = x / square.sqrt();
        }
        -0.5 * square
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let square = dot(value, value);
        if !is_near(square, 1.0) {
            return Err(Misfit::new("squares with sum 1", square, self.k - 1));
        }
        position.copy_from_slice(value);
        Ok(())
    }

    fn adjoint(&self, position: &[f64], value: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let length = dot(position, position).sqrt();
        let along = dot(by_value, value);
        for (k, g) in grad.iter_mut().enumerate() {
            *g += (by_value[k] - along * value[k]) / length - position[k];
        }
    }
}

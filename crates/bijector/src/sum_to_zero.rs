//! Numbers with sum zero: v = V x with an orthonormal basis V of the plane, log-determinant zero.
//!
//! Column n of V has n times 1 / sqrt(n (n + 1)), then -n / sqrt(n (n + 1)), then zeros [egozcue-2003], eq. 24.
//! Lengths on the plane are those of the coordinates, so independent standard normal coordinates give every
//! number the variance 1 - 1/K. Reference measure: area on the plane. O(K).

use crate::{BadConstraint, Bijector, Entry, Misfit, check_size, examples, is_near};

pub(crate) const ENTRY: Entry = Entry {
    name: "sum_to_zero",
    summary: "numbers with sum zero",
    examples: || examples([SumToZero::new(2), SumToZero::new(5)]),
};

/// K numbers with sum zero.
#[derive(Clone, Debug)]
pub struct SumToZero {
    k: usize,
}

impl SumToZero {
    /// `k` numbers, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("sum_to_zero", "at least one number", k)?;
        Ok(Self { k })
    }
}

/// v = V x, for `[K - 1]` coordinates and `[K]` values.
pub(crate) fn spread(x: &[f64], value: &mut [f64]) {
    let mut sum = 0.0;
    value[x.len()] = 0.0;
    for n in (1..=x.len()).rev() {
        let w = x[n - 1] * unit(n);
        value[n] = sum - n as f64 * w;
        sum += w;
    }
    value[0] = sum;
}

/// x += V' v.
pub(crate) fn gather(value: &[f64], x: &mut [f64]) {
    let mut sum = 0.0;
    for n in 1..value.len() {
        sum += value[n - 1];
        x[n - 1] += (sum - n as f64 * value[n]) * unit(n);
    }
}

fn unit(n: usize) -> f64 {
    1.0 / ((n * (n + 1)) as f64).sqrt()
}

impl Bijector for SumToZero {
    fn describe(&self) -> String {
        format!("sum_to_zero_vector[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k - 1
    }

    fn n_values(&self) -> usize {
        self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        spread(position, value);
        0.0
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        let sum: f64 = value.iter().sum();
        let size: f64 = value.iter().map(|v| v.abs()).sum();
        if !is_near(size + sum, size) {
            return Err(Misfit::new("numbers with sum 0", sum, self.k - 1));
        }
        position.fill(0.0);
        gather(value, position);
        Ok(())
    }

    fn adjoint(&self, _: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        gather(by_value, grad);
    }
}

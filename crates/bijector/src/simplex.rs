//! Positive numbers with sum one: v = softmax(V x), the isometric log-ratio [egozcue-2003], as in Stan since 2.36.
//!
//! V is the basis of the plane with sum zero (`sum_to_zero.rs`). Log-determinant of the first K - 1 numbers:
//! sum_k ln v_k + ln(K) / 2, because the Jacobian of softmax has the product of all v as determinant on the plane
//! and the plane stands at 1 / sqrt(K) to the first K - 1 axes. The center is x = 0. O(K).

use jensen_special::logspace::log_sum_exp;

use crate::sum_to_zero::{gather, spread};
use crate::{BadConstraint, Bijector, Entry, Misfit, check_size, examples, is_near};

pub(crate) const ENTRY: Entry = Entry {
    name: "simplex",
    summary: "positive numbers with sum one",
    examples: || examples([Simplex::new(2), Simplex::new(5)]),
};

/// K positive numbers with sum one.
#[derive(Clone, Debug)]
pub struct Simplex {
    k: usize,
}

impl Simplex {
    /// `k` numbers, at least one.
    ///
    /// # Errors
    /// [`BadConstraint`] for none.
    pub fn new(k: usize) -> Result<Self, BadConstraint> {
        check_size("simplex", "at least one number", k)?;
        Ok(Self { k })
    }
}

impl Bijector for Simplex {
    fn describe(&self) -> String {
        format!("simplex[{}]", self.k)
    }

    fn n_coordinates(&self) -> usize {
        self.k - 1
    }

    fn n_values(&self) -> usize {
        self.k
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        spread(position, value);
        let log_total = log_sum_exp(value);
        for v in value {
            *v = (*v - log_total).exp();
        }
        // The logarithms before normalization have sum zero.
        let k = self.k as f64;
        0.5 * k.ln() - k * log_total
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        if let Some(index) = value.iter().position(|v| v.is_nan() || *v <= 0.0) {
            return Err(Misfit::new("positive numbers", value[index], index));
        }
        let sum: f64 = value.iter().sum();
        if !is_near(sum, 1.0) {
            return Err(Misfit::new("numbers with sum 1", sum, self.k - 1));
        }
        let logs: Vec<f64> = value.iter().map(|v| v.ln()).collect();
        position.fill(0.0);
        gather(&logs, position);
        Ok(())
    }

    fn adjoint(&self, _: &[f64], value: &[f64], by_value: &[f64], grad: &mut [f64]) {
        // By the logarithm before normalization: v_k (g_k - sum g v), and 1 - K v_k from the log-determinant,
        // of which the ones vanish under V'.
        let inner: f64 = by_value.iter().zip(value).map(|(g, v)| g * v).sum();
        let k = self.k as f64;
        let by_log: Vec<f64> = (by_value.iter().zip(value))
            .map(|(g, v)| v * (g - inner - k))
            .collect();
        gather(&by_log, grad);
    }
}

//! Numbers between two bounds a < b: v = a + (b - a) s, s = logistic(x).
//!
//! Log-determinant sum ln(b - a) + ln s + ln(1 - s), its derivative 1 - 2 s. On the upper half the value is
//! b - (b - a) logistic(-x), which keeps the digits near b where b is zero.

use jensen_special::logspace::log1p_exp;

use crate::{Bijector, Entry, Misfit};

pub(crate) const ENTRY: Entry = Entry {
    name: "interval",
    summary: "numbers between two bounds",
    examples: || {
        vec![
            Box::new(Interval::new(0.0, 1.0, 2)),
            Box::new(Interval::new(-3.0, 0.0, 1)),
        ]
    },
};

/// n numbers between two bounds.
#[derive(Clone, Debug)]
pub struct Interval {
    lower: f64,
    upper: f64,
    n: usize,
}

impl Interval {
    /// `n` numbers between `lower` and `upper`. Panics unless both are finite and `lower` is less.
    pub fn new(lower: f64, upper: f64, n: usize) -> Self {
        let is_interval = lower.is_finite() && upper.is_finite() && lower < upper;
        assert!(is_interval, "interval from {lower} to {upper}");
        Self { lower, upper, n }
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Bijector for Interval {
    fn describe(&self) -> String {
        format!("lower={}, upper={}", self.lower, self.upper)
    }

    fn n_coordinates(&self) -> usize {
        self.n
    }

    fn n_values(&self) -> usize {
        self.n
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let width = self.upper - self.lower;
        let mut log_det = 0.0;
        for (v, &x) in value.iter_mut().zip(position) {
            *v = match x > 0.0 {
                true => self.upper - width * logistic(-x),
                false => self.lower + width * logistic(x),
            };
            log_det += width.ln() - log1p_exp(x) - log1p_exp(-x);
        }
        log_det
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (v - self.lower).ln() - (self.upper - v).ln();
            if !x.is_finite() {
                let expected = format!("a number between {} and {}", self.lower, self.upper);
                return Err(Misfit::new(expected, *v, index));
            }
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        let width = self.upper - self.lower;
        for ((g, x), by) in grad.iter_mut().zip(position).zip(by_value) {
            let (s, rest) = (logistic(*x), logistic(-*x));
            *g += by * width * s * rest + rest - s;
        }
    }
}

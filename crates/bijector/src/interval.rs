//! Numbers between two bounds a < b: v = a + (b - a) s, s = logistic(x).
//!
//! Log-determinant sum ln(b - a) + ln s + ln(1 - s), its derivative 1 - 2 s. On the upper half the value is
//! b - (b - a) logistic(-x), which keeps the digits near b where b is zero. By a the value moves with 1 - s, by b
//! with s.

use jensen_special::logspace::log1p_exp;

use crate::elementwise::Elementwise;
use crate::{BadConstraint, Bijector, Entry, Misfit, examples};

pub(crate) const ENTRY: Entry = Entry {
    name: "interval",
    summary: "numbers between two bounds",
    examples: || examples([Interval::new(0.0, 1.0, 2), Interval::new(-3.0, 0.0, 1)]),
};

pub(crate) const MAP: Elementwise = Elementwise {
    arguments: &["lower", "upper"],
    expected: "finite bounds, the lower one less, of finite distance",
    allows: |[a, b]| a < b && (b - a).is_finite(),
    forward: |x, [a, b]| {
        let width = b - a;
        let value = match x > 0.0 {
            true => b - width * logistic(-x),
            false => a + width * logistic(x),
        };
        (value, width.ln() - log1p_exp(x) - log1p_exp(-x))
    },
    inverse: |v, [a, b]| (v - a).ln() - (b - v).ln(),
    adjoint: |x, [a, b], by, weight| {
        let (width, s, rest) = (b - a, logistic(x), logistic(-x));
        let by_ends = [by * rest - weight / width, by * s + weight / width];
        (by * width * s * rest + weight * (rest - s), by_ends)
    },
};

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// n numbers between two bounds.
#[derive(Clone, Debug)]
pub struct Interval {
    arguments: [f64; 2],
    n: usize,
}

impl Interval {
    /// `n` numbers between `lower` and `upper`, which are finite, the first less.
    ///
    /// # Errors
    /// [`BadConstraint`] for others.
    pub fn new(lower: f64, upper: f64, n: usize) -> Result<Self, BadConstraint> {
        let arguments = MAP.checked("interval", [lower, upper])?;
        Ok(Self { arguments, n })
    }
}

impl Bijector for Interval {
    fn describe(&self) -> String {
        format!("lower={}, upper={}", self.arguments[0], self.arguments[1])
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
            let [lower, upper] = self.arguments;
            format!("a number between {lower} and {upper}")
        })
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        MAP.adjoint_all(position, self.arguments, by_value, grad);
    }
}

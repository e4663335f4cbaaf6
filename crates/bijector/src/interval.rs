//! Numbers between two bounds a < b: v = a + (b - a) s, s = logistic(x).
//!
//! Log-determinant sum ln(b - a) + ln s + ln(1 - s), its derivative 1 - 2 s. On the upper half the value is
//! b - (b - a) logistic(-x), which keeps the digits near b where b is zero. By a the value moves with 1 - s, by b
//! with s.

use jensen_special::logspace::{inv_logit, log1p_exp};

use crate::elementwise::{Elementwise, Fixed};
use crate::{BadConstraint, Entry, examples};

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
            true => b - width * inv_logit(-x),
            false => a + width * inv_logit(x),
        };
        (value, width.ln() - log1p_exp(x) - log1p_exp(-x))
    },
    inverse: |v, [a, b]| (v - a).ln() - (b - v).ln(),
    adjoint: |x, [a, b], by, weight| {
        let (width, s, rest) = (b - a, inv_logit(x), inv_logit(-x));
        let by_ends = [by * rest - weight / width, by * s + weight / width];
        (by * width * s * rest + weight * (rest - s), by_ends)
    },
};

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

impl Fixed for Interval {
    const MAP: Elementwise = MAP;

    fn arguments(&self) -> [f64; 2] {
        self.arguments
    }

    fn n(&self) -> usize {
        self.n
    }

    fn wanted(&self) -> String {
        let [lower, upper] = self.arguments;
        format!("a number between {lower} and {upper}")
    }
}

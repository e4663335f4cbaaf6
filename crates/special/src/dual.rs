//! Numbers that carry their derivatives by N parameters: series and continued fractions become those of
//! the derivatives by the rules of sum, product and quotient alone.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value with its derivatives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dual<const N: usize> {
    pub(crate) value: f64,
    pub(crate) by: [f64; N],
}

impl<const N: usize> Dual<N> {
    /// A constant.
    pub(crate) fn constant(value: f64) -> Self {
        Self {
            value,
            by: [0.0; N],
        }
    }

    /// The parameter of this index.
    pub(crate) fn parameter(value: f64, index: usize) -> Self {
        let mut dual = Self::constant(value);
        dual.by[index] = 1.0;
        dual
    }

    /// f(self) of value `value` and slope `slope`.
    pub(crate) fn chain(self, value: f64, slope: f64) -> Self {
        Self {
            value,
            by: self.by.map(|by| slope * by),
        }
    }

    pub(crate) fn exp(self) -> Self {
        let value = self.value.exp();
        self.chain(value, value)
    }

    pub(crate) fn ln(self) -> Self {
        self.chain(self.value.ln(), 1.0 / self.value)
    }

    /// a x + b y in every component.
    fn combine(self, other: Self, value: f64, a: f64, b: f64) -> Self {
        let mut by = self.by;
        for (by, other) in by.iter_mut().zip(other.by) {
            *by = a * *by + b * other;
        }
        Self { value, by }
    }
}

impl<const N: usize> Add for Dual<N> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.combine(other, self.value + other.value, 1.0, 1.0)
    }
}

impl<const N: usize> Sub for Dual<N> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.combine(other, self.value - other.value, 1.0, -1.0)
    }
}

impl<const N: usize> Mul for Dual<N> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.combine(other, self.value * other.value, other.value, self.value)
    }
}

impl<const N: usize> Div for Dual<N> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        self.combine(other, value, 1.0 / other.value, -value / other.value)
    }
}

impl<const N: usize> Neg for Dual<N> {
    type Output = Self;
    fn neg(self) -> Self {
        self.chain(-self.value, -1.0)
    }
}

impl<const N: usize> Add<f64> for Dual<N> {
    type Output = Self;
    fn add(self, other: f64) -> Self {
        self.chain(self.value + other, 1.0)
    }
}

impl<const N: usize> Mul<f64> for Dual<N> {
    type Output = Self;
    fn mul(self, other: f64) -> Self {
        self.chain(self.value * other, other)
    }
}

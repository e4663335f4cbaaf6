//! Maps that take each number by itself, v = f(x; a, b), with arguments a and b such as bounds, which may change
//! from number to number and from position to position.
//!
//! One map is one constant in the file of its constraint. With fixed arguments it becomes a
//! [`Bijector`] there, as a [`Fixed`]; with arguments that are other variables it is used by
//! [`Transformed`](crate::Transformed).

use crate::{BadConstraint, Bijector, Misfit};

/// From x, the arguments, the slope of f and a weight w to the gradients by x and by the arguments.
pub(crate) type Adjoint = fn(f64, [f64; 2], f64, f64) -> (f64, [f64; 2]);

/// A map of one number with up to two arguments; unused arguments are ignored.
#[derive(Clone, Copy)]
pub(crate) struct Elementwise {
    /// Names of the arguments, as Stan writes them.
    pub(crate) arguments: &'static [&'static str],
    /// What the arguments have to be, in words.
    pub(crate) expected: &'static str,
    /// Whether they are.
    pub(crate) allows: fn([f64; 2]) -> bool,
    /// The value and the log-derivative at x.
    pub(crate) forward: fn(f64, [f64; 2]) -> (f64, f64),
    /// The x of a value; not finite where there is none.
    pub(crate) inverse: fn(f64, [f64; 2]) -> f64,
    /// The gradient of f(v) + w log-derivative.
    pub(crate) adjoint: Adjoint,
}

impl std::fmt::Debug for Elementwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Elementwise({})", self.arguments.join(", "))
    }
}

impl Elementwise {
    /// The arguments if they are allowed, as a constraint called `name` wants them.
    pub(crate) fn checked(
        &self,
        name: &'static str,
        arguments: [f64; 2],
    ) -> Result<[f64; 2], BadConstraint> {
        if (self.allows)(arguments) {
            return Ok(arguments);
        }
        Err(BadConstraint {
            constraint: name,
            expected: self.expected,
            found: arguments[..self.arguments.len()].to_vec(),
        })
    }

    /// A constraint by its arguments in words, as Stan writes it.
    pub(crate) fn describe(&self, arguments: impl IntoIterator<Item = String>) -> String {
        let named = self.arguments.iter().zip(arguments);
        let parts: Vec<String> = named.map(|(role, a)| format!("{role}={a}")).collect();
        parts.join(", ")
    }
}

/// A map with the same fixed arguments for n numbers, which is a [`Bijector`].
pub(crate) trait Fixed: Send + Sync + std::fmt::Debug {
    /// The map.
    const MAP: Elementwise;

    /// Its arguments.
    fn arguments(&self) -> [f64; 2];

    /// How many numbers.
    fn n(&self) -> usize;

    /// What each value has to be, in words.
    fn wanted(&self) -> String;
}

impl<F: Fixed> Bijector for F {
    fn describe(&self) -> String {
        F::MAP.describe(self.arguments().map(|a| a.to_string()))
    }

    fn n_coordinates(&self) -> usize {
        self.n()
    }

    fn n_values(&self) -> usize {
        self.n()
    }

    fn forward(&self, position: &[f64], value: &mut [f64]) -> f64 {
        let mut log_det = 0.0;
        for (v, &x) in value.iter_mut().zip(position) {
            let (here, slope) = (F::MAP.forward)(x, self.arguments());
            *v = here;
            log_det += slope;
        }
        log_det
    }

    fn inverse(&self, value: &[f64], position: &mut [f64]) -> Result<(), Misfit> {
        for (index, (x, v)) in position.iter_mut().zip(value).enumerate() {
            *x = (F::MAP.inverse)(*v, self.arguments());
            if !x.is_finite() {
                return Err(Misfit::new(self.wanted(), *v, index));
            }
        }
        Ok(())
    }

    fn adjoint(&self, position: &[f64], _: &[f64], by_value: &[f64], grad: &mut [f64]) {
        for ((g, &x), &by) in grad.iter_mut().zip(position).zip(by_value) {
            *g += (F::MAP.adjoint)(x, self.arguments(), by, 1.0).0;
        }
    }
}

//! Maps that take each number by itself, v = f(x; a, b), with arguments a and b such as bounds, which may change
//! from number to number and from position to position.
//!
//! One map is one constant in the file of its constraint. With fixed arguments it becomes a
//! [`Bijector`](crate::Bijector) there; with arguments that are other variables it is used by
//! [`Transformed`](crate::Transformed).

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
    ) -> Result<[f64; 2], crate::BadConstraint> {
        if (self.allows)(arguments) {
            return Ok(arguments);
        }
        Err(crate::BadConstraint {
            constraint: name,
            expected: self.expected,
            found: arguments[..self.arguments.len()].to_vec(),
        })
    }

    /// Writes values with the same arguments for all; returns the log-determinant.
    pub(crate) fn forward_all(&self, x: &[f64], arguments: [f64; 2], value: &mut [f64]) -> f64 {
        let mut log_det = 0.0;
        for (v, &x) in value.iter_mut().zip(x) {
            let (here, slope) = (self.forward)(x, arguments);
            *v = here;
            log_det += slope;
        }
        log_det
    }

    /// Writes positions with the same arguments for all.
    pub(crate) fn inverse_all(
        &self,
        value: &[f64],
        arguments: [f64; 2],
        x: &mut [f64],
        expected: impl Fn() -> String,
    ) -> Result<(), crate::Misfit> {
        for (index, (x, v)) in x.iter_mut().zip(value).enumerate() {
            *x = (self.inverse)(*v, arguments);
            if !x.is_finite() {
                return Err(crate::Misfit::new(expected(), *v, index));
            }
        }
        Ok(())
    }

    /// Adds gradients by positions, with the same arguments for all.
    pub(crate) fn adjoint_all(&self, x: &[f64], arguments: [f64; 2], by: &[f64], grad: &mut [f64]) {
        for ((g, &x), &by) in grad.iter_mut().zip(x).zip(by) {
            *g += (self.adjoint)(x, arguments, by, 1.0).0;
        }
    }
}

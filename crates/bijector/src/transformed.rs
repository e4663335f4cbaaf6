//! A density of constrained variables as a log density on R^d.
//!
//! Variables are declared in order, each with its constraint; the arguments of a constraint may be variables
//! declared before. At a position every variable takes its coordinates through its transform, the function of
//! the values is evaluated, and its gradient goes back through the adjoints from the last variable to the
//! first, so that what an argument receives is there when its own turn comes. The log-determinants of all
//! transforms are added, since the Jacobian of such a chain is triangular by blocks; for maxima on the
//! constrained scale ([`Transformed::without_jacobian`]) they are left out.
//!
//! Eight groups with a common location and scale, their effects noncentered:
//!
//! ```
//! use jensen_bijector::{Declared, Transformed};
//! use jensen_density::{Evaluator, LogDensity as _};
//!
//! let variables = vec![
//!     Declared::real("mu", &[]),
//!     Declared::lower("tau", &[], 0.0),
//!     Declared::offset_multiplier("theta", &[8], "mu", "tau"),
//! ];
//! // Values stand one after the other: mu, tau, theta[1], ..., theta[8].
//! let target = Transformed::new(variables, |values: &[f64], by: &mut [f64]| {
//!     let (mu, tau) = (values[0], values[1]);
//!     let mut value = -0.5 * mu * mu - tau;
//!     (by[0], by[1]) = (-mu, -1.0);
//!     for (i, theta) in values.iter().enumerate().skip(2) {
//!         let z = (theta - mu) / tau;
//!         value -= 0.5 * z * z + tau.ln();
//!         by[i] -= z / tau;
//!         by[0] += z / tau;
//!         by[1] += (z * z - 1.0) / tau;
//!     }
//!     Ok(value)
//! })?;
//! let mut grad = [0.0; 10];
//! let mut evaluator = Evaluator::new(&target);
//! // The effects' own terms and the log-determinant of their scale cancel: standard normals remain.
//! let position = [0.3, -1.2, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0];
//! let value = evaluator.log_density_and_grad(&position, &mut grad).unwrap();
//! assert!((value - (-0.045 - (-1.2f64).exp() - 1.2 - 4.0)).abs() < 1e-12);
//! assert!((grad[2] + 1.0).abs() < 1e-12);
//! let mut values = [0.0; 10];
//! target.constrain(&position, &mut values);
//! assert_eq!(values[2], 0.3 + (-1.2f64).exp());
//! # Ok::<(), jensen_bijector::BadDeclaration>(())
//! ```

use std::fmt;
use std::ops::Range;

use jensen_density::{Cause, Layout, LogDensity, Reject};

use crate::declared::{Argument, Map};
use crate::{BadDeclaration, Declared, Misfit};

/// A function of constrained values as a log density on unconstrained coordinates.
///
/// The function gets the values `[n_values]` in the order of declaration, and memory for its gradient of the
/// same shape, filled with zeros; it returns nats with a free constant, or refuses. Every number counts as
/// moving alone, also those of a symmetric matrix or a simplex.
pub struct Transformed<F> {
    layout: Layout,
    parts: Vec<Part>,
    function: F,
    /// The weight of the log-determinants, one or zero.
    weight: f64,
}

/// Functions have nothing to show, and variables say what there is.
impl<F> fmt::Debug for Transformed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transformed")
            .field("variables", &self.layout.variables())
            .field("weight", &self.weight)
            .finish_non_exhaustive()
    }
}

/// A variable, ready to run.
#[derive(Debug)]
struct Part {
    declared: Declared,
    coordinates: Range<usize>,
    values: Range<usize>,
    arguments: Vec<Source>,
}

/// Where an argument stands.
#[derive(Clone, Debug)]
enum Source {
    Numbers(Vec<f64>),
    Values(Range<usize>),
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Values(range) => range.len(),
        }
    }

    /// The number for an entry, from the values of earlier variables.
    fn at(&self, entry: usize, earlier: &[f64]) -> f64 {
        match self {
            Self::Numbers(numbers) => numbers[entry.min(numbers.len() - 1)],
            Self::Values(range) => earlier[range.start + entry.min(range.len() - 1)],
        }
    }

    fn add(&self, entry: usize, by: f64, by_earlier: &mut [f64]) {
        if let Self::Values(range) = self {
            by_earlier[range.start + entry.min(range.len() - 1)] += by;
        }
    }
}

/// A value that no position reaches.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{variable}`: {misfit}")]
pub struct Unreachable {
    /// The variable at fault.
    pub variable: String,
    /// What is wrong with its value.
    pub misfit: Misfit,
}

impl<F> Transformed<F>
where
    F: Fn(&[f64], &mut [f64]) -> Result<f64, Reject> + Sync,
{
    /// Joins variables with a function of their values and its gradient.
    ///
    /// # Errors
    /// [`BadDeclaration`] for variables that do not fit together.
    pub fn new(variables: Vec<Declared>, function: F) -> Result<Self, BadDeclaration> {
        let layout = Layout::new(variables.iter().map(Declared::variable).collect());
        let mut parts: Vec<Part> = Vec::new();
        let (mut coordinate, mut value) = (0, 0);
        for (declared, variable) in variables.into_iter().zip(layout.variables()) {
            if parts.iter().any(|part| part.declared.name == declared.name) {
                return Err(BadDeclaration::Twice {
                    name: declared.name,
                });
            }
            let arguments = sources(&declared, &parts)?;
            let part = Part {
                coordinates: coordinate..coordinate + variable.n_coordinates,
                values: value..value + declared.n_values(),
                arguments,
                declared,
            };
            (coordinate, value) = (part.coordinates.end, part.values.end);
            parts.push(part);
        }
        Ok(Self {
            layout,
            parts,
            function,
            weight: 1.0,
        })
    }

    /// Without log-determinants: the function itself, whose maximum is that on the constrained scale, as
    /// maximum likelihood and posterior modes are meant. No density of the coordinates.
    pub fn without_jacobian(mut self) -> Self {
        self.weight = 0.0;
        self
    }

    /// Where the values of a variable stand, if there is one of this name.
    pub fn values_of(&self, name: &str) -> Option<Range<usize>> {
        let part = self.parts.iter().find(|part| part.declared.name == name);
        part.map(|part| part.values.clone())
    }

    /// Writes the position `[d]` of values `[n_values]`.
    ///
    /// # Errors
    /// [`Unreachable`] with the first variable whose value has no position.
    pub fn unconstrain(&self, values: &[f64], position: &mut [f64]) -> Result<(), Unreachable> {
        for part in &self.parts {
            let (earlier, rest) = values.split_at(part.values.start);
            part.inverse(earlier, rest, &mut position[part.coordinates.clone()])
                .map_err(|misfit| Unreachable {
                    variable: part.declared.name.clone(),
                    misfit,
                })?;
        }
        Ok(())
    }

    /// Writes all values; returns the sum of the log-determinants.
    fn forward(&self, position: &[f64], values: &mut [f64]) -> Result<f64, Reject> {
        let mut log_det = 0.0;
        for part in &self.parts {
            let (earlier, rest) = values.split_at_mut(part.values.start);
            let own = &mut rest[..part.values.len()];
            log_det += part.forward(&position[part.coordinates.clone()], earlier, own)?;
        }
        Ok(log_det)
    }
}

impl<F> LogDensity for Transformed<F>
where
    F: Fn(&[f64], &mut [f64]) -> Result<f64, Reject> + Sync,
{
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn scratch_len(&self) -> usize {
        2 * self.layout.n_values()
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject> {
        let n = self.layout.n_values();
        let (values, by_values) = scratch[..2 * n].split_at_mut(n);
        let log_det = self.forward(position, values)?;
        by_values.fill(0.0);
        let value = (self.function)(values, by_values)?;
        grad.fill(0.0);
        for part in self.parts.iter().rev() {
            let (by_earlier, rest) = by_values.split_at_mut(part.values.start);
            let (earlier, own) = values.split_at(part.values.start);
            let coordinates = part.coordinates.clone();
            part.adjoint(
                &position[coordinates.clone()],
                (earlier, &own[..part.values.len()]),
                (by_earlier, &rest[..part.values.len()]),
                self.weight,
                &mut grad[coordinates],
            );
        }
        // A log-determinant of minus infinity without a weight would make a NaN.
        Ok(if self.weight == 0.0 {
            value
        } else {
            value + log_det
        })
    }

    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        if self.forward(position, values).is_err() {
            values.fill(f64::NAN);
        }
    }
}

/// Finds the arguments of a variable among numbers and earlier variables.
fn sources(declared: &Declared, earlier: &[Part]) -> Result<Vec<Source>, BadDeclaration> {
    let (name, expected) = (|| declared.name.clone(), declared.n_values());
    let (constraint, map, arguments) = match &declared.map {
        Map::Whole(bijector) if bijector.n_values() != expected => {
            return Err(BadDeclaration::Shape {
                name: name(),
                expected,
                found: bijector.n_values(),
            });
        }
        Map::Whole(_) => return Ok(Vec::new()),
        Map::Each(constraint, map, arguments) => (constraint, map, arguments),
    };
    let mut found = Vec::new();
    for (&role, argument) in map.arguments.iter().zip(arguments) {
        let source = match argument {
            Argument::Number(number) => Source::Numbers(vec![*number]),
            Argument::Numbers(numbers) => Source::Numbers(numbers.clone()),
            Argument::Variable(argument) => {
                let part = earlier.iter().find(|part| part.declared.name == *argument);
                let part = part.ok_or_else(|| BadDeclaration::Unknown {
                    name: name(),
                    role,
                    argument: argument.clone(),
                })?;
                Source::Values(part.values.clone())
            }
        };
        if source.len() != 1 && source.len() != expected {
            return Err(BadDeclaration::Length {
                name: name(),
                role,
                expected,
                found: source.len(),
            });
        }
        found.push(source);
    }
    // Numbers are checked here, variables at every position.
    if found
        .iter()
        .all(|source| matches!(source, Source::Numbers(_)))
    {
        for index in 0..expected {
            map.checked(constraint, at(&found, index, &[]))
                .map_err(|source| BadDeclaration::Constraint {
                    name: name(),
                    index,
                    source,
                })?;
        }
    }
    Ok(found)
}

/// Both arguments for an entry.
fn at(sources: &[Source], entry: usize, earlier: &[f64]) -> [f64; 2] {
    let mut arguments = [0.0; 2];
    for (argument, source) in arguments.iter_mut().zip(sources) {
        *argument = source.at(entry, earlier);
    }
    arguments
}

impl Part {
    fn forward(&self, x: &[f64], earlier: &[f64], own: &mut [f64]) -> Result<f64, Reject> {
        let map = match &self.declared.map {
            Map::Whole(bijector) => return Ok(bijector.forward(x, own)),
            Map::Each(_, map, _) => map,
        };
        let mut log_det = 0.0;
        for (entry, (&x, own)) in x.iter().zip(own).enumerate() {
            let arguments = at(&self.arguments, entry, earlier);
            if !(map.allows)(arguments) {
                return Err(Reject::at(&self.declared.name, Cause::OutsideSupport));
            }
            let (value, slope) = (map.forward)(x, arguments);
            *own = value;
            log_det += slope;
        }
        Ok(log_det)
    }

    fn inverse(&self, earlier: &[f64], rest: &[f64], x: &mut [f64]) -> Result<(), Misfit> {
        let own = &rest[..self.values.len()];
        let map = match &self.declared.map {
            Map::Whole(bijector) => return bijector.inverse(own, x),
            Map::Each(_, map, _) => map,
        };
        for (index, (x, &v)) in x.iter_mut().zip(own).enumerate() {
            let arguments = at(&self.arguments, index, earlier);
            *x = match (map.allows)(arguments) {
                true => (map.inverse)(v, arguments),
                false => f64::NAN,
            };
            if !x.is_finite() {
                let named = map.arguments.iter().zip(arguments);
                let parts: Vec<String> = named.map(|(role, a)| format!("{role}={a}")).collect();
                let expected = format!("a number with {}", parts.join(", "));
                return Err(Misfit::new(expected, v, index));
            }
        }
        Ok(())
    }

    /// Adds to `grad` and, where arguments are variables, to the gradient by their values.
    fn adjoint(
        &self,
        x: &[f64],
        (earlier, own): (&[f64], &[f64]),
        (by_earlier, by_own): (&mut [f64], &[f64]),
        weight: f64,
        grad: &mut [f64],
    ) {
        let map = match &self.declared.map {
            Map::Whole(bijector) if weight == 0.0 => {
                return bijector.pullback(x, own, by_own, grad);
            }
            Map::Whole(bijector) => return bijector.adjoint(x, own, by_own, grad),
            Map::Each(_, map, _) => map,
        };
        for (entry, (g, (&x, &by))) in grad.iter_mut().zip(x.iter().zip(by_own)).enumerate() {
            let arguments = at(&self.arguments, entry, earlier);
            let (by_x, by_arguments) = (map.adjoint)(x, arguments, by, weight);
            *g += by_x;
            for (source, by) in self.arguments.iter().zip(by_arguments) {
                source.add(entry, by, by_earlier);
            }
        }
    }
}

//! A variable as it is declared: name, shape and constraint, whose arguments are numbers or earlier variables.

use jensen_density::Variable;

use crate::elementwise::Elementwise;
use crate::{BadConstraint, Bijector, Identity};
use crate::{interval, lower, offset_multiplier, upper};

/// An argument of a constraint: a bound, an offset or a multiplier.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// The same number for every entry.
    Number(f64),
    /// One number for each entry.
    Numbers(Vec<f64>),
    /// The value of a variable declared before: a number for all entries, or one for each.
    Variable(String),
}

impl From<f64> for Argument {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<f64>> for Argument {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Numbers(numbers)
    }
}

impl From<&str> for Argument {
    fn from(name: &str) -> Self {
        Self::Variable(name.to_owned())
    }
}

impl Argument {
    fn describe(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Numbers(numbers) => format!("{numbers:?}"),
            Self::Variable(name) => name.clone(),
        }
    }
}

/// A named variable with its constraint.
#[derive(Debug)]
pub struct Declared {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) map: Map,
}

/// How coordinates become values.
#[derive(Debug)]
pub(crate) enum Map {
    /// All values together, the same at every position.
    Whole(Box<dyn Bijector>),
    /// Each number by itself, with arguments.
    Each(&'static str, Elementwise, Vec<Argument>),
}

/// A list of variables that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadDeclaration {
    /// Two variables of one name.
    #[error("the variable `{name}` is declared twice")]
    Twice {
        /// Their name.
        name: String,
    },
    /// A constraint on another number of values than the shape has.
    #[error("the shape of `{name}` has {expected} values, its constraint {found}")]
    Shape {
        /// Name of the variable.
        name: String,
        /// Values of the shape.
        expected: usize,
        /// Values of the constraint.
        found: usize,
    },
    /// An argument that is no variable, or one that comes later.
    #[error("`{name}` takes `{argument}` as {role}, which is not declared before it")]
    Unknown {
        /// Name of the variable.
        name: String,
        /// Which argument.
        role: &'static str,
        /// What it names.
        argument: String,
    },
    /// An argument of neither one number nor one for each entry.
    #[error("`{name}` has {expected} entries, its {role} {found}")]
    Length {
        /// Name of the variable.
        name: String,
        /// Which argument.
        role: &'static str,
        /// Entries of the variable.
        expected: usize,
        /// Entries of the argument.
        found: usize,
    },
    /// Numbers as arguments that are none of the constraint.
    #[error("`{name}`, entry {index}: {source}")]
    Constraint {
        /// Name of the variable.
        name: String,
        /// The first entry at fault, from 0.
        index: usize,
        /// What is wrong.
        source: BadConstraint,
    },
}

impl Declared {
    /// A variable of this shape, `[]` for a number, under a constraint on all its values, first index fastest.
    pub fn new(name: &str, shape: &[usize], constraint: impl Bijector + 'static) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.to_vec(),
            map: Map::Whole(Box::new(constraint)),
        }
    }

    /// Real numbers.
    pub fn real(name: &str, shape: &[usize]) -> Self {
        Self::new(name, shape, Identity::new(shape.iter().product()))
    }

    /// Numbers above a bound, or one for each.
    pub fn lower(name: &str, shape: &[usize], bound: impl Into<Argument>) -> Self {
        Self::each(name, shape, "lower", lower::MAP, vec![bound.into()])
    }

    /// Numbers below a bound, or one for each.
    pub fn upper(name: &str, shape: &[usize], bound: impl Into<Argument>) -> Self {
        Self::each(name, shape, "upper", upper::MAP, vec![bound.into()])
    }

    /// Numbers between two bounds, or two for each. A position at which the bounds cross is rejected.
    pub fn interval(
        name: &str,
        shape: &[usize],
        lower: impl Into<Argument>,
        upper: impl Into<Argument>,
    ) -> Self {
        let bounds = vec![lower.into(), upper.into()];
        Self::each(name, shape, "interval", interval::MAP, bounds)
    }

    /// Real numbers offset + multiplier times coordinate. A position at which the multiplier is not above zero is
    /// rejected.
    pub fn offset_multiplier(
        name: &str,
        shape: &[usize],
        offset: impl Into<Argument>,
        multiplier: impl Into<Argument>,
    ) -> Self {
        let both = vec![offset.into(), multiplier.into()];
        Self::each(
            name,
            shape,
            "offset_multiplier",
            offset_multiplier::MAP,
            both,
        )
    }

    fn each(
        name: &str,
        shape: &[usize],
        constraint: &'static str,
        map: Elementwise,
        arguments: Vec<Argument>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            shape: shape.to_vec(),
            map: Map::Each(constraint, map, arguments),
        }
    }

    /// Number of values.
    pub(crate) fn n_values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its line in a layout.
    pub(crate) fn variable(&self) -> Variable {
        let (n_coordinates, constraint) = match &self.map {
            Map::Whole(bijector) => (bijector.n_coordinates(), bijector.describe()),
            Map::Each(_, map, arguments) => {
                let constraint = map.describe(arguments.iter().map(Argument::describe));
                (self.n_values(), constraint)
            }
        };
        // Real numbers have no constraint to speak of.
        let is_free = matches!(&self.map, Map::Whole(b) if b.describe() == Identity::new(b.n_values()).describe());
        let constraint = if is_free { "" } else { &constraint };
        Variable::constrained(&self.name, &self.shape, n_coordinates, constraint)
    }
}

//! Contract: a log density on R^d, what its coordinates mean, and what comes of an evaluation.
//!
//! Algorithms see a target only through [`LogDensity`]. Positions are unconstrained and the density
//! contains the log-determinant of the transform, so that any position in R^d is a legal question; the
//! answer is a number of nats or a [`Reject`] that says where it arose. An algorithm never calls the
//! trait itself: it holds an [`Evaluator`], which owns the scratch memory, turns numbers that are not
//! finite into rejections, and counts.
//!
//! ```
//! use jensen_density::{Evaluator, Layout, LogDensity, Reject, Variable};
//!
//! struct Normal(Layout);
//!
//! impl LogDensity for Normal {
//!     fn layout(&self) -> &Layout {
//!         &self.0
//!     }
//!     fn log_density_and_grad(&self, x: &[f64], grad: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
//!         grad[0] = -x[0];
//!         Ok(-0.5 * x[0] * x[0])
//!     }
//! }
//!
//! let target = Normal(Layout::new(vec![Variable::real("x")]));
//! let mut evaluator = Evaluator::new(&target);
//! let mut grad = [0.0];
//! assert_eq!(evaluator.log_density_and_grad(&[2.0], &mut grad), Ok(-2.0));
//! assert_eq!((grad[0], evaluator.n_gradients()), (-2.0, 1));
//! ```

mod evaluator;
mod factored;
mod from_fn;
mod layout;

pub use evaluator::Evaluator;
pub use factored::Factored;
pub use from_fn::{FromFn, Nats, from_fn};
pub use layout::{Layout, Variable};

/// A density on R^d, up to a constant, with its gradient.
///
/// It is shared by threads and has no state of its own: what an evaluation needs comes as scratch memory.
pub trait LogDensity: Sync {
    /// Names, shapes and constraints of the variables.
    fn layout(&self) -> &Layout;

    /// Number of coordinates d of a position.
    fn dim(&self) -> usize {
        self.layout().dim()
    }

    /// How much scratch memory an evaluation at one position needs, in numbers.
    fn scratch_len(&self) -> usize {
        0
    }

    /// The log density at `position` `[d]`, nats with a free constant, log-determinant of the transform
    /// included; writes its gradient `[d]`. `scratch` is `[scratch_len]` with any content.
    ///
    /// # Errors
    /// [`Reject`] where the density is zero or cannot be computed; `grad` then means nothing.
    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        scratch: &mut [f64],
    ) -> Result<f64, Reject>;

    /// The product of the Hessian at `position` with `vector` `[d]`, written to `product`; `None` where
    /// the density has no second derivatives of its own and differences of gradients must serve.
    fn hessian_vector_product(
        &self,
        _position: &[f64],
        _vector: &[f64],
        _product: &mut [f64],
        _scratch: &mut [f64],
    ) -> Option<Result<(), Reject>> {
        None
    }

    /// The constrained values at a position, `[n_values]` in the order of the layout; by default the
    /// position itself.
    fn constrain(&self, position: &[f64], values: &mut [f64]) {
        values.copy_from_slice(position);
    }
}

/// A position that the density refuses: an event to count and show, not an error of the program.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct Reject {
    /// Which statement, factor or variable refused.
    pub place: String,
    /// Why.
    pub cause: Cause,
}

/// Why a position was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The density is zero there.
    #[error("outside the support")]
    OutsideSupport,
    /// The log density came out as NaN or +infinity.
    #[error("the log density is not a number")]
    NotFiniteValue,
    /// A component of the gradient is not finite.
    #[error("the gradient is not finite")]
    NotFiniteGradient,
    /// A solver inside the model gave up.
    #[error("a solver inside the model failed")]
    SolverFailed,
}

impl Reject {
    /// A rejection at a place.
    pub fn at(place: impl Into<String>, cause: Cause) -> Self {
        Self {
            place: place.into(),
            cause,
        }
    }
}

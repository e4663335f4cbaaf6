//! A density from a closure: the short way for small models.
//!
//! ```
//! use jensen_density::{Evaluator, Layout, Variable, from_fn};
//!
//! // x ~ N(3, 1), up to a constant.
//! let target = from_fn(Layout::new(vec![Variable::real("x")]), |x, grad| {
//!     grad[0] = 3.0 - x[0];
//!     -0.5 * grad[0] * grad[0]
//! });
//! assert_eq!(Evaluator::new(&target).log_density(&[1.0]), -2.0);
//! ```

use crate::{Layout, LogDensity, Reject};

/// A density whose value and gradient a closure computes; made by [`from_fn`].
pub struct FromFn<F> {
    layout: Layout,
    f: F,
}

/// What a closure returns: nats, or nats unless it refuses.
pub trait Nats {
    /// As the contract has it.
    ///
    /// # Errors
    /// The closure's own.
    fn nats(self) -> Result<f64, Reject>;
}

impl Nats for f64 {
    fn nats(self) -> Result<f64, Reject> {
        Ok(self)
    }
}

impl Nats for Result<f64, Reject> {
    fn nats(self) -> Result<f64, Reject> {
        self
    }
}

/// The density of a closure that gets a position `[d]`, writes the gradient `[d]` and returns the log
/// density, nats. A value of minus infinity refuses the position, as everywhere; one that is not a number
/// does too. To say where it refuses, a closure returns a [`Reject`].
///
/// The values of such a density are its coordinates: a variable whose values are others, such as a simplex, wants
/// `Transformed` of the crate `bijector`, or a [`LogDensity`] of one's own with its `constrain`.
///
/// Panics, with the variable's name, if a variable has another number of values than of coordinates.
#[track_caller]
pub fn from_fn<F, N>(layout: Layout, f: F) -> FromFn<F>
where
    F: Fn(&[f64], &mut [f64]) -> N + Sync,
    N: Nats,
{
    for variable in layout.variables() {
        assert!(
            variable.n_values() == variable.n_coordinates,
            "`{}` has {} values and {} coordinates, and a closure says nothing of how these give those; \
             use `Transformed`, or a `LogDensity` with its own `constrain`",
            variable.name,
            variable.n_values(),
            variable.n_coordinates,
        );
    }
    FromFn { layout, f }
}

impl<F, N> LogDensity for FromFn<F>
where
    F: Fn(&[f64], &mut [f64]) -> N + Sync,
    N: Nats,
{
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn log_density_and_grad(
        &self,
        position: &[f64],
        grad: &mut [f64],
        _: &mut [f64],
    ) -> Result<f64, Reject> {
        (self.f)(position, grad).nats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Evaluator, Variable};

    #[test]
    fn what_a_closure_cannot_compute_is_refused() {
        let layout = Layout::new(vec![Variable::real("x")]);
        let target = from_fn(layout, |x, grad| {
            grad[0] = 1.0 / x[0];
            x[0].ln()
        });
        let mut evaluator = Evaluator::new(&target);
        let mut grad = [0.0];
        assert_eq!(evaluator.log_density_and_grad(&[1.0], &mut grad), Ok(0.0));
        assert_eq!(grad, [1.0]);
        let cause = |x: f64, evaluator: &mut Evaluator<'_>| {
            let answer = evaluator.log_density_and_grad(&[x], &mut [0.0]);
            answer.unwrap_err().cause
        };
        assert_eq!(cause(0.0, &mut evaluator), Cause::OutsideSupport);
        assert_eq!(cause(-1.0, &mut evaluator), Cause::NotFiniteValue);
    }

    #[test]
    #[should_panic(expected = "`p` has 3 values and 2 coordinates")]
    fn a_closure_without_a_transform_has_none_of_its_own() {
        let layout = Layout::new(vec![
            Variable::real("x"),
            Variable::constrained("p", &[3], 2, "simplex"),
        ]);
        from_fn(layout, |_, _| 0.0);
    }

    #[test]
    #[should_panic(expected = "`p` has 0 values and 2 coordinates")]
    fn coordinates_without_a_value_are_refused() {
        let layout = Layout::new(vec![Variable::constrained("p", &[0], 2, "")]);
        from_fn(layout, |_, _| 0.0);
    }

    #[test]
    fn a_density_of_no_coordinates_has_a_value() {
        let target = from_fn(Layout::new(vec![Variable::new("x", &[0])]), |_, _| -1.0);
        target.constrain(&[], &mut []);
        assert_eq!(Evaluator::new(&target).log_density(&[]), -1.0);
        assert!(target.layout().value_names().is_empty());
    }

    #[test]
    fn a_closure_can_say_where_it_refuses() {
        let refused = Reject::at("line 7", Cause::SolverFailed);
        let layout = Layout::new(vec![Variable::real("x")]);
        let target = from_fn(layout, |x, grad| {
            if x[0] < 0.0 {
                return Err(refused.clone());
            }
            grad[0] = -1.0;
            Ok(-x[0])
        });
        let mut evaluator = Evaluator::new(&target);
        let mut grad = [0.0];
        let inside = evaluator.log_density_and_grad(&[2.0], &mut grad);
        assert_eq!((inside, grad), (Ok(-2.0), [-1.0]));
        let outside = evaluator.log_density_and_grad(&[-2.0], &mut grad);
        assert_eq!(outside, Err(refused));
    }
}

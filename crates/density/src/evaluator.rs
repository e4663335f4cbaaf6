//! The one way in which algorithms call a density: with its scratch memory, its checks and its counts.

use crate::{Cause, LogDensity, Reject};

/// A density with the memory it needs; one a thread.
pub struct Evaluator<'a> {
    target: &'a dyn LogDensity,
    scratch: Vec<f64>,
    n_gradients: u64,
    n_own_products: u64,
    n_rejected: u64,
    last_reject: Option<Reject>,
    /// Memory for differences of gradients, `[2, d]`.
    differences: Vec<f64>,
}

/// Largest relative move of a coordinate in the central difference of gradients: the cube root of the
/// precision balances truncation and rounding.
const DIFFERENCE_STEP: f64 = 6.0e-6;

impl<'a> Evaluator<'a> {
    /// Memory for a target.
    pub fn new(target: &'a dyn LogDensity) -> Self {
        Self {
            target,
            scratch: vec![0.0; target.scratch_len()],
            n_gradients: 0,
            n_own_products: 0,
            n_rejected: 0,
            last_reject: None,
            differences: Vec::new(),
        }
    }

    /// The density itself.
    pub fn target(&self) -> &'a dyn LogDensity {
        self.target
    }

    /// Number of coordinates d.
    pub fn dim(&self) -> usize {
        self.target.dim()
    }

    /// The log density, nats with a free constant, and its gradient `[d]`; all of it is finite.
    ///
    /// # Errors
    /// [`Reject`] from the density, or for a value or gradient that is not finite.
    pub fn log_density_and_grad(
        &mut self,
        position: &[f64],
        grad: &mut [f64],
    ) -> Result<f64, Reject> {
        self.n_gradients += 1;
        let value = self
            .target
            .log_density_and_grad(position, grad, &mut self.scratch)
            .and_then(|value| self.checked(value, grad));
        if let Err(reject) = &value {
            self.n_rejected += 1;
            self.last_reject = Some(reject.clone());
        }
        value
    }

    /// The log density alone at `[d]`, nats with a free constant; a rejected position has minus infinity. It costs, and
    /// counts as, a gradient.
    pub fn log_density(&mut self, position: &[f64]) -> f64 {
        let mut grad = vec![0.0; self.dim()];
        self.log_density_and_grad(position, &mut grad)
            .unwrap_or(f64::NEG_INFINITY)
    }

    /// The product of the Hessian at a position `[d]` with `vector` `[d]`, written to `product` `[d]`, nats per unit of
    /// position: the density's own, or a central difference of two gradients, which count as gradients and leave an error
    /// of some 1e-9 of its size.
    ///
    /// # Errors
    /// [`Reject`] where one of the evaluations is refused.
    pub fn hessian_vector_product(
        &mut self,
        position: &[f64],
        vector: &[f64],
        product: &mut [f64],
    ) -> Result<(), Reject> {
        if let Some(own) =
            self.target
                .hessian_vector_product(position, vector, product, &mut self.scratch)
        {
            self.n_own_products += 1;
            own?;
            return match product.iter().all(|p| p.is_finite()) {
                true => Ok(()),
                false => Err(Reject::at("Hessian", Cause::NotFiniteGradient)),
            };
        }
        // By coordinate, because their sizes may differ by many orders.
        let move_of = |(v, x): (&f64, &f64)| v.abs() / (1.0 + x.abs());
        let largest = vector.iter().zip(position).map(move_of).fold(0.0, f64::max);
        if largest == 0.0 {
            product.fill(0.0);
            return Ok(());
        }
        let step = DIFFERENCE_STEP / largest;
        let d = self.dim();
        let mut differences = std::mem::take(&mut self.differences);
        differences.resize(2 * d, 0.0);
        let (moved, other) = differences.split_at_mut(d);
        let mut side = |sign: f64, grad: &mut [f64]| {
            for ((m, x), v) in moved.iter_mut().zip(position).zip(vector) {
                *m = x + sign * step * v;
            }
            self.log_density_and_grad(moved, grad)
        };
        let outcome = side(1.0, product).and_then(|_| side(-1.0, other));
        for (p, o) in product.iter_mut().zip(other.iter()) {
            *p = (*p - o) / (2.0 * step);
        }
        self.differences = differences;
        outcome.map(|_| ())
    }

    /// Gradients used so far: those asked for, two for each product by differences, one for each of the density's own.
    pub fn n_gradients(&self) -> u64 {
        self.n_gradients + self.n_own_products
    }

    /// Products with the Hessian that the density gave itself so far.
    pub fn n_own_products(&self) -> u64 {
        self.n_own_products
    }

    /// Positions refused so far.
    pub fn n_rejected(&self) -> u64 {
        self.n_rejected
    }

    /// The newest refusal.
    pub fn last_reject(&self) -> Option<&Reject> {
        self.last_reject.as_ref()
    }

    fn checked(&self, value: f64, grad: &[f64]) -> Result<f64, Reject> {
        if value == f64::NEG_INFINITY {
            return Err(Reject::at("log density", Cause::OutsideSupport));
        }
        if !value.is_finite() {
            return Err(Reject::at("log density", Cause::NotFiniteValue));
        }
        match grad.iter().position(|g| !g.is_finite()) {
            None => Ok(value),
            Some(index) => Err(Reject::at(
                self.target.layout().coordinate(index),
                Cause::NotFiniteGradient,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, Variable};

    /// -x^4/4 - x y, refused for x > 9, NaN for x < -9, gradient of y infinite for y > 9.
    struct Quartic(Layout);

    impl LogDensity for Quartic {
        fn layout(&self) -> &Layout {
            &self.0
        }
        fn log_density_and_grad(
            &self,
            p: &[f64],
            grad: &mut [f64],
            _: &mut [f64],
        ) -> Result<f64, Reject> {
            let (x, y) = (p[0], p[1]);
            if x > 9.0 {
                return Err(Reject::at("line 3", Cause::OutsideSupport));
            }
            grad[0] = -x.powi(3) - y;
            grad[1] = if y > 9.0 { f64::INFINITY } else { -x };
            Ok(if x < -9.0 {
                f64::NAN
            } else {
                -x.powi(4) / 4.0 - x * y
            })
        }
    }

    #[test]
    fn what_is_not_finite_is_refused_with_its_place_and_counted() {
        let target = Quartic(Layout::new(vec![
            Variable::real("x"),
            Variable::new("y", &[1]),
        ]));
        let mut evaluator = Evaluator::new(&target);
        let mut grad = [0.0; 2];
        let mut at = |x: f64, y: f64| evaluator.log_density_and_grad(&[x, y], &mut grad);
        assert_eq!(at(2.0, 1.0), Ok(-6.0));
        assert_eq!(
            at(10.0, 0.0),
            Err(Reject::at("line 3", Cause::OutsideSupport))
        );
        assert_eq!(
            at(-10.0, 0.0),
            Err(Reject::at("log density", Cause::NotFiniteValue))
        );
        assert_eq!(
            at(0.0, 10.0),
            Err(Reject::at("y[1]", Cause::NotFiniteGradient))
        );
        assert_eq!((evaluator.n_gradients(), evaluator.n_rejected()), (4, 3));
        assert_eq!(evaluator.log_density(&[10.0, 0.0]), f64::NEG_INFINITY);
    }

    #[test]
    fn differences_of_gradients_serve_as_hessian() {
        let target = Quartic(Layout::new(vec![Variable::new("x", &[2])]));
        let mut evaluator = Evaluator::new(&target);
        let mut product = [0.0; 2];
        evaluator
            .hessian_vector_product(&[2.0, 1.0], &[0.5, -3.0], &mut product)
            .unwrap();
        // H = [[-3 x^2, -1], [-1, 0]].
        assert!((product[0] - (-6.0 + 3.0)).abs() < 1e-7, "{product:?}");
        assert!((product[1] + 0.5).abs() < 1e-8, "{product:?}");
        assert_eq!(
            (evaluator.n_gradients(), evaluator.n_own_products()),
            (2, 0)
        );
    }
}

//! Variational families q_lambda: what gradient-based VI needs of them, one per file.
//!
//! A draw is z = T_lambda(e) with noise e that does not depend on lambda. With the three derivatives below
//! every estimator can be written once, for all families:
//!
//! - reparameterization, path only (sticking the landing): pullback(grad ln p - grad_z ln q)
//! - score function: (ln p - ln q) grad_lambda ln q
//! - plain reparameterization: pullback(grad ln p) + gradient of the entropy
//!
//! **Local coordinates.** Steps are measured against q itself: a family knows a matrix J(lambda) with
//! J J^T near the inverse Fisher information, so that a step u of length one in lambda = lambda + J u
//! changes q by about half a nat whatever the units of z are. A gradient g by lambda becomes J^T g; a plain
//! gradient step in u is a natural gradient step in lambda ([amari-1998], Thm. 1), and the slowness that
//! [kim-2023] prove for nonlinear parameterizations of the scale does not arise: to first order natural
//! steps do not depend on the parameterization.

mod flow;
mod full_rank;
mod low_rank;
mod lower;
mod mean_field;
mod member;
mod student_t;

pub use flow::CouplingFlow;
pub use full_rank::FullRank;
pub use low_rank::LowRank;
pub use mean_field::MeanField;
pub use member::Member;
pub use student_t::{Shape, StudentT};

use jensen_posterior::Approximation;
use jensen_rng::Stream;

/// A family of distributions on R^d with parameters lambda `[n_params]`.
pub trait Family: Sync {
    /// Its name: `mean-field`.
    fn name(&self) -> String;

    /// Number of coordinates d.
    fn dim(&self) -> usize;

    /// Number of parameters.
    fn n_params(&self) -> usize;

    /// Length of the noise of one draw.
    fn n_noise(&self) -> usize {
        self.dim()
    }

    /// Parameters that put q around `mean` `[d]` with standard deviations `sd` `[d]`.
    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64>;

    /// Draws the noise of one draw.
    fn draw_noise(&self, stream: &mut Stream, noise: &mut [f64]) {
        for e in noise {
            *e = stream.normal();
        }
    }

    /// Writes z = T_lambda(e) `[d]`.
    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]);

    /// Adds (dT/dlambda)^T `by_z` to `by_params`, at fixed noise.
    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]);

    /// ln q_lambda(z), nats; writes its gradients by z `[d]` and, at fixed z, by lambda (the score).
    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64;

    /// The entropy, nats, where there is a closed form; adds its gradient times `weight` to `by_params`.
    fn entropy(&self, _params: &[f64], _weight: f64, _by_params: &mut [f64]) -> Option<f64> {
        None
    }

    /// Turns a gradient by lambda into one by local coordinates, in place: J^T g. By default J = I.
    fn gradient_to_local(&self, _params: &[f64], _grad: &mut [f64]) {}

    /// Turns a step in local coordinates into one in lambda, in place: J u. By default J = I.
    fn step_from_local(&self, _params: &[f64], _step: &mut [f64]) {}

    /// Whether J J^T is near the inverse Fisher information, so that steps along the local gradient are natural
    /// steps; where it is not, as for the weights of a network, a rule has to find the scales itself.
    fn has_natural_coordinates(&self) -> bool {
        true
    }

    /// This family as a product over coordinates, where it is one.
    fn as_product(&self) -> Option<&dyn Product> {
        None
    }

    /// The member with these parameters.
    fn member(&self, params: &[f64]) -> Box<dyn Approximation>;
}

/// A family of products q(z) = prod_i q_i(z_i) whose parameters each shape one coordinate.
pub trait Product: Family {
    /// The coordinate whose q_i a parameter shapes.
    fn coordinate_of(&self, param: usize) -> usize;

    /// Writes ln q_i(z_i), nats, `[d]`.
    fn ln_marginals(&self, params: &[f64], z: &[f64], ln_q: &mut [f64]);
}

//! Variational families q_lambda: what gradient-based VI needs of them, one per file.
//!
//! A draw is z = T_lambda(e) with noise e that does not depend on lambda. With the three derivatives below
//! every estimator can be written once, for all families:
//!
//! - reparameterization, path only (sticking the landing): pullback(grad ln p - grad_z ln q)
//! - score function: (ln p - ln q) grad_lambda ln q
//! - plain reparameterization: pullback(grad ln p) + gradient of the entropy

mod mean_field;

pub use mean_field::MeanField;

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

    /// The member with these parameters.
    fn member(&self, params: &[f64]) -> Box<dyn Approximation>;
}

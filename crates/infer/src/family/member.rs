//! A member of a family as an approximation: it draws by the transform of noise and evaluates ln q.

use super::Family;
use jensen_posterior::Approximation;
use jensen_rng::Stream;

/// The member of a family with certain parameters.
#[derive(Clone, Debug)]
pub struct Member<F> {
    /// The family.
    pub family: F,
    /// Its parameters lambda, `[n_params]`.
    pub params: Vec<f64>,
}

impl<F: Family + Send> Approximation for Member<F> {
    fn dim(&self) -> usize {
        self.family.dim()
    }

    fn sample(&self, stream: &mut Stream, position: &mut [f64]) -> f64 {
        let mut noise = vec![0.0; self.family.n_noise()];
        self.family.draw_noise(stream, &mut noise);
        self.family.transform(&self.params, &noise, position);
        self.ln_density(position)
    }

    fn ln_density(&self, position: &[f64]) -> f64 {
        let mut by_z = vec![0.0; self.family.dim()];
        let mut by_params = vec![0.0; self.family.n_params()];
        (self.family).ln_density_and_grads(&self.params, position, &mut by_z, &mut by_params)
    }

    fn describe(&self) -> String {
        self.family.name()
    }
}

//! Adaptive Metropolis: a random walk that learns scale and shape of its proposals from its own past.
//!
//! Proposals N(z, s^2 L L') and, after step t,
//!
//! - ln s += t^-0.6 (a - a*), a the acceptance probability,
//! - m += g (z - m),
//! - L L' <- (1 - g) L L' + g (z - m)(z - m)', with g = 2 / (t + 10 d)
//!
//! ([haario-2001], Eq. 1; [andrieu-2008], Alg. 4). L is updated itself, by a rotation for each coordinate, so it
//! stays a Cholesky factor and a step costs one evaluation and order d^2 operations.
//!
//! Use it where there are no gradients and d is at most twenty or so.
//!
//! # Differences from the paper
//!
//! The scale adapts faster than the shape, which a random walk tells slowly: g weighs the newer half of the
//! steps, and the identity to begin with counts for 10 d of them. Adaptation ends with the warmup unless
//! `always` is set: what remains is an ordinary Markov chain. With `always` the draws are right in the limit
//! only.

use super::metropolis::{accept, best_acceptance, rate};
use super::{Kernel, Transition};
use crate::check::enough_warmup;
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of adaptive Metropolis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveMetropolis {
    /// Steps that adapt and are no draws, at least 20. Default 5000: a shape takes longer than a scale.
    pub n_warmup: u64,
    /// Whether it adapts after the warmup too, with vanishing weight. Default no.
    pub always: bool,
}

impl Default for AdaptiveMetropolis {
    fn default() -> Self {
        Self {
            n_warmup: 5000,
            always: false,
        }
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptiveMetropolisState {
    position: Vec<f64>,
    log_density: f64,
    /// Steps done.
    step: u64,
    scale: f64,
    mean: Vec<f64>,
    /// L, row after row, `[d, d]`.
    factor: Vec<f64>,
}

impl Algorithm for AdaptiveMetropolis {
    type State = AdaptiveMetropolisState;
    type Info = Transition;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<AdaptiveMetropolisState, InferError> {
        enough_warmup(self.n_warmup, "covariance of the proposals")?;
        let d = position.len();
        let log_density = Place::start(evaluator, position)?.log_density;
        let mut factor = vec![0.0; d * d];
        factor.iter_mut().step_by(d + 1).for_each(|l| *l = 1.0);
        Ok(AdaptiveMetropolisState {
            position: position.to_vec(),
            log_density,
            step: 0,
            scale: 2.38 / (d as f64).sqrt(),
            mean: position.to_vec(),
            factor,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut AdaptiveMetropolisState,
        stream: &Stream,
    ) -> Transition {
        let mut stream = stream.clone();
        let used = state.scale;
        let noise: Vec<f64> = state
            .position
            .iter()
            .map(|_| used * stream.normal())
            .collect();
        let proposal: Vec<f64> = (state.position.iter().enumerate())
            .map(|(i, x)| {
                let row = &state.factor[i * noise.len()..][..=i];
                x + row.iter().zip(&noise).map(|(l, e)| l * e).sum::<f64>()
            })
            .collect();
        let (position, log_density) = (&mut state.position, &mut state.log_density);
        let accept_prob = accept(evaluator, position, log_density, proposal, &mut stream);
        state.step += 1;
        if self.always || state.step <= self.n_warmup {
            adapt(state, accept_prob);
        }
        Transition::without_momentum(state.log_density, accept_prob, used, 1)
    }
}

impl Kernel for AdaptiveMetropolis {
    fn name(&self) -> &'static str {
        "adaptive-metropolis"
    }

    fn n_warmup(&self) -> u64 {
        self.n_warmup
    }

    fn position<'s>(&self, state: &'s AdaptiveMetropolisState) -> &'s [f64] {
        &state.position
    }
}

fn adapt(state: &mut AdaptiveMetropolisState, accept_prob: f64) {
    let d = state.position.len();
    state.scale *= (rate(state.step) * (accept_prob - best_acceptance(d))).exp();
    let weight = 2.0 / (state.step as f64 + 10.0 * d as f64);
    let mut deviation: Vec<f64> = (state.position.iter().zip(&state.mean))
        .map(|(x, m)| weight.sqrt() * (x - m))
        .collect();
    for (mean, x) in state.mean.iter_mut().zip(&state.position) {
        *mean += weight * (x - *mean);
    }
    let keep = (1.0 - weight).sqrt();
    state.factor.iter_mut().for_each(|l| *l *= keep);
    add_square(&mut state.factor, &mut deviation);
}

/// L L' <- L L' + v v', by a rotation in the plane of each diagonal element and v; v is used up.
fn add_square(factor: &mut [f64], v: &mut [f64]) {
    let d = v.len();
    for k in 0..d {
        let diagonal = factor[k * d + k];
        let length = diagonal.hypot(v[k]);
        // Only after so many rejections that the factor has vanished.
        if length == 0.0 {
            continue;
        }
        let (cosine, sine) = (diagonal / length, v[k] / length);
        factor[k * d + k] = length;
        for i in k + 1..d {
            let l = factor[i * d + k];
            factor[i * d + k] = cosine * l + sine * v[i];
            v[i] = cosine * v[i] - sine * l;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws::gaussian;
    use super::*;

    /// The covariance (1, 2.4; 2.4, 9) of the target. The tolerance is what some thousand dependent steps
    /// allow.
    #[test]
    fn the_shape_of_the_target_is_learned() {
        const TOLERANCE: f64 = 0.25;
        let known = gaussian();
        let kernel = AdaptiveMetropolis::default();
        let mut evaluator = Evaluator::new(&*known.target);
        let stream = Stream::from_seed(2);
        let mut state = kernel.init(&mut evaluator, &[0.0, 0.0], &stream).unwrap();
        for step in 0..kernel.n_warmup {
            kernel.step(&mut evaluator, &mut state, &stream.child("step", step));
        }
        let l = &state.factor;
        let found = [l[0] * l[0], l[0] * l[2], l[2] * l[2] + l[3] * l[3]];
        for (found, expected) in found.into_iter().zip([1.0, 2.4, 9.0]) {
            assert!(
                (found / expected - 1.0).abs() < TOLERANCE,
                "{found}, {expected}"
            );
        }
    }

    #[test]
    fn a_square_is_added_to_the_product_of_factors() {
        let mut factor = [2.0, 0.0, 0.0, -1.0, 0.5, 0.0, 0.3, 0.7, 1.5];
        let product = |l: &[f64]| -> Vec<f64> {
            (0..9)
                .map(|ij| (0..3).map(|k| l[ij / 3 * 3 + k] * l[ij % 3 * 3 + k]).sum())
                .collect()
        };
        let v = [0.4, -2.0, 1.0];
        let mut expected = product(&factor);
        for (ij, e) in expected.iter_mut().enumerate() {
            *e += v[ij / 3] * v[ij % 3];
        }
        add_square(&mut factor, &mut v.clone());
        for (found, expected) in product(&factor).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}

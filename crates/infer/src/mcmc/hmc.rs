//! Hamiltonian Monte Carlo with trajectories of a set length.
//!
//! Momentum p ~ N(0, M), L leapfrog steps of size e for H(z, p) = -ln p(z) + p' M^-1 p / 2, accepted with
//! min(1, exp(-dH)): [neal-2011], Sect. 5.3.2.1. L = ceil(T (1/2 + u) / e) with u uniform, so that no
//! period of the target is met every time. In the warmup the step size is found by dual averaging
//! ([hoffman-2014], Alg. 5) and the diagonal of M by variances in windows, as in Stan. A step costs L
//! gradients.
//!
//! Use it where the length of trajectories should be fixed; else [`nuts`](super::nuts) finds it.

use super::dual_averaging::DualAveraging;
use super::windows::Windows;
use super::{Divergence, Kernel, Transition};
use crate::check::{at_least_one, enough_warmup, positive, probability};
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of Hamiltonian Monte Carlo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hmc {
    /// Steps that find step size and metric, at least 20. Default 1000, as in Stan.
    pub n_warmup: u64,
    /// The acceptance probability that the step size is adapted to, in (0, 1). Default 0.8.
    pub target_accept: f64,
    /// Mean length T of a trajectory in the metric, where the posterior has unit scale; positive. Default
    /// pi/2: from there a Gaussian's position is independent of where it began.
    pub integration_time: f64,
    /// The most leapfrog steps of a trajectory, at least 1. Default 1023, as for a tree of depth 10.
    pub max_leapfrog: u64,
    /// An energy this far above that of the start is a divergence, nats. Default 1000.
    pub max_energy_error: f64,
}

impl Default for Hmc {
    fn default() -> Self {
        Self {
            n_warmup: 1000,
            target_accept: 0.8,
            integration_time: std::f64::consts::FRAC_PI_2,
            max_leapfrog: 1023,
            max_energy_error: 1000.0,
        }
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HmcState {
    point: Place,
    /// Steps done.
    step: u64,
    step_size: f64,
    dual: DualAveraging,
    windows: Windows,
    /// The diagonal of M^-1, `[d]`.
    variances: Vec<f64>,
}

impl Algorithm for Hmc {
    type State = HmcState;
    type Info = Transition;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        stream: &Stream,
    ) -> Result<HmcState, InferError> {
        self.check()?;
        let d = position.len();
        let point = Place::start(evaluator, position)?;
        let variances = vec![1.0; d];
        let step_size = reasonable_step(evaluator, &point, &variances, 1.0, &mut stream.clone());
        Ok(HmcState {
            point,
            step: 0,
            step_size,
            dual: DualAveraging::new(step_size),
            windows: Windows::new(self.n_warmup, d),
            variances,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut HmcState,
        stream: &Stream,
    ) -> Transition {
        let mut stream = stream.clone();
        let before = evaluator.n_gradients();
        let mut momentum = draw_momentum(&state.variances, &mut stream);
        let start_energy = energy(&state.point, &momentum, &state.variances);
        let n_leapfrog = self.n_leapfrog(state.step_size, stream.uniform());
        let mut info = Transition {
            step_size: state.step_size,
            ..Transition::default()
        };
        let mut end = state.point.clone();
        for _ in 0..n_leapfrog {
            let last = end.position.clone();
            info.n_leapfrog += 1;
            let moved = leapfrog(
                evaluator,
                &mut end,
                &mut momentum,
                &state.variances,
                state.step_size,
            );
            if let Err(reject) = moved {
                info.divergence = Some(Divergence::by_reject(&last, &reject));
                break;
            }
            let error = energy(&end, &momentum, &state.variances) - start_energy;
            if error.is_nan() || error >= self.max_energy_error {
                info.divergence = Some(Divergence::by_energy(&last, error));
                break;
            }
        }
        info.energy = start_energy;
        if info.divergence.is_none() {
            let end_energy = energy(&end, &momentum, &state.variances);
            info.accept_prob = (start_energy - end_energy).exp().min(1.0);
            if stream.uniform() < info.accept_prob {
                state.point = end;
                info.energy = end_energy;
            }
        }
        if state.step < self.n_warmup {
            self.adapt(evaluator, state, info.accept_prob, &mut stream);
        }
        state.step += 1;
        info.log_density = state.point.log_density;
        info.n_gradients = evaluator.n_gradients() - before;
        info
    }
}

impl Kernel for Hmc {
    fn name(&self) -> &'static str {
        "hmc"
    }

    fn n_warmup(&self) -> u64 {
        self.n_warmup
    }

    fn position<'s>(&self, state: &'s HmcState) -> &'s [f64] {
        &state.point.position
    }
}

impl Hmc {
    fn check(&self) -> Result<(), InferError> {
        enough_warmup(self.n_warmup, "step size")?;
        probability("target_accept", self.target_accept)?;
        at_least_one("max_leapfrog", self.max_leapfrog)?;
        positive("integration_time", self.integration_time)?;
        positive("max_energy_error", self.max_energy_error)
    }

    fn n_leapfrog(&self, step_size: f64, uniform: f64) -> u64 {
        let steps = (self.integration_time * (0.5 + uniform) / step_size).ceil();
        // A cast of a float saturates, so a vanishing step size does no harm.
        (steps as u64).clamp(1, self.max_leapfrog)
    }

    /// Warmup: the step size after every step, the metric at the end of every window.
    fn adapt(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut HmcState,
        accept_prob: f64,
        stream: &mut Stream,
    ) {
        state.dual.update(accept_prob, self.target_accept);
        state.step_size = state.dual.step_size();
        if let Some(variances) = state.windows.update(state.step, &state.point.position) {
            state.variances = variances;
            let guess = state.step_size;
            state.step_size =
                reasonable_step(evaluator, &state.point, &state.variances, guess, stream);
            state.dual = DualAveraging::new(state.step_size);
        }
        if state.step + 1 == self.n_warmup {
            state.step_size = state.dual.average();
        }
    }
}

fn draw_momentum(variances: &[f64], stream: &mut Stream) -> Vec<f64> {
    variances
        .iter()
        .map(|v| stream.normal() / v.sqrt())
        .collect()
}

/// H, nats.
fn energy(point: &Place, momentum: &[f64], variances: &[f64]) -> f64 {
    let kinetic: f64 = momentum.iter().zip(variances).map(|(p, v)| p * p * v).sum();
    0.5 * kinetic - point.log_density
}

/// One leapfrog step in place; after a rejection the point means nothing.
fn leapfrog(
    evaluator: &mut Evaluator<'_>,
    point: &mut Place,
    momentum: &mut [f64],
    variances: &[f64],
    step_size: f64,
) -> Result<(), jensen_density::Reject> {
    for (((p, x), g), v) in (momentum.iter_mut().zip(&mut point.position))
        .zip(&point.grad)
        .zip(variances)
    {
        *p += 0.5 * step_size * g;
        *x += step_size * v * *p;
    }
    point.log_density = evaluator.log_density_and_grad(&point.position, &mut point.grad)?;
    for (p, g) in momentum.iter_mut().zip(&point.grad) {
        *p += 0.5 * step_size * g;
    }
    Ok(())
}

/// A step size whose first leapfrog step is accepted with a probability near 0.8, by doubling or halving
/// ([hoffman-2014], Alg. 4, with Stan's 0.8 in place of 1/2).
fn reasonable_step(
    evaluator: &mut Evaluator<'_>,
    start: &Place,
    variances: &[f64],
    guess: f64,
    stream: &mut Stream,
) -> f64 {
    /// Doublings or halvings at most: 2^50 covers every scale a double can hold well.
    const ATTEMPTS: usize = 50;
    let mut step_size = guess;
    let mut grows = None;
    for _ in 0..ATTEMPTS {
        let mut momentum = draw_momentum(variances, stream);
        let before = energy(start, &momentum, variances);
        let mut end = start.clone();
        let accepted = leapfrog(evaluator, &mut end, &mut momentum, variances, step_size).is_ok()
            && before - energy(&end, &momentum, variances) > 0.8f64.ln();
        match grows {
            Some(direction) if direction != accepted => return step_size,
            _ => grows = Some(accepted),
        }
        step_size *= if accepted { 2.0 } else { 0.5 };
    }
    // Nothing is accepted, or everything: the adaptation goes on from where it began.
    guess
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::super::{ChainOptions, Starts, sample_chains};
    use super::*;
    use crate::targets::Target;
    use jensen_run::Silent;

    /// A standard normal by hand: e = 1, from (0, 1) to (1, 1/2), so H is 1/2 before and 5/8 after.
    #[test]
    fn one_leapfrog_step_by_hand_and_back() {
        let target = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad[0] = -x[0];
            -0.5 * x[0] * x[0]
        });
        let mut evaluator = Evaluator::new(&target);
        let mut point = Place {
            position: vec![0.0],
            log_density: 0.0,
            grad: vec![0.0],
        };
        let (mut momentum, unit) = (vec![1.0], [1.0]);
        leapfrog(&mut evaluator, &mut point, &mut momentum, &unit, 1.0).unwrap();
        assert_eq!((point.position[0], momentum[0]), (1.0, 0.5));
        assert_eq!(energy(&point, &momentum, &unit), 0.625);
        // With the momentum turned, the same step leads back.
        momentum[0] = -momentum[0];
        leapfrog(&mut evaluator, &mut point, &mut momentum, &unit, 1.0).unwrap();
        assert_eq!((point.position[0], momentum[0]), (0.0, -1.0));
    }

    /// The warmup finds units: coordinates a thousand times as wide cost no more and come out the same
    /// but for the factor.
    #[test]
    fn the_scale_of_a_coordinate_does_not_matter() {
        let wide = |scale: f64| {
            Target::new(2, move |x: &[f64], grad: &mut [f64]| {
                let e = x[0] / scale;
                grad.copy_from_slice(&[-e / scale, -x[1]]);
                -0.5 * (e * e + x[1] * x[1])
            })
        };
        let moments = |scale: f64| {
            let options = ChainOptions {
                starts: Starts::At(vec![vec![scale, 1.0]; 4]),
                ..ChainOptions::default()
            };
            let stream = Stream::from_seed(8);
            let target = wide(scale);
            let sampled = sample_chains(
                &Hmc::default(),
                &target,
                &options,
                &stream,
                None,
                &mut Silent,
            )
            .unwrap();
            let gradients: u64 = sampled.chains.iter().map(|chain| chain.n_gradients).sum();
            let (square, error) = laws::estimate(&sampled.draws, 0, |x| (x / scale).powi(2));
            assert!(
                (square - 1.0).abs() < 5.0 * error,
                "{scale}: {square} +- {error}"
            );
            gradients as f64
        };
        // The step sizes of two warmups differ by chance.
        const BY_CHANCE: f64 = 1.5;
        let ratio = moments(1000.0) / moments(1.0);
        assert!((1.0 / BY_CHANCE..BY_CHANCE).contains(&ratio), "{ratio}");
    }
}

//! Random-walk Metropolis: propose a normal step, accept it by the ratio of densities.
//!
//! z' = z + s e with e ~ N(0, I), accepted with min(1, p(z') / p(z)): [hastings-1970], Sect. 2. By default
//! ln s is found in the warmup, ln s += t^-0.6 (a - a*), for the acceptance a* = 0.234 that is best in many
//! dimensions and 0.44 in one ([roberts-1997]; [andrieu-2008], Alg. 4 with a fixed covariance). A step
//! costs one evaluation, and independent draws cost a number of them that grows with d.
//!
//! Use it for teaching and comparison; [`AdaptiveMetropolis`](super::AdaptiveMetropolis) also learns the
//! shape.

use super::{Kernel, Transition};
use crate::check::{enough_warmup, positive};
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::Evaluator;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of random-walk Metropolis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metropolis {
    /// Steps before the first draw. Default 1000; 0 only with a fixed scale.
    pub n_warmup: u64,
    /// The standard deviation of a proposal in every coordinate.
    pub scale: ProposalScale,
}

/// The standard deviation of a proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ProposalScale {
    /// Found in the warmup.
    Adapted,
    /// In units of position; positive.
    Fixed(f64),
}

impl Default for Metropolis {
    fn default() -> Self {
        Self {
            n_warmup: 1000,
            scale: ProposalScale::Adapted,
        }
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetropolisState {
    position: Vec<f64>,
    log_density: f64,
    /// Steps done.
    step: u64,
    scale: f64,
}

impl Algorithm for Metropolis {
    type State = MetropolisState;
    type Info = Transition;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<MetropolisState, InferError> {
        let scale = match self.scale {
            ProposalScale::Fixed(scale) => {
                positive("scale", scale)?;
                scale
            }
            ProposalScale::Adapted => {
                enough_warmup(self.n_warmup, "scale")?;
                // Best for a standard normal, [roberts-1997].
                2.38 / (position.len() as f64).sqrt()
            }
        };
        let log_density = Place::start(evaluator, position)?.log_density;
        Ok(MetropolisState {
            position: position.to_vec(),
            log_density,
            step: 0,
            scale,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut MetropolisState,
        stream: &Stream,
    ) -> Transition {
        let mut stream = stream.clone();
        let used = state.scale;
        let proposal: Vec<f64> = (state.position.iter())
            .map(|x| x + used * stream.normal())
            .collect();
        let (position, log_density) = (&mut state.position, &mut state.log_density);
        let accept_prob = accept(evaluator, position, log_density, proposal, &mut stream);
        state.step += 1;
        if state.step <= self.n_warmup && self.scale == ProposalScale::Adapted {
            let target = best_acceptance(state.position.len());
            state.scale *= (rate(state.step) * (accept_prob - target)).exp();
        }
        Transition::without_momentum(state.log_density, accept_prob, used, 1)
    }
}

impl Kernel for Metropolis {
    fn name(&self) -> &'static str {
        "metropolis"
    }

    fn n_warmup(&self) -> u64 {
        self.n_warmup
    }

    fn position<'s>(&self, state: &'s MetropolisState) -> &'s [f64] {
        &state.position
    }
}

/// Moves to a proposal of a symmetric law with the probability min(1, p(z') / p(z)), which is returned.
pub(super) fn accept(
    evaluator: &mut Evaluator<'_>,
    position: &mut Vec<f64>,
    log_density: &mut f64,
    proposal: Vec<f64>,
    stream: &mut Stream,
) -> f64 {
    let proposed = evaluator.log_density(&proposal);
    let accept_prob = (proposed - *log_density).exp().min(1.0);
    if stream.uniform() < accept_prob {
        *position = proposal;
        *log_density = proposed;
    }
    accept_prob
}

/// The acceptance probability of the best random walk ([roberts-1997]).
pub(super) fn best_acceptance(d: usize) -> f64 {
    if d == 1 { 0.44 } else { 0.234 }
}

/// The weight of step t >= 1 in adaptations: its sum diverges and that of its squares does not.
pub(super) fn rate(step: u64) -> f64 {
    (step as f64).powf(-0.6)
}

//! Block updates: Gibbs where a conditional can be drawn from, slice or Metropolis where it cannot.
//!
//! A block is a set of coordinates with an update that leaves their conditional given the others
//! invariant; one step updates every block in turn, which leaves the joint density invariant
//! ([hastings-1970], Sect. 2.4). Exact conditionals are Gibbs sampling; a mixture of kinds is Metropolis
//! within Gibbs. A step costs one evaluation for a Metropolis block, about six for each coordinate of a
//! slice block, and one for an exact block.
//!
//! Use it where a model is conjugate in parts.

use super::metropolis::{accept, best_acceptance, rate};
use super::slice::{learn_width, move_coordinate};
use super::{Divergence, Kernel, Transition};
use crate::check::enough_warmup;
use crate::optimize::Place;
use crate::{Algorithm, InferError};
use jensen_density::{Evaluator, Reject};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Options: the blocks and the length of the warmup.
#[derive(Debug)]
pub struct Blocks<'a> {
    /// Steps before the first draw; widths and scales are learned in them. At least 20 if there are any.
    pub n_warmup: u64,
    /// The blocks in the order of their updates; every coordinate is in one at least.
    pub blocks: Vec<Block<'a>>,
}

/// Coordinates that are updated together.
#[derive(Debug)]
pub struct Block<'a> {
    /// Their indices, from 0.
    pub coordinates: Vec<usize>,
    /// How.
    pub update: Update<'a>,
}

/// Draws the coordinates of a block from their exact conditional: reads the whole position `[d]`, writes
/// the block's new coordinates in the order of [`Block::coordinates`].
pub type Conditional<'a> = dyn Fn(&[f64], &mut [f64], &mut Stream) + Sync + 'a;

/// How a block is updated.
pub enum Update<'a> {
    /// A draw from the exact conditional.
    Exact(Box<Conditional<'a>>),
    /// A slice update of each coordinate; widths are learned.
    Slice,
    /// A random-walk step of all coordinates together; the scale is learned.
    Metropolis,
}

impl fmt::Debug for Update<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact(_) => "Exact",
            Self::Slice => "Slice",
            Self::Metropolis => "Metropolis",
        })
    }
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlocksState {
    position: Vec<f64>,
    log_density: f64,
    /// Steps done.
    step: u64,
    /// For each block: widths of its slices, or its one scale.
    scales: Vec<Vec<f64>>,
}

impl Algorithm for Blocks<'_> {
    type State = BlocksState;
    type Info = Transition;

    fn init(
        &self,
        evaluator: &mut Evaluator<'_>,
        position: &[f64],
        _: &Stream,
    ) -> Result<BlocksState, InferError> {
        self.check(evaluator)?;
        let log_density = Place::start(evaluator, position)?.log_density;
        let scales = (self.blocks.iter())
            .map(|block| match block.update {
                Update::Exact(_) => Vec::new(),
                Update::Slice => vec![1.0; block.coordinates.len()],
                Update::Metropolis => vec![2.38 / (block.coordinates.len() as f64).sqrt()],
            })
            .collect();
        Ok(BlocksState {
            position: position.to_vec(),
            log_density,
            step: 0,
            scales,
        })
    }

    fn step(
        &self,
        evaluator: &mut Evaluator<'_>,
        state: &mut BlocksState,
        stream: &Stream,
    ) -> Transition {
        let before = evaluator.n_gradients();
        state.step += 1;
        let learn = (state.step <= self.n_warmup).then_some(state.step);
        let (mut accepted, mut n_metropolis) = (0.0, 0.0);
        let mut info = Transition::default();
        let mut scales = std::mem::take(&mut state.scales);
        for (b, (block, scales)) in self.blocks.iter().zip(&mut scales).enumerate() {
            let mut stream = stream.child("block", b as u64);
            match &block.update {
                Update::Exact(conditional) => {
                    let moved = exact(evaluator, state, block, conditional, &mut stream);
                    if let Err(reject) = moved {
                        info.divergence = Some(Divergence::by_reject(&state.position, &reject));
                    }
                }
                Update::Slice => {
                    for (&i, width) in block.coordinates.iter().zip(scales) {
                        let moved = move_coordinate(
                            evaluator,
                            &mut state.position,
                            &mut state.log_density,
                            i,
                            *width,
                            &mut stream,
                        );
                        if let Some(step) = learn {
                            learn_width(width, moved, step);
                        }
                    }
                }
                Update::Metropolis => {
                    let accept_prob = walk(evaluator, state, block, scales[0], &mut stream);
                    if let Some(step) = learn {
                        let target = best_acceptance(block.coordinates.len());
                        scales[0] *= (rate(step) * (accept_prob - target)).exp();
                    }
                    accepted += accept_prob;
                    n_metropolis += 1.0;
                }
            }
        }
        state.scales = scales;
        info.accept_prob = if n_metropolis > 0.0 {
            accepted / n_metropolis
        } else {
            1.0
        };
        info.log_density = state.log_density;
        info.energy = -state.log_density;
        info.n_gradients = evaluator.n_gradients() - before;
        info
    }
}

impl Kernel for Blocks<'_> {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn n_warmup(&self) -> u64 {
        self.n_warmup
    }

    fn position<'s>(&self, state: &'s BlocksState) -> &'s [f64] {
        &state.position
    }
}

impl Blocks<'_> {
    fn check(&self, evaluator: &Evaluator<'_>) -> Result<(), InferError> {
        let d = evaluator.dim();
        let mut covered = vec![false; d];
        for block in &self.blocks {
            if block.coordinates.is_empty() {
                return refused(
                    "at least one coordinate in every block".to_owned(),
                    "none".to_owned(),
                );
            }
            for &i in &block.coordinates {
                match covered.get_mut(i) {
                    Some(covered) => *covered = true,
                    None => return refused(format!("coordinates below {d}"), i.to_string()),
                }
            }
        }
        if let Some(i) = covered.iter().position(|covered| !covered) {
            let name = evaluator.target().layout().coordinate(i);
            return refused(
                "every coordinate in a block".to_owned(),
                format!("none with {name}"),
            );
        }
        let learns = |block: &Block<'_>| !matches!(block.update, Update::Exact(_));
        match self.blocks.iter().any(learns) {
            true => enough_warmup(self.n_warmup, "width or scale of a block"),
            false => Ok(()),
        }
    }
}

fn refused(expected: String, found: String) -> Result<(), InferError> {
    Err(InferError::Option {
        option: "blocks",
        expected,
        found,
    })
}

/// A draw from the conditional. Where the density refuses it the block stays: the closure and the density
/// then disagree, which the caller has to see.
fn exact(
    evaluator: &mut Evaluator<'_>,
    state: &mut BlocksState,
    block: &Block<'_>,
    conditional: &Conditional<'_>,
    stream: &mut Stream,
) -> Result<(), Reject> {
    let mut values: Vec<f64> = block
        .coordinates
        .iter()
        .map(|&i| state.position[i])
        .collect();
    conditional(&state.position, &mut values, stream);
    let moved = with(&state.position, block, &values);
    let mut grad = vec![0.0; moved.len()];
    state.log_density = evaluator.log_density_and_grad(&moved, &mut grad)?;
    state.position = moved;
    Ok(())
}

/// A random-walk step of a block; its acceptance probability.
fn walk(
    evaluator: &mut Evaluator<'_>,
    state: &mut BlocksState,
    block: &Block<'_>,
    scale: f64,
    stream: &mut Stream,
) -> f64 {
    let values: Vec<f64> = (block.coordinates.iter())
        .map(|&i| state.position[i] + scale * stream.normal())
        .collect();
    let proposal = with(&state.position, block, &values);
    let (position, log_density) = (&mut state.position, &mut state.log_density);
    accept(evaluator, position, log_density, proposal, stream)
}

/// The position with other values in a block.
fn with(position: &[f64], block: &Block<'_>, values: &[f64]) -> Vec<f64> {
    let mut moved = position.to_vec();
    for (&i, value) in block.coordinates.iter().zip(values) {
        moved[i] = *value;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::super::laws::estimate;
    use super::*;
    use crate::targets::Target;
    use jensen_posterior::Draws;

    /// m ~ N(0, 1), s ~ N(0, 1/4), b ~ N(0, 1), y_i ~ N(m + b, e^(2 s)) for two observations; draws of
    /// m, s and b after alternating an update given y and new data y: [geweke-2004], Sect. 3. If the
    /// update is right, they follow the prior. `precision_factor` is 1 for the right conditional of m.
    fn joint_draws(precision_factor: f64) -> Draws {
        let (n_chains, n_draws) = (4, 5000);
        let mut values = Vec::new();
        for chain_idx in 0..n_chains {
            let mut noise = Stream::from_seed(9).child("chain", chain_idx);
            let mut position = vec![noise.normal(), 0.5 * noise.normal(), noise.normal()];
            for step in 0..n_draws {
                let (center, sd) = (position[0] + position[2], position[1].exp());
                let y = [center + sd * noise.normal(), center + sd * noise.normal()];
                let stream = noise.child("update", step);
                position = updated(&position, y, precision_factor, &stream);
                values.extend_from_slice(&position);
            }
        }
        let names = ["m", "s", "b"].map(str::to_owned).to_vec();
        Draws::new(names, n_chains as usize, n_draws as usize, values)
    }

    /// One step on the posterior given y: m by its conditional, s by a slice, b by a random walk.
    fn updated(position: &[f64], y: [f64; 2], precision_factor: f64, stream: &Stream) -> Vec<f64> {
        let target = Target::new(3, |p: &[f64], grad: &mut [f64]| {
            grad.fill(0.0);
            let squares: f64 = y.iter().map(|y| (y - p[0] - p[2]).powi(2)).sum();
            let prior = p[0] * p[0] + 4.0 * p[1] * p[1] + p[2] * p[2];
            -0.5 * (prior + squares * (-2.0 * p[1]).exp()) - 2.0 * p[1]
        });
        let conditional = |p: &[f64], values: &mut [f64], stream: &mut Stream| {
            let weight = (-2.0 * p[1]).exp();
            let precision = (1.0 + 2.0 * weight) * precision_factor;
            let mean = weight * (y[0] + y[1] - 2.0 * p[2]) / precision;
            values[0] = mean + stream.normal() / precision.sqrt();
        };
        let block = |i, update| Block {
            coordinates: vec![i],
            update,
        };
        let blocks = Blocks {
            n_warmup: 20,
            blocks: vec![
                block(0, Update::Exact(Box::new(conditional))),
                block(1, Update::Slice),
                block(2, Update::Metropolis),
            ],
        };
        let mut evaluator = Evaluator::new(&target);
        // A fresh state for each update: new data change the density, and nothing learned is carried on.
        let mut state = blocks.init(&mut evaluator, position, stream).unwrap();
        let info = blocks.step(&mut evaluator, &mut state, stream);
        assert_eq!(info.divergence, None);
        assert_eq!(state.log_density, evaluator.log_density(&state.position));
        state.position
    }

    /// Deviations of first and second moments from the prior, in standard errors.
    fn deviations(draws: &Draws) -> Vec<f64> {
        let variances = [1.0, 0.25, 1.0];
        (0..3)
            .flat_map(|i| {
                let (mean, error) = estimate(draws, i, |x| x);
                let (square, square_error) = estimate(draws, i, |x| x * x);
                [mean / error, (square - variances[i]) / square_error]
            })
            .collect()
    }

    #[test]
    fn posterior_updates_and_new_data_leave_the_prior_invariant() {
        let right = deviations(&joint_draws(1.0));
        assert!(right.iter().all(|z| z.abs() < 5.0), "{right:?}");
        // The test sees a conditional whose variance is off by a tenth.
        let wrong = deviations(&joint_draws(1.1));
        assert!(wrong.iter().any(|z| z.abs() > 5.0), "{wrong:?}");
    }

    /// A conditional that leaves the support: the block stays, and it is told.
    #[test]
    fn an_update_that_the_density_refuses_is_a_divergence() {
        let target = Target::new(1, |x: &[f64], grad: &mut [f64]| {
            grad.fill(0.0);
            if x[0] > 0.0 { -x[0] } else { f64::NEG_INFINITY }
        });
        let blocks = Blocks {
            n_warmup: 0,
            blocks: vec![Block {
                coordinates: vec![0],
                update: Update::Exact(Box::new(|_, values, _| values[0] = -1.0)),
            }],
        };
        let mut evaluator = Evaluator::new(&target);
        let stream = Stream::from_seed(1);
        let mut state = blocks.init(&mut evaluator, &[2.0], &stream).unwrap();
        let divergence = blocks
            .step(&mut evaluator, &mut state, &stream)
            .divergence
            .unwrap();
        assert_eq!(divergence.position, [2.0]);
        assert_eq!(
            divergence.refused.as_deref(),
            Some("here: outside the support")
        );
        assert_eq!(state.position, [2.0]);
    }
}

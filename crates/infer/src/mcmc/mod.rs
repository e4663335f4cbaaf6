//! Markov chains whose draws follow the target: the standard by which other answers are judged.
//!
//! Two ways in, one result:
//!
//! - [`sample_chains`] runs a [`Kernel`], an [`Algorithm`] that leaves the target invariant.
//! - [`nuts::sample`] runs the No-U-turn sampler, which keeps its own state.
//!
//! Both give [`Sampled`]: draws on the unconstrained scale, what the sampler measured at each of them, and
//! every divergence with its place. Chain c draws from the child `chain`, c of the stream and chains share
//! nothing, so the number of threads changes no bit.
//!
//! ```
//! use jensen_density::{Layout, LogDensity, Reject, Variable};
//! use jensen_infer::mcmc::{ChainOptions, Nuts, nuts};
//! use jensen_rng::Stream;
//! use jensen_run::Silent;
//!
//! /// y ~ N(0, 1), x = e^y: the coordinate is ln x.
//! struct LogNormal(Layout);
//!
//! impl LogDensity for LogNormal {
//!     fn layout(&self) -> &Layout {
//!         &self.0
//!     }
//!     fn log_density_and_grad(&self, y: &[f64], grad: &mut [f64], _: &mut [f64]) -> Result<f64, Reject> {
//!         grad[0] = -y[0];
//!         Ok(-0.5 * y[0] * y[0])
//!     }
//!     fn constrain(&self, y: &[f64], x: &mut [f64]) {
//!         x[0] = y[0].exp();
//!     }
//! }
//!
//! let target = LogNormal(Layout::new(vec![Variable::constrained("x", &[], 1, "lower=0")]));
//! let (method, chains) = (Nuts::default(), ChainOptions::default());
//! let stream = Stream::from_seed(1);
//! let sampled = nuts::sample(&target, &method, &chains, &stream, None, &mut Silent)?;
//! let x = sampled.constrained(&target).column(0);
//! let below = x.iter().filter(|x| **x < 1.0).count() as f64 / x.len() as f64;
//! assert!((below - 0.5).abs() < 0.1);
//! # Ok::<(), jensen_infer::InferError>(())
//! ```

mod adaptive_metropolis;
mod blocks;
mod chains;
mod dual_averaging;
mod hmc;
#[cfg(test)]
pub(crate) mod laws;
mod metropolis;
pub mod nuts;
mod slice;
mod windows;

pub use adaptive_metropolis::{AdaptiveMetropolis, AdaptiveMetropolisState};
pub use blocks::{Block, Blocks, BlocksState, Conditional, Update};
pub use chains::{ChainOptions, Starts, sample_chains};
pub use hmc::{Hmc, HmcState};
pub use metropolis::{Metropolis, MetropolisState, ProposalScale};
pub use nuts::{Metric, Nuts};
pub use slice::{Slice, SliceState};

use crate::Algorithm;
use jensen_density::{LogDensity, Reject};
use jensen_posterior::Draws;
use serde::{Deserialize, Serialize};

/// An algorithm whose steps leave the target invariant once its warmup is over.
pub trait Kernel: Algorithm<Info = Transition> {
    /// Its name: `hmc`.
    fn name(&self) -> &'static str;

    /// Steps before the first draw; whatever adapts, adapts in these only.
    fn n_warmup(&self) -> u64;

    /// The position `[d]` of a state.
    fn position<'s>(&self, state: &'s Self::State) -> &'s [f64];
}

/// What one transition of a chain measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    /// The log density at the new position, nats with the target's free constant.
    pub log_density: f64,
    /// Mean acceptance probability of the proposals, in [0, 1].
    pub accept_prob: f64,
    /// The step size or scale used; its unit is the kernel's.
    pub step_size: f64,
    /// Depth of the tree; 0 where there is none.
    pub depth: u64,
    /// Leapfrog steps; 0 where there are none.
    pub n_leapfrog: u64,
    /// Evaluations of the density, nearly always with its gradient.
    pub n_gradients: u64,
    /// The Hamiltonian at the new position, nats; minus the log density where there is no momentum.
    pub energy: f64,
    /// Where the trajectory diverged, if it did.
    pub divergence: Option<Divergence>,
}

/// A trajectory that could not be followed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The last position before it, `[d]`, unconstrained.
    pub position: Vec<f64>,
    /// How far the energy was off, nats; none where it was not finite or the density refused.
    pub energy_error: Option<f64>,
    /// What the density said, where it refused.
    pub refused: Option<String>,
}

impl Divergence {
    /// A divergence where the energy is off by this much.
    fn by_energy(position: &[f64], error: f64) -> Self {
        Self {
            position: position.to_vec(),
            energy_error: Some(error).filter(|error| error.is_finite()),
            refused: None,
        }
    }

    /// A divergence where the density refused.
    fn by_reject(position: &[f64], reject: &Reject) -> Self {
        Self {
            position: position.to_vec(),
            energy_error: None,
            refused: Some(reject.to_string()),
        }
    }
}

/// Draws of several chains with everything measured on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The draws after warmup, `[c, s, d]`, unconstrained, named by coordinate.
    pub draws: Draws,
    /// What the sampler measured at each draw, `[c, s, 7]`, named by [`SAMPLER_COLUMNS`].
    pub sampler: Draws,
    /// The divergences after warmup, by chain and draw.
    pub divergences: Vec<Diverged>,
    /// What each chain cost, `[c]`.
    pub chains: Vec<ChainCost>,
}

/// A divergence and the draw at which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diverged {
    /// The chain, from 0.
    pub chain_idx: usize,
    /// The draw after warmup, from 0.
    pub draw_idx: u64,
    /// What happened.
    pub divergence: Divergence,
}

/// What a chain cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCost {
    /// Evaluations for the start and the warmup.
    pub n_gradients_warmup: u64,
    /// Evaluations after the warmup.
    pub n_gradients: u64,
    /// Divergences in the warmup, where they are expected.
    pub n_divergent_warmup: u64,
}

/// Columns of [`Sampled::sampler`]: the names of Stan's output, so that its readers know them.
pub const SAMPLER_COLUMNS: [&str; 7] = [
    "lp__",
    "accept_stat__",
    "stepsize__",
    "treedepth__",
    "n_leapfrog__",
    "divergent__",
    "energy__",
];

impl Transition {
    /// Of a sampler without momentum, whose energy is minus the log density.
    fn without_momentum(
        log_density: f64,
        accept_prob: f64,
        step_size: f64,
        n_gradients: u64,
    ) -> Self {
        Self {
            log_density,
            accept_prob,
            step_size,
            n_gradients,
            energy: -log_density,
            ..Self::default()
        }
    }

    /// The values of [`SAMPLER_COLUMNS`].
    fn columns(&self) -> [f64; 7] {
        [
            self.log_density,
            self.accept_prob,
            self.step_size,
            self.depth as f64,
            self.n_leapfrog as f64,
            f64::from(u8::from(self.divergence.is_some())),
            self.energy,
        ]
    }
}

impl Sampled {
    /// Evaluations of the density in all.
    pub fn n_gradients(&self) -> u64 {
        (self.chains.iter())
            .map(|chain| chain.n_gradients_warmup + chain.n_gradients)
            .sum()
    }

    /// The draws as values of the model's variables.
    pub fn constrained(&self, target: &dyn LogDensity) -> Draws {
        constrain(target, &self.draws)
    }
}

/// Unconstrained draws `[c, s, d]` as values of the model's variables, `[c, s, n_values]`.
pub fn constrain(target: &dyn LogDensity, draws: &Draws) -> Draws {
    let n_values = target.layout().n_values();
    let mut values = vec![0.0; draws.rows().len() * n_values];
    for (position, values) in draws.rows().zip(values.chunks_exact_mut(n_values.max(1))) {
        target.constrain(position, values);
    }
    let names = target.layout().value_names();
    Draws::new(names, draws.n_chains(), draws.n_draws(), values)
}

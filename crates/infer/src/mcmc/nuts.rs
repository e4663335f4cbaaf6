//! The No-U-turn sampler: Hamiltonian trajectories that double until they turn back, with the next
//! position drawn from the trajectory by its weight.
//!
//! [hoffman-2014], Alg. 3 and 6, with the multinomial draw of [betancourt-2017], App. A.3. The sampler is that
//! of the crate `nuts-rs`: its step size by dual averaging, its metric from the variances of draws and of
//! gradients together ([seyboldt-2026]), so a warmup is shorter than with draws alone and asks for no
//! number from the user. A step costs up to 2^depth gradients and a few vector operations for each.
//!
//! Use it as the gold standard, wherever gradients exist and modes are not far apart.
//!
//! A position that the density refuses ends a trajectory: it is counted and kept as a divergence.
//!
//! The sampler sums with the widest vectors that the processor has, so the same seed gives the same bits for
//! any number of threads, but may give others on a processor of another kind.
//!
//! # Stop and resume
//!
//! The state of the sampler inside a chain cannot be taken out of it. A run that was stopped keeps its
//! finished chains; a chain that was under way begins again, from the same stream, so the draws are those
//! of an unbroken run, at the price of the steps done twice.

use super::chains::{Desk, Job, Record};
use super::{ChainOptions, Divergence, Sampled, Transition};
use crate::InferError;
use crate::budget::{Budget, Paid};
use crate::check::{at_least_one, enough_warmup, positive, probability};
use crate::drive::Keep;
use jensen_density::{Evaluator, LogDensity, Reject};
use jensen_rng::Stream;
use jensen_run::Observer;
use nuts_rs::rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, EuclideanAdaptOptions, HasDims,
    LogpError, LowRankNutsSettings, Math, NutsSettings, Settings, Storable, Value,
};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;

/// Options of the No-U-turn sampler.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nuts {
    /// Steps that find step size and metric, at least 20. Default 1000, as in Stan.
    pub n_warmup: u64,
    /// The acceptance probability that the step size is adapted to, in (0, 1). Default 0.8, as in
    /// Stan. Nearer to 1 where trajectories diverge.
    pub target_accept: f64,
    /// The largest depth of a tree, at least 1: a step takes at most 2^depth - 1 leapfrog steps. Default 10.
    pub max_depth: u64,
    /// The form of the metric.
    pub metric: Metric,
    /// An energy this far above that of the start ends a trajectory as a divergence, nats. Default 1000.
    pub max_energy_error: f64,
}

/// The form of the metric, the inverse of the mass matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// A variance for each coordinate.
    Diagonal,
    /// The same with a few directions of large or small variance: for strong correlations.
    LowRank,
}

impl Default for Nuts {
    fn default() -> Self {
        Self {
            n_warmup: 1000,
            target_accept: 0.8,
            max_depth: 10,
            metric: Metric::Diagonal,
            max_energy_error: 1000.0,
        }
    }
}

impl Nuts {
    fn check(&self) -> Result<(), InferError> {
        enough_warmup(self.n_warmup, "step size")?;
        probability("target_accept", self.target_accept)?;
        at_least_one("max_depth", self.max_depth)?;
        positive("max_energy_error", self.max_energy_error)
    }
}

/// From here on an update of the low-rank metric costs more than the draws between two of them.
const MANY_COORDINATES: usize = 100;

/// Samples the target with the No-U-turn sampler; with `keep`, chains that were finished are not run again.
/// It judges nothing: [`judge_chains`](crate::referee::judge_chains) does.
///
/// # Errors
/// As [`sample_chains`](super::sample_chains).
pub fn sample(
    target: &dyn LogDensity,
    nuts: &Nuts,
    options: &ChainOptions,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Sampled, InferError> {
    nuts.check()?;
    let job = Job {
        name: "nuts",
        settings: format!("{nuts:?}"),
        target,
        options,
        n_warmup: nuts.n_warmup,
        stream,
        keep,
    };
    // A chain under way has no state to go on from, so only finished ones are handed in.
    job.run(observer, |chain_idx, _, desk| match nuts.metric {
        Metric::Diagonal => run_chain(
            &job,
            settings(nuts, DiagNutsSettings::default()),
            chain_idx,
            desk,
        ),
        Metric::LowRank => {
            let mut settings = settings(nuts, LowRankNutsSettings::default());
            let every = &mut settings.adapt_options.mass_matrix_update_freq;
            // An update costs O(d^3), so in many coordinates there are fewer of them.
            if target.dim() > MANY_COORDINATES {
                *every = (*every).max(target.dim() as u64);
            }
            run_chain(&job, settings, chain_idx, desk)
        }
    })
}

/// The crate's settings for our options. One chain at a time is asked of it, so that its own numbers of
/// chains and of threads and its seed play no part.
fn settings<A: Copy + Debug + Default + Serialize>(
    nuts: &Nuts,
    mut settings: NutsSettings<EuclideanAdaptOptions<A>>,
) -> NutsSettings<EuclideanAdaptOptions<A>> {
    settings.num_tune = nuts.n_warmup;
    settings.maxdepth = nuts.max_depth;
    settings.max_energy_error = nuts.max_energy_error;
    settings.store_divergences = true;
    settings.adapt_options.step_size_settings.target_accept = nuts.target_accept;
    settings
}

/// One chain from its start to its end, or none if it was stopped or a budget was spent, be it amid a trajectory: a stop
/// does not wait for the end of one, and what comes after it is made of refusals.
fn run_chain<S: Settings>(
    job: &Job<'_>,
    settings: S,
    chain_idx: usize,
    desk: &Desk<'_>,
) -> Result<Option<Record>, InferError> {
    let meter = Budget::new(None);
    let outcome = draw_chain(job, settings, chain_idx, desk, &meter);
    match desk.stop_asked() || meter.has_refused() {
        true => Ok(None),
        false => outcome,
    }
}

/// One chain, or none if it was stopped between two draws.
fn draw_chain<S: Settings>(
    job: &Job<'_>,
    settings: S,
    chain_idx: usize,
    desk: &Desk<'_>,
    meter: &Budget,
) -> Result<Option<Record>, InferError> {
    let stream = job.stream.child("chain", chain_idx as u64);
    let target = Paid {
        target: job.target,
        gate: meter,
    };
    let target = desk.stoppable(&target);
    let evaluator = RefCell::new(Evaluator::new(&target));
    let start = {
        let mut evaluator = evaluator.borrow_mut();
        let start = job.start(chain_idx, &stream, &mut evaluator)?;
        sloping(start, &mut stream.child("slope", 0), &mut evaluator)?
    };
    let seed = stream.child("nuts", 0).next_u64();
    let mut chain = settings
        .new_chain(
            chain_idx as u64,
            CpuMath::new(Density {
                evaluator: &evaluator,
            }),
            &mut ChaCha8Rng::seed_from_u64(seed),
        )
        .map_err(|error| failed(format!("{error:#}")))?;
    chain
        .set_position(&start)
        .map_err(|error| failed(format!("{error:#}")))?;
    let mut record = Record::default();
    record.cost.n_gradients_warmup = evaluator.borrow().n_gradients();
    let mut step_size = None;
    while record.step < job.n_steps() {
        let before = evaluator.borrow().n_gradients();
        let (position, _, mut stats, _) = chain
            .expanded_draw()
            .map_err(|error| failed(format!("{error:#}")))?;
        let mut info = transition(&mut stats, &chain);
        info.n_gradients = evaluator.borrow().n_gradients() - before;
        // The sampler tells the step size of the next trajectory; ours is the one it was at before.
        let next = info.step_size;
        info.step_size = step_size.replace(next).unwrap_or(next);
        record.push(job, chain_idx, &position, info);
        desk.advance();
        if desk.stopping() && record.step < job.n_steps() {
            return Ok(None);
        }
    }
    Ok(Some(record))
}

fn failed(reason: String) -> InferError {
    InferError::Failed {
        method: "nuts",
        reason,
    }
}

/// What the sampler tells about its newest transition.
fn transition<M: Math, C: Chain<M>>(stats: &mut C::Stats, chain: &C) -> Transition {
    let dims = (&*chain.math()).into();
    let mut info = Transition::default();
    let (mut kinetic, mut diverging) = (0.0, false);
    let mut divergence = Divergence::default();
    for (name, value) in stats.get_all(&dims) {
        match (name, value) {
            ("logp", Some(Value::ScalarF64(x))) => info.log_density = x,
            ("kinetic_energy", Some(Value::ScalarF64(x))) => kinetic = x,
            ("mean_tree_accept", Some(Value::ScalarF64(x))) => info.accept_prob = x,
            ("step_size", Some(Value::ScalarF64(x))) => info.step_size = x,
            ("depth", Some(Value::ScalarU64(n))) => info.depth = n,
            ("n_steps", Some(Value::ScalarU64(n))) => info.n_leapfrog = n,
            ("diverging", Some(Value::ScalarBool(yes))) => diverging = yes,
            ("divergence_start", Some(Value::F64(x))) => divergence.position = x,
            ("divergence_energy_error", Some(Value::ScalarF64(x))) => {
                divergence.energy_error = Some(x).filter(|x| x.is_finite());
            }
            ("divergence_message", Some(Value::ScalarString(text))) => {
                divergence.refused = Some(text);
            }
            _ => {}
        }
    }
    // The sampler's own energy holds the log-determinant of its metric; only differences mean anything.
    info.energy = kinetic - info.log_density;
    if diverging {
        if divergence.energy_error.is_some() {
            divergence.refused = None;
        }
        info.divergence = Some(divergence);
    }
    info
}

/// The start itself, or a position near it where no component of the gradient is zero: the first metric is
/// made from the gradient, and a start at a mode or on an axis of symmetry has none.
fn sloping(
    start: Vec<f64>,
    stream: &mut Stream,
    evaluator: &mut Evaluator<'_>,
) -> Result<Vec<f64>, InferError> {
    /// The first move, relative to the size of the coordinate; each attempt moves ten times as far.
    const FIRST_MOVE: f64 = 1e-6;
    const ATTEMPTS: i32 = 7;
    let mut position = start.clone();
    let mut grad = vec![0.0; start.len()];
    let mut flat = None;
    for attempt in 0..ATTEMPTS {
        if evaluator.log_density_and_grad(&position, &mut grad).is_ok() {
            flat = grad.iter().position(|g| *g == 0.0);
            if flat.is_none() {
                return Ok(position);
            }
        }
        let size = FIRST_MOVE * 10f64.powi(attempt);
        for ((moved, x), g) in position.iter_mut().zip(&start).zip(&grad) {
            if *g == 0.0 {
                *moved = x + size * (1.0 + x.abs()) * stream.normal();
            }
        }
    }
    let coordinate = flat.map(|index| evaluator.target().layout().coordinate(index));
    Err(failed(format!(
        "the density does not change with {} around the starting position, so that no step size can be found there",
        coordinate.unwrap_or_default()
    )))
}

/// A density as the sampler wants to see it.
struct Density<'e, 'a> {
    evaluator: &'e RefCell<Evaluator<'a>>,
}

/// A rejection: the sampler treats it as a divergence and goes on.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Refused(#[from] Reject);

impl LogpError for Refused {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl HasDims for Density<'_, '_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.dim() as u64)])
    }
}

impl CpuLogpFunc for Density<'_, '_> {
    type LogpError = Refused;
    type FlowParameters = ();
    type ExpandedVector = ();

    fn dim(&self) -> usize {
        self.evaluator.borrow().dim()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, Refused> {
        let mut evaluator = self.evaluator.borrow_mut();
        Ok(evaluator.log_density_and_grad(position, gradient)?)
    }

    fn expand_vector<R: Rng + ?Sized>(&mut self, _: &mut R, _: &[f64]) -> Result<(), CpuMathError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Several chains of one kernel: starts, warmup, draws, stop and resume.
//!
//! One thread works on a chain at a time; the calling thread only listens, speaks to the observer and
//! keeps what chains hand in. Chain c uses the child `chain`, c of the stream: child `start`, k for its k-th
//! attempt at a starting position, child `step`, t for step t. So a chain that is interrupted and continued
//! gives the bits of an unbroken one.

use super::{ChainCost, Diverged, Kernel, SAMPLER_COLUMNS, Sampled, Transition};
use crate::budget::{Budget, Paid};
use crate::check::{at_least_one, positive};
use crate::drive::{Keep, newest_checkpoint, unreadable};
use crate::identity::Identity;
use crate::optimize::Place;
use crate::watch::{Alarm, POLL, Room, Stoppable, no_threads, watched};
use crate::{InferError, starts};
use jensen_density::{Evaluator, LogDensity};
use jensen_posterior::Draws;
use jensen_rng::Stream;
use jensen_run::tensors::View;
use jensen_run::{Event, Observer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

/// How many chains, how long, from where.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainOptions {
    /// Number of chains c, at least 1. Default 4, the least with which chains can be compared well.
    pub n_chains: usize,
    /// Draws of each chain after warmup, at least 1. Default 1000.
    pub n_draws: usize,
    /// Where chains begin.
    pub starts: Starts,
}

/// Where chains begin.
#[derive(Clone, Debug, PartialEq)]
pub enum Starts {
    /// Uniform on [-radius, radius] in every unconstrained coordinate, tried until the density accepts.
    /// Radius 2 is Stan's choice, overdispersed for most models on that scale.
    Uniform {
        /// Half the width, in units of position; positive.
        radius: f64,
    },
    /// One position `[d]` for each chain.
    At(Vec<Vec<f64>>),
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            n_chains: 4,
            n_draws: 1000,
            starts: Starts::Uniform { radius: 2.0 },
        }
    }
}

impl ChainOptions {
    /// Refuses numbers that do not fit.
    pub(super) fn check(&self) -> Result<(), InferError> {
        at_least_one("n_chains", self.n_chains as u64)?;
        at_least_one("n_draws", self.n_draws as u64)?;
        match &self.starts {
            Starts::Uniform { radius } => positive("radius", *radius),
            Starts::At(positions) if positions.len() != self.n_chains => {
                Err(InferError::Contradiction {
                    first: "n_chains",
                    second: "starts",
                    reason: format!("{} chains, {} positions", self.n_chains, positions.len()),
                })
            }
            Starts::At(_) => Ok(()),
        }
    }
}

/// Samples the target with c chains of a kernel; with `keep` it goes on from the newest checkpoint.
///
/// # Errors
/// [`InferError::Option`], [`InferError::Contradiction`], [`InferError::Empty`] for a request that does not
/// fit; [`InferError::Start`], [`InferError::StartRefused`], [`InferError::RefusedEverywhere`] for starts;
/// [`InferError::Threads`] where the system starts none;
/// [`InferError::Stopped`] when the observer asked for it, the states being kept if a place was given.
pub fn sample_chains<K: Kernel>(
    kernel: &K,
    target: &dyn LogDensity,
    options: &ChainOptions,
    stream: &Stream,
    keep: Option<&Keep>,
    observer: &mut dyn Observer,
) -> Result<Sampled, InferError> {
    let job = Job {
        name: kernel.name(),
        settings: format!("{kernel:?}"),
        target,
        options,
        n_warmup: kernel.n_warmup(),
        stream,
        keep,
    };
    job.run(observer, |chain_idx, kept, desk| {
        let stream = stream.child("chain", chain_idx as u64);
        let meter = Budget::new(None);
        let target = Paid {
            target,
            gate: &meter,
        };
        let mut evaluator = Evaluator::new(&target);
        let (mut record, mut state) = match kept {
            Some(record) => {
                let state = serde_json::from_value(record.state.clone());
                let state = state.map_err(|error| unreadable(error.to_string()))?;
                (record, state)
            }
            None => {
                let start = job.start(chain_idx, &stream, &mut evaluator)?;
                let state = kernel.init(&mut evaluator, &start, &stream.child("init", 0))?;
                let mut record = Record::default();
                record.cost.n_gradients_warmup = evaluator.n_gradients();
                (record, state)
            }
        };
        while record.step < job.n_steps() {
            let step_stream = stream.child("step", record.step);
            let info = kernel.step(&mut evaluator, &mut state, &step_stream);
            // A step on refusals of a budget is none: what was handed in before stands.
            if meter.has_refused() {
                return Ok(None);
            }
            record.push(&job, chain_idx, kernel.position(&state), info);
            desk.advance();
            let pause = desk.stopping() || record.step == job.n_steps();
            if pause || desk.should_keep(record.step) {
                record.state = serde_json::to_value(&state)
                    .expect("internal error: the state of a kernel does not serialize");
            }
            if pause {
                break;
            }
            if desk.should_keep(record.step) {
                desk.hand_in(chain_idx, record.clone());
            }
        }
        Ok(Some(record))
    })
}

/// What is to be done, for all chains alike.
pub(super) struct Job<'a> {
    pub(super) name: &'static str,
    /// Every option of the method: a checkpoint of other options is refused.
    pub(super) settings: String,
    pub(super) target: &'a dyn LogDensity,
    pub(super) options: &'a ChainOptions,
    pub(super) n_warmup: u64,
    pub(super) stream: &'a Stream,
    pub(super) keep: Option<&'a Keep>,
}

/// What a chain has to show so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// Steps done, warmup included.
    pub(super) step: u64,
    state: Value,
    pub(super) cost: ChainCost,
    divergences: Vec<Diverged>,
    /// `[s, d]` and `[s, 7]`, kept as tensors.
    #[serde(skip)]
    draws: Vec<f64>,
    #[serde(skip)]
    sampler: Vec<f64>,
}

impl Record {
    /// Adds a step to the record; in the warmup only its cost.
    pub(super) fn push(
        &mut self,
        job: &Job<'_>,
        chain_idx: usize,
        position: &[f64],
        info: Transition,
    ) {
        if self.step < job.n_warmup {
            self.cost.n_gradients_warmup += info.n_gradients;
            self.cost.n_divergent_warmup += u64::from(info.divergence.is_some());
        } else {
            self.cost.n_gradients += info.n_gradients;
            self.draws.extend(position);
            self.sampler.extend(info.columns());
            self.divergences
                .extend(info.divergence.map(|divergence| Diverged {
                    chain_idx,
                    draw_idx: self.step - job.n_warmup,
                    divergence,
                }));
        }
        self.step += 1;
    }
}

/// Where chains at work turn to.
pub(super) struct Desk<'a> {
    stop: &'a AtomicBool,
    /// Whether the observer asked for it, and no chain that failed.
    asked: &'a AtomicBool,
    done: &'a AtomicU64,
    every: Option<u64>,
    inbox: mpsc::Sender<Message>,
}

type Message = (usize, Result<Option<Record>, InferError>);

impl Desk<'_> {
    /// Tells that a step is done.
    pub(super) fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether chains should hand in what they have and end.
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether the observer asked to stop.
    pub(super) fn stop_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// A density that refuses every position once the observer asks to stop, for steps that take long. Another chain
    /// that fails is no reason: which failure is told would depend on who came first.
    pub(super) fn stoppable<'t>(&'t self, target: &'t dyn LogDensity) -> Stoppable<'t> {
        Stoppable {
            target,
            gate: self.asked,
        }
    }

    fn should_keep(&self, step: u64) -> bool {
        self.every
            .is_some_and(|every| step.is_multiple_of(every.max(1)))
    }

    fn hand_in(&self, chain_idx: usize, record: Record) {
        // Nobody listens only where the run has failed already.
        let _ = self.inbox.send((chain_idx, Ok(Some(record))));
    }
}

impl Job<'_> {
    /// Steps of a chain, warmup included.
    pub(super) fn n_steps(&self) -> u64 {
        self.n_warmup + self.options.n_draws as u64
    }

    /// Runs `work` for every chain that is not finished. It gets what was kept of the chain and returns
    /// what can be kept, or none where it was stopped and has to begin again.
    pub(super) fn run(
        &self,
        observer: &mut dyn Observer,
        work: impl Fn(usize, Option<Record>, &Desk<'_>) -> Result<Option<Record>, InferError> + Sync,
    ) -> Result<Sampled, InferError> {
        self.options.check()?;
        if self.target.dim() == 0 {
            return Err(InferError::Empty);
        }
        let n_chains = self.options.n_chains;
        let identity = match self.keep {
            Some(_) => Some(watched(self.target, observer, |target| {
                self.identity(target)
            })?),
            None => None,
        };
        let mut records = self.kept(identity.as_ref())?;
        let total = n_chains as u64 * self.n_steps();
        let steps_done = (records.iter().flatten()).map(|record| record.step).sum();
        let asked = AtomicBool::new(observer.stop_requested());
        let stop = AtomicBool::new(asked.load(Ordering::Relaxed));
        let done = AtomicU64::new(steps_done);
        let todo: Vec<(usize, Option<Record>)> = (records.iter().cloned().enumerate())
            .filter(|(_, kept)| kept.as_ref().is_none_or(|kept| kept.step < self.n_steps()))
            .collect();
        let next = AtomicUsize::new(0);
        let mut failures: Vec<(usize, InferError)> = Vec::new();
        // A density that is parallel itself shares no threads with other chains, else one of them could take up
        // another and not come back to its own.
        let rooms = Room::several(todo.len())?;
        thread::scope(|scope| -> Result<(), InferError> {
            let _alarm = Alarm(&stop);
            let (sender, inbox) = mpsc::channel::<Message>();
            let mut workers = Vec::with_capacity(rooms.len());
            for room in rooms {
                let desk = Desk {
                    stop: &stop,
                    asked: &asked,
                    done: &done,
                    every: self.keep.map(|keep| keep.every),
                    inbox: sender.clone(),
                };
                let (todo, next, work) = (&todo, &next, &work);
                let worker = thread::Builder::new().spawn_scoped(scope, move || {
                    let _alarm = Alarm(desk.stop);
                    room.run(|| {
                        while let Some((chain_idx, kept)) =
                            todo.get(next.fetch_add(1, Ordering::Relaxed))
                        {
                            let outcome = work(*chain_idx, kept.clone(), &desk);
                            if desk.inbox.send((*chain_idx, outcome)).is_err() {
                                break;
                            }
                        }
                    });
                });
                match worker {
                    Ok(worker) => workers.push(worker),
                    Err(error) if workers.is_empty() => return Err(no_threads(1, &error)),
                    // Fewer of them do all the work.
                    Err(_) => break,
                }
            }
            drop(sender);
            let mut listen = || -> Result<(), InferError> {
                loop {
                    match inbox.recv_timeout(POLL) {
                        Ok((chain_idx, Ok(Some(record)))) => {
                            records[chain_idx] = Some(record);
                            self.save(identity.as_ref(), &records)?;
                        }
                        Ok((_, Ok(None))) | Err(RecvTimeoutError::Timeout) => {}
                        Ok((chain_idx, Err(error))) => {
                            failures.push((chain_idx, error));
                            stop.store(true, Ordering::Relaxed);
                        }
                        Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    }
                    observer.on(&Event::Advanced {
                        what: self.name,
                        done: done.load(Ordering::Relaxed),
                        total: Some(total),
                        unit: "steps",
                    });
                    if observer.stop_requested() {
                        asked.store(true, Ordering::Relaxed);
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            };
            let outcome = listen();
            // Workers are waited for, so they have to be told.
            if outcome.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            drop(inbox);
            for worker in workers {
                worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
            outcome
        })?;
        // Chains begin in their order, so the first failure is the same for any number of threads.
        if let Some((_, error)) = failures.into_iter().min_by_key(|(chain_idx, _)| *chain_idx) {
            return Err(error);
        }
        self.gather(records)
    }

    /// The start of a chain: the given one, or the first random one that the density accepts.
    pub(super) fn start(
        &self,
        chain_idx: usize,
        stream: &Stream,
        evaluator: &mut Evaluator<'_>,
    ) -> Result<Vec<f64>, InferError> {
        const ATTEMPTS: u64 = 100;
        match &self.options.starts {
            Starts::Uniform { radius } => starts::uniform(evaluator, stream, ATTEMPTS, |_| *radius),
            Starts::At(positions) => {
                let start = positions[chain_idx].clone();
                Ok(Place::start(evaluator, &start)?.position)
            }
        }
    }

    /// What was kept of each chain, if it is of this job.
    fn kept(&self, identity: Option<&Identity>) -> Result<Vec<Option<Record>>, InferError> {
        let n_chains = self.options.n_chains;
        let Some((keep, identity)) = self.keep.zip(identity) else {
            return Ok(vec![None; n_chains]);
        };
        let Some(mut checkpoint) = newest_checkpoint(keep)? else {
            return Ok(vec![None; n_chains]);
        };
        identity.check(&checkpoint.state["run"])?;
        let mut records: Vec<Option<Record>> =
            serde_json::from_value(checkpoint.state["chains"].take())
                .map_err(|error| unreadable(error.to_string()))?;
        for tensor in checkpoint.tensors {
            let place = place(&mut records, &tensor.name)
                .ok_or_else(|| unreadable(format!("tensor {}", tensor.name)))?;
            *place = from_halves(&tensor.values);
        }
        Ok(records)
    }

    fn save(
        &self,
        identity: Option<&Identity>,
        records: &[Option<Record>],
    ) -> Result<(), InferError> {
        let Some((keep, identity)) = self.keep.zip(identity) else {
            return Ok(());
        };
        let named: Vec<(String, Vec<f32>)> = (records.iter().enumerate())
            .filter_map(|(chain_idx, record)| Some((chain_idx, record.as_ref()?)))
            .flat_map(|(chain_idx, record)| {
                [("draws", &record.draws), ("sampler", &record.sampler)]
                    .map(|(what, values)| (format!("{what}.{chain_idx}"), to_halves(values)))
            })
            .collect();
        let shapes: Vec<[usize; 1]> = named.iter().map(|(_, halves)| [halves.len()]).collect();
        let views: Vec<View<'_>> = (named.iter().zip(&shapes))
            .map(|((name, halves), shape)| View {
                name,
                shape,
                values: halves,
            })
            .collect();
        let step = records.iter().flatten().map(|record| record.step).sum();
        let state = json!({"run": identity.to_json(), "chains": records});
        keep.checkpoints.save(step, &views, &state)?;
        keep.checkpoints.keep(2)?;
        Ok(())
    }

    /// Everything that decides the bits of the draws.
    fn identity(&self, target: &dyn LogDensity) -> Identity {
        let start = match &self.options.starts {
            Starts::Uniform { .. } => None,
            Starts::At(positions) => positions.first().map(Vec::as_slice),
        };
        let settings = self.settings.clone();
        Identity::new(self.name, settings, target, start, self.stream)
            .with_options(format!("{:?}", self.options))
    }

    fn gather(&self, records: Vec<Option<Record>>) -> Result<Sampled, InferError> {
        let finished = |record: &Record| record.step == self.n_steps();
        if !(records.iter()).all(|record| record.as_ref().is_some_and(finished)) {
            return Err(InferError::Stopped);
        }
        let (n_chains, n_draws) = (self.options.n_chains, self.options.n_draws);
        let (mut draws, mut sampler) = (Vec::new(), Vec::new());
        let (mut divergences, mut chains) = (Vec::new(), Vec::new());
        for record in records.into_iter().flatten() {
            draws.extend(record.draws);
            sampler.extend(record.sampler);
            divergences.extend(record.divergences);
            chains.push(record.cost);
        }
        let layout = self.target.layout();
        let names = (0..self.target.dim())
            .map(|i| layout.coordinate(i))
            .collect();
        let columns = SAMPLER_COLUMNS.map(str::to_owned).to_vec();
        Ok(Sampled {
            draws: Draws::new(names, n_chains, n_draws, draws),
            sampler: Draws::new(columns, n_chains, n_draws, sampler),
            divergences,
            chains,
        })
    }
}

/// Where the tensor `draws.3` or `sampler.3` belongs.
fn place<'r>(records: &'r mut [Option<Record>], name: &str) -> Option<&'r mut Vec<f64>> {
    let (what, chain_idx) = name.split_once('.')?;
    let record = records
        .get_mut(chain_idx.parse::<usize>().ok()?)?
        .as_mut()?;
    match what {
        "draws" => Some(&mut record.draws),
        "sampler" => Some(&mut record.sampler),
        _ => None,
    }
}

/// The bits of each number as two f32: files of tensors hold nothing wider, and keep every bit.
fn to_halves(values: &[f64]) -> Vec<f32> {
    (values.iter().map(|value| value.to_bits()))
        .flat_map(|bits| [bits as u32, (bits >> 32) as u32].map(f32::from_bits))
        .collect()
}

fn from_halves(halves: &[f32]) -> Vec<f64> {
    (halves.chunks_exact(2))
        .map(|pair| u64::from(pair[0].to_bits()) | u64::from(pair[1].to_bits()) << 32)
        .map(f64::from_bits)
        .collect()
}

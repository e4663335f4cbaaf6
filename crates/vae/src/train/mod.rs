//! The one trainer: batches, ledger, gradients, optimizer groups, moving average, validation,
//! checkpoints, recovery from numbers that are not finite.
//!
//! Training has one stage, or two where a prior is trained on codes that no longer move ([`crate::prior::staged`]):
//! then the parameters that the first stage chose go on with fresh optimizers, and only that prior changes.
//!
//! Everything random in step t comes from the stream `step`, t; the order of epoch e from the stream
//! `epoch`, e. So a run is determined by its recipe and data, not by when it was interrupted.

mod group;
mod recovery;
mod state;
mod window;

use crate::feed::Feed;
use crate::ledger::{Readout, Role};
use crate::metric::{aggregate, score};
use crate::model::Model;
use crate::optimizer::Gradient;
use crate::recipe::{Recipe, RecipeError, TrainOptions};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{
    Checkpoints, Event, MetricsLog, Observer, Outcome, Record, RunError, RunFolder, Split,
    damaged_lines, file, tfevents::EventWriter,
};
use recovery::{Cause, Snapshot};
use state::State;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use recovery::Divergence;

/// Steps between snapshots in memory to which a run rolls back.
const SNAPSHOT_STEPS: u64 = 100;
/// Where the snapshot stands beside a checkpoint of a later step: a run that is resumed there rolls back to
/// the same state.
const ROLLBACK: &str = "rollback";
/// Training examples whose codes a prior of the second stage begins with.
const N_CODES: usize = 20_000;
/// Time between progress events.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

/// Why training ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file of the run could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The recipe does not fit.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Numbers stopped being finite, twice.
    #[error(transparent)]
    Diverged(#[from] Box<Divergence>),
    /// The checkpoint belongs to another model.
    #[error("the checkpoint of step {step} does not fit this model: {reason}")]
    Checkpoint {
        /// Step of the checkpoint.
        step: u64,
        /// What does not fit.
        reason: String,
    },
}

/// How training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All epochs were done.
    Completed,
    /// Validation stopped improving.
    EarlyStop,
    /// It was asked to stop; a checkpoint is saved.
    Stopped,
}

/// A trained model's parameters.
pub struct Trained {
    /// The parameters to use: those of the best validation if training may stop early, else the moving
    /// average if there is one, else the last.
    pub params: Params,
    /// Steps done.
    pub step: u64,
    /// How it ended.
    pub ending: Ending,
}

/// What is trained and on what.
pub struct Task<'a> {
    /// The resolved recipe.
    pub recipe: &'a Recipe,
    /// The assembled model.
    pub model: &'a Model,
    /// Training examples.
    pub train: &'a Feed,
    /// Validation examples, if any are held out.
    pub validation: Option<&'a Feed>,
    /// Where checkpoints and metrics go.
    pub run: &'a RunFolder,
}

/// Called at the end of each epoch with the parameters to use, for pictures.
pub type EpochHook<'a> = dyn FnMut(&Params, u64, &mut EventWriter) -> Result<(), RunError> + 'a;

/// Whether the options of training fit these parameters; [`train`] finds the same, but later.
pub fn check_options(options: &TrainOptions, params: &Params) -> Result<(), RecipeError> {
    group::groups(options, params).map(|_| ())
}

/// Trains from the first parameters, or goes on from the newest checkpoint of the run.
pub fn train(
    task: &Task<'_>,
    first: Params,
    observer: &mut dyn Observer,
    hook: &mut EpochHook<'_>,
) -> Result<Trained, TrainError> {
    Start::of(task, first)?.train(task, observer, hook)
}

/// Where training begins or goes on. Making one reads the run and changes nothing in it, so that a
/// recipe is known to fit its checkpoint before anything is written.
pub struct Start {
    state: State,
    snapshot: Snapshot,
    root: Stream,
    plan: Plan,
    is_resumed: bool,
    /// Damage that does not keep training from going on.
    warnings: Vec<String>,
}

impl Start {
    /// The first parameters, or the newest checkpoint of the run that can be read.
    ///
    /// # Errors
    /// [`TrainError::Run`] if there are checkpoints and none can be read, [`TrainError::Checkpoint`] if
    /// it belongs to another model, [`TrainError::Recipe`] if it is further than the recipe wants.
    pub fn of(task: &Task<'_>, first: Params) -> Result<Self, TrainError> {
        let recovered = Checkpoints::of(task.run).load_latest()?;
        let mut skipped = recovered.skipped;
        let mut warnings: Vec<String> = (skipped.iter())
            .map(|error| format!("{error}; going on from the checkpoint before it"))
            .collect();
        if recovered.checkpoint.is_none() && !skipped.is_empty() {
            return Err(skipped.remove(0).into());
        }
        // The log goes on too, without lines that hold no record.
        if let Some((fault, _)) = damaged_lines(task.run.path(file::METRICS))? {
            warnings.push(format!("{fault}; such lines are removed"));
        }
        let options = &task.recipe.train;
        let root = Stream::from_seed(options.seed);
        let mut state = State::new(task, first, &root)?;
        let mut snapshot = Snapshot::of(&state);
        if let Some(checkpoint) = &recovered.checkpoint {
            state.restore(checkpoint, options)?;
            let mut earlier = state.clone();
            match kept_snapshot(task.run, &state).map(Checkpoints::load) {
                Some(Ok(kept)) => earlier.restore(&kept, options)?,
                Some(Err(error)) => warnings.push(format!(
                    "{error}; if training has to roll back, it will be to step {}",
                    state.step
                )),
                None => {}
            }
            snapshot = Snapshot::of(&earlier);
        }
        let n_batches = state.batches.n_batches() as u64;
        let plan = Plan::of(task, &state);
        let begun = state.fit_from.unwrap_or(state.step).div_ceil(n_batches);
        let epochs = options.epochs_over(n_batches);
        if plan.first > 0 && epochs < begun {
            return Err(TrainError::Recipe(RecipeError::value(
                "train",
                format!(
                    "epochs = {epochs}: expected at least {begun}, because this run has done {} steps, \
                     {n_batches} an epoch",
                    state.step
                ),
            )));
        }
        Ok(Self {
            state,
            snapshot,
            root,
            plan,
            is_resumed: recovered.checkpoint.is_some(),
            warnings,
        })
    }

    /// Steps done by the checkpoint, if there is one.
    pub fn resumed_after(&self) -> Option<u64> {
        self.is_resumed.then_some(self.state.step)
    }

    /// Whether this recipe has nothing left to train.
    pub fn is_done(&self, recipe: &Recipe) -> bool {
        let is_over = self.plan.second == 0 && self.state.has_stopped_early(&recipe.train);
        self.state.step >= self.plan.total(&self.state) || is_over
    }

    /// Trains to the end; `task` is the one this start was made of.
    pub fn train(
        self,
        task: &Task<'_>,
        observer: &mut dyn Observer,
        hook: &mut EpochHook<'_>,
    ) -> Result<Trained, TrainError> {
        Trainer::new(task, self, observer)?.run(observer, hook)
    }
}

/// How many steps the stages have.
#[derive(Clone, Copy)]
struct Plan {
    /// Of the whole model, unless it stops early.
    first: u64,
    /// Of priors on codes that no longer move.
    second: u64,
    n_batches: u64,
}

impl Plan {
    fn of(task: &Task<'_>, state: &State) -> Self {
        let n_batches = state.batches.n_batches() as u64;
        let first = match task.model.has_first_stage(&state.params) {
            true => n_batches * task.recipe.train.epochs_over(n_batches),
            false => 0,
        };
        Self {
            first,
            // Whole epochs, so that both stages are validated at their end.
            second: task.model.n_fit_steps().next_multiple_of(n_batches),
            n_batches,
        }
    }

    fn total(&self, state: &State) -> u64 {
        state.fit_from.unwrap_or(self.first) + self.second
    }

    fn epochs(&self, state: &State) -> u64 {
        self.total(state) / self.n_batches
    }

    /// Whether the second stage begins now.
    fn is_second_due(&self, state: &State, options: &TrainOptions) -> bool {
        let is_first_over = state.step >= self.first || state.has_stopped_early(options);
        self.second > 0 && state.fit_from.is_none() && is_first_over
    }
}

/// The file of the snapshot that belongs to a checkpoint of this state; none is needed where the state is
/// one itself, or may not roll back again.
fn kept_snapshot(run: &RunFolder, state: &State) -> Option<PathBuf> {
    if state.n_rollbacks > 0 || state.step.is_multiple_of(SNAPSHOT_STEPS) {
        return None;
    }
    let kept = Checkpoints::of(run).within(ROLLBACK);
    let of_step = state.step - state.step % SNAPSHOT_STEPS;
    let mut entries = kept.list().ok()?.into_iter();
    Some(entries.find(|entry| entry.step == of_step)?.path)
}

struct Trainer<'a> {
    task: &'a Task<'a>,
    root: Stream,
    state: State,
    snapshot: Snapshot,
    plan: Plan,
    checkpoints: Checkpoints,
    metrics: MetricsLog,
    events: EventWriter,
    started: Instant,
    /// Seconds spent by earlier processes.
    elapsed_before: f64,
    last_checkpoint: Instant,
    last_progress: Instant,
    examples_since_progress: usize,
}

impl<'a> Trainer<'a> {
    fn new(
        task: &'a Task<'a>,
        start: Start,
        observer: &mut dyn Observer,
    ) -> Result<Self, TrainError> {
        let Start {
            state,
            snapshot,
            root,
            plan,
            is_resumed,
            warnings,
        } = start;
        for text in &warnings {
            observer.on(&Event::Warning { text });
        }
        let mut metrics = MetricsLog::open(task.run.path(file::METRICS))?;
        metrics.truncate_after(state.step)?;
        let events = match is_resumed {
            false => EventWriter::create(task.run.root())?,
            true => EventWriter::resume(task.run.root(), state.step)?,
        };
        let now = Instant::now();
        Ok(Self {
            task,
            root,
            snapshot,
            plan,
            checkpoints: Checkpoints::of(task.run),
            metrics,
            events,
            started: now,
            elapsed_before: state.elapsed_s,
            last_checkpoint: now,
            last_progress: now,
            examples_since_progress: 0,
            state,
        })
    }

    fn run(
        mut self,
        observer: &mut dyn Observer,
        hook: &mut EpochHook<'_>,
    ) -> Result<Trained, TrainError> {
        let what = format!("fit {}", self.task.recipe.name);
        observer.on(&Event::Started {
            what: &what,
            step: self.state.step,
            total_steps: self.plan.total(&self.state),
        });
        let ending = self.loop_until_done(observer, hook);
        let outcome = match &ending {
            Ok(Ending::Stopped) => Outcome::Stopped,
            Ok(_) => Outcome::Completed,
            Err(_) => Outcome::Failed("see the error"),
        };
        observer.on(&Event::Finished {
            step: self.state.step,
            elapsed_s: self.started.elapsed().as_secs_f64(),
            outcome,
        });
        self.metrics.sync()?;
        self.events.flush()?;
        Ok(Trained {
            params: self.state.chosen(&self.task.recipe.train),
            step: self.state.step,
            ending: ending?,
        })
    }

    fn loop_until_done(
        &mut self,
        observer: &mut dyn Observer,
        hook: &mut EpochHook<'_>,
    ) -> Result<Ending, TrainError> {
        let options = &self.task.recipe.train;
        if self.state.is_validation_due {
            if !self.end_epoch(observer, hook)? {
                return Ok(Ending::Stopped);
            }
            if self.state.step.is_multiple_of(SNAPSHOT_STEPS) {
                self.snapshot = Snapshot::of(&self.state);
            }
            // Otherwise the record of this validation could be written twice.
            self.save(observer)?;
        }
        // A run that was killed after it had stopped early has nothing more to do.
        if self.plan.second == 0 && self.state.has_stopped_early(options) {
            return Ok(Ending::EarlyStop);
        }
        while self.state.step < self.plan.total(&self.state) {
            if self.plan.is_second_due(&self.state, options) && !self.begin_second(observer)? {
                self.save(observer)?;
                return Ok(Ending::Stopped);
            }
            if let Err(cause) = self.step() {
                self.recover(cause, observer)?;
                continue;
            }
            let finished = self.state.step == self.plan.total(&self.state);
            let due = self.last_checkpoint.elapsed().as_secs_f64() >= options.checkpoint_seconds;
            let stop = observer.stop_requested();
            let snapshot = self.state.step.is_multiple_of(SNAPSHOT_STEPS);
            // What is kept must be good: parameters are looked at before they are.
            if (finished || due || stop || snapshot)
                && let Some(cause) = Cause::of_parameters(self.state.step, &self.state.params)
            {
                self.recover(cause, observer)?;
                continue;
            }
            self.report_progress(observer);
            if self.state.step.is_multiple_of(options.log_every as u64) {
                self.log_window()?;
            }
            let epoch_done = self.state.batches.position() == 0;
            if epoch_done && !self.end_epoch(observer, hook)? {
                if let Some(cause) = Cause::of_parameters(self.state.step, &self.state.params) {
                    self.recover(cause, observer)?;
                    continue;
                }
                self.save(observer)?;
                return Ok(Ending::Stopped);
            }
            if snapshot {
                self.snapshot = Snapshot::of(&self.state);
            }
            let gives_up = epoch_done && self.state.is_out_of_patience(options);
            if gives_up && !finished && self.plan.second == 0 {
                self.save(observer)?;
                return Ok(Ending::EarlyStop);
            }
            if finished || due || stop {
                self.save(observer)?;
            }
            if stop && !finished {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Completed)
    }

    /// One step of the optimizers; the error says which terms and layers were not finite.
    fn step(&mut self) -> Result<(), Cause> {
        let state = &mut self.state;
        let model = self.task.model;
        let stream = self.root.child("step", state.step);
        let indices = state.batches.next_batch();
        let n_examples = indices.len();
        let batch = self.task.train.batch(indices, &stream);
        let progress = state.step as f64 / self.plan.first.max(1) as f64;
        let is_second = state.fit_from.is_some();
        let ledger_with = |params: &Params| match is_second {
            true => (
                model.fit_ledger(&state.params, params, batch.clone(), &stream),
                None,
            ),
            false => {
                let (ledger, draw) = model.ledger(params, batch.clone(), progress, &stream);
                (ledger, Some(draw))
            }
        };

        let tracked = state.params.tracked();
        let (ledger, draw) = ledger_with(&tracked);
        let read = ledger.read();
        if !read.loss().iter().sum::<f64>().is_finite() {
            let tracing = state.params.tracing();
            ledger_with(&tracing);
            return Err(Cause::of(state.step, &read, &tracing));
        }
        let mut grads = ledger.loss().backward();
        let latents = draw.iter().flat_map(|draw| &draw.latents);
        let seen: Vec<_> = latents.map(|latent| latent.posterior.seen()).collect();
        // The graph's handles go first, so that the optimizer finds the parameters unshared.
        drop((ledger, draw));
        let gradients: Vec<Option<Gradient>> = (0..tracked.entries().len())
            .map(|index| Gradient::take(&tracked, index, &mut grads))
            .collect();
        let is_bad =
            |gradient: &Option<Gradient>| gradient.as_ref().is_some_and(Gradient::is_bad_vector);
        let named = tracked.entries().iter().zip(&gradients);
        let bad: Vec<String> = named
            .filter(|(_, g)| is_bad(g))
            .map(|(e, _)| e.name.clone())
            .collect();
        if !bad.is_empty() {
            return Err(Cause::of_gradients(state.step, bad));
        }
        drop((tracked, grads));
        state.apply(gradients, &self.task.recipe.train);
        model.adapt(&mut state.params, &seen, &read, &stream);
        state.window.add(&read, n_examples);
        state.step += 1;
        self.examples_since_progress += n_examples;
        Ok(())
    }

    /// Gives the priors of the second stage codes of the parameters that the first one chose; returns whether that was
    /// done to the end.
    fn begin_second(&mut self, observer: &mut dyn Observer) -> Result<bool, TrainError> {
        let (task, options) = (self.task, &self.task.recipe.train);
        let mut params = self.state.chosen(options);
        let stream = self.root.child("second stage", 0);
        let feed = task.train.sample(N_CODES, &stream);
        let mut go_on = |_| !observer.stop_requested();
        let codes = aggregate::encode(task.model, &params, &feed, &stream, &mut go_on);
        let Some(codes) = codes else {
            return Ok(false);
        };
        task.model.begin_fit(&mut params, &codes);
        self.state.begin_second(params, options)?;
        self.task.run.log(&format!(
            "step {}: the prior is trained on codes from here on",
            self.state.step
        ))?;
        Ok(true)
    }

    fn recover(&mut self, cause: Cause, observer: &mut dyn Observer) -> Result<(), TrainError> {
        if self.state.n_rollbacks > 0 {
            let facts = &self.task.train.site().facts;
            return Err(Box::new(cause.give_up(self.task.recipe, facts)).into());
        }
        let rate = self.state.rate_scale / 2.0;
        let text = cause.rollback_message(self.snapshot.step());
        self.snapshot.restore(&mut self.state);
        self.state.n_rollbacks = 1;
        self.state.rate_scale = rate;
        self.task.run.log(&text)?;
        self.metrics.truncate_after(self.state.step)?;
        self.events = EventWriter::resume(self.task.run.root(), self.state.step)?;
        // Checkpoints of the abandoned steps would otherwise be the newest.
        self.checkpoints.discard_after(self.state.step)?;
        observer.on(&Event::Warning { text: &text });
        self.save(observer)
    }

    fn report_progress(&mut self, observer: &mut dyn Observer) {
        let elapsed = self.last_progress.elapsed();
        let total_steps = self.plan.total(&self.state);
        if elapsed < PROGRESS_PERIOD && self.state.step != total_steps {
            return;
        }
        let metrics = self.state.window.recent();
        let metrics: Vec<(&str, f64)> = metrics.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        observer.on(&Event::Progress {
            step: self.state.step,
            total_steps,
            epoch: self.epoch(),
            epochs: self.plan.epochs(&self.state),
            metrics: &metrics,
            per_second: self.examples_since_progress as f64 / elapsed.as_secs_f64(),
        });
        self.last_progress = Instant::now();
        self.examples_since_progress = 0;
    }

    /// The epoch of the last step, counted from 1.
    fn epoch(&self) -> u64 {
        (self.state.step.max(1) - 1) / self.state.batches.n_batches() as u64 + 1
    }

    fn elapsed_s(&self) -> f64 {
        self.elapsed_before + self.started.elapsed().as_secs_f64()
    }

    fn log_window(&mut self) -> Result<(), TrainError> {
        let mut metrics = self.state.window.take();
        if self.task.recipe.train.skip > 0.0 {
            metrics.push(("skipped_steps".to_owned(), self.state.n_skipped as f64));
        }
        let steps_per_epoch = self.state.batches.n_batches() as u64;
        metrics.extend(
            self.task
                .model
                .measures(&self.state.params, steps_per_epoch),
        );
        self.record(Split::Train, metrics)
    }

    fn record(&mut self, split: Split, metrics: Vec<(String, f64)>) -> Result<(), TrainError> {
        let name = match split {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        };
        let tags: Vec<(String, f64)> = metrics
            .iter()
            .map(|(key, value)| (format!("{name}/{key}"), *value))
            .collect();
        let tags: Vec<(&str, f64)> = tags
            .iter()
            .map(|(key, value)| (key.as_str(), *value))
            .collect();
        self.events.scalars(self.state.step, &tags)?;
        self.metrics.append(&Record {
            step: self.state.step,
            epoch: self.epoch(),
            split,
            elapsed_s: self.elapsed_s(),
            metrics,
        })?;
        Ok(())
    }

    /// Validates and shows the epoch that has ended; returns whether that was done to the end. A
    /// validation that a stop interrupts is done again when the run goes on.
    fn end_epoch(
        &mut self,
        observer: &mut dyn Observer,
        hook: &mut EpochHook<'_>,
    ) -> Result<bool, TrainError> {
        let epoch = self.epoch();
        let params = self.state.current();
        self.state.is_validation_due = false;
        if let Some(validation) = self.task.validation {
            let stream = self.root.child("validation", epoch);
            let means =
                score::ledger_means(self.task.model, &params, validation, &stream, &mut || {
                    !observer.stop_requested()
                });
            let Some(read) = means else {
                self.state.is_validation_due = true;
                return Ok(false);
            };
            self.state.note_validation(&read, &self.task.recipe.train);
            let metrics: Vec<(&str, f64)> = read.iter().map(|(n, v)| (n.as_str(), *v)).collect();
            observer.on(&Event::Validated {
                step: self.state.step,
                epoch,
                metrics: &metrics,
            });
            self.record(Split::Validation, read)?;
        }
        hook(&params, self.state.step, &mut self.events)?;
        Ok(true)
    }

    /// Keeps the snapshot on disk where a run that is resumed from a checkpoint made now needs it.
    fn save_snapshot(&self) -> Result<(), TrainError> {
        let kept = self.checkpoints.within(ROLLBACK);
        let is_spent = self.state.n_rollbacks > 0;
        let is_needed = !is_spent && self.snapshot.step() < self.state.step;
        if is_needed
            && kept
                .latest()?
                .is_none_or(|e| e.step != self.snapshot.step())
        {
            self.snapshot.save(&kept, self.task.recipe)?;
        }
        // One for each checkpoint, since the newest may turn out to be damaged.
        kept.keep(if is_spent {
            0
        } else {
            self.task.recipe.train.keep
        })?;
        Ok(())
    }

    fn save(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        self.state.elapsed_s = self.elapsed_s();
        self.save_snapshot()?;
        let path = self.state.save(&self.checkpoints, self.task.recipe)?;
        // Mid-epoch weights are not those that were validated.
        let is_validated = self.state.batches.position() == 0 && !self.state.is_validation_due;
        let best = self.state.is_best && is_validated;
        if best {
            self.checkpoints.mark_best(self.state.step)?;
        }
        self.checkpoints.keep(self.task.recipe.train.keep)?;
        self.metrics.sync()?;
        self.events.flush()?;
        observer.on(&Event::Checkpoint {
            step: self.state.step,
            path: &path,
            best,
        });
        self.last_checkpoint = Instant::now();
        Ok(())
    }
}

/// Names of a ledger's terms with their sums over its examples, the ELBO first; nats.
pub(crate) fn named_sums(read: &Readout) -> Vec<(String, f64)> {
    let total = |values: Vec<f64>| values.iter().sum::<f64>();
    let mut named = Vec::new();
    // The second stage sees no data but codes.
    if (read.terms.iter()).any(|term| term.role == Role::LogLikelihood) {
        named.push(("elbo".to_owned(), total(read.elbo())));
        let log_likelihood = total(read.sum_of(Role::LogLikelihood));
        named.push(("log_likelihood".to_owned(), log_likelihood));
        named.push(("kl".to_owned(), total(read.sum_of(Role::Rate))));
    }
    named.push(("loss".to_owned(), total(read.loss())));
    for term in read
        .terms
        .iter()
        .filter(|term| term.role != Role::LogLikelihood)
    {
        named.push((term.name.clone(), term.nats.iter().sum()));
    }
    named
}

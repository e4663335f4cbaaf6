//! Everything that changes during training, and its checkpoint.
//!
//! A checkpoint holds tensors (`params/...`, `ema/...`, `best/...`, `optimizer/<group>/...`) and a JSON object with
//! the counters, the place in the data, the optimizers' numbers and the open window of the log.

use super::group::{Group, groups};
use super::window::Window;
use super::{Task, TrainError};
use crate::optimizer::{Gradient, SavedStates};
use crate::recipe::{Recipe, RecipeError, TrainOptions};
use jensen_data::Batches;
use jensen_nets::{HostTensor, Params};
use jensen_rng::Stream;
use jensen_run::tensors::View;
use jensen_run::{Checkpoint, Checkpoints, RunError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The moving average warms up with decay (1 + t) / (this + t), as in TensorFlow's implementation.
const EMA_WARMUP: f64 = 10.0;

#[derive(Clone)]
pub(super) struct State {
    pub(super) params: Params,
    ema: Option<Params>,
    groups: Vec<Group>,
    pub(super) batches: Batches,
    pub(super) step: u64,
    /// Factor of every learning rate; halved once by a rollback.
    pub(super) rate_scale: f64,
    pub(super) n_rollbacks: u32,
    /// Least validation loss so far, nats.
    best: Option<f64>,
    /// The parameters of the best validation, kept if training may stop early.
    best_params: Option<Params>,
    /// Whether the last validation was the best.
    pub(super) is_best: bool,
    epochs_without_gain: usize,
    pub(super) n_skipped: u64,
    pub(super) window: Window,
    pub(super) elapsed_s: f64,
    /// Whether an epoch has ended whose validation was interrupted.
    pub(super) is_validation_due: bool,
    /// The step at which the second stage began, if it did.
    pub(super) fit_from: Option<u64>,
}

/// The part of a checkpoint that is not tensors.
#[derive(Serialize, Deserialize)]
struct Counters {
    step: u64,
    epoch: u64,
    position: usize,
    rate_scale: f64,
    n_rollbacks: u32,
    best: Option<f64>,
    is_best: bool,
    epochs_without_gain: usize,
    n_skipped: u64,
    window: Window,
    elapsed_s: f64,
    #[serde(default)]
    is_validation_due: bool,
    #[serde(default)]
    fit_from: Option<u64>,
    /// The recipe that it was trained with, as TOML.
    #[serde(default)]
    recipe: String,
    optimizers: BTreeMap<String, OptimizerNumbers>,
}

/// What a group's optimizer remembers besides tensors.
#[derive(Serialize, Deserialize)]
struct OptimizerNumbers {
    kind: String,
    numbers: BTreeMap<String, f64>,
}

impl State {
    pub(super) fn new(task: &Task<'_>, params: Params, root: &Stream) -> Result<Self, TrainError> {
        let options = &task.recipe.train;
        let batches = Batches::new(
            task.train.len(),
            task.recipe.data.batch,
            root.child("batches", 0),
        );
        Ok(Self {
            groups: groups(options, &params)?,
            ema: (options.ema > 0.0).then(|| params.clone()),
            params,
            batches,
            step: 0,
            rate_scale: 1.0,
            n_rollbacks: 0,
            best: None,
            best_params: None,
            is_best: false,
            epochs_without_gain: 0,
            n_skipped: 0,
            window: Window::default(),
            elapsed_s: 0.0,
            is_validation_due: false,
            fit_from: None,
        })
    }

    /// Goes on with these parameters, as from a beginning.
    pub(super) fn begin_second(
        &mut self,
        params: Params,
        options: &TrainOptions,
    ) -> Result<(), RecipeError> {
        self.groups = groups(options, &params)?;
        self.ema = (options.ema > 0.0).then(|| params.clone());
        self.params = params;
        self.best_params = None;
        self.window = Window::default();
        self.fit_from = Some(self.step);
        Ok(())
    }

    /// The parameters to look at now: the moving average if there is one.
    pub(super) fn current(&self) -> Params {
        self.ema.as_ref().unwrap_or(&self.params).clone()
    }

    /// Whether validation has not got better for as long as training waits for it.
    pub(super) fn is_out_of_patience(&self, options: &TrainOptions) -> bool {
        let is_first = self.fit_from.is_none();
        is_first && options.patience > 0 && self.epochs_without_gain >= options.patience
    }

    /// Whether training stopped early: it looks at its patience between epochs.
    pub(super) fn has_stopped_early(&self, options: &TrainOptions) -> bool {
        self.step > 0 && self.batches.position() == 0 && self.is_out_of_patience(options)
    }

    /// The parameters to use in the end: those of the best validation if training may stop early.
    pub(super) fn chosen(&self, options: &TrainOptions) -> Params {
        let best = self.best_params.as_ref().filter(|_| options.patience > 0);
        best.cloned().unwrap_or_else(|| self.current())
    }

    /// Changes the parameters by their gradients, group by group, and then the moving average.
    pub(super) fn apply(&mut self, mut gradients: Vec<Option<Gradient>>, options: &TrainOptions) {
        for group in &mut self.groups {
            let skipped = group.step(&mut self.params, &mut gradients, options, self.rate_scale);
            self.n_skipped += u64::from(skipped);
        }
        if let Some(ema) = &mut self.ema {
            let t = (self.step - self.fit_from.unwrap_or(0)) as f64;
            let decay = options.ema.min((1.0 + t) / (EMA_WARMUP + t));
            ema.approach(&self.params, 1.0 - decay);
        }
    }

    /// Takes a validation result into the early-stopping record: the loss with the weights of the
    /// schedules' end, which is comparable from epoch to epoch.
    pub(super) fn note_validation(&mut self, metrics: &[(String, f64)], options: &TrainOptions) {
        let Some((_, loss)) = metrics.iter().find(|(name, _)| name == "loss") else {
            return;
        };
        // The second stage makes another loss small, of which validation tells nothing.
        if self.fit_from.is_some() {
            self.is_best = false;
            return;
        }
        self.is_best = loss.is_finite() && self.best.is_none_or(|best| *loss < best);
        if self.is_best {
            self.best = Some(*loss);
            self.best_params = (options.patience > 0).then(|| self.current());
            self.epochs_without_gain = 0;
        } else {
            self.epochs_without_gain += 1;
        }
    }

    pub(super) fn save(
        &self,
        checkpoints: &Checkpoints,
        recipe: &Recipe,
    ) -> Result<PathBuf, RunError> {
        let mut tensors = prefixed("params", self.params.to_host());
        if let Some(ema) = &self.ema {
            tensors.extend(prefixed("ema", ema.to_host()));
        }
        if let Some(best) = &self.best_params {
            tensors.extend(prefixed("best", best.to_host()));
        }
        let mut optimizers = BTreeMap::new();
        for group in &self.groups {
            let saved = group.optimizer.save(&self.params);
            tensors.extend(prefixed(
                &format!("optimizer/{}", group.name),
                saved.tensors,
            ));
            let numbers = OptimizerNumbers {
                kind: group.kind.clone(),
                numbers: saved.numbers,
            };
            optimizers.insert(group.name.clone(), numbers);
        }
        let counters = Counters {
            step: self.step,
            epoch: self.batches.epoch(),
            position: self.batches.position(),
            rate_scale: self.rate_scale,
            n_rollbacks: self.n_rollbacks,
            best: self.best,
            is_best: self.is_best,
            epochs_without_gain: self.epochs_without_gain,
            n_skipped: self.n_skipped,
            window: self.window.clone(),
            elapsed_s: self.elapsed_s,
            is_validation_due: self.is_validation_due,
            fit_from: self.fit_from,
            recipe: recipe.to_toml(),
            optimizers,
        };
        let state = serde_json::to_value(&counters)
            .expect("internal error: the counters of training do not serialize");
        let views: Vec<View<'_>> = tensors
            .iter()
            .map(|tensor| View {
                name: &tensor.name,
                shape: &tensor.shape,
                values: &tensor.values,
            })
            .collect();
        checkpoints.save(self.step, &views, &state)
    }

    pub(super) fn restore(
        &mut self,
        checkpoint: &Checkpoint,
        options: &TrainOptions,
    ) -> Result<(), TrainError> {
        let misfit = |reason: String| TrainError::Checkpoint {
            step: checkpoint.step,
            reason,
        };
        let counters: Counters = serde_json::from_value(checkpoint.state.clone())
            .map_err(|error| misfit(error.to_string()))?;
        let under = |prefix: &str| -> Vec<HostTensor> {
            let prefix = format!("{prefix}/");
            let named = checkpoint.tensors.iter().filter_map(|tensor| {
                Some(HostTensor {
                    name: tensor.name.strip_prefix(&prefix)?.to_owned(),
                    shape: tensor.shape.clone(),
                    values: tensor.values.clone(),
                })
            });
            named.collect()
        };
        self.params
            .load(&under("params"))
            .map_err(|e| misfit(e.to_string()))?;
        if let Some(ema) = &mut self.ema {
            ema.load(&under("ema")).map_err(|e| misfit(e.to_string()))?;
        }
        let best = under("best");
        self.best_params = match best.is_empty() {
            true => None,
            false => {
                let mut params = self.params.clone();
                params.load(&best).map_err(|e| misfit(e.to_string()))?;
                Some(params)
            }
        };
        for group in &mut self.groups {
            let known = counters.optimizers.get(&group.name);
            let Some(known) = known.filter(|known| known.kind == group.kind) else {
                return Err(misfit(format!(
                    "it has no state of the optimizer `{}` of the parameter group `{}`",
                    group.kind, group.name
                )));
            };
            let saved = SavedStates {
                tensors: under(&format!("optimizer/{}", group.name)),
                numbers: known.numbers.clone(),
            };
            group.optimizer.load(&self.params, &saved);
        }
        self.batches.seek(counters.epoch, counters.position);
        self.step = counters.step;
        self.rate_scale = counters.rate_scale;
        self.n_rollbacks = counters.n_rollbacks;
        // Without its parameters a best value is of no use to early stopping.
        let usable = options.patience == 0 || self.best_params.is_some();
        self.best = counters.best.filter(|_| usable);
        self.is_best = counters.is_best;
        self.epochs_without_gain = counters.epochs_without_gain;
        self.n_skipped = counters.n_skipped;
        self.window = counters.window;
        self.elapsed_s = counters.elapsed_s;
        self.is_validation_due = counters.is_validation_due;
        self.fit_from = counters.fit_from;
        Ok(())
    }
}

fn prefixed(prefix: &str, tensors: Vec<HostTensor>) -> Vec<HostTensor> {
    tensors
        .into_iter()
        .map(|tensor| HostTensor {
            name: format!("{prefix}/{}", tensor.name),
            ..tensor
        })
        .collect()
}

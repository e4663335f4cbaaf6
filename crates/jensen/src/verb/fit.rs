//! `fit`: trains the model of a recipe and leaves a run folder with everything in it.

use super::album::Album;
use super::expect;
use super::finish::finish;
use super::output::check_folder;
use super::verdict::Verdict;
use crate::error::{Error, Result};
use crate::recipes::RecipeRequest;
use crate::session::{Parts, RUNS, open_parts};
use crate::{config, device, memory};
use jensen_nets::Params;
use jensen_run::{Event, Observer, RunFolder};
use jensen_vae::features::Classifier;
use jensen_vae::model::Model;
use jensen_vae::recipe::{Expectation, Recipe, RecipeError};
use jensen_vae::train::{Ending, Start, Task, check_options};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What to fit, and where to put it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FitRequest {
    /// The recipe and the changes to it.
    pub recipe: RecipeRequest,
    /// The run folder; without one the next free number under `runs/`.
    pub out: Option<PathBuf>,
    /// K of the importance-weighted estimate at the end; 0 leaves it out, `None` decides by its cost.
    pub iwae_samples: Option<usize>,
}

impl FitRequest {
    /// A model as its recipe wants it.
    pub fn of(model: &str) -> Self {
        Self {
            recipe: RecipeRequest::of(model),
            ..Self::default()
        }
    }
}

/// How a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All epochs were done.
    Completed,
    /// Validation stopped improving.
    EarlyStop,
    /// It was asked to stop and can be continued.
    Stopped,
    /// There was nothing left to do.
    Unchanged,
}

/// What a fit leaves behind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// The run folder.
    pub run: PathBuf,
    /// How it ended.
    pub status: Status,
    /// Steps done.
    pub step: u64,
    /// Time of this process on it, seconds.
    pub elapsed_s: f64,
    /// Metrics of the test part by name; empty if it was stopped.
    pub metrics: BTreeMap<String, f64>,
    /// The referee's word, once training has ended.
    pub verdict: Option<Verdict>,
    /// The report, once training has ended.
    pub report: Option<PathBuf>,
}

/// Trains a model. A stop that the observer asks for saves a checkpoint and is no error.
///
/// # Errors
/// Those of the recipe, the data and the folder, before anything is written; [`Error::Train`] if
/// training gives up.
pub fn fit(request: &FitRequest, observer: &mut dyn Observer) -> Result<Fitted> {
    fit_expecting(request, &BTreeMap::new(), observer)
}

/// [`fit`] of which these metrics are expected: it refuses those that it will not measure on these data.
pub(super) fn fit_expecting(
    request: &FitRequest,
    expected: &BTreeMap<String, Expectation>,
    observer: &mut dyn Observer,
) -> Result<Fitted> {
    let started = Instant::now();
    if let Some(out) = &request.out {
        check_out(out)?;
    }
    let recipe = request.recipe.resolve()?;
    let mut prepared = Prepared::new(recipe, observer)?;
    expect::check_measured(expected, &prepared)?;
    let run = match &request.out {
        Some(path) => RunFolder::create(path)?,
        None => RunFolder::create_numbered(RUNS, &prepared.recipe.name)?,
    };
    config::write(&run, &prepared.recipe, &prepared.parts.facts, &[])?;
    let start = prepared.start(&run, observer)?;
    prepared.run(&run, start, request.iwae_samples, started, observer)
}

/// Refuses a place where no run folder can be, before any work.
pub(super) fn check_out(out: &Path) -> Result<()> {
    match out.as_os_str().is_empty() {
        true => Err(Error::Option {
            name: "--out",
            expected: "a folder for the run".to_owned(),
            found: "nothing".to_owned(),
        }),
        false => check_folder("--out", out),
    }
}

/// Everything that a run needs before its folder is touched.
pub(super) struct Prepared {
    pub(super) recipe: Recipe,
    pub(super) parts: Parts,
    pub(super) model: Model,
    n_parameters: usize,
    /// Given to the start, so that training finds them unshared.
    first: Option<Params>,
}

impl Prepared {
    pub(super) fn new(recipe: Recipe, observer: &mut dyn Observer) -> Result<Self> {
        let device = device::open(&recipe.train)?;
        let parts = open_parts(&recipe, &device, observer)?;
        let (model, first) = memory::assemble(&recipe, &parts.train.site(), &device)?;
        check_options(&recipe.train, &first)?;
        // What is scored later must come from the density too, not only what is trained on.
        for feed in parts.validation.iter().chain([&parts.test]) {
            model.likelihood().accepts(&feed.site().facts)?;
        }
        if model.wants_classifier() && !Classifier::fits(&parts.whole) {
            let message = "this term looks through a classifier of the data's labels, and these data have none, or only one class";
            return Err(RecipeError::Value {
                place: "objective.perceptual".to_owned(),
                message: message.to_owned(),
            }
            .into());
        }
        Ok(Self {
            recipe,
            parts,
            model,
            n_parameters: first.n_trainable(),
            first: Some(first),
        })
    }

    /// The beginning, or the newest checkpoint of the run, which must fit; nothing is written but the classifier that a
    /// term of the objective looks through.
    pub(super) fn start(&mut self, run: &RunFolder, observer: &mut dyn Observer) -> Result<Start> {
        let mut first = self.first.take().expect("internal error: begun twice");
        if self.model.wants_classifier() {
            let device = first.device().clone();
            let classifier = self.parts.classifier(run, &device, observer);
            let classifier = classifier.expect("internal error: data without classes");
            self.model.adopt(&mut first, &classifier);
        }
        Ok(Start::of(&self.task(run), first)?)
    }

    fn task<'a>(&'a self, run: &'a RunFolder) -> Task<'a> {
        Task {
            recipe: &self.recipe,
            model: &self.model,
            train: &self.parts.train,
            validation: self.parts.validation.as_ref(),
            run,
        }
    }

    /// Trains from the start on, then finishes the run.
    pub(super) fn run(
        self,
        run: &RunFolder,
        start: Start,
        iwae_samples: Option<usize>,
        started: Instant,
        observer: &mut dyn Observer,
    ) -> Result<Fitted> {
        let introduction = self.introduction();
        let folder = format!("run: {}", run.root().display());
        for text in introduction.iter().chain([&folder]) {
            observer.on(&Event::Note { text });
        }
        run.log(&introduction.join("\n"))?;
        let (task, parts) = (self.task(run), &self.parts);
        let mut album = Album::new(&task, &parts.test);
        let trained = start.train(&task, observer, &mut |params, step, events| {
            album.at_epoch(params, step, events)
        });
        let trained = match trained {
            Ok(trained) => trained,
            Err(error) => {
                run.log(&format!("training failed: {error}"))?;
                return Err(Error::Train(error));
            }
        };
        let mut fitted = Fitted {
            run: run.root().to_path_buf(),
            status: match trained.ending {
                Ending::Completed => Status::Completed,
                Ending::EarlyStop => Status::EarlyStop,
                Ending::Stopped => Status::Stopped,
            },
            step: trained.step,
            elapsed_s: 0.0,
            metrics: BTreeMap::new(),
            verdict: None,
            report: None,
        };
        if trained.ending != Ending::Stopped {
            let finished = finish(
                &task,
                parts,
                trained.params,
                iwae_samples,
                observer,
                &mut fitted,
            );
            match finished {
                Err(Error::Stopped) => fitted.status = Status::Stopped,
                other => other?,
            }
        }
        fitted.elapsed_s = started.elapsed().as_secs_f64();
        let done = format!("{:?} at step {}", fitted.status, fitted.step);
        run.log(&done)?;
        Ok(fitted)
    }

    /// One line on the data and one on the model.
    fn introduction(&self) -> [String; 2] {
        let Parts {
            facts,
            train,
            validation,
            test,
            ..
        } = &self.parts;
        let n_validation = validation.as_ref().map_or(0, |feed| feed.len());
        let data = format!(
            "data: {}, {}; {} for training, {n_validation} for validation, {} for test",
            facts.name,
            facts.layout,
            train.len(),
            test.len()
        );
        let dims: Vec<String> = (self.model.latent_names().zip(self.model.latent_dims()))
            .map(|(name, dim)| format!("{name} of {dim}"))
            .collect();
        let model = format!(
            "model: {}, {} parameters, latent {}, seed {}",
            self.recipe.name,
            self.n_parameters,
            dims.join(", "),
            self.recipe.train.seed
        );
        [data, model]
    }
}

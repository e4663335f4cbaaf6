//! Data, model and run folder brought together, as the verbs need them.

use crate::config::{self, DatasetFacts};
use crate::device;
use crate::error::{Error, Result};
use crate::memory;
use burn::tensor::Device;
use jensen_data::{DataError, Dataset, Examples, Layout, OpenOptions, open_with_progress};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{Checkpoints, Event, Observer, RunError, RunFolder};
use jensen_vae::features::Classifier;
use jensen_vae::feed::Feed;
use jensen_vae::model::Model;
use jensen_vae::recipe::{DataOptions, Recipe, RecipeError};
use jensen_vae::store::{self, Stored};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The parts of a data set as a recipe wants them.
pub struct Parts {
    /// What the data are.
    pub facts: DatasetFacts,
    /// Names of the classes, where they are known.
    pub label_names: Option<Vec<String>>,
    /// What a user should know about what was read and what was not.
    pub notes: Vec<String>,
    /// The whole training part, whatever the recipe leaves out or holds out of it.
    pub whole: Examples,
    /// Trained on.
    pub train: Feed,
    /// Held out to choose and to stop, if the recipe wants it.
    pub validation: Option<Feed>,
    /// Looked at once, at the end.
    pub test: Feed,
}

/// Examples for a model that is there.
pub struct Opened {
    /// The examples.
    pub feed: Feed,
    /// What the data are.
    pub facts: DatasetFacts,
    /// Names of the classes, where they are known.
    pub label_names: Option<Vec<String>>,
    /// Whether these stand in for the run's own data, which have changed since it was trained.
    pub has_changed: bool,
}

/// Opens the data of a recipe and splits the validation part off.
pub fn open_parts(recipe: &Recipe, device: &Device, observer: &mut dyn Observer) -> Result<Parts> {
    let dataset = open_data(&recipe.data, Source::Own, observer)?;
    let facts = DatasetFacts::of(&dataset);
    let whole = dataset.train;
    let mut train = whole.clone();
    let limit = recipe.data.limit;
    let is_limited = (1..train.len()).contains(&limit);
    if is_limited {
        train = train.select(&(0..limit).collect::<Vec<_>>());
    }
    let share = recipe.data.validation;
    let needed = if share > 0.0 { 2 } else { 1 };
    if train.len() < needed {
        let expected = match needed {
            1 => "at least one example to train on".to_owned(),
            _ => format!(
                "at least 2 examples, because data.validation = {share} holds some of them out"
            ),
        };
        let cause = match is_limited {
            true => format!(", for data.limit = {limit}"),
            false => format!(" in the training part of `{}`", facts.name),
        };
        return Err(Error::Option {
            name: "data",
            expected,
            found: format!("{}{cause}", train.len()),
        });
    }
    let mut validation = None;
    if share > 0.0 {
        let mut stream = Stream::from_seed(recipe.train.seed).child("validation", 0);
        let (rest, held_out) = train.split(share, &mut stream);
        train = rest;
        validation = Some(held_out);
    }
    pass_on(&dataset.notes, observer);
    warn_of_repeated(&train, &dataset.test, observer);
    let feed = |examples: Examples| Feed::new(examples, &recipe.data, device);
    Ok(Parts {
        facts,
        label_names: dataset.label_names,
        notes: dataset.notes,
        whole,
        train: feed(train)?,
        validation: validation.map(feed).transpose()?,
        test: feed(dataset.test)?,
    })
}

impl Parts {
    /// The classifier of these data that a run keeps, or a new one; `None` where there is nothing to classify.
    pub fn classifier(
        &self,
        run: &RunFolder,
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Option<Classifier> {
        let kept = Classifier::kept(run, self.whole.layout, device);
        if kept.is_none() && Classifier::fits(&self.whole) {
            observer.on(&Event::Note {
                text: "training a classifier of the data, through whose features images are compared",
            });
        }
        kept.or_else(|| Classifier::of_run(run, &self.whole, &self.train, device))
    }
}

/// Tells what the reader of the data has to tell.
fn pass_on(notes: &[String], observer: &mut dyn Observer) {
    for text in notes {
        observer.on(&Event::Warning { text });
    }
}

/// Says so if many of the test examples are training examples too.
fn warn_of_repeated(train: &Examples, test: &Examples, observer: &mut dyn Observer) {
    /// A share that is no accident of a few duplicates.
    const SHARE: f64 = 0.1;
    let (n, n_test) = (test.n_repeated_from(train), test.len());
    if n as f64 > SHARE * n_test as f64 {
        let text = format!(
            "{n} of {n_test} test examples equal a training example: results on them do not tell how the model does on \
             new data"
        );
        observer.on(&Event::Warning { text: &text });
    }
}

/// What is opened with the options of a recipe.
enum Source<'a> {
    /// The recipe's own data.
    Own,
    /// Other data: all of them where they have no test part, with these columns if both have names.
    Other(&'a str, Option<&'a [String]>),
}

/// Opens a source with the options of a recipe.
fn open_data(
    options: &DataOptions,
    source: Source<'_>,
    observer: &mut dyn Observer,
) -> Result<Dataset> {
    let (source, columns, whole) = match source {
        Source::Own => (options.source.as_str(), None, false),
        Source::Other(source, columns) => (source, columns, true),
    };
    let open = OpenOptions {
        resize: (options.resize > 0).then_some((options.resize, options.resize)),
        grey: options.grey,
        shape: options.image(),
        max_value: (options.max_value > 0.0).then_some(options.max_value as f32),
        label: (!options.label.is_empty()).then(|| options.label.clone()),
        columns: columns.map(<[String]>::to_vec),
        whole,
        memory: Some(memory::available()),
        ..OpenOptions::default()
    };
    let dataset = open_with_progress(source, &open, &mut |progress| {
        observer.on(&Event::Advanced {
            what: &format!("download {}", progress.file),
            done: progress.done,
            total: Some(progress.total),
            unit: "bytes",
        });
        match observer.stop_requested() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    match dataset {
        Err(DataError::Stopped { .. }) if observer.stop_requested() => Err(Error::Stopped),
        Err(DataError::Option {
            option,
            expected,
            found,
        }) => Err(Error::Option {
            name: key_of(option),
            expected,
            found,
        }),
        other => Ok(other?),
    }
}

/// The key of a recipe that sets an option of the reader.
fn key_of(option: &'static str) -> &'static str {
    match option {
        "resize" => "data.resize",
        "grey" => "data.grey",
        "shape" => "data.shape",
        "max_value" => "data.max_value",
        "label" => "data.label",
        other => other,
    }
}

/// Which examples of a data set a verb looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The training part, those for validation included.
    Train,
    /// The test part; of data without one all examples, unless the run held some of them out.
    #[default]
    Test,
}

impl Part {
    /// Every part with its name.
    pub const NAMES: [(&'static str, Self); 2] = [("test", Self::Test), ("train", Self::Train)];
}

/// A run with its trained model.
pub struct Session {
    /// The run folder.
    pub run: RunFolder,
    /// The recipe the model was made by.
    pub recipe: Recipe,
    /// The model.
    pub model: Model,
    /// Its parameters.
    pub params: Params,
    /// Names of the columns that it was trained on, where they have names.
    pub column_names: Option<Vec<String>>,
    device: Device,
}

/// The folder of a run: a path, or the name of a run under `runs/`.
pub fn run_path(run: &Path) -> PathBuf {
    let inside = Path::new(RUNS).join(run);
    match !run.exists() && run.components().count() == 1 && inside.is_dir() {
        true => inside,
        false => run.to_path_buf(),
    }
}

/// Where runs are made unless another folder is asked for.
pub const RUNS: &str = "runs";

impl Session {
    /// Loads the model of a run; `device` in place of the one it was trained on.
    pub fn load(run: &Path, device: Option<&str>) -> Result<Self> {
        let run = RunFolder::open(run_path(run))?;
        let (mut recipe, facts) = config::read(&run, &[])?;
        if !run.has(store::CONFIG) {
            return Err(Error::NoModel {
                writer: run.writer(),
                run: run.root().to_path_buf(),
                step: Checkpoints::of(&run).latest()?.map(|entry| entry.step),
            });
        }
        // A model can be used on any device, also where there is none of the kind it was trained on.
        recipe.train.device = device.unwrap_or("cpu").to_owned();
        let device = device::open(&recipe.train)?;
        let Stored {
            recipe,
            model,
            params,
        } = store::load(&run, &device)?;
        Ok(Self {
            run,
            recipe,
            model,
            params,
            column_names: facts.and_then(|facts| facts.column_names),
            device,
        })
    }

    /// Examples for this model: of the run's own data, or of another source.
    pub fn feed(
        &self,
        source: Option<&str>,
        part: Part,
        observer: &mut dyn Observer,
    ) -> Result<Opened> {
        let opened = match source {
            None => Source::Own,
            Some(source) => Source::Other(source, self.column_names.as_deref()),
        };
        let dataset = open_data(&self.recipe.data, opened, observer)?;
        let facts = DatasetFacts::of(&dataset);
        let has_changed = match source {
            // What there is to know about the run's own data was told when it was made.
            None => self.warn_of_change(&facts, observer)?,
            Some(_) => {
                pass_on(&dataset.notes, observer);
                false
            }
        };
        let examples = match part {
            Part::Train => dataset.train,
            Part::Test => dataset.test,
        };
        if examples.is_empty() {
            return Err(Error::Option {
                name: "--part",
                expected: "a part with examples".to_owned(),
                found: format!("`{}`, which has no such part", facts.name),
            });
        }
        let expected = self.model.site().layout;
        if examples.layout.n_values() != expected.n_values() {
            return Err(Error::Layout {
                expected,
                found: examples.layout,
            });
        }
        let feed = Feed::new(examples, &self.recipe.data, &self.device)?;
        let accepted = self.model.likelihood().accepts(&feed.site().facts);
        // The recipe's own words offer another likelihood, and this model has its likelihood.
        accepted.map_err(|error| match error {
            RecipeError::LikelihoodRange {
                likelihood,
                low,
                high,
                min,
                max,
                ..
            } => Error::OutOfSupport {
                likelihood,
                low,
                high,
                min,
                max,
            },
            RecipeError::LikelihoodLevels {
                likelihood,
                expected,
                found,
            } => Error::OtherLevels {
                likelihood,
                expected,
                found,
            },
            other => other.into(),
        })?;
        Ok(Opened {
            feed,
            facts,
            label_names: dataset.label_names,
            has_changed,
        })
    }

    /// Says so if the run's data are not those it was trained on, and whether it did.
    fn warn_of_change(&self, found: &DatasetFacts, observer: &mut dyn Observer) -> Result<bool> {
        let (_, begun) = config::read(&self.run, &[])?;
        let changed = begun.filter(|begun| begun.sha256 != found.sha256);
        let has_changed = changed.is_some();
        if let Some(expected) = changed {
            let text = Error::DataChanged {
                source_name: self.recipe.data.source.clone(),
                expected: expected.sha256,
                found: found.sha256.clone(),
            };
            let text = format!("{text}; the results are not those of the data it was trained on");
            observer.on(&Event::Warning { text: &text });
        }
        Ok(has_changed)
    }

    /// What one example is.
    pub fn layout(&self) -> Layout {
        self.model.site().layout
    }

    /// The position of a latent by name; the first without a name.
    pub fn latent(&self, name: Option<&str>) -> Result<usize> {
        let Some(name) = name else { return Ok(0) };
        let known: Vec<&str> = self.model.latent_names().collect();
        let found = known.iter().position(|known| *known == name);
        found.ok_or_else(|| Error::Option {
            name: "--latent",
            expected: format!("one of {}", known.join(", ")),
            found: name.to_owned(),
        })
    }

    /// Refuses a number of things that is 0.
    pub fn check_count(name: &'static str, n: usize) -> Result<()> {
        match n {
            0 => Err(Error::Option {
                name,
                expected: "at least 1".to_owned(),
                found: "0".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Refuses importance samples K of a model whose prior only gives a bound.
    pub fn check_samples(&self, k: usize) -> Result<()> {
        match k > 0 && self.model.has_bounded_prior() {
            true => Err(Error::Option {
                name: "--samples",
                expected: "0, because the prior of this model gives a bound of its density, of which no importance \
                           weight can be made"
                    .to_owned(),
                found: k.to_string(),
            }),
            false => Ok(()),
        }
    }

    /// Refuses positions outside `0..n`.
    pub fn check_indices(name: &'static str, indices: &[usize], n: usize) -> Result<()> {
        match indices.iter().find(|&&index| index >= n) {
            None => Ok(()),
            Some(index) => Err(Error::Option {
                name,
                expected: format!("numbers from 0 to {}", n - 1),
                found: index.to_string(),
            }),
        }
    }

    /// Writes the report again, so that it shows what was added.
    pub fn refresh_report(&self, observer: &mut dyn Observer) -> Result<PathBuf> {
        Ok(jensen_report::write_html(&self.run, observer)?)
    }
}

/// Tells how far a piece of work is.
///
/// # Errors
/// [`Error::Stopped`] when a stop is asked for.
pub fn advance(
    observer: &mut dyn Observer,
    what: &str,
    done: usize,
    total: usize,
    unit: &str,
) -> Result<()> {
    observer.on(&Event::Advanced {
        what,
        done: done as u64,
        total: Some(total as u64),
        unit,
    });
    match observer.stop_requested() {
        true => Err(Error::Stopped),
        false => Ok(()),
    }
}

/// [`advance`] for loops that ask whether to go on: hears how many are done, or `None` between counts.
pub fn advancing<'a>(
    observer: &'a mut dyn Observer,
    what: &'a str,
    total: usize,
    unit: &'a str,
) -> impl FnMut(Option<usize>) -> bool + 'a {
    move |done| match done {
        Some(done) => advance(observer, what, done, total, unit).is_ok(),
        None => !observer.stop_requested(),
    }
}

/// A run's newest checkpoint that can be read: step and state.
///
/// # Errors
/// That of the newest checkpoint if there are some and none can be read.
pub fn newest_state(run: &RunFolder) -> Result<Option<(u64, serde_json::Value)>, RunError> {
    let mut recovered = Checkpoints::of(run).load_latest()?;
    if recovered.checkpoint.is_none() && !recovered.skipped.is_empty() {
        return Err(recovered.skipped.remove(0));
    }
    Ok(recovered
        .checkpoint
        .map(|checkpoint| (checkpoint.step, checkpoint.state)))
}

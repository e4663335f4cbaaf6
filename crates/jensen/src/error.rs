//! What can go wrong in a verb, whose fault it is, and what helps.

use jensen_data::{DataError, Layout};
use jensen_report::ReportError;
use jensen_run::RunError;
use jensen_vae::recipe::RecipeError;
use jensen_vae::store::StoreError;
use jensen_vae::train::TrainError;
use std::io;
use std::path::PathBuf;

/// The result of a verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The recipe is not valid; all that is wrong with it.
    #[error("{}", lines(.0))]
    Recipe(Vec<RecipeError>),
    /// The data cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file of the run cannot be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A picture or the report cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The model of a run cannot be loaded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Training ended without a model.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Neither a built-in recipe nor a file.
    #[error("no model is called `{name}`{}\n  known models: {}", did_you_mean(.nearest), .known.join(", "))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// The built-in recipes.
        known: Vec<String>,
        /// The most similar of them, if any is similar.
        nearest: Option<String>,
    },
    /// A recipe file cannot be read.
    #[error("cannot read the recipe {}: {source}", path.display())]
    RecipeFile {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A file that is no part of a run cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The data of a run are not those it was begun with.
    #[error("the data `{source_name}` have changed since this run began: expected sha256 {}, found {}", short(.expected), short(.found))]
    DataChanged {
        /// The source of the data.
        source_name: String,
        /// Fingerprint at the beginning.
        expected: String,
        /// Fingerprint now.
        found: String,
    },
    /// Data of another shape than the model's.
    #[error("expected examples like those of the model ({expected}), found {found}")]
    Layout {
        /// Layout of the model.
        expected: Layout,
        /// Layout of the data.
        found: Layout,
    },
    /// There is no model in the run yet.
    #[error("{} has no model yet: training was stopped{}", run.display(), at_step(.step))]
    NoModel {
        /// The run.
        run: PathBuf,
        /// Step of its newest checkpoint, if there is one.
        step: Option<u64>,
    },
    /// An option that cannot change when a run goes on.
    #[error("`{section}` cannot change when a run goes on: it would be another model")]
    Frozen {
        /// The section of the recipe, or the option.
        section: &'static str,
    },
    /// A device that this build does not have.
    #[error("this build has no device `{device}`")]
    Device {
        /// The device asked for.
        device: String,
    },
    /// A value of a request does not fit.
    #[error("{name}: expected {expected}, found {found}")]
    Option {
        /// Name of the option.
        name: &'static str,
        /// What would fit.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The recipe says nothing about what it must reach on these data.
    #[error("recipe `{recipe}` expects nothing on the data `{data}`")]
    NothingExpected {
        /// The recipe.
        recipe: String,
        /// Name of the data.
        data: String,
    },
    /// It was asked to stop before there was a result.
    #[error("stopped on request")]
    Stopped,
}

impl From<RecipeError> for Error {
    fn from(error: RecipeError) -> Self {
        Self::Recipe(vec![error])
    }
}

impl Error {
    /// Whether wrong use or bad input is the cause, rather than the fit or the machine.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Train(error) => matches!(error, TrainError::Recipe(_)),
            Self::Output { .. } | Self::Stopped => false,
            _ => true,
        }
    }

    /// What to do about it, where that is not said in the message.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Recipe(errors) => match errors.as_slice() {
                [RecipeError::Syntax { .. }] => "strings need quotes: kind = \"conv\"",
                [RecipeError::LikelihoodRange { .. }, ..] => return None,
                _ => {
                    "`jensen list methods` and `jensen list distributions` show the parts and their options"
                }
            },
            Self::UnknownModel { name, .. } if !name.ends_with(".toml") => {
                "a recipe of your own is a path that ends in .toml; `jensen list models` shows the built-in ones"
            }
            Self::Run(RunError::NotARun { .. }) | Self::Run(RunError::NotEmpty { .. }) => {
                "`jensen fit MODEL` makes a new run folder under runs/, `jensen resume RUN` continues one"
            }
            Self::Run(RunError::Locked { .. }) => {
                "wait for it, or stop it with Ctrl-C: it saves its state"
            }
            Self::DataChanged { .. } => {
                "put the old data back, or begin a new run with `jensen fit`"
            }
            Self::NoModel { run, .. } => {
                return Some(format!(
                    "`jensen resume {}` goes on to the end",
                    run.display()
                ));
            }
            Self::Frozen { .. } => {
                "only options of training can change, such as --set train.epochs=20; for the rest begin a new run"
            }
            Self::Device { .. } => {
                "build with `cargo build --release --features vulkan` (any card) or `--features cuda` (NVIDIA)"
            }
            Self::Layout { .. } => {
                "data.resize and data.grey bring image folders to another shape: --set data.resize=28"
            }
            Self::NothingExpected { .. } => {
                "say it in the recipe: [expect] test_neg_elbo = { max = 106.0 }, or \"NAME/test_neg_elbo\" for the data NAME"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

fn lines(errors: &[RecipeError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    }
}

fn at_step(step: &Option<u64>) -> String {
    match step {
        Some(step) => format!(" at step {step}"),
        None => " before the first checkpoint".to_owned(),
    }
}

/// The first digits of a hash: enough to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

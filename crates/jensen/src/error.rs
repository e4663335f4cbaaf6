//! What can go wrong in a verb, whose fault it is, and what helps.

use crate::recipes::BUILTIN;
use jensen_data::{DataError, Layout};
use jensen_report::ReportError;
use jensen_run::{RunError, Writer, file, is_wrong_place, shell_word};
use jensen_vae::bits_back::CodeError;
use jensen_vae::interchange::diffusers::{self, DiffusersError};
use jensen_vae::likelihood::DataFacts;
use jensen_vae::recipe::RecipeError;
use jensen_vae::store::StoreError;
use jensen_vae::train::TrainError;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;

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
    /// Data that a model's likelihood gives no density to.
    #[error(
        "the model has the likelihood `{likelihood}`, which expects data in [{low}, {high}], and these are in [{min}, {max}]"
    )]
    OutOfSupport {
        /// The likelihood.
        likelihood: String,
        /// Smallest value of its support.
        low: f32,
        /// Largest value of its support.
        high: f32,
        /// Smallest value of the data.
        min: f32,
        /// Largest value of the data.
        max: f32,
    },
    /// Data whose levels are not those that a model was made for.
    #[error(
        "the model has the likelihood `{likelihood}`, which expects {expected}, and these are {found}"
    )]
    OtherLevels {
        /// The likelihood.
        likelihood: String,
        /// What the model was trained on.
        expected: DataFacts,
        /// What the data are.
        found: DataFacts,
    },
    /// More memory than there is.
    #[error("{what} needs at least {:.1} GB of memory, and {:.1} GB are free", gigabytes(.needed), gigabytes(.available))]
    TooLarge {
        /// What would need it.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// What a model makes of a code is no number.
    #[error(
        "{name}: expected codes from which the decoder makes finite numbers; those of {place} are not"
    )]
    NotFinite {
        /// Name of the option that gives the codes.
        name: &'static str,
        /// The first code at fault.
        place: String,
    },
    /// A part of a finished run is damaged, and nothing is left to make it of.
    #[error("{damage}; there is no checkpoint to finish {} again from", run.display())]
    BeyondRepair {
        /// The run.
        run: PathBuf,
        /// What is wrong.
        damage: String,
    },
    /// A run with a model, but without a state that training could go on from.
    #[error(
        "{} has a model but no checkpoint to go on from: training would begin again and replace the model",
        run.display()
    )]
    NoCheckpoint {
        /// The run.
        run: PathBuf,
    },
    /// There is no model in the run yet.
    #[error("{} has no model yet: {}{}", run.display(), doing(.writer), at_step(.writer, .step))]
    NoModel {
        /// The run.
        run: PathBuf,
        /// The process that trains it now; none if it was stopped.
        writer: Option<Writer>,
        /// Step of its newest checkpoint, if there is one.
        step: Option<u64>,
    },
    /// An option that cannot change when a run goes on.
    #[error("`{section}` cannot change when a run goes on: it would be another model")]
    Frozen {
        /// The section of the recipe, or the option.
        section: &'static str,
    },
    /// The configuration of a run says something else than its checkpoint was trained with.
    #[error("{}: `{section}` is not what the newest checkpoint was trained with", .run.join(file::CONFIG).display())]
    Edited {
        /// The section, or the option.
        section: &'static str,
        /// The run.
        run: PathBuf,
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
    #[error("recipe `{recipe}` expects nothing on the data `{data}`{}", on_others(.others))]
    NothingExpected {
        /// The recipe.
        recipe: String,
        /// Name of the data.
        data: String,
        /// Names of the data on which it expects something.
        others: Vec<String>,
    },
    /// What cannot be compressed, or decompressed.
    #[error("{place}: {error}")]
    Code {
        /// The run or the file.
        place: String,
        /// Why.
        error: CodeError,
    },
    /// A model of another program that is none of ours, or one of ours that is none of theirs.
    #[error("{}: {error}", place.display())]
    Foreign {
        /// The file, or the run.
        place: PathBuf,
        /// Why.
        error: Box<DiffusersError>,
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
    /// Why a run or a file has no code.
    pub(crate) fn of_code(place: &Path, error: CodeError) -> Self {
        match error {
            CodeError::Stopped => Self::Stopped,
            error => Self::Code {
                place: place.display().to_string(),
                error,
            },
        }
    }

    /// Whether wrong use or bad input is the cause, rather than the fit or the machine.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Train(TrainError::Diverged(_)) | Self::Stopped => false,
            Self::Train(TrainError::Run(error)) => error.is_unreadable(),
            Self::Run(error)
            | Self::Store(StoreError::Run(error))
            | Self::Report(ReportError::Run(error)) => error.is_input(),
            Self::Data(DataError::Io { action, source, .. }) => {
                is_read(action) || is_wrong_place(source.kind())
            }
            _ => true,
        }
    }

    /// What the system was asked for and why it refused, where that is the cause.
    fn system(&self) -> Option<(&str, &io::Error)> {
        match self {
            Self::Run(RunError::Io { action, source, .. })
            | Self::Store(StoreError::Run(RunError::Io { action, source, .. }))
            | Self::Report(ReportError::Run(RunError::Io { action, source, .. }))
            | Self::Train(TrainError::Run(RunError::Io { action, source, .. }))
            | Self::Data(DataError::Io { action, source, .. }) => Some((action, source)),
            Self::RecipeFile { source, .. } => Some(("read", source)),
            _ => None,
        }
    }

    /// What to do about it, where that is not said in the message.
    pub fn hint(&self) -> Option<String> {
        if let Self::RecipeFile { path, source } = self
            && source.kind() == std::io::ErrorKind::NotFound
            && let Some(name) = builtin_of(path)
        {
            return Some(format!(
                "the built-in recipe is called `{name}`, without .toml"
            ));
        }
        if let Some(hint) = self
            .system()
            .and_then(|(action, source)| way_out(action, source))
        {
            return Some(hint.to_owned());
        }
        let hint = match self {
            Self::Recipe(errors) => match errors.as_slice() {
                [RecipeError::Syntax { message, .. }] if message.contains("must be quoted") => {
                    "strings need quotes: kind = \"conv\""
                }
                [RecipeError::Syntax { .. }] => return None,
                errors => return lists_for(errors),
            },
            Self::Train(TrainError::Recipe(error)) => return lists_for(slice::from_ref(error)),
            Self::Train(TrainError::Checkpoint { .. }) | Self::Edited { .. } => {
                "config.toml was changed by hand: put the old values back, or begin a new run with `jensen fit`"
            }
            Self::Foreign { error, .. } if matches!(**error, DiffusersError::Recipe(_)) => {
                "encoder and decoder of kind \"resnet\" with a gaussian latent with `channels`, or a vq latent, have a \
                 counterpart there; `--format safetensors` takes every model"
            }
            Self::Run(RunError::Io { path, source, .. })
                if path.ends_with(diffusers::WEIGHTS)
                    && source.kind() == io::ErrorKind::NotFound =>
            {
                "save the model with safe_serialization=True; pickles (.bin) are never read"
            }
            Self::UnknownModel { name, .. } if Path::new(name).join(file::CONFIG).is_file() => {
                return Some(format!(
                    "that is a run; `jensen fit {}` takes its recipe",
                    shell_word(Path::new(name).join(file::CONFIG))
                ));
            }
            Self::UnknownModel { name, .. } if !name.ends_with(".toml") => {
                "a recipe of your own is a path that ends in .toml; `jensen list models` shows the built-in ones"
            }
            Self::Run(RunError::NotARun { .. }) | Self::Run(RunError::NotEmpty { .. }) => {
                "`jensen fit MODEL` makes a new run folder under runs/, `jensen resume RUN` continues one"
            }
            Self::Run(RunError::Locked { .. }) => {
                "wait for it, or stop it with Ctrl-C: it saves its state"
            }
            Self::Run(error)
            | Self::Store(StoreError::Run(error))
            | Self::Report(ReportError::Run(error))
            | Self::Train(TrainError::Run(error)) => return repair(error),
            Self::Store(StoreError::Params(_) | StoreError::Recipe(_)) => {
                "`jensen resume RUN` makes the model again from the newest checkpoint"
            }
            Self::BeyondRepair { run, .. } => {
                return Some(format!(
                    "`jensen fit {}` begins it anew in another folder",
                    shell_word(run.join(file::CONFIG))
                ));
            }
            Self::TooLarge { .. } => {
                "take smaller numbers: of dimensions, widths, channels, components, samples (-n, --samples), or examples a step (data.batch)"
            }
            Self::OutOfSupport { .. } => {
                "bring the values in the file to that range, as those were that the model was trained on"
            }
            Self::OtherLevels { .. } => {
                "store the values on the levels of the data that the model was trained on, or fit a model to these: `jensen fit MODEL --data DATA`"
            }
            Self::DataChanged { .. } => {
                "put the old data back, or begin a new run with `jensen fit`"
            }
            Self::NoModel {
                writer: Some(_), ..
            } => "wait for it; Ctrl-C there saves its state",
            Self::NoModel { run, .. } => {
                return Some(format!(
                    "`jensen resume {}` goes on to the end",
                    shell_word(run)
                ));
            }
            Self::NoCheckpoint { run } => {
                return Some(format!(
                    "the model can be used as it is, and `jensen evaluate {}` makes evaluation and report \
                     again; `jensen fit {}` trains anew in another folder",
                    shell_word(run),
                    shell_word(run.join(file::CONFIG))
                ));
            }
            Self::Frozen { .. } => {
                "only options of training can change, such as --set train.epochs=20; for the rest begin a new run"
            }
            Self::Device { .. } => {
                "build with `cargo build --release --features vulkan` (any card) or `--features cuda` (NVIDIA)"
            }
            Self::Layout { .. } => {
                "resize the images, or fit a model to data like these: `jensen fit MODEL --data DATA`"
            }
            Self::NothingExpected { .. } => {
                "say it in the recipe: [expect] test_neg_elbo = { max = 106.0 }, or \"NAME/test_neg_elbo\" for the data NAME"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The built-in recipe that a path is named after.
fn builtin_of(path: &Path) -> Option<&'static str> {
    let stem = path.file_stem()?;
    let named = BUILTIN.iter().find(|builtin| stem == builtin.name);
    named.map(|builtin| builtin.name)
}

/// Where the parts at fault are listed; options of data and training are parts of no list.
fn lists_for(errors: &[RecipeError]) -> Option<String> {
    let is_in = |sections: &[&str]| {
        errors.iter().filter_map(RecipeError::place).any(|place| {
            let section = place.split('.').next().unwrap_or_default();
            sections.contains(&section) || (place.contains(".optimizer") && sections == METHODS)
        })
    };
    let lists = match (is_in(METHODS), is_in(DISTRIBUTIONS)) {
        (true, true) => "`jensen list methods` and `jensen list distributions` show",
        (true, false) => "`jensen list methods` shows",
        (false, true) => "`jensen list distributions` shows",
        (false, false) => return None,
    };
    Some(format!("{lists} the parts and their options"))
}

/// Sections whose parts `list methods` shows, beside the optimizers.
const METHODS: &[&str] = &["bound", "objective", "encoder", "decoder"];
/// Sections whose parts `list distributions` shows.
const DISTRIBUTIONS: &[&str] = &["likelihood", "prior", "latent"];

/// How a damaged file of a run is made again.
fn repair(error: &RunError) -> Option<String> {
    let path = error.path().filter(|_| error.is_unreadable())?;
    let folder = path.parent()?;
    let name = path.file_name()?.to_str()?;
    let above = || folder.parent().unwrap_or(Path::new(""));
    Some(match name {
        file::EVALUATION => format!("`jensen evaluate {}` writes it again", shell_word(folder)),
        // A file that is gone has no line.
        file::CONFIG if matches!(error, RunError::Io { .. }) => return None,
        file::CONFIG => "mend that line; it is the recipe of the run in full".to_owned(),
        _ if folder.ends_with(file::MODEL) => format!(
            "`jensen resume {}` makes the model again from the newest checkpoint",
            shell_word(above())
        ),
        _ if folder.ends_with(file::CHECKPOINTS) => format!(
            "`jensen fit {}` begins the run anew in another folder",
            shell_word(above().join(file::CONFIG))
        ),
        _ => return None,
    })
}

/// Whether the system was asked for what is there, not for a change.
fn is_read(action: &str) -> bool {
    ["read", "open", "list"]
        .iter()
        .any(|start| action.starts_with(start))
}

/// What helps where the system refuses for a reason that has nothing to do with the content of a file.
fn way_out(action: &str, source: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    Some(match source.kind() {
        Kind::PermissionDenied if is_read(action) => {
            "`ls -l` shows whose it is and who may read it"
        }
        Kind::PermissionDenied => "`ls -ld` shows whose folder it is and who may write there",
        Kind::ReadOnlyFilesystem => "that file system is read-only: write to another",
        Kind::StorageFull | Kind::QuotaExceeded => "make room on that disk, or write to another",
        _ => return None,
    })
}

fn doing(writer: &Option<Writer>) -> String {
    match writer {
        None => "training was stopped".to_owned(),
        Some(Writer { process: None }) => "it is in training".to_owned(),
        Some(Writer {
            process: Some(process),
        }) => format!("process {process} is training it"),
    }
}

fn on_others(others: &[String]) -> String {
    match others.is_empty() {
        true => String::new(),
        false => format!(", only on {}", others.join(", ")),
    }
}

fn gigabytes(bytes: &u64) -> f64 {
    *bytes as f64 / 1e9
}

/// A fault a line; what follows the first line of one is indented.
fn lines(errors: &[RecipeError]) -> String {
    let indented = |error: &RecipeError| error.to_string().replace('\n', "\n  ");
    let lines: Vec<String> = errors.iter().map(indented).collect();
    lines.join("\n")
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    }
}

fn at_step(writer: &Option<Writer>, step: &Option<u64>) -> String {
    match (step, writer) {
        (Some(step), None) => format!(" at step {step}"),
        (Some(step), Some(_)) => format!(", and its newest checkpoint is of step {step}"),
        (None, None) => " before the first checkpoint".to_owned(),
        (None, Some(_)) => ", and there is no checkpoint yet".to_owned(),
    }
}

/// The first digits of a hash: enough to tell two apart.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jensen_vae::recipe::Recipe;

    #[test]
    fn lists_are_named_where_they_help() {
        let hint = |pair: &str| {
            let error = Recipe::parse("", "test", &[pair.to_owned()]).unwrap_err();
            Error::from(error).hint().unwrap_or_default()
        };
        for (pair, list) in [
            ("bound.kind=x", "`jensen list methods` shows"),
            ("train.optimizer.rate=1", "`jensen list methods` shows"),
            ("objective.rate.z.weight=-1", "`jensen list methods` shows"),
            ("prior.z.components=1", "`jensen list distributions` shows"),
        ] {
            assert!(hint(pair).starts_with(list), "{pair}: {}", hint(pair));
        }
        for pair in ["train.epoch=3", "data.batch=0", "epochs=3"] {
            assert_eq!(hint(pair), "", "{pair}");
        }
    }

    #[test]
    fn a_machine_that_refuses_is_no_bad_input() {
        use io::ErrorKind as Kind;
        let error = |action, kind: Kind| {
            Error::Report(ReportError::Run(RunError::Io {
                action,
                path: "runs/a/evaluation.json".into(),
                source: kind.into(),
            }))
        };
        for (action, kind, is_input, part) in [
            ("write", Kind::StorageFull, false, "make room"),
            ("create", Kind::PermissionDenied, false, "who may write"),
            ("replace", Kind::ReadOnlyFilesystem, false, "read-only"),
            ("read", Kind::PermissionDenied, true, "who may read"),
            ("create", Kind::NotADirectory, true, ""),
            ("read", Kind::InvalidData, true, "jensen evaluate"),
        ] {
            let error = error(action, kind);
            assert_eq!(error.is_input(), is_input, "{error}");
            assert!(error.hint().unwrap_or_default().contains(part), "{error}");
        }
        let gone = Error::Run(RunError::Io {
            action: "read",
            path: "runs/a/config.toml".into(),
            source: Kind::NotFound.into(),
        });
        assert_eq!(gone.hint(), None);
        let training = Error::Train(TrainError::Run(RunError::Io {
            action: "append to",
            path: "runs/a/metrics.jsonl".into(),
            source: Kind::NotFound.into(),
        }));
        assert!(!training.is_input());
    }

    #[test]
    fn damaged_files_have_a_remedy() {
        for (path, part) in [
            ("runs/a/evaluation.json", "`jensen evaluate runs/a`"),
            ("my runs/a/evaluation.json", "`jensen evaluate 'my runs/a'`"),
            ("runs/a/model/config.json", "`jensen resume runs/a`"),
            (
                "a/checkpoints/step-1.safetensors",
                "`jensen fit a/config.toml`",
            ),
            ("model/model.safetensors", "`jensen resume .`"),
        ] {
            let damage = |path: &str| {
                Error::Run(RunError::Length {
                    path: path.into(),
                    expected: 2,
                    found: 1,
                })
            };
            let hint = damage(path).hint().unwrap();
            assert!(hint.contains(part), "{path}: {hint}");
        }
    }
}

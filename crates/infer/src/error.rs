//! What can be wrong with a request for inference.

use crate::optimize::{Place, Stop};
use jensen_density::Reject;
use jensen_run::RunError;

/// Why an algorithm cannot begin, or has nothing to show.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// A number among the options does not fit.
    #[error("{option}: expected {expected}, found {found}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What would fit.
        expected: String,
        /// What was given.
        found: String,
    },
    /// No method has this name.
    #[error(
        "method: expected one of {}, found `{name}`{}",
        .known.join(", "),
        .nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
    )]
    UnknownMethod {
        /// What was given.
        name: String,
        /// The most similar name, if any is similar.
        nearest: Option<&'static str>,
        /// All names.
        known: Vec<&'static str>,
    },
    /// Two options contradict each other.
    #[error("{first} and {second} contradict each other: {reason}")]
    Contradiction {
        /// One of them.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// Why.
        reason: String,
    },
    /// The target has no coordinates.
    #[error("the density has no coordinates: there is nothing to infer")]
    Empty,
    /// A position of the wrong length.
    #[error("a position of this density has {expected} coordinates, found {found}")]
    Length {
        /// Coordinates of the density.
        expected: usize,
        /// Coordinates given.
        found: usize,
    },
    /// A family over another space than the density.
    #[error("the family {family} has {found} dimensions, the density has {expected} coordinates")]
    FamilyDim {
        /// The family.
        family: String,
        /// Coordinates of the density.
        expected: usize,
        /// Dimensions of the family.
        found: usize,
    },
    /// Factors that are not those of the density.
    #[error("the factors are not those of the density: {what}: expected {expected}, found {found}")]
    Factors {
        /// Where they differ.
        what: String,
        /// What would fit.
        expected: String,
        /// What they say.
        found: String,
    },
    /// A starting position with a coordinate that is NaN or infinite.
    #[error("the starting position is not finite: {coordinate} = {value}")]
    Start {
        /// The coordinate's name.
        coordinate: String,
        /// Its value.
        value: f64,
    },
    /// The density refuses the starting position.
    #[error("the density refuses the starting position: {0}")]
    StartRefused(Reject),
    /// No position was found where the density is positive.
    #[error(
        "starting positions: expected one of {tried} that the density accepts, found none; the last was refused: {last}; \
         give a start where it is positive, or declare the bounds of variables, so that it is positive everywhere"
    )]
    RefusedEverywhere {
        /// Positions tried.
        tried: usize,
        /// The newest refusal.
        last: Reject,
    },
    /// A gradient that is not that of the density.
    #[error(
        "the gradient is not that of the density: at {coordinate} = {value} its component is {given}, and differences of \
         the log density give {slope}"
    )]
    Gradient {
        /// Name of the coordinate that is off by most.
        coordinate: String,
        /// Its value, units of position.
        value: f64,
        /// The component of the gradient, nats per unit of position.
        given: f64,
        /// The slope by differences, nats per unit of position.
        slope: f64,
    },
    /// An ascent ended where the density still rises.
    #[error(
        "laplace: no mode was found: the ascent ended ({stop:?}) at {coordinate} = {value}, where the log density \
         {} has the slope {slope:.3e} along it{}",
        .place.log_density,
        match .newton_decrement {
            Some(far) => format!("; the mode should lie {far:.3e} standard deviations away"),
            None => " and no negative definite Hessian".to_owned(),
        }
    )]
    NoMode {
        /// Why the ascent ended.
        stop: Stop,
        /// Name of the coordinate with the steepest slope.
        coordinate: String,
        /// Its value.
        value: f64,
        /// The slope along it, nats per unit of position.
        slope: f64,
        /// The Newton decrement, in standard deviations; none where the Hessian is not negative definite.
        newton_decrement: Option<f64>,
        /// The position with its log density and gradient.
        place: Box<Place>,
    },
    /// The method ended without an approximation.
    #[error("{method}: {reason}")]
    Failed {
        /// The method.
        method: &'static str,
        /// What happened, with numbers.
        reason: String,
    },
    /// A checkpoint is not of the run that should go on from it.
    #[error(
        "the checkpoint belongs to another run: its {what} is {found}, that of this run {expected}"
    )]
    OtherRun {
        /// What differs: `method`, `settings`, `options`, `start`, `stream`, `variable`, or the log density or its
        /// gradient at a fixed position.
        what: &'static str,
        /// That of this run.
        expected: String,
        /// That of the checkpoint.
        found: String,
    },
    /// A checkpoint has more steps than are wanted; a state does not go back.
    #[error("the checkpoint has {done} steps already, {n_steps} are wanted")]
    Beyond {
        /// Steps wanted.
        n_steps: u64,
        /// Steps done.
        done: u64,
    },
    /// The system starts no more threads.
    #[error("the system does not start {wanted} more threads: {reason}")]
    Threads {
        /// Threads that were to be started.
        wanted: usize,
        /// What the system says.
        reason: String,
    },
    /// The gradients that it may use are spent, and there is nothing to show.
    #[error(
        "{method}: expected an answer within {max_gradients} gradients, found none; raise `max_gradients` if the density \
         is costly to know, and check its gradient if it jumps, is flat or has no normalizer"
    )]
    Budget {
        /// The method.
        method: &'static str,
        /// Gradients that it may use.
        max_gradients: u64,
    },
    /// It was asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// A file of the run could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl InferError {
    /// Whether it says something of the run, its stop, its threads or its files, rather than of a method and its target:
    /// then another method is no way round it.
    pub(crate) fn is_of_the_run(&self) -> bool {
        matches!(
            self,
            Self::Stopped
                | Self::Threads { .. }
                | Self::Run(_)
                | Self::OtherRun { .. }
                | Self::Beyond { .. }
        )
    }
}

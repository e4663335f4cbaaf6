//! Which run a checkpoint belongs to: a run goes on only from its own states.
//!
//! Everything that decides the bits of a run is kept beside the state: the method with its options, the layout of
//! the density, where it started and the stream. Of the density itself there is a sample: its value and its
//! gradient at a position that nobody chose, which tell a model from the same model of other data. A checkpoint of
//! another run is refused with the first of them that differs. How many steps [`drive`](crate::drive::drive) is to
//! take is no part of it, so that such a run can be made longer; the number of draws of chains is one of their options.

use crate::{InferError, starts};
use jensen_density::{Evaluator, Layout, LogDensity};
use jensen_rng::Stream;
use serde::Serialize;
use serde_json::{Value, json};

/// What tells one run from another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Identity {
    method: String,
    settings: String,
    options: String,
    start: String,
    layout: Vec<String>,
    stream: String,
    #[serde(rename = "log density at a fixed position")]
    log_density: String,
    #[serde(rename = "gradient at a fixed position")]
    gradient: String,
}

/// The parts that are one text each; those of the density come last, since they need the same layout.
const PARTS: [&str; 5] = ["method", "settings", "options", "start", "stream"];
const DENSITY: [&str; 2] = [
    "log density at a fixed position",
    "gradient at a fixed position",
];

impl Identity {
    /// Of a method with its settings in words, on a target, from a starting position `[d]`, with a stream.
    pub(crate) fn new(
        method: &str,
        settings: String,
        target: &dyn LogDensity,
        start: Option<&[f64]>,
        stream: &Stream,
    ) -> Self {
        let (log_density, gradient) = sample(target, start);
        Self {
            method: method.to_owned(),
            settings,
            options: String::new(),
            start: start.map_or_else(String::new, |start| format!("{start:?}")),
            layout: variables(target.layout()),
            stream: stream.state().key,
            log_density,
            gradient,
        }
    }

    /// With what was asked for beside the settings of the method.
    pub(crate) fn with_options(mut self, options: String) -> Self {
        self.options = options;
        self
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self)
            .expect("internal error: the identity of a run does not serialize")
    }

    /// Whether what was kept is of this run.
    ///
    /// # Errors
    /// [`InferError::OtherRun`] with the first part that differs.
    pub(crate) fn check(&self, kept: &Value) -> Result<(), InferError> {
        let own = self.to_json();
        let same = |parts: &[&'static str]| match parts.iter().find(|part| own[part] != kept[part])
        {
            None => Ok(()),
            Some(part) => Err(other_run(part, &own[part], &kept[part])),
        };
        same(&PARTS)?;
        let none = Value::Null;
        let found = kept["layout"].as_array().map_or(&[][..], Vec::as_slice);
        for index in 0..self.layout.len().max(found.len()) {
            let expected = (self.layout.get(index)).map_or(Value::Null, |variable| json!(variable));
            let found = found.get(index).unwrap_or(&none);
            if expected != *found {
                return Err(other_run("variable", &expected, found));
            }
        }
        same(&DENSITY)
    }
}

/// The log density and a sum over the bits of its gradient, at a position that is the same for every density of a
/// dimension and on no axis of symmetry: the first that is accepted of those that a stream of its own proposes, else
/// the start. Where all are refused, the last refusal in words.
fn sample(target: &dyn LogDensity, start: Option<&[f64]>) -> (String, String) {
    let mut evaluator = Evaluator::new(target);
    let mut grad = vec![0.0; target.dim()];
    let position = match (starts::random(target, &Stream::from_seed(0)), start) {
        (Ok(position), _) => position,
        (Err(_), Some(start)) if start.len() == grad.len() => start.to_vec(),
        (Err(refused), _) => return (refused.to_string(), String::new()),
    };
    match evaluator.log_density_and_grad(&position, &mut grad) {
        // Every bit of a number is in its shortest form.
        Ok(value) => (format!("{value:?}"), format!("{:016x}", checksum(&grad))),
        Err(refused) => (refused.to_string(), String::new()),
    }
}

/// FNV-1a over the bytes. Over words of 64 bits a sign would never leave the highest bit of the sum, and two signs
/// that flip would not be seen.
fn checksum(values: &[f64]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = values.iter().flat_map(|x| x.to_bits().to_le_bytes());
    bytes.fold(OFFSET, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

/// The variables of a layout in words: `tau[2], 2 coordinates, lower=0`.
fn variables(layout: &Layout) -> Vec<String> {
    (layout.variables().iter())
        .map(|v| {
            let coordinates = match v.n_coordinates {
                1 => "1 coordinate".to_owned(),
                n => format!("{n} coordinates"),
            };
            let constraint = match v.constraint.as_str() {
                "" => "unconstrained",
                words => words,
            };
            format!("{}{:?}, {coordinates}, {constraint}", v.name, v.shape)
        })
        .collect()
}

fn other_run(what: &'static str, expected: &Value, found: &Value) -> InferError {
    let words = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.is_empty() => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    InferError::OtherRun {
        what,
        expected: words(expected),
        found: words(found),
    }
}

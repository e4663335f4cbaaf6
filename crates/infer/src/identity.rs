//! Which run a checkpoint belongs to: a run goes on only from its own states.
//!
//! Everything that decides the bits of a run apart from the values of its density is kept beside the state: the
//! method with its options, the layout of the density, where it started and the stream. A checkpoint of another
//! run is refused with the first of them that differs. How many steps are wanted is no part of it, so that a
//! run can be made longer.

use crate::InferError;
use jensen_density::{Layout, LogDensity};
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
}

impl Identity {
    /// Of a method with its settings in words, on a target, with a stream.
    pub(crate) fn new(
        method: &str,
        settings: String,
        target: &dyn LogDensity,
        stream: &Stream,
    ) -> Self {
        Self {
            method: method.to_owned(),
            settings,
            options: String::new(),
            start: String::new(),
            layout: variables(target.layout()),
            stream: stream.state().key,
        }
    }

    /// With what was asked for beside the settings of the method.
    pub(crate) fn with_options(mut self, options: String) -> Self {
        self.options = options;
        self
    }

    /// With a starting position `[d]`.
    pub(crate) fn with_start(mut self, start: &[f64]) -> Self {
        self.start = format!("{start:?}");
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
        for part in ["method", "settings", "options", "start", "stream"] {
            if own[part] != kept[part] {
                return Err(other_run(part, &own[part], &kept[part]));
            }
        }
        let none = Value::Null;
        let found = kept["layout"].as_array().map_or(&[][..], Vec::as_slice);
        for index in 0..self.layout.len().max(found.len()) {
            let expected = (self.layout.get(index)).map_or(Value::Null, |variable| json!(variable));
            let found = found.get(index).unwrap_or(&none);
            if expected != *found {
                return Err(other_run("variable", &expected, found));
            }
        }
        Ok(())
    }
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

//! Who watches long work: the one channel through which training, sampling and downloading speak.
//!
//! A worker calls [`Observer::on`] with plain data and asks [`Observer::stop_requested`] between
//! steps. A terminal draws a bar from it, a server sends it on, a test records it; the worker knows
//! none of them. Events borrow, so that speaking costs nothing when nobody listens.

use crate::metrics::Number;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::path::Path;

/// Something that watches long work and may ask it to stop.
pub trait Observer {
    /// Hears of an event. It is called on the worker's thread and should return soon.
    fn on(&mut self, event: &Event<'_>);

    /// Whether the work should save its state and end; asked after every step.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// What happens during long work.
///
/// Serialized as an object whose `event` is the variant's name in snake case. Numbers that JSON
/// cannot write become the strings `"NaN"`, `"Infinity"` and `"-Infinity"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// The work begins, or goes on after a resume.
    Started {
        /// What is done: "fit vae".
        what: &'a str,
        /// Steps done already; 0 unless resumed.
        step: u64,
        /// Steps to be done in all.
        total_steps: u64,
    },
    /// A training step was done; not every step is told.
    Progress {
        /// Steps done.
        step: u64,
        /// Steps to be done in all.
        total_steps: u64,
        /// Current epoch, counted from 1.
        epoch: u64,
        /// Epochs to be done in all.
        epochs: u64,
        /// Names and values, the most important first; nats per example unless the name says else.
        #[serde(serialize_with = "as_map")]
        metrics: &'a [(&'a str, f64)],
        /// Speed, examples per second.
        per_second: f64,
    },
    /// The model was scored on data it does not train on.
    Validated {
        /// Steps done.
        step: u64,
        /// Current epoch, counted from 1.
        epoch: u64,
        /// Names and values, as in `Progress`.
        #[serde(serialize_with = "as_map")]
        metrics: &'a [(&'a str, f64)],
    },
    /// A piece of work other than training went on: a download, an evaluation.
    Advanced {
        /// What is done: "download train-images-idx3-ubyte.gz".
        what: &'a str,
        /// Units done.
        done: u64,
        /// Units in all, where known.
        total: Option<u64>,
        /// The unit: "bytes", "examples".
        unit: &'a str,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// The file.
        path: &'a Path,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something worth a line.
    Note {
        /// One sentence.
        text: &'a str,
    },
    /// Something the user should look at.
    Warning {
        /// One sentence, with a hint.
        text: &'a str,
    },
    /// The work ended.
    Finished {
        /// Steps done.
        step: u64,
        /// Time of this process on it, seconds.
        elapsed_s: f64,
        /// How it ended.
        outcome: Outcome<'a>,
    },
}

/// How long work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome<'a> {
    /// Every step was done.
    Completed,
    /// It was asked to stop and saved its state.
    Stopped,
    /// It gave up.
    Failed(&'a str),
}

fn as_map<S: Serializer>(metrics: &[(&str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(metrics.iter().map(|&(name, value)| (name, Number(value))))
}

impl<T: Observer + ?Sized> Observer for &mut T {
    fn on(&mut self, event: &Event<'_>) {
        (**self).on(event);
    }

    fn stop_requested(&self) -> bool {
        (**self).stop_requested()
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _: &Event<'_>) {}
}

/// Keeps every event as JSON, and may ask for a stop at a chosen step; made for tests.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The events in their order.
    pub events: Vec<Value>,
    /// Asks for a stop once this many steps are done.
    pub stop_at: Option<u64>,
}

impl Recording {
    /// The events of one kind: `recording.of("progress")`.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |e| e["event"] == kind)
    }
}

impl Observer for Recording {
    fn on(&mut self, event: &Event<'_>) {
        self.events
            .push(serde_json::to_value(event).expect("internal error: an event is plain data"));
    }

    fn stop_requested(&self) -> bool {
        let Some(stop_at) = self.stop_at else {
            return false;
        };
        self.events
            .iter()
            .rev()
            .find_map(|e| e["step"].as_u64())
            .is_some_and(|step| step >= stop_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn progress(step: u64) -> Event<'static> {
        Event::Progress {
            step,
            total_steps: 20,
            epoch: 1,
            epochs: 2,
            metrics: &[("elbo", -0.5), ("kl", f64::NAN)],
            per_second: 1e4,
        }
    }

    #[test]
    fn events_are_plain_data() {
        let mut recording = Recording::default();
        recording.on(&progress(3));
        recording.on(&Event::Checkpoint {
            step: 3,
            path: Path::new("checkpoints/x"),
            best: true,
        });
        recording.on(&Event::Finished {
            step: 3,
            elapsed_s: 1.5,
            outcome: Outcome::Failed("no more"),
        });
        assert_eq!(
            recording.events,
            [
                json!({"event": "progress", "step": 3, "total_steps": 20, "epoch": 1, "epochs": 2,
                       "metrics": {"elbo": -0.5, "kl": "NaN"}, "per_second": 1e4}),
                json!({"event": "checkpoint", "step": 3, "path": "checkpoints/x", "best": true}),
                json!({"event": "finished", "step": 3, "elapsed_s": 1.5,
                       "outcome": {"failed": "no more"}}),
            ]
        );
        assert_eq!(recording.of("checkpoint").count(), 1);
    }

    #[test]
    fn a_recording_can_ask_for_a_stop() {
        let mut recording = Recording {
            stop_at: Some(5),
            ..Recording::default()
        };
        let observer: &mut dyn Observer = &mut recording;
        for step in 1..=5 {
            assert!(!observer.stop_requested());
            observer.on(&progress(step));
            observer.on(&Event::Note { text: "no step" });
        }
        assert!(observer.stop_requested());
        assert!(!Silent.stop_requested());
    }
}

//! Contract of long work: who watches it, where it leaves its results, and how it is continued.
//!
//! - [`Observer`] hears of every [`Event`] of a long work and may ask it to stop.
//! - [`RunFolder`] is where a run lives; one process writes it, any number read it.
//! - [`MetricsLog`] is `metrics.jsonl`, one [`Record`] a line.
//! - [`tensors`] reads and writes safetensors files, [`Checkpoints`] keeps a run's states.
//! - [`tfevents`] writes the event files that TensorBoard reads.
//!
//! Whole files are replaced atomically ([`AtomicFile`]): a reader sees the old content or the new,
//! never a part, and a crash leaves the old. Logs are appended to, and a half-written last line is
//! tolerated. Nothing here computes, prints or draws random numbers.

mod atomic;
mod checkpoints;
mod clock;
mod error;
mod folder;
mod metrics;
mod observer;
mod quote;
pub mod tensors;
pub mod tfevents;

pub use atomic::{AtomicFile, write_atomic};
pub use checkpoints::{Checkpoint, CheckpointEntry, Checkpoints, Recovered};
pub use clock::utc;
pub use error::{Result, RunError, is_wrong_place};
pub use folder::{RunFolder, Writer, file};
pub use metrics::{MetricsLog, Record, Split, damaged_lines, read_metrics};
pub use observer::{Event, Observer, Outcome, Recording, Silent};
pub use quote::shell_word;

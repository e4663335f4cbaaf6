//! Readers, embedded and downloadable data sets, splits and batches.
//!
//! [`open`] turns a name of the [`catalogue()`] or a path into a [`Dataset`]: a training and a test part of
//! equally shaped [`Examples`]. [`Batches`] gives them out in shuffled epochs.
//!
//! ```
//! use jensen_data::{Batches, OpenOptions, open};
//! use jensen_rng::Stream;
//!
//! let digits = open("digits", &OpenOptions::default())?;
//! let mut batches = Batches::new(digits.train.len(), 128, Stream::from_seed(1));
//! let indices = batches.next_batch();
//! let mut x = vec![0.0; indices.len() * digits.layout().n_values()];
//! digits.train.gather(indices, &mut x); // [128, 64], in [0, 1]
//! # Ok::<(), jensen_data::DataError>(())
//! ```

mod batches;
mod cache;
mod catalogue;
mod dataset;
mod download;
mod error;
mod examples;
mod files;
pub mod npy;
mod open;
mod readers;
pub mod scenes;
mod spelling;
mod transform;

pub use batches::Batches;
pub use cache::cache_folder;
pub use catalogue::{Availability, Entry, catalogue};
pub use dataset::Dataset;
pub use download::Progress;
pub use error::{Attempt, DataError, Failure, Malformed, Place};
pub use examples::{Captions, Examples, Layout, ValueRange, Values};
pub use open::{OpenOptions, open, open_with_progress};
pub use spelling::nearest;

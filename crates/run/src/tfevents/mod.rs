//! TensorBoard event files, written natively: scalars, pictures, histograms.
//!
//! A file is a sequence of records, each an `Event` message of protocol buffers:
//!
//! ```text
//! 8 bytes   length n of the message, little-endian
//! 4 bytes   masked CRC-32C of those 8 bytes
//! n bytes   the message
//! 4 bytes   masked CRC-32C of the message
//! ```
//!
//! A checksum is masked, `rotate_right(crc, 15) + 0xa282ead8`, because a CRC of data that holds its
//! own CRC is weak. Sources: tensorflow `core/lib/io/record_writer.cc`, `core/util/event.proto`,
//! `core/framework/summary.proto`. Readers wait at a record that is cut short, so a crash costs the
//! last record at most. Cost: one pass over the data, no allocation that outlives the call.

mod histogram;
mod message;

use crate::atomic::create_folder;
use crate::error::{Result, RunError};
use crc32c::crc32c;
use histogram::Histogram;
use message::{Datum, Event, What};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes one event file.
#[derive(Debug)]
pub struct EventWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl EventWriter {
    /// Begins a new event file in a folder: `events.out.tfevents.<unix time>.jensen.<n>`.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        create_folder(folder)?;
        let seconds = now() as u64;
        let mut n = 0;
        let (file, path) = loop {
            // TensorBoard reads the files of a folder by name, so time comes first, then the count.
            let path = folder.join(format!("events.out.tfevents.{seconds:010}.jensen.{n:03}"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => break (file, path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(RunError::io("create", &path)(e)),
            }
        };
        let file = BufWriter::new(file);
        let mut writer = Self { file, path };
        writer.put(0, What::FileVersion)?;
        writer.flush()?;
        Ok(writer)
    }

    /// Begins the event file of a run that goes on after `step`: what earlier files say about later
    /// steps is no longer shown.
    pub fn resume(folder: impl AsRef<Path>, step: u64) -> Result<Self> {
        let mut writer = Self::create(folder)?;
        writer.put(step + 1, What::SessionStart)?;
        writer.flush()?;
        Ok(writer)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes numbers; names with a `/` are grouped by what stands before it: `train/elbo`.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let values = values
            .iter()
            .map(|&(tag, x)| (tag, Datum::Scalar(x as f32)));
        self.put(step, What::Summary(values.collect()))
    }

    /// Writes a picture, given as the bytes of a PNG file.
    pub fn image(&mut self, step: u64, tag: &str, png: &[u8]) -> Result<()> {
        let datum = Datum::image(png).ok_or_else(|| RunError::Malformed {
            path: self.path.clone(),
            offset: 0,
            expected: format!("a PNG file for the picture `{tag}`"),
            found: format!("{} bytes of another kind", png.len()),
        })?;
        self.put(step, What::Summary(vec![(tag, datum)]))
    }

    /// Writes how values are distributed. Values that are not finite are left out; without finite
    /// values nothing is written.
    pub fn histogram(&mut self, step: u64, tag: &str, values: &[f32]) -> Result<()> {
        match Histogram::of(values) {
            Some(histogram) => self.put(
                step,
                What::Summary(vec![(tag, Datum::Histogram(histogram))]),
            ),
            None => Ok(()),
        }
    }

    /// Hands what was written to the operating system, so that TensorBoard can see it.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().map_err(RunError::io("write", &self.path))
    }

    fn put(&mut self, step: u64, what: What<'_>) -> Result<()> {
        let event = Event {
            wall_time: now(),
            step,
            what,
        };
        self.file
            .write_all(&record(&event.encode()))
            .map_err(RunError::io("write", &self.path))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// A message in its frame.
fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    [
        &length[..],
        &masked(crc32c(&length)).to_le_bytes(),
        message,
        &masked(crc32c(message)).to_le_bytes(),
    ]
    .concat()
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are those that the Python package tensorboard 2.21.0 writes for the same events
    /// (`Event.SerializeToString`, `RecordWriter`).
    #[test]
    fn the_bytes_of_tensorboards_own_writer() {
        let histogram = Histogram {
            min: 1.0,
            max: 2.0,
            num: 3.0,
            sum: 4.0,
            sum_squares: 6.0,
            buckets: vec![(1.5, 2.0), (2.5, 1.0)],
        };
        let values = vec![
            ("a", Datum::Scalar(-1.0)),
            ("h", Datum::Histogram(histogram)),
        ];
        let hex = |step, what| {
            let event = Event {
                wall_time: 1.5,
                step,
                what,
            };
            let bytes = record(&event.encode());
            bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()
        };
        assert_eq!(
            hex(0, What::FileVersion),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        assert_eq!(
            hex(301, What::SessionStart),
            "100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d4"
        );
        assert_eq!(
            hex(300, What::Summary(values)),
            "70000000000000009429adcd09000000000000f83f10ac022a620a080a016115000080bf0a560a01682a51\
             09000000000000f03f110000000000000040190000000000000840210000000000001040290000000000001840\
             3210000000000000f83f00000000000004403a100000000000000040000000000000f03fc0f7aa42"
        );
    }
}

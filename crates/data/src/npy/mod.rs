//! NumPy's array files: `.npy`, one array; `.npz`, a zip archive of named arrays.
//!
//! Format: magic `93 NUMPY`, version, length of the header, a header that names type, order and shape, then the
//! values (NumPy enhancement proposal 1). Pickled objects are never read.
//!
//! ```
//! use jensen_data::npy::{Array, Numbers, read_npz, write_npz};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("codes.npz");
//! let mean = Array::new(vec![2, 3], Numbers::F32(vec![0.0; 6]));
//! write_npz(&path, &[("mean", mean.clone())])?;
//! assert_eq!(read_npz(&path)?, [("mean".to_string(), mean)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod format;
mod header;
mod late;
#[cfg(test)]
mod tests;
mod values;

use crate::files::{Loaded, hex_start, io_error, write_atomic};
use crate::{DataError, Malformed, Place};
use format::{decode, encode};
use late::Late;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An array, values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub numbers: Numbers,
}

/// The values of an array. Types between these are widened when they are read: 16-bit floats to 32, integers to 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Bytes; truth values too.
    U8(Vec<u8>),
    /// Integers.
    I64(Vec<i64>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Numbers {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(x) => x.len(),
            Self::I64(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Array {
    /// Panics if there are not as many numbers as the shape says.
    pub fn new(shape: Vec<usize>, numbers: Numbers) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            numbers.len(),
            "internal error: shape {shape:?}"
        );
        Self { shape, numbers }
    }

    /// The values as f32, rounded where they need to be.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.numbers {
            Numbers::U8(x) => x.iter().map(|&x| f32::from(x)).collect(),
            Numbers::I64(x) => x.iter().map(|&x| x as f32).collect(),
            Numbers::F32(x) => x.clone(),
            Numbers::F64(x) => x.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// Writes one array; the file is there whole or not at all.
pub fn write_npy(path: &Path, array: &Array) -> Result<(), DataError> {
    write_atomic(path, |out| encode(array, out))
}

/// Writes named arrays without compression; the file is there whole or not at all.
pub fn write_npz(path: &Path, arrays: &[(&str, Array)]) -> Result<(), DataError> {
    write_atomic(path, |out| {
        let mut out = Late::new(out);
        let mut archive = ZipWriter::new(&mut out);
        for (name, array) in arrays {
            // Zip needs to be told beforehand where 32 bits may not do.
            let large = array.numbers.len() >= 1 << 28;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .large_file(large);
            archive.start_file(format!("{name}.npy"), options)?;
            encode(array, &mut archive)?;
        }
        archive.finish()?;
        out.result()
    })
}

/// A folder can be opened, and the system says of it no more than "invalid argument".
fn check_is_file(path: &Path) -> Result<(), DataError> {
    match path.is_dir() {
        false => Ok(()),
        true => Err(DataError::from(Malformed {
            file: path.to_path_buf(),
            place: Place::Whole,
            expected: "a file of arrays, .npy or .npz".into(),
            found: "a folder".into(),
            hint: None,
        })),
    }
}

/// Reads one array.
pub fn read_npy(path: &Path) -> Result<Array, DataError> {
    check_is_file(path)?;
    let file = Loaded::read(path)?;
    decode(&file.bytes).map_err(|problem| {
        file.malformed(
            problem.offset,
            problem.expected,
            problem.found,
            problem.hint,
        )
    })
}

/// What a file is that is no archive; none if it has the beginning and the end of one. The list of an archive's
/// members stands at its end, so that nothing can be read of one that was cut.
fn no_archive(bytes: &[u8]) -> Option<String> {
    const END: &[u8] = b"PK\x05\x06";
    match (
        bytes.starts_with(b"PK"),
        bytes.windows(END.len()).rev().any(|w| w == END),
    ) {
        (true, true) => None,
        (true, false) => Some(format!(
            "{} bytes of one, without the end of the archive",
            bytes.len()
        )),
        (false, _) => Some(format!(
            "{} bytes that begin otherwise: {}",
            bytes.len(),
            hex_start(bytes, 4)
        )),
    }
}

/// Reads all arrays of an archive, in its order.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, DataError> {
    check_is_file(path)?;
    let file = File::open(path).map_err(|e| io_error(path, "open", e))?;
    let malformed = |place, expected: &str, found: String, hint: Option<&str>| {
        DataError::from(Malformed {
            file: path.to_path_buf(),
            place,
            expected: expected.into(),
            found,
            hint: hint.map(Into::into),
        })
    };
    const AGAIN: Option<&str> = Some("the file is incomplete or damaged; copy or write it again");
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| match error {
        ZipError::Io(e) => io_error(path, "read", e),
        other => {
            let found = fs::read(path).map_or_else(
                |_| other.to_string(),
                |bytes| no_archive(&bytes).unwrap_or_else(|| other.to_string()),
            );
            malformed(Place::Whole, "a zip archive of .npy files", found, AGAIN)
        }
    })?;
    let mut arrays = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let place = |name: String, offset| Place::Array { name, offset };
        let mut member = archive.by_index(index).map_err(|error| {
            let name = format!("number {index}");
            malformed(
                place(name, None),
                "a readable member",
                error.to_string(),
                AGAIN,
            )
        })?;
        let full = member
            .name()
            .map_or_else(|_| format!("number {index}"), |name| name.to_string());
        let name = full.strip_suffix(".npy").unwrap_or(&full).to_string();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| {
            let at = Some(bytes.len() as u64);
            malformed(
                place(name.clone(), at),
                "intact data",
                error.to_string(),
                AGAIN,
            )
        })?;
        let array = decode(&bytes).map_err(|problem| {
            let at = Some(problem.offset as u64);
            malformed(
                place(name.clone(), at),
                &problem.expected,
                problem.found,
                problem.hint,
            )
        })?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

//! Files whole in memory: gzip undone where the bytes say so, errors that name file and offset, atomic writes.

use crate::{DataError, Malformed, Place};
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The bytes of a file, after gzip was undone.
pub(crate) struct Loaded {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// Whether the file was packed with gzip, so that offsets count in the unpacked data.
    pub(crate) unpacked: bool,
}

impl Loaded {
    /// Reads a file; what decides about gzip is its first two bytes, not its name.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let packed = fs::read(path).map_err(|e| io_error(path, "read", e))?;
        Self::from_bytes(path, packed)
    }

    /// The same for bytes that are here already; `path` is what errors call them.
    pub(crate) fn from_bytes(path: &Path, packed: Vec<u8>) -> Result<Self, DataError> {
        let path = path.to_path_buf();
        if !packed.starts_with(&GZIP_MAGIC) {
            return Ok(Self {
                path,
                bytes: packed,
                unpacked: false,
            });
        }
        let mut bytes = Vec::with_capacity(4 * packed.len());
        let mut decoder = MultiGzDecoder::new(&packed[..]);
        match decoder.read_to_end(&mut bytes) {
            Ok(_) => Ok(Self {
                path,
                bytes,
                unpacked: true,
            }),
            Err(error) => {
                let found = if error.kind() == io::ErrorKind::UnexpectedEof {
                    "the end of the file".to_string()
                } else {
                    error.to_string()
                };
                Err(DataError::from(Malformed {
                    place: Place::Byte {
                        offset: (packed.len() - decoder.get_ref().len()) as u64,
                        unpacked: false,
                    },
                    file: path,
                    expected: "gzip data".into(),
                    found,
                    hint: Some(
                        "the file is incomplete or damaged; copy or download it again".into(),
                    ),
                }))
            }
        }
    }

    /// The error "at this byte stands something else".
    pub(crate) fn malformed(
        &self,
        offset: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
        hint: Option<&str>,
    ) -> DataError {
        DataError::from(Malformed {
            file: self.path.clone(),
            place: Place::Byte {
                offset: offset as u64,
                unpacked: self.unpacked,
            },
            expected: expected.into(),
            found: found.into(),
            hint: hint.map(Into::into),
        })
    }
}

pub(crate) fn io_error(path: &Path, action: &'static str, source: io::Error) -> DataError {
    DataError::Io {
        path: path.to_path_buf(),
        action,
        source,
    }
}

/// The first bytes in hexadecimal, for messages.
pub(crate) fn hex_start(bytes: &[u8], n: usize) -> String {
    if bytes.is_empty() {
        return "the end of the file".into();
    }
    let digits: Vec<String> = bytes.iter().take(n).map(|b| format!("{b:02x}")).collect();
    format!("bytes {}", digits.join(" "))
}

/// SHA-256 in hexadecimal of what a file holds.
pub(crate) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Names in a folder, sorted, without hidden ones: `(path, is a folder)`.
pub(crate) fn list_folder(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let fail = |e| io_error(folder, "list", e);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            let path = entry.path();
            let is_dir = path.is_dir();
            entries.push((path, is_dir));
        }
    }
    entries.sort();
    Ok(entries)
}

/// Writes a file so that it is there whole or not at all: temporary file beside it, sync, rename.
pub(crate) fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<(), DataError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = (|| {
        let mut out = BufWriter::new(File::create(&temporary)?);
        write(&mut out)?;
        out.into_inner()?.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder_of(path)
    })();
    result.map_err(|e| {
        // What is left of a failed write helps nobody, and a second failure here would hide the first.
        let _ = fs::remove_file(&temporary);
        io_error(path, "write", e)
    })
}

/// Makes a rename durable.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn load(bytes: Vec<u8>) -> Result<Vec<u8>, DataError> {
        Loaded::from_bytes(Path::new("x.gz"), bytes).map(|loaded| loaded.bytes)
    }

    #[test]
    fn gzip_is_undone_by_content() {
        assert_eq!(load(gzip(b"hello")).unwrap(), b"hello");
        assert_eq!(load(b"hello".to_vec()).unwrap(), b"hello");
    }

    #[test]
    fn corrupt_gzip_tells_file_and_offset() {
        let noise: Vec<u8> = (0..2000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        let good = gzip(&noise);
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0x55;
        let damaged = load(bad).unwrap_err();
        let cut = load(good[..middle].to_vec()).unwrap_err();
        let DataError::Malformed(damaged) = &damaged else {
            panic!("{damaged}")
        };
        assert!(matches!(
            damaged.place,
            Place::Byte {
                unpacked: false,
                ..
            }
        ));
        let DataError::Malformed(at_end) = &cut else {
            panic!("{cut}")
        };
        assert_eq!(
            at_end.place,
            Place::Byte {
                offset: middle as u64,
                unpacked: false
            }
        );
        let message = format!("x.gz, byte {middle}: expected gzip data, found the end of the file");
        assert!(cut.to_string().starts_with(&message), "{cut}");
    }

    #[test]
    fn atomic_writes_leave_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, |out| out.write_all(b"one")).unwrap();
        let failure = write_atomic(&path, |_| Err(io::Error::other("no")));
        assert!(matches!(failure, Err(DataError::Io { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(list_folder(folder.path()).unwrap().len(), 1);
    }
}

//! Replacing a file as a whole: temporary file in the same folder, sync, rename, sync of the folder.
//!
//! A rename within one folder is atomic on every file system in use, so a reader sees the old
//! content or the new one. The syncs make the order hold across a power cut too. Cost: two syncs,
//! some milliseconds on a disk; use it for files that matter, not for every line of a log.

use crate::error::{Result, RunError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Replaces the content of `path` by `bytes`; missing parent folders are made.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(RunError::io("write", path))?;
    file.commit()
}

/// A file that takes the place of `target` on [`commit`](Self::commit), and vanishes without it.
#[derive(Debug)]
pub struct AtomicFile {
    file: BufWriter<File>,
    temporary: PathBuf,
    target: PathBuf,
}

/// What every temporary file's name ends with; such files are never read.
const SUFFIX: &str = ".jensen-tmp";

impl AtomicFile {
    /// Opens a temporary file beside `target`; missing parent folders are made.
    pub fn create(target: impl AsRef<Path>) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let target = target.as_ref();
        let name = target.file_name().ok_or_else(|| RunError::Io {
            action: "write",
            path: target.to_path_buf(),
            source: io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"),
        })?;
        create_folder(parent(target))?;
        loop {
            // Process and count keep writers apart; a leftover of an earlier process with the same
            // number is met by trying the next count.
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let temporary = target.with_file_name(format!(
                ".{}.{}-{count}{SUFFIX}",
                name.display(),
                process::id(),
            ));
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&temporary)
            {
                Ok(file) => {
                    return Ok(Self {
                        file: BufWriter::with_capacity(1 << 16, file),
                        temporary,
                        target: target.to_path_buf(),
                    });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(RunError::io("create", target)(e)),
            }
        }
    }

    /// Makes the content durable and puts it in the target's place.
    pub fn commit(mut self) -> Result<()> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .map_err(RunError::io("write", &self.target))?;
        fs::rename(&self.temporary, &self.target).map_err(RunError::io("replace", &self.target))?;
        sync_folder(parent(&self.target))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After a commit the name is gone and this fails, as it should. A failure to remove an
        // abandoned file is harmless: nobody reads it.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Whether a file name is that of a temporary file, perhaps left by a crash.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(SUFFIX)
}

/// Makes a folder with its parents, durably.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folder(parent(path))?;
    match fs::create_dir(path) {
        Ok(()) => sync_folder(parent(path)),
        Err(_) if path.is_dir() => Ok(()), // another process was faster
        Err(e) => Err(RunError::io("create the folder", path)(e)),
    }
}

/// The folder a path lies in; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a folder durable. Only Unix lets a folder be opened for that.
fn sync_folder(path: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|folder| folder.sync_all())
            .map_err(RunError::io("sync the folder", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    #[test]
    fn replaces_the_whole_content() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("a/b/file");
        write_atomic(&path, b"a long first content").unwrap();
        write_atomic(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(parent(&path)).unwrap().count(), 1);
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_content() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        std::mem::forget(file); // a crash runs no destructor
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_atomic(&path, b"newer").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
    }

    #[test]
    fn an_abandoned_write_leaves_nothing() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("file");
        drop(AtomicFile::create(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn errors_name_the_path() {
        let dir = tempdir().unwrap();
        write_atomic(dir.path().join("file"), b"").unwrap();
        let error = write_atomic(dir.path().join("file/below"), b"").unwrap_err();
        assert!(error.path().unwrap().starts_with(dir.path().join("file")));
        assert!(write_atomic(dir.path().join(".."), b"").is_err());
        fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(matches!(
            write_atomic(dir.path().join("folder"), b"").unwrap_err(),
            RunError::Io { action: "replace", path, .. } if path.ends_with("folder")
        ));
    }
}

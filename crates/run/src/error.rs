//! What can go wrong with the files of a run: every variant says which file, and where in it.

use std::io;
use std::path::{Path, PathBuf};

/// Whether the system refuses a path because it leads nowhere: somebody named it wrongly. A full disk
/// and missing rights are no such cause.
pub fn is_wrong_place(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::NotFound
            | Kind::NotADirectory
            | Kind::IsADirectory
            | Kind::AlreadyExists
            | Kind::InvalidFilename
            | Kind::InvalidInput
    )
}

/// The result of touching a run's files.
pub type Result<T, E = RunError> = std::result::Result<T, E>;

/// A fault in the files of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "replace".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// The folder is not the folder of a run.
    #[error("{} is not a run folder: it has no {expected}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that every run folder has.
        expected: &'static str,
    },
    /// A new run would land in a folder that holds something already.
    #[error("{} already holds {found}; choose another folder, or resume the run", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// One of the things it holds.
        found: String,
    },
    /// Another process writes this run.
    #[error("{} is being written by {}", path.display(), holder.map_or("another process".into(), |pid| format!("process {pid}")))]
    Locked {
        /// The folder.
        path: PathBuf,
        /// Process number of the writer, where it could be read.
        holder: Option<u32>,
    },
    /// A text file (TOML, JSON, JSON lines) does not say what it should.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1; 0 where the whole line is meant.
        column: usize,
        /// What was expected and what was found.
        message: String,
    },
    /// A binary file ends before, or goes on after, the place its own header announces.
    #[error("{}: {found} bytes long, {expected} expected; the file is {}", path.display(), if found < expected { "cut short" } else { "followed by something else" })]
    Length {
        /// The file.
        path: PathBuf,
        /// Bytes announced.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// A binary file is malformed.
    #[error("{}: at byte {offset}: expected {expected}, found {found}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Place, in bytes from the start of the file.
        offset: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The content of a file is not what was written.
    #[error("{}: checksum {found:08x}, {expected:08x} expected; the file was changed or damaged", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// CRC-32C stored in the file.
        expected: u32,
        /// CRC-32C of the content.
        found: u32,
    },
    /// The caller gave a tensor whose values do not fill its shape.
    #[error("tensor `{name}` of shape {shape:?} takes {expected} values, got {got}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Product of the shape.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// The caller gave a name that is reserved or used twice.
    #[error("the name `{name}` cannot be used here: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
}

impl RunError {
    /// Puts a path and an action on an error of the operating system.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Whether a file that is there cannot be used: it is damaged, or may not be read.
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Io { action, .. } => action.starts_with("read"),
            Self::Text { .. }
            | Self::Length { .. }
            | Self::Malformed { .. }
            | Self::Checksum { .. } => true,
            _ => false,
        }
    }

    /// Whether a wrong place or a bad file is the cause, rather than a machine that refuses.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => self.is_unreadable() || is_wrong_place(source.kind()),
            _ => true,
        }
    }

    /// The file or folder concerned, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::NotARun { path, .. }
            | Self::NotEmpty { path, .. }
            | Self::Locked { path, .. }
            | Self::Text { path, .. }
            | Self::Length { path, .. }
            | Self::Malformed { path, .. }
            | Self::Checksum { path, .. } => Some(path),
            Self::Shape { .. } | Self::Name { .. } => None,
        }
    }
}

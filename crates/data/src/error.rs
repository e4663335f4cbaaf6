//! What can go wrong with data, said so that a stranger can mend it: file, place, expected, found, hint.
//!
//! Every variant carries its facts as fields, so that tests and front ends can read them.

use crate::Layout;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// Why data could not be read, fetched or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The source is neither a name in the catalogue nor a path.
    #[error("no data set is called `{name}`{}\n  known names: {}\n  hint: a file or folder works too; write ./{name} for one in this folder",
        nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default(), known.join(", "))]
    UnknownName {
        /// What was asked for.
        name: String,
        /// The names in the catalogue.
        known: Vec<String>,
        /// The known name that is spelled most alike, if any is near.
        nearest: Option<String>,
    },

    /// The path does not exist.
    #[error("{}: there is no such file or folder\n  hint: names that need no file: {}", path.display(), known.join(", "))]
    NotFound {
        /// The path as given.
        path: PathBuf,
        /// The names in the catalogue.
        known: Vec<String>,
    },

    /// A pipe, a device or a socket: its end may never come.
    #[error("{}: expected a file or a folder, found something else\n  hint: copy what it gives to a file first", path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
    },

    /// The operating system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },

    /// A file does not hold what its format promises.
    #[error(transparent)]
    Malformed(Box<Malformed>),

    /// Images and labels are not equally many.
    #[error("{}: expected {n_examples} labels, one for each example of {}, found {n_labels}\n  hint: the two files may belong to different parts or sets", labels.display(), examples.display())]
    LabelCount {
        /// The file with the examples.
        examples: PathBuf,
        /// The file with the labels.
        labels: PathBuf,
        /// Number of examples.
        n_examples: usize,
        /// Number of labels.
        n_labels: usize,
    },

    /// Images of one folder have different sizes and no common size was asked for.
    #[error("{}: expected {} x {} pixels (height x width) as in {}, found {} x {}\n  hint: give a common size (data.resize) to bring all images to it",
        file.display(), expected.0, expected.1, first.display(), found.0, found.1)]
    MixedSizes {
        /// The image that differs.
        file: PathBuf,
        /// The image that set the size.
        first: PathBuf,
        /// Height and width of `first`, pixels.
        expected: (usize, usize),
        /// Height and width of `file`, pixels.
        found: (usize, usize),
    },

    /// A folder or file has no examples, or too few.
    #[error("{}: expected {expected}, found {found}{}", path.display(), Hint(hint))]
    NoExamples {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        expected: String,
        /// What is there.
        found: String,
        /// What to do about it.
        hint: Option<String>,
    },

    /// The training and the test part do not have the same shape.
    #[error("{}: expected test examples like the training examples ({train}), found {test}", path.display())]
    PartsDiffer {
        /// The source.
        path: PathBuf,
        /// Layout of the training part.
        train: Layout,
        /// Layout of the test part.
        test: Layout,
    },

    /// A table has other columns than the training table.
    #[error("{}: expected {} as in training, found {}\n  hint: columns may stand in any order; rename, add or leave out what differs",
        file.display(), Columns { these: expected, others: found, word: "the columns ", words: " columns" },
        Columns { these: found, others: expected, word: "", words: "" })]
    ColumnsDiffer {
        /// The table.
        file: PathBuf,
        /// Names of the columns in training, without the label.
        expected: Vec<String>,
        /// Names of the columns of the table, without the label.
        found: Vec<String>,
    },

    /// An option does not fit the data.
    #[error("option `{option}`: expected {expected}, found {found}")]
    Option {
        /// Name of the field of `OpenOptions`.
        option: &'static str,
        /// What would fit.
        expected: String,
        /// What was given or met.
        found: String,
    },

    /// Neither `JENSEN_CACHE`, `XDG_CACHE_HOME` nor `HOME` names a place for downloads.
    #[error(
        "no folder for downloads: expected JENSEN_CACHE, XDG_CACHE_HOME or HOME to be set, found none\n  hint: set JENSEN_CACHE to a folder"
    )]
    NoCacheFolder,

    /// No mirror gave the file.
    #[error("cannot download {file} ({bytes} bytes){}\n  hint: an interrupted download goes on where it stopped; or put the file into {} by hand, or name a folder that holds the data", List(attempts), folder.display())]
    Download {
        /// Name of the file.
        file: String,
        /// Its size, bytes.
        bytes: u64,
        /// The cache folder it belongs into.
        folder: PathBuf,
        /// What was tried, in order.
        attempts: Vec<Attempt>,
    },

    /// The progress callback asked to stop; the part that came is kept.
    #[error(
        "download of {file} stopped on request after {done} of {bytes} bytes; it goes on from there next time"
    )]
    Stopped {
        /// Name of the file.
        file: String,
        /// Bytes kept.
        done: u64,
        /// Size of the whole file, bytes.
        bytes: u64,
    },
}

/// Something in a file that should not be there, or is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{place}: expected {expected}, found {found}{}", file.display(), Hint(hint))]
pub struct Malformed {
    /// The file.
    pub file: PathBuf,
    /// Where in the file.
    pub place: Place,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<Malformed> for DataError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(Box::new(malformed))
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    Whole,
    /// A byte, counted from 0.
    Byte {
        /// Its offset.
        offset: u64,
        /// Whether it is counted in the data after gzip was undone.
        unpacked: bool,
    },
    /// A line of text, counted from 1.
    Line(u64),
    /// A cell of a table, both counted from 1.
    Cell {
        /// Its line.
        line: u64,
        /// Its column.
        column: usize,
    },
    /// An array of an archive.
    Array {
        /// Its name.
        name: String,
        /// A byte of it, counted from 0 with its header.
        offset: Option<u64>,
    },
    /// An element of an array, counted from 0 in storage order.
    Element {
        /// Name of the array; empty where the file is one array.
        array: String,
        /// Its index.
        index: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Byte { offset, unpacked } => {
                let of = if *unpacked {
                    " of the unpacked data"
                } else {
                    ""
                };
                write!(f, ", byte {offset}{of}")
            }
            Self::Line(line) => write!(f, ", line {line}"),
            Self::Cell { line, column } => write!(f, ", line {line}, column {column}"),
            Self::Array { name, offset: None } => write!(f, ", array `{name}`"),
            Self::Array {
                name,
                offset: Some(offset),
            } => write!(f, ", array `{name}`, byte {offset}"),
            Self::Element { array, index } if array.is_empty() => write!(f, ", element {index}"),
            Self::Element { array, index } => write!(f, ", array `{array}`, element {index}"),
        }
    }
}

/// One try to fetch a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The address.
    pub url: String,
    /// Why it did not give the file.
    pub failure: Failure,
}

/// Why one address did not give a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No connection, or it broke: the system's words.
    Connection(String),
    /// The address is neither HTTPS nor on this machine.
    NotHttps,
    /// An HTTP status other than success.
    Status(u16),
    /// The server announced another size than the pinned one, bytes.
    Length {
        /// The pinned size.
        expected: u64,
        /// The announced size.
        found: u64,
    },
    /// The body ended early, in bytes of the whole file.
    Truncated {
        /// The pinned size.
        expected: u64,
        /// What had come.
        found: u64,
    },
    /// The bytes are not the pinned ones, SHA-256 in hexadecimal.
    Hash {
        /// The pinned hash.
        expected: String,
        /// The hash of what came.
        found: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(words) => write!(f, "{words}"),
            Self::NotHttps => write!(f, "expected an address that begins with https://"),
            Self::Status(code) => write!(f, "expected HTTP status 200, found {code}"),
            Self::Length { expected, found } => {
                write!(f, "expected {expected} bytes, the server offers {found}")
            }
            Self::Truncated { expected, found } => {
                write!(
                    f,
                    "expected {expected} bytes, the connection ended after {found}"
                )
            }
            Self::Hash { expected, found } => {
                write!(f, "expected sha256 {expected}, found {found}")
            }
        }
    }
}

struct Hint<'a>(&'a Option<String>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

struct List<'a>(&'a [Attempt]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for attempt in self.0 {
            write!(f, "\n  {}: {}", attempt.url, attempt.failure)?;
        }
        Ok(())
    }
}

/// Names of columns; of many only those that the other table does not have.
struct Columns<'a> {
    these: &'a [String],
    others: &'a [String],
    /// Before the names.
    word: &'static str,
    /// Behind the number of names.
    words: &'static str,
}

impl fmt::Display for Columns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As many names are read at a glance.
        const MANY: usize = 12;
        if self.these.len().max(self.others.len()) <= MANY {
            return write!(f, "{}{}", self.word, self.these.join(", "));
        }
        write!(f, "{}{}", self.these.len(), self.words)?;
        let others: BTreeSet<&String> = self.others.iter().collect();
        let only = self.these.iter().filter(|name| !others.contains(name));
        let only: Vec<String> = only.take(MANY).map(|name| format!("`{name}`")).collect();
        match only.is_empty() {
            true => Ok(()),
            false => write!(f, " ({} among them)", only.join(", ")),
        }
    }
}

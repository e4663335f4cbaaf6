//! From a name or path to a data set.

use crate::download::Progress;
use crate::{DataError, Dataset, catalogue, nearest, readers};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// How to open a data set. The defaults change nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenOptions {
    /// Brings images to this height and width, pixels; the aspect ratio is not kept.
    pub resize: Option<(usize, usize)>,
    /// Turns color images to grey.
    pub grey: bool,
    /// Reads vectors as images of these channels, height, width (stored by channel, row, column).
    pub shape: Option<(usize, usize, usize)>,
    /// The stored value that stands for 1.0, such as 255 for grey levels in a table. Values above it are an error.
    pub max_value: Option<f32>,
    /// The label column of a table: its name, or its number counted from 1.
    /// Otherwise a column called `label`, `class` or `target` is the label.
    pub label: Option<String>,
    /// The columns, without the label, that a table must have if it has names; they are put in this order.
    pub columns: Option<Vec<String>>,
    /// The part of the examples that becomes the test part where the source has none; between 0 and 1, by default 0.2.
    pub test_fraction: f64,
    /// Whether a source without a test part is kept whole: all examples, in the order of the file, are the
    /// test part, and the training part is empty.
    pub whole: bool,
    /// Most bytes that resized images may take; without it as many as they need.
    pub memory: Option<u64>,
    /// Folder for downloads. By default `$JENSEN_CACHE`, else `$XDG_CACHE_HOME/jensen`, else `~/.cache/jensen`.
    pub cache: Option<PathBuf>,
    /// Base addresses to download from in place of the built-in ones, in this order.
    /// HTTPS, or plain HTTP on the loopback interface. What comes is checked against the pinned hash all the same.
    pub mirrors: Vec<String>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            resize: None,
            grey: false,
            shape: None,
            max_value: None,
            label: None,
            columns: None,
            test_fraction: 0.2,
            whole: false,
            memory: None,
            cache: None,
            mirrors: Vec::new(),
        }
    }
}

impl OpenOptions {
    /// Says which option can fit no data at all.
    fn check(&self) -> Result<(), DataError> {
        let refuse = |option, expected: &str, found: String| {
            Err(DataError::Option {
                option,
                expected: expected.into(),
                found,
            })
        };
        if !(self.test_fraction > 0.0 && self.test_fraction < 1.0) {
            let found = self.test_fraction.to_string();
            return refuse("test_fraction", "a number between 0 and 1", found);
        }
        match self.max_value {
            Some(max) if !(max.is_finite() && max > 0.0) => {
                return refuse("max_value", "a number above 0", max.to_string());
            }
            _ => {}
        }
        if let Some((height, width)) = self.resize.filter(|&(h, w)| h == 0 || w == 0) {
            return refuse(
                "resize",
                "at least 1 x 1 pixels",
                format!("{height} x {width}"),
            );
        }
        if let Some(shape) = self.shape.filter(|&(c, h, w)| c * h * w == 0) {
            return refuse("shape", "no dimension of 0", format!("{shape:?}"));
        }
        Ok(())
    }
}

/// Opens a data set: a name of the [`catalogue`](crate::catalogue()), or a file or folder.
///
/// A name goes before a path; `./name` is always a path. Downloads are silent, see [`open_with_progress`].
///
/// ```
/// let digits = jensen_data::open("digits", &jensen_data::OpenOptions::default())?;
/// assert_eq!((digits.train.len(), digits.test.len()), (1437, 360));
/// # Ok::<(), jensen_data::DataError>(())
/// ```
pub fn open(source: &str, options: &OpenOptions) -> Result<Dataset, DataError> {
    open_with_progress(source, options, &mut |_| ControlFlow::Continue(()))
}

/// The same, telling how far a download is; a `Break` from `progress` stops it and keeps what has come.
pub fn open_with_progress(
    source: &str,
    options: &OpenOptions,
    progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Dataset, DataError> {
    options.check()?;
    if let Some(entry) = catalogue::find(source) {
        let mut parts = entry.load(options, progress)?;
        parts.notes.extend(readers::note_on_label(options));
        return Dataset::from_parts(entry.name.into(), source, parts, options);
    }
    let path = Path::new(source);
    if !path.exists() {
        return Err(missing(source));
    }
    if !(path.is_file() || path.is_dir()) {
        return Err(DataError::NotAFile { path: path.into() });
    }
    let parts = readers::read(path, options)?;
    let name = path
        .canonicalize()
        .ok()
        .as_deref()
        .unwrap_or(path)
        .file_name()
        .map_or(source.into(), |name| name.to_string_lossy().into_owned());
    let stem = name.split('.').next().filter(|stem| !stem.is_empty());
    Dataset::from_parts(stem.unwrap_or(&name).into(), source, parts, options)
}

/// What is neither name nor path: it looks like one of them.
fn missing(source: &str) -> DataError {
    let known: Vec<String> = catalogue::catalogue()
        .iter()
        .map(|entry| entry.name.to_string())
        .collect();
    if source.contains(['/', '\\', '.']) {
        return DataError::NotFound {
            path: source.into(),
            known,
        };
    }
    DataError::UnknownName {
        name: source.into(),
        nearest: nearest(source, known.iter()),
        known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_not_read() {
        let error = open("/dev/zero", &OpenOptions::default()).unwrap_err();
        assert!(matches!(error, DataError::NotAFile { .. }), "{error}");
    }

    #[test]
    fn options_that_fit_no_data_are_refused() {
        let plain = OpenOptions::default;
        let cases = [
            (
                "test_fraction",
                OpenOptions {
                    test_fraction: 1.0,
                    ..plain()
                },
            ),
            (
                "test_fraction",
                OpenOptions {
                    test_fraction: f64::NAN,
                    ..plain()
                },
            ),
            (
                "max_value",
                OpenOptions {
                    max_value: Some(0.0),
                    ..plain()
                },
            ),
            (
                "resize",
                OpenOptions {
                    resize: Some((0, 8)),
                    ..plain()
                },
            ),
            (
                "shape",
                OpenOptions {
                    shape: Some((1, 0, 8)),
                    ..plain()
                },
            ),
        ];
        for (name, options) in cases {
            let error = open("digits", &options).unwrap_err();
            assert!(
                matches!(error, DataError::Option { option, .. } if option == name),
                "{error}"
            );
        }
    }

    #[test]
    fn options_reach_a_named_set() {
        let options = OpenOptions {
            resize: Some((4, 4)),
            ..OpenOptions::default()
        };
        let digits = open("digits", &options).unwrap();
        assert_eq!(digits.layout().n_values(), 16);
        assert!(digits.notes.is_empty());
        assert_eq!(digits.discrete, Some(17));
    }

    #[test]
    fn a_label_column_of_what_is_no_table_is_told() {
        let options = OpenOptions {
            label: Some("kind".into()),
            ..OpenOptions::default()
        };
        let told = [
            "the option `label` names the column `kind`, and these data are no table: it is not used",
        ];
        assert_eq!(open("digits", &options).unwrap().notes, told);
    }

    #[test]
    fn a_table_of_pixels_becomes_the_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pixels.csv.gz");
        std::fs::write(&path, include_bytes!("../assets/digits.csv.gz")).unwrap();
        let options = OpenOptions {
            shape: Some((1, 8, 8)),
            max_value: Some(16.0),
            label: Some("65".into()),
            ..OpenOptions::default()
        };
        let pixels = open(&path.to_string_lossy(), &options).unwrap();
        let digits = open("digits", &OpenOptions::default()).unwrap();
        assert_eq!(
            (pixels.name.as_str(), pixels.discrete),
            ("pixels", Some(17))
        );
        assert_eq!(pixels.layout(), digits.layout());
        assert_eq!(pixels.train.len() + pixels.test.len(), 1797);
    }
}

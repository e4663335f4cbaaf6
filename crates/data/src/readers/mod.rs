//! The readers, one format per file, and the choice between them.

mod arrays;
pub(crate) mod csv;
pub(crate) mod idx;
mod images;
mod unread;

use crate::files::{Loaded, hex_start, list_folder};
use crate::{DataError, Examples, Malformed, OpenOptions, Place, Values};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a reader finds, before options are applied.
pub(crate) struct Parts {
    pub(crate) train: Examples,
    pub(crate) test: Option<Examples>,
    pub(crate) label_names: Option<Vec<String>>,
    pub(crate) column_names: Option<Vec<String>>,
    /// What a user should know, a sentence each.
    pub(crate) notes: Vec<String>,
}

impl Parts {
    /// Parts of which no more is known.
    pub(crate) fn new(train: Examples, test: Option<Examples>) -> Self {
        Self {
            train,
            test,
            label_names: None,
            column_names: None,
            notes: Vec::new(),
        }
    }
}

/// That the options name a label column where there are no columns.
pub(crate) fn note_on_label(options: &OpenOptions) -> Option<String> {
    let label = options.label.as_ref()?;
    Some(format!(
        "the option `label` names the column `{label}`, and these data are no table: it is not used"
    ))
}

/// Endings of files that hold tables or arrays, with the reader of each.
const FORMATS: [(&str, Format); 5] = [
    (".npz", Format::Npz),
    (".npy", Format::Npy),
    (".csv", Format::Csv),
    (".tsv", Format::Csv),
    (".txt", Format::Csv),
];

#[derive(Clone, Copy)]
enum Format {
    Npz,
    Npy,
    Csv,
    Idx,
}

/// Reads a file or folder, whatever it is.
pub(crate) fn read(path: &Path, options: &OpenOptions) -> Result<Parts, DataError> {
    if path.is_dir() {
        read_folder(path, options)
    } else {
        read_files(path, None, options)
    }
}

fn read_folder(folder: &Path, options: &OpenOptions) -> Result<Parts, DataError> {
    if let Some(mut parts) = idx::read_folder(folder)? {
        let notes = unread::beside_tables(folder, "files in MNIST's naming are", &[]);
        parts
            .notes
            .extend(notes.into_iter().chain(note_on_label(options)));
        return Ok(parts);
    }
    for (ending, _) in FORMATS {
        let find = |part: &str| {
            ["", ".gz"]
                .map(|packed| folder.join(format!("{part}{ending}{packed}")))
                .into_iter()
                .find(|path| path.is_file())
        };
        if let Some(train) = find("train") {
            let test = find("test");
            let mut parts = read_files(&train, test.as_deref(), options)?;
            let name = train.file_name().unwrap_or_default().to_string_lossy();
            let read: Vec<&Path> = std::iter::once(&*train).chain(test.as_deref()).collect();
            let notes = unread::beside_tables(folder, &format!("`{name}` is"), &read);
            parts.notes.extend(notes);
            return Ok(parts);
        }
    }
    let mut parts = images::read(folder, options)?;
    parts.notes.extend(note_on_label(options));
    Ok(parts)
}

fn read_files(
    train: &Path,
    test: Option<&Path>,
    options: &OpenOptions,
) -> Result<Parts, DataError> {
    let mut parts = match format_of(train)? {
        Format::Csv => {
            let (label, columns) = (options.label.as_deref(), options.columns.as_deref());
            return csv::read(train, test, label, columns);
        }
        Format::Npz => arrays::read_npz(train)?,
        Format::Npy => arrays::read_npy(train, test)?,
        Format::Idx => idx::read_file(train)?,
    };
    parts.notes.extend(note_on_label(options));
    Ok(parts)
}

/// The format of a file, by its ending, else by its first bytes.
fn format_of(path: &Path) -> Result<Format, DataError> {
    let name = path.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    if let Some((_, format)) = FORMATS.iter().find(|(ending, _)| plain.ends_with(ending)) {
        return Ok(*format);
    }
    if plain.contains("-ubyte") || plain.contains(".idx") || plain.ends_with("idx") {
        return Ok(Format::Idx);
    }
    let file = Loaded::read(path)?;
    match file.bytes.get(..4) {
        Some([0, 0, 0x08..=0x0e, 1..=4]) => Ok(Format::Idx),
        Some([0x93, b'N', b'U', b'M']) => Ok(Format::Npy),
        Some(b"PK\x03\x04") => Ok(Format::Npz),
        _ => Err(file.malformed(
            0,
            "IDX, .npy, .npz or CSV data",
            hex_start(&file.bytes, 4),
            Some("images are read from a folder of PNG or JPEG files; a table needs a name that ends in .csv"),
        )),
    }
}

/// Up to five names in a folder, for messages.
fn names_in(folder: &Path) -> Result<String, DataError> {
    let names: Vec<String> = list_folder(folder)?
        .iter()
        .map(|(path, _)| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    Ok(match names.len() {
        0 => "an empty folder".into(),
        n @ 1..=5 => format!("{n} name(s): {}", names.join(", ")),
        n => format!("{n} names: {}, ...", names[..5].join(", ")),
    })
}

/// Bytes as grey levels: 255 stands for 1.0, unless no byte exceeds 1 (binary images).
fn levels(bytes: Arc<[u8]>) -> Values {
    let max = if bytes.iter().max() == Some(&1) {
        1
    } else {
        255
    };
    Values::U8 { bytes, max }
}

/// Why a number cannot be a value of an example: what is expected instead, and what to do.
///
/// A NaN or infinity would surface much later and far away, and so would a number that becomes one in
/// the numbers of the networks.
fn unusable(number: f64) -> Option<(&'static str, &'static str)> {
    match number {
        x if !x.is_finite() => Some(("a finite number", "remove or fill in missing values")),
        x if !(x as f32).is_finite() => Some((
            "a number of at most 3.4e38 in size, the largest that the networks compute with (f32)",
            "give the values in a larger unit",
        )),
        _ => None,
    }
}

/// Refuses an array of a file for the first of its numbers that cannot be used.
fn check_numbers(
    path: &Path,
    array: &str,
    numbers: impl Iterator<Item = f64>,
) -> Result<(), DataError> {
    for (index, number) in numbers.enumerate() {
        if let Some((expected, hint)) = unusable(number) {
            return Err(DataError::from(Malformed {
                file: PathBuf::from(path),
                place: Place::Element {
                    array: array.into(),
                    index,
                },
                expected: expected.into(),
                found: in_short(number),
                hint: Some(hint.into()),
            }));
        }
    }
    Ok(())
}

/// A number without three hundred zeros.
fn in_short(number: f64) -> String {
    match number.is_finite() {
        true => format!("{number:e}"),
        false => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;
    use std::fs;

    #[test]
    fn the_format_is_told_by_name_or_content() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            open(&path.to_string_lossy(), &OpenOptions::default()).map(|set| set.train.len())
        };
        let idx = [0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 1, 7, 8, 9];
        assert_eq!(check("unnamed", &idx).unwrap(), 2);
        assert_eq!(check("a.CSV", b"1\n2\n3\n").unwrap(), 2);
        let error = check("picture.png", b"\x89PNG\r\n").unwrap_err();
        assert!(
            error.to_string().contains(
                "picture.png, byte 0: expected IDX, .npy, .npz or CSV data, found bytes 89 50 4e 47"
            ),
            "{error}"
        );
        assert!(error.to_string().contains("folder of PNG or JPEG"));
        let error = check("a.npz", b"1\n2\n").unwrap_err();
        assert!(
            error.to_string().contains("expected a zip archive"),
            "{error}"
        );
    }
}

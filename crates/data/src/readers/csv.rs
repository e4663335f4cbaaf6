//! Tables of numbers as text: CSV, with comma, semicolon or tab, plain or packed with gzip.
//!
//! A first line of names is recognized by what it holds: a name for the label column, more words than numbers, or the
//! numbers of the columns.
//! The label is the column named `label`, `class` or `target`, or the one that the options name or number.
//! Labels are whole numbers from 0, or words, which are numbered in alphabetical order.

use super::{Parts, unusable};
use crate::files::Loaded;
use crate::{DataError, Examples, Layout, Malformed, Place, Values};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

const LABEL_NAMES: [&str; 3] = ["label", "class", "target"];

/// Reads a training table and, where there is one, a test table.
pub(crate) fn read(
    train: &Path,
    test: Option<&Path>,
    label: Option<&str>,
) -> Result<Parts, DataError> {
    let train = Table::parse(&Loaded::read(train)?, label)?;
    let test = match test {
        Some(path) => Some(Table::parse(&Loaded::read(path)?, label)?),
        None => None,
    };
    Ok(join(train, test))
}

/// Gives the words among the labels of both parts the same numbers.
fn join(train: Table, test: Option<Table>) -> Parts {
    let tables = || std::iter::once(&train).chain(&test);
    let any_word = tables()
        .flat_map(|table| table.labels.iter().flatten())
        .any(|label| label.parse::<u32>().is_err());
    let names: Option<Vec<String>> = any_word.then(|| {
        let all: BTreeSet<&String> = tables()
            .flat_map(|table| table.labels.iter().flatten())
            .collect();
        all.into_iter().cloned().collect()
    });
    let number = |label: &String| -> u32 {
        match &names {
            Some(names) => names.partition_point(|name| name < label) as u32,
            None => label.parse().unwrap_or_default(),
        }
    };
    let examples = |table: &Table| {
        Examples::new(
            Layout::Vector {
                len: table.n_columns,
            },
            Values::F32(Arc::from(&table.numbers[..])),
            table
                .labels
                .as_ref()
                .map(|labels| labels.iter().map(number).collect()),
        )
    };
    Parts {
        label_names: names.clone(),
        ..Parts::new(examples(&train), test.as_ref().map(examples))
    }
}

struct Table {
    /// Columns without the label.
    n_columns: usize,
    /// `[n, n_columns]`.
    numbers: Vec<f32>,
    labels: Option<Vec<String>>,
}

impl Table {
    fn parse(file: &Loaded, label: Option<&str>) -> Result<Self, DataError> {
        let malformed = |place, expected: String, found: String, hint: Option<&str>| {
            DataError::from(Malformed {
                file: file.path.clone(),
                place,
                expected,
                found,
                hint: hint.map(Into::into),
            })
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter(&file.bytes))
            .from_reader(&file.bytes[..]);
        let mut numbers = Vec::new();
        let mut labels = Vec::new();
        let mut columns: Option<Columns> = None;
        let mut lines = Lines {
            bytes: &file.bytes,
            at: 0,
            line: 1,
        };
        for record in reader.records() {
            let record = record.map_err(|error| {
                let place = Place::Line(lines.number(error.position()));
                malformed(place, "text in UTF-8".into(), "other bytes".into(), None)
            })?;
            let line = lines.number(record.position());
            let columns = match &columns {
                Some(columns) => columns,
                None => {
                    let found = &*columns.insert(Columns::find(&record, label)?);
                    if found.first_is_header {
                        // Else the numbers of the lines would be learned as if they were measured.
                        if let Some(index) = (0..record.len())
                            .find(|&i| record[i].is_empty() && Some(i) != found.label)
                        {
                            let place = Place::Cell {
                                line,
                                column: index + 1,
                            };
                            let hint = "a column without a name often holds the numbers of the lines: leave it out, \
                                        or give it a name";
                            return Err(malformed(
                                place,
                                "a name".into(),
                                "nothing".into(),
                                Some(hint),
                            ));
                        }
                        continue;
                    }
                    found
                }
            };
            if record.len() != columns.n {
                return Err(malformed(
                    Place::Line(line),
                    format!("{} columns as in the first line", columns.n),
                    format!("{}", record.len()),
                    None,
                ));
            }
            for (index, cell) in record.iter().enumerate() {
                let place = || Place::Cell {
                    line,
                    column: index + 1,
                };
                if Some(index) == columns.label {
                    if cell.is_empty() {
                        return Err(malformed(place(), "a label".into(), "nothing".into(), None));
                    }
                    labels.push(whole(cell));
                    continue;
                }
                match cell.parse::<f32>() {
                    Ok(number) if number.is_finite() => numbers.push(number),
                    _ => {
                        // A finite number beyond f32 was parsed as infinite.
                        let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
                        let missing = "missing values are not supported; a column of words can be the label: call it `label` in a first line of names";
                        let found = if cell.is_empty() {
                            "nothing".into()
                        } else {
                            format!("`{cell}`")
                        };
                        let has_comma = cell
                            .replacen(',', ".", 1)
                            .parse::<f64>()
                            .is_ok_and(|_| cell.contains(','));
                        let otherwise = match has_comma {
                            true => ("a number with a decimal point", "write 0.5 for 0,5"),
                            false => ("a finite number", missing),
                        };
                        let (expected, hint) = number.and_then(unusable).unwrap_or(otherwise);
                        return Err(malformed(place(), expected.into(), found, Some(hint)));
                    }
                }
            }
        }
        let Some(columns) = columns else {
            return Err(malformed(
                Place::Whole,
                "a table of numbers".into(),
                "an empty file".into(),
                None,
            ));
        };
        let n_columns = columns.n - usize::from(columns.label.is_some());
        if numbers.is_empty() {
            return Err(malformed(
                Place::Whole,
                "at least one line of numbers".into(),
                format!("{n_columns} column(s) of numbers and no line of them"),
                None,
            ));
        }
        Ok(Self {
            n_columns,
            numbers,
            labels: columns.label.is_some().then_some(labels),
        })
    }
}

/// Counts lines up to a record. The reader's own count stands before the empty lines that it skips.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line that a record begins on; records have to come in order.
    fn number(&mut self, position: Option<&csv::Position>) -> u64 {
        let begin = position.map_or(0, |position| position.byte() as usize);
        while let Some(&byte) = self.bytes.get(self.at)
            && (self.at < begin || matches!(byte, b'\r' | b'\n'))
        {
            self.line += u64::from(byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// A label as it is compared: `3.0` is the class 3.
fn whole(cell: &str) -> String {
    match cell.parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && (0.0..4e9).contains(&number) => {
            format!("{number:.0}")
        }
        _ => cell.to_string(),
    }
}

struct Columns {
    n: usize,
    label: Option<usize>,
    first_is_header: bool,
}

impl Columns {
    /// Decides from the first line.
    fn find(first: &csv::StringRecord, label: Option<&str>) -> Result<Self, DataError> {
        let n = first.len();
        let position = |wanted: &str| {
            first
                .iter()
                .position(|cell| cell.eq_ignore_ascii_case(wanted))
        };
        let n_words = first
            .iter()
            .filter(|cell| cell.parse::<f64>().is_err())
            .count();
        let by_number = label
            .and_then(|label| label.parse::<usize>().ok())
            .filter(|column| (1..=n).contains(column))
            .map(|column| column - 1);
        let by_name = match label {
            Some(label) if by_number.is_none() => position(label),
            Some(_) => None,
            None => LABEL_NAMES.iter().find_map(|name| position(name)),
        };
        match label {
            Some(label) if by_number.or(by_name).is_none() => Err(DataError::Option {
                option: "label",
                expected: format!(
                    "the name of a column in the first line, or a number from 1 to {n}"
                ),
                found: format!("`{label}`"),
            }),
            _ => Ok(Self {
                n,
                label: by_number.or(by_name),
                first_is_header: by_name.is_some()
                    || 2 * n_words > n
                    || counts_columns(first, by_number),
            }),
        }
    }
}

/// Whether a line holds 0, 1, 2, ... or 1, 2, 3, ... beside the label, as programs write that have no names.
fn counts_columns(line: &csv::StringRecord, label: Option<usize>) -> bool {
    /// So few numbers can be an example by chance.
    const FEWEST: usize = 4;
    let cells = line.iter().enumerate();
    let cells: Vec<&str> = cells
        .filter(|(i, _)| Some(*i) != label)
        .map(|(_, cell)| cell)
        .collect();
    let counts = |from: usize| (from..).zip(&cells).all(|(n, cell)| cell.parse() == Ok(n));
    cells.len() >= FEWEST && (counts(0) || counts(1))
}

/// The candidate that the first line holds most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let count = |candidate: u8| first.iter().filter(|&&b| b == candidate).count();
    // The last maximum wins, so that the comma stands for "none of them".
    *[b'\t', b';', b',']
        .iter()
        .max_by_key(|&&candidate| count(candidate))
        .unwrap_or(&b',')
}

/// A table without header, its label in the column `label` (counted from 1), from bytes in memory.
pub(crate) fn read_bytes(name: &str, bytes: &[u8], label: &str) -> Result<Parts, DataError> {
    let file = Loaded::from_bytes(Path::new(name), bytes.to_vec())?;
    Ok(join(Table::parse(&file, Some(label))?, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::gzip;

    fn table(text: &str, label: Option<&str>) -> Result<Parts, DataError> {
        let file = Loaded::from_bytes(Path::new("x.csv"), text.as_bytes().to_vec())?;
        Ok(join(Table::parse(&file, label)?, None))
    }

    fn check(text: &str, label: Option<&str>, numbers: &[f32], labels: Option<&[u32]>) {
        let parts = table(text, label).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            matches!(&parts.train.values, Values::F32(found) if **found == *numbers),
            "{text}"
        );
        assert_eq!(parts.train.labels.as_deref(), labels, "{text}");
    }

    #[test]
    fn headers_and_labels_are_recognized() {
        check("1,2\n3,4\n", None, &[1.0, 2.0, 3.0, 4.0], None);
        check("a,b\n1,2\n", None, &[1.0, 2.0], None);
        check(
            "a,Label,b\n1,7,2\n3,8.0,4\n",
            None,
            &[1.0, 2.0, 3.0, 4.0],
            Some(&[7, 8]),
        );
        check("label,0,1\n7,1,2\n", None, &[1.0, 2.0], Some(&[7]));
        check("a,b\n1,2\n", Some("a"), &[2.0], Some(&[1]));
        check("5,1\n6,2\n", Some("1"), &[1.0, 2.0], Some(&[5, 6]));
        check(" 1 ; 2.5\r\n\r\n3;4\r\n", None, &[1.0, 2.5, 3.0, 4.0], None);
        check("1\t2\n3\t4", None, &[1.0, 2.0, 3.0, 4.0], None);
        check("1\n2\n", None, &[1.0, 2.0], None);
        check("0,1,2,3\n5,6,7,8\n", None, &[5.0, 6.0, 7.0, 8.0], None);
        check(
            "4,1,2,3,4\n5,6,7,8,9\n",
            Some("1"),
            &[6.0, 7.0, 8.0, 9.0],
            Some(&[5]),
        );
        // Three numbers may be an example.
        check("1,2,3\n", None, &[1.0, 2.0, 3.0], None);
    }

    #[test]
    fn words_become_classes_in_alphabetical_order() {
        let parts = table("5.1,virginica\n4.9,setosa\n4.0,virginica\n", Some("2")).unwrap();
        assert_eq!(parts.train.labels.as_deref(), Some(&[1, 0, 1][..]));
        assert_eq!(parts.label_names.unwrap(), ["setosa", "virginica"]);
    }

    #[test]
    fn both_parts_number_words_alike() {
        let folder = tempfile::tempdir().unwrap();
        let (train, test) = (
            folder.path().join("train.csv"),
            folder.path().join("test.csv.gz"),
        );
        std::fs::write(&train, "x,class\n1,b\n2,c\n").unwrap();
        std::fs::write(&test, gzip(b"x,class\n3,c\n4,a\n")).unwrap();
        let source = folder.path().to_string_lossy().into_owned();
        let set = crate::open(&source, &crate::OpenOptions::default()).unwrap();
        assert_eq!(set.label_names.unwrap(), ["a", "b", "c"]);
        assert_eq!(set.train.labels.as_deref(), Some(&[1, 2][..]));
        assert_eq!(set.test.labels.as_deref(), Some(&[2, 0][..]));
    }

    #[test]
    fn bad_cells_are_told_by_line_and_column() {
        let cases = [
            (
                "1,2\n3,x\n",
                "x.csv, line 2, column 2: expected a finite number, found `x`",
            ),
            (
                "a,b\n1,2\n\n3,nan\n",
                "x.csv, line 4, column 2: expected a finite number, found `nan`",
            ),
            (
                "1,2,3\n4,,6\n",
                "x.csv, line 2, column 2: expected a finite number, found nothing",
            ),
            (
                "1,x,3\n",
                "x.csv, line 1, column 2: expected a finite number, found `x`",
            ),
            (
                "1,2\n3,-1e300\n",
                "x.csv, line 2, column 2: expected a number of at most 3.4e38 in size, the largest that the \
                 networks compute with (f32), found `-1e300`",
            ),
            (
                "1;2\n3;0,5\n",
                "x.csv, line 2, column 2: expected a number with a decimal point, found `0,5`\n  hint: write 0.5 for 0,5",
            ),
            (
                ",a,b\n0,1,2\n",
                "x.csv, line 1, column 1: expected a name, found nothing\n  hint: a column without a name often holds",
            ),
            (
                "1,2\n3\n",
                "x.csv, line 2: expected 2 columns as in the first line, found 1",
            ),
            (
                "label,a\n,1\n",
                "x.csv, line 2, column 1: expected a label, found nothing",
            ),
            (
                "",
                "x.csv: expected a table of numbers, found an empty file",
            ),
            (
                "a,b\n",
                "x.csv: expected at least one line of numbers, found 2 column(s)",
            ),
        ];
        for (text, message) in cases {
            let error = table(text, None).err().unwrap().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        let binary = Loaded::from_bytes(Path::new("x.csv"), b"1,2\n3,\xff\n".to_vec()).unwrap();
        let error = Table::parse(&binary, None).err().unwrap().to_string();
        assert_eq!(
            error,
            "x.csv, line 2: expected text in UTF-8, found other bytes"
        );
    }

    #[test]
    fn a_label_column_that_is_not_there_is_refused() {
        for label in ["c", "0", "3"] {
            let error = table("a,b\n1,2\n", Some(label)).err().unwrap();
            assert!(matches!(
                error,
                DataError::Option {
                    option: "label",
                    ..
                }
            ));
        }
    }
}

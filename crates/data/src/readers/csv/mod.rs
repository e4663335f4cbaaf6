//! Tables of numbers as text: CSV, with comma, semicolon or tab, plain or packed with gzip.
//!
//! A first line of names is recognized by what it holds: a name for the label column, more words than numbers, or the
//! numbers of the columns.
//! The label is the column named `label`, `class` or `target`, or the one that the options name or number.
//! Labels are whole numbers from 0, or words, which are numbered in alphabetical order.
//! Columns with names stand in the order of the training table, wherever another table has them.

mod cells;
mod columns;
#[cfg(test)]
mod tests;

use super::{Parts, unusable};
use crate::files::Loaded;
use crate::{DataError, Examples, Layout, Malformed, Place, Values};
use columns::{Columns, FEWEST, delimiter, places};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Reads a training table and, where there is one, a test table; `columns` are those that both must have if they
/// have names.
pub(crate) fn read(
    train: &Path,
    test: Option<&Path>,
    label: Option<&str>,
    columns: Option<&[String]>,
) -> Result<Parts, DataError> {
    let mut notes = Vec::new();
    let mut table = |path: &Path, columns: Option<&[String]>| {
        Table::parse(&Loaded::read(path)?, label, columns)?.in_order(path, columns, &mut notes)
    };
    let train = table(train, columns)?;
    let columns = train.names.as_deref().or(columns);
    let test = test.map(|path| table(path, columns)).transpose()?;
    notes.extend(train.notes_on_counts());
    Ok(Parts {
        notes,
        ..join(train, test)
    })
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
        column_names: train.names.clone(),
        ..Parts::new(examples(&train), test.as_ref().map(examples))
    }
}

struct Table {
    /// Columns without the label.
    n_columns: usize,
    /// `[n, n_columns]`.
    numbers: Vec<f32>,
    labels: Option<Vec<String>>,
    /// Position of the label in the file.
    label: Option<usize>,
    /// Names of the columns without the label, `[n_columns]`.
    names: Option<Vec<String>>,
}

impl Table {
    fn parse(
        file: &Loaded,
        label: Option<&str>,
        expected: Option<&[String]>,
    ) -> Result<Self, DataError> {
        let malformed = |place, expected: String, found: String, hint: Option<String>| {
            DataError::from(Malformed {
                file: file.path.clone(),
                place,
                expected,
                found,
                hint,
            })
        };
        let delimiter = delimiter(&file.bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter)
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
                    let found = &*columns.insert(Columns::find(&record, label, expected)?);
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
                                Some(hint.into()),
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
                        let found = if cell.is_empty() {
                            "nothing".into()
                        } else {
                            format!("`{cell}`")
                        };
                        let (expected, hint) = match number.and_then(unusable) {
                            Some((expected, hint)) => (expected, hint.into()),
                            None => match cells::with_commas(cell, delimiter) {
                                Some(written) => (written.expected, written.hint),
                                None => ("a finite number", MISSING.into()),
                            },
                        };
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
            label: columns.label,
            names: columns.names,
        })
    }

    /// The table with its columns as expected, where both have names.
    fn in_order(
        mut self,
        path: &Path,
        expected: Option<&[String]>,
        notes: &mut Vec<String>,
    ) -> Result<Self, DataError> {
        let (Some(found), Some(expected)) = (&self.names, expected) else {
            return Ok(self);
        };
        if found == expected {
            return Ok(self);
        }
        let Some(places) = places(expected, found) else {
            return Err(DataError::ColumnsDiffer {
                file: path.to_path_buf(),
                expected: expected.to_vec(),
                found: found.clone(),
            });
        };
        self.numbers = (self.numbers.chunks_exact(self.n_columns))
            .flat_map(|row| places.iter().map(|&place| row[place]))
            .collect();
        self.names = Some(expected.to_vec());
        notes.push(format!(
            "the columns of `{}` stand in another order than those of the training table: they are taken by name",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        Ok(self)
    }

    /// Columns that number the rows, from 0 or 1.
    fn notes_on_counts(&self) -> Vec<String> {
        let n = self.numbers.len() / self.n_columns;
        let counts = |column: usize, from: usize| {
            let numbers = self.numbers.iter().skip(column).step_by(self.n_columns);
            (from..).zip(numbers).all(|(i, &x)| x == i as f32)
        };
        (0..self.n_columns)
            .filter(|&column| n >= FEWEST && (counts(column, 0) || counts(column, 1)))
            .map(|column| {
                let is_behind = self.label.is_some_and(|label| label <= column);
                let number = column + 1 + usize::from(is_behind);
                let name = match &self.names {
                    Some(names) => format!("`{}` ({number})", names[column]),
                    None => number.to_string(),
                };
                format!("column {name} counts the rows: leave it out, or it is learned like a measurement")
            })
            .collect()
    }
}

const MISSING: &str = "missing values are not supported; a column of words can be the label: call it `label` in a \
                       first line of names";

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

/// A table without header, its label in the column `label` (counted from 1), from bytes in memory.
pub(crate) fn read_bytes(name: &str, bytes: &[u8], label: &str) -> Result<Parts, DataError> {
    let file = Loaded::from_bytes(Path::new(name), bytes.to_vec())?;
    Ok(join(Table::parse(&file, Some(label), None)?, None))
}

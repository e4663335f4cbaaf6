//! What the first line of a table tells: which column is the label, whether the others have names, and what stands
//! between cells; and how columns of one table are found in another.

use super::cells::with_point;
use crate::DataError;
use csv::StringRecord;

const LABEL_NAMES: [&str; 3] = ["label", "class", "target"];

/// The columns of a table.
pub(super) struct Columns {
    /// How many, with the label.
    pub(super) n: usize,
    /// Position of the label.
    pub(super) label: Option<usize>,
    /// Whether the first line holds names and no example.
    pub(super) first_is_header: bool,
    /// Names of the columns without the label; none where the first line only numbers them.
    pub(super) names: Option<Vec<String>>,
}

impl Columns {
    /// Decides from the first line. `label` is a name or a number counted from 1; a table that has all of the
    /// `expected` columns and no other does without.
    pub(super) fn find(
        first: &StringRecord,
        label: Option<&str>,
        expected: Option<&[String]>,
    ) -> Result<Self, DataError> {
        let n = first.len();
        let position = |wanted: &str| {
            first
                .iter()
                .position(|cell| cell.eq_ignore_ascii_case(wanted))
        };
        let cells: Vec<String> = first.iter().map(Into::into).collect();
        if expected.is_some_and(|expected| places(expected, &cells).is_some()) {
            return Ok(Self {
                n,
                label: None,
                first_is_header: true,
                names: Some(cells),
            });
        }
        let is_word = |cell: &&str| cell.parse::<f64>().is_err() && with_point(cell).is_none();
        let n_words = first.iter().filter(is_word).count();
        let by_number = label
            .and_then(|label| label.parse::<usize>().ok())
            .filter(|column| (1..=n).contains(column))
            .map(|column| column - 1);
        let by_name = match label {
            Some(label) if by_number.is_none() => position(label),
            Some(_) => None,
            None => LABEL_NAMES.iter().find_map(|name| position(name)),
        };
        let found = by_number.or(by_name);
        if let Some(label) = label
            && found.is_none()
            // As many columns as expected, without names: there is no label among them.
            && expected.is_none_or(|expected| expected.len() != n)
        {
            return Err(DataError::Option {
                option: "label",
                expected: format!(
                    "the name of a column in the first line, or a number from 1 to {n}"
                ),
                found: format!("`{label}`"),
            });
        }
        let others: Vec<&str> = (first.iter().enumerate())
            .filter(|(i, _)| Some(*i) != found)
            .map(|(_, cell)| cell)
            .collect();
        let is_counted = counts(&others);
        let first_is_header =
            by_name.is_some() || 2 * n_words > n || (is_counted && others.len() >= FEWEST);
        let is_named = first_is_header && !is_counted;
        Ok(Self {
            n,
            label: found,
            first_is_header,
            names: is_named.then(|| others.into_iter().map(Into::into).collect()),
        })
    }
}

/// So few numbers in order can be there by chance.
pub(super) const FEWEST: usize = 4;

/// Whether cells hold 0, 1, 2, ... or 1, 2, 3, ..., as programs write that have no names.
fn counts(cells: &[&str]) -> bool {
    let counts = |from: usize| (from..).zip(cells).all(|(n, cell)| cell.parse() == Ok(n));
    counts(0) || counts(1)
}

/// Where each expected column stands among those found; none unless these are the same in some order. Names that
/// occur twice tell no column from another, so that such columns must stand as expected.
pub(super) fn places(expected: &[String], found: &[String]) -> Option<Vec<usize>> {
    if expected == found {
        return Some((0..found.len()).collect());
    }
    let mut places = Vec::with_capacity(expected.len());
    for name in expected {
        let mut all = (0..found.len()).filter(|&i| found[i] == *name);
        match (all.next(), all.next()) {
            (Some(place), None) => places.push(place),
            _ => return None,
        }
    }
    let mut all = places.clone();
    all.sort_unstable();
    all.dedup();
    (all.len() == found.len()).then_some(places)
}

/// What stands between the cells of the first line: a tab, else a semicolon, unless there are more commas than
/// decimal commas in cells between them could be; quoted cells may hold anything.
pub(super) fn delimiter(bytes: &[u8]) -> u8 {
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let mut is_quoted = false;
    let [mut tabs, mut semicolons, mut commas] = [0; 3];
    for &byte in first {
        match byte {
            b'"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            b'\t' => tabs += 1,
            b';' => semicolons += 1,
            b',' => commas += 1,
            _ => {}
        }
    }
    let stands = |n: usize| n > 0 && commas <= n + 1;
    match () {
        () if stands(tabs) && tabs >= semicolons => b'\t',
        () if stands(semicolons) => b';',
        () => b',',
    }
}

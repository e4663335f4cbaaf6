//! Cells that are no numbers to a program, and what they are to people: decimal commas, digits in groups.

/// A number that is written with commas, as it has to be written.
pub(super) struct Written {
    /// What is expected in its place.
    pub(super) expected: &'static str,
    /// What to do.
    pub(super) hint: String,
}

/// Why a cell is no number, if commas are the reason. Between semicolons or tabs a comma before three digits is
/// more likely a decimal comma, between (quoted) commas it groups digits.
pub(super) fn with_commas(cell: &str, delimiter: u8) -> Option<Written> {
    let point = with_point(cell);
    let plain = without_groups(cell);
    let (expected, hint) = match (point, plain) {
        (Some(point), Some(plain)) if delimiter != b',' => (
            "a number with a decimal point",
            format!("write {point} for {cell}, or {plain} if the comma groups digits"),
        ),
        (_, Some(plain)) => (
            "a number without commas among its digits",
            format!("write {plain} for {cell}"),
        ),
        (Some(point), None) => (
            "a number with a decimal point",
            format!("write {point} for {cell}"),
        ),
        (None, None) => return None,
    };
    Some(Written { expected, hint })
}

/// A number with a decimal comma, perhaps with points between groups of digits, with a decimal point.
pub(super) fn with_point(cell: &str) -> Option<String> {
    let (whole, rest) = cell.split_once(',')?;
    let whole = match whole.contains('.') {
        true => ungrouped(whole, '.')?,
        false => whole.to_owned(),
    };
    let number = format!("{whole}.{rest}");
    number.parse::<f64>().ok().map(|_| number)
}

/// A number with commas between groups of three digits, without them.
fn without_groups(cell: &str) -> Option<String> {
    let (whole, rest) = match cell.split_once('.') {
        Some((whole, rest)) => (whole, format!(".{rest}")),
        None => (cell, String::new()),
    };
    let number = ungrouped(whole, ',')? + &rest;
    number.parse::<f64>().ok().map(|_| number)
}

/// Digits without the sign between groups of three; none if the sign stands elsewhere, or nowhere.
fn ungrouped(whole: &str, between: char) -> Option<String> {
    let digits = whole.trim_start_matches(['+', '-']);
    let mut groups = digits.split(between);
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let is_digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let is_grouped = (1..=3).contains(&first.len())
        && is_digits(first)
        && !first.starts_with('0')
        && !rest.is_empty()
        && rest
            .iter()
            .all(|group| group.len() == 3 && is_digits(group));
    is_grouped.then(|| whole.replace(between, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_explained_with_the_digits_of_the_cell() {
        let hint = |cell, delimiter| with_commas(cell, delimiter).map(|written| written.hint);
        for (cell, delimiter, expected) in [
            ("0,5", b';', Some("write 0.5 for 0,5")),
            ("-2,75", b',', Some("write -2.75 for -2,75")),
            ("1,5e3", b'\t', Some("write 1.5e3 for 1,5e3")),
            ("0,125", b',', Some("write 0.125 for 0,125")),
            ("1,000", b',', Some("write 1000 for 1,000")),
            (
                "-1,234,567.5",
                b';',
                Some("write -1234567.5 for -1,234,567.5"),
            ),
            ("1.234,5", b';', Some("write 1234.5 for 1.234,5")),
            (
                "1,234",
                b';',
                Some("write 1.234 for 1,234, or 1234 if the comma groups digits"),
            ),
            ("1,2,3", b',', None),
            ("1.2,3", b';', None),
            ("a,b", b',', None),
            ("12", b',', None),
            ("", b',', None),
        ] {
            assert_eq!(hint(cell, delimiter).as_deref(), expected, "{cell}");
        }
    }
}

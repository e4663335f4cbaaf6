//! One array as bytes: magic `93 NUMPY`, version, length of the header, header, values; and what can be
//! wrong with them.

use super::header::Header;
use super::{Array, values};
use crate::files::hex_start;
use std::io::{self, Write};

pub(super) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Writes magic, header and values.
pub(super) fn encode(array: &Array, out: &mut impl Write) -> io::Result<()> {
    let header = Header::of(array).padded(MAGIC.len() + 4);
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    values::write(&array.numbers, out)
}

/// What is wrong with an array, and where.
pub(super) struct Problem {
    pub(super) offset: usize,
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) hint: Option<&'static str>,
}

fn problem(
    offset: usize,
    expected: impl Into<String>,
    found: impl Into<String>,
    hint: Option<&'static str>,
) -> Problem {
    Problem {
        offset,
        expected: expected.into(),
        found: found.into(),
        hint,
    }
}

/// Reads magic, header and values.
pub(super) fn decode(bytes: &[u8]) -> Result<Array, Problem> {
    if !bytes.starts_with(MAGIC) {
        return Err(problem(
            0,
            "the magic of a .npy array, 93 4e 55 4d 50 59",
            hex_start(bytes, 6),
            Some("this is no .npy array; a web page may have been saved in its place"),
        ));
    }
    let short = || problem(bytes.len(), "a header", "the end of the file", None);
    let (begin, header_len) = match bytes.get(6).ok_or_else(short)? {
        1 => {
            let len = bytes.get(8..10).ok_or_else(short)?;
            (10, usize::from(u16::from_le_bytes([len[0], len[1]])))
        }
        2 | 3 => {
            let len = bytes.get(8..12).ok_or_else(short)?;
            let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]);
            (12, len as usize)
        }
        other => {
            return Err(problem(6, "version 1, 2 or 3", other.to_string(), None));
        }
    };
    let text = bytes.get(begin..begin + header_len).ok_or_else(short)?;
    let text = String::from_utf8_lossy(text);
    let header = Header::parse(&text).ok_or_else(|| {
        problem(
            begin,
            "a header with descr, fortran_order and shape of one plain type",
            text.trim().to_string(),
            None,
        )
    })?;
    let values = &bytes[begin + header_len..];
    let Some(width) = header.width() else {
        let hint = match header
            .kind
            .trim_start_matches(['<', '>', '|', '='])
            .chars()
            .next()
        {
            Some('O') => Some("pickled objects are not read; save plain numbers"),
            Some('U' | 'S') => Some(
                "text is not read; save labels as whole numbers from 0, as numpy.unique(labels, \
                 return_inverse=True)[1] gives them",
            ),
            _ => None,
        };
        return Err(problem(
            begin,
            "a type of numbers (b1, u1 to u8, i1 to i8, f2 to f8)",
            format!("`{}`", header.kind),
            hint,
        ));
    };
    let n = header
        .shape
        .iter()
        .try_fold(1usize, |product, &dim| product.checked_mul(dim));
    let expected = n.and_then(|n| n.checked_mul(width));
    if expected != Some(values.len()) {
        let expected = expected.map_or("more than fit in memory".into(), |n| n.to_string());
        return Err(problem(
            bytes.len(),
            format!("{expected} bytes of values for shape {:?}", header.shape),
            format!("{} bytes", values.len()),
            Some("the file is incomplete or damaged; copy or write it again"),
        ));
    }
    let mut array = Array::new(
        header.shape.clone(),
        values::read(&header.kind, values).ok_or_else(|| {
            problem(
                begin + header_len,
                "integers up to 2^63 - 1",
                "larger ones",
                None,
            )
        })?,
    );
    if header.fortran_order {
        array.numbers = values::to_row_major(&array.numbers, &array.shape);
    }
    Ok(array)
}

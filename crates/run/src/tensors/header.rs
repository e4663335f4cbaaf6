//! The header of a safetensors file: written in a fixed order, read with every length checked, and
//! home of the file's checksum.

use super::{CHECKSUM, View};
use crate::error::{Result, RunError};
use crc32c::crc32c_append;
use safetensors::tensor::Metadata;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The header with its checksum as zeros, padded so that the values are aligned.
pub(super) fn build(tensors: &[View<'_>], metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.into(), "00000000".into());
    let mut text = format!(r#"{{"__metadata__":{}"#, json!(metadata));
    let mut start = 0;
    for View {
        name,
        shape,
        values,
    } in tensors
    {
        let end = start + 4 * values.len();
        // Written in this order by hand: byte range last, as every other writer has it.
        text += &format!(
            r#",{}:{{"dtype":"F32","shape":{},"data_offsets":[{start},{end}]}}"#,
            json!(name),
            json!(shape)
        );
        start = end;
    }
    text.push('}');
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(8), b' ');
    bytes
}

/// Where the eight digits of the checksum stand in a header.
///
/// Inside a JSON text every quotation mark follows a backslash, so the pattern occurs once only.
pub(super) fn checksum_place(header: &[u8]) -> Option<usize> {
    let pattern = br#""crc32c":""#;
    let place = header.windows(pattern.len()).position(|w| w == pattern)?;
    Some(place + pattern.len()).filter(|place| place + 8 <= header.len())
}

/// Compares the stored checksum with that of the content.
pub(super) fn verify(path: &Path, header: &[u8], data: &[u8], stored: &str) -> Result<()> {
    let place = checksum_place(header);
    let (Some(place), 8, Ok(expected)) = (place, stored.len(), u32::from_str_radix(stored, 16))
    else {
        return Err(RunError::Malformed {
            path: path.to_path_buf(),
            offset: 8 + place.unwrap_or(0) as u64,
            expected: "a checksum of eight hexadecimal digits".into(),
            found: format!("`{stored}`"),
        });
    };
    let mut zeroed = header.to_vec();
    zeroed[place..place + 8].fill(b'0');
    let found = crc32c_append(crc32c_append(0, &zeroed), data);
    if found != expected {
        return Err(RunError::Checksum {
            path: path.to_path_buf(),
            expected,
            found,
        });
    }
    Ok(())
}

/// The header's bytes and what they say, which fits the length of the file.
pub(super) fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<(&'a [u8], Metadata)> {
    let length = |expected: u64| RunError::Length {
        path: path.to_path_buf(),
        expected,
        found: bytes.len() as u64,
    };
    let malformed = |offset: u64, expected: &str, found: String| RunError::Malformed {
        path: path.to_path_buf(),
        offset,
        expected: expected.into(),
        found,
    };
    let (first, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| length(8))?;
    let n = u64::from_le_bytes(*first);
    if n > MAX_HEADER {
        let found = format!("{n}; this is no safetensors file");
        return Err(malformed(0, "a header's length", found));
    }
    let header = rest.get(..n as usize).ok_or_else(|| length(8 + n))?;
    let parsed: Metadata = serde_json::from_slice(header).map_err(|e| {
        // The header is one line, so its columns count bytes.
        malformed(
            8 + e.column().saturating_sub(1) as u64,
            "a safetensors header",
            e.to_string(),
        )
    })?;
    let expected = (parsed.data_len() as u64).saturating_add(8 + n);
    if expected != bytes.len() as u64 {
        return Err(length(expected));
    }
    Ok((header, parsed))
}

/// The limit of the `safetensors` crate, bytes. A longer header means that the file is another kind.
const MAX_HEADER: u64 = 100_000_000;

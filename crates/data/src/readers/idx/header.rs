//! Magic number, dimensions and values of one IDX file, each checked against its length.

use crate::files::{Loaded, hex_start};
use crate::readers::{check_numbers, levels};
use crate::{DataError, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) dims: Vec<usize>,
    /// Bytes before the values.
    pub(super) len: usize,
}

impl Header {
    pub(super) fn parse(file: &Loaded) -> Result<Self, DataError> {
        let bytes = &file.bytes;
        let kind = match bytes.get(..4) {
            Some([0, 0, 0x08, _]) => Kind::U8,
            Some([0, 0, 0x09, _]) => Kind::I8,
            Some([0, 0, 0x0b, _]) => Kind::I16,
            Some([0, 0, 0x0c, _]) => Kind::I32,
            Some([0, 0, 0x0d, _]) => Kind::F32,
            Some([0, 0, 0x0e, _]) => Kind::F64,
            _ => {
                return Err(file.malformed(
                    0,
                    "an IDX magic number, 00 00 08 03 for images",
                    hex_start(bytes, 4),
                    Some("this is no IDX file; a web page may have been saved in its place"),
                ));
            }
        };
        let n_dims = usize::from(bytes[3]);
        let len = 4 + 4 * n_dims;
        if n_dims == 0 || bytes.len() < len {
            return Err(file.malformed(
                4,
                format!("{n_dims} dimension(s) of 4 bytes, at least one"),
                format!("{} bytes", bytes.len() - 4),
                None,
            ));
        }
        let dims = bytes[4..len]
            .chunks_exact(4)
            .map(|d| u32::from_be_bytes([d[0], d[1], d[2], d[3]]) as usize)
            .collect();
        Ok(Self { kind, dims, len })
    }

    /// The file has to be exactly as long as its dimensions say.
    pub(super) fn check_length(&self, file: &Loaded) -> Result<(), DataError> {
        let width = match self.kind {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::F64 => 8,
        };
        let expected = self
            .dims
            .iter()
            .try_fold(width, |product: usize, &dim| product.checked_mul(dim));
        let found = file.bytes.len() - self.len;
        if expected == Some(found) {
            return Ok(());
        }
        let dims: Vec<String> = self.dims.iter().map(ToString::to_string).collect();
        let expected_bytes = expected.map_or("more than fit in memory".into(), |n| n.to_string());
        let (offset, hint) = match expected {
            Some(n) if found > n => (self.len + n, "there are bytes after the last value"),
            _ => (
                file.bytes.len(),
                "the file is cut short; copy or download it again",
            ),
        };
        Err(file.malformed(
            offset,
            format!("{expected_bytes} bytes of values ({})", dims.join(" x ")),
            format!("{found} bytes"),
            Some(hint),
        ))
    }

    pub(super) fn values(&self, file: &Loaded) -> Result<Values, DataError> {
        self.check_length(file)?;
        let bytes = &file.bytes[self.len..];
        let numbers: Vec<f64> = match self.kind {
            Kind::U8 => return Ok(levels(bytes.into())),
            Kind::I8 => bytes.iter().map(|&b| f64::from(b as i8)).collect(),
            Kind::I16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from(i16::from_be_bytes(c)))
                .collect(),
            Kind::I32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from(i32::from_be_bytes(c)))
                .collect(),
            Kind::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from(f32::from_be_bytes(c)))
                .collect(),
            Kind::F64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from_be_bytes(c))
                .collect(),
        };
        check_numbers(&file.path, "", numbers.iter().copied())?;
        let numbers: Vec<f32> = numbers.into_iter().map(|x| x as f32).collect();
        Ok(Values::F32(numbers.into()))
    }
}

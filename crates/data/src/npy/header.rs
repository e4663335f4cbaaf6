//! The header of an array: a Python dictionary of type, order and shape.

use super::{Array, Numbers};

/// The header is padded so that values begin at a multiple of this, bytes.
const ALIGNMENT: usize = 64;

pub(super) struct Header {
    /// Byte order and type, such as `<f4`.
    pub(super) kind: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

impl Header {
    /// That of an array in memory.
    pub(super) fn of(array: &Array) -> Self {
        let kind = match array.numbers {
            Numbers::U8(_) => "|u1",
            Numbers::I64(_) => "<i8",
            Numbers::F32(_) => "<f4",
            Numbers::F64(_) => "<f8",
        };
        Self {
            kind: kind.into(),
            fortran_order: false,
            shape: array.shape.clone(),
        }
    }

    /// The text of a header in row-major order that stands behind `before` bytes, padded.
    pub(super) fn padded(&self, before: usize) -> String {
        // A tuple of one is written with a comma.
        let shape: String = self.shape.iter().map(|n| format!("{n}, ")).collect();
        let shape = match self.shape.len() {
            1 => shape.trim_end(),
            _ => shape.trim_end_matches(", "),
        };
        let kind = &self.kind;
        let text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
        let padded = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
        format!("{text:<width$}\n", width = padded - before - 1)
    }

    /// Reads the Python dictionary; `None` where it is not as it should be.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}'"))?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let kind = value("descr")?.strip_prefix('\'')?.split('\'').next()?;
        let fortran_order = match value("fortran_order")? {
            rest if rest.starts_with("True") => true,
            rest if rest.starts_with("False") => false,
            _ => return None,
        };
        let (shape, _) = value("shape")?.strip_prefix('(')?.split_once(')')?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|dim| !dim.is_empty())
            .map(|dim| dim.parse().ok())
            .collect::<Option<_>>()?;
        Some(Self {
            kind: kind.into(),
            fortran_order,
            shape,
        })
    }

    /// Bytes of a value; `None` for types that are not plain numbers.
    pub(super) fn width(&self) -> Option<usize> {
        let kind = self.kind.get(1..)?;
        let known = [
            "b1", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8",
        ];
        known.contains(&kind).then_some(())?;
        kind.get(1..)?.parse().ok()
    }
}

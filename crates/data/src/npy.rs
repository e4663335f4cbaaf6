//! NumPy's array files: `.npy`, one array; `.npz`, a zip archive of named arrays.
//!
//! Format: magic `93 NUMPY`, version, length of the header, a header that names type, order and shape, then the
//! values (NumPy enhancement proposal 1). Pickled objects are never read.
//!
//! ```
//! use jensen_data::npy::{Array, Numbers, read_npz, write_npz};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("codes.npz");
//! let mean = Array::new(vec![2, 3], Numbers::F32(vec![0.0; 6]));
//! write_npz(&path, &[("mean", mean.clone())])?;
//! assert_eq!(read_npz(&path)?, [("mean".to_string(), mean)]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::files::{Loaded, hex_start, io_error, write_atomic};
use crate::{DataError, Malformed, Place};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// The header is padded so that values begin at a multiple of this, bytes.
const ALIGNMENT: usize = 64;

/// An array, values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The values, as many as the product of `shape`.
    pub numbers: Numbers,
}

/// The values of an array. Types between these are widened when they are read: 16-bit floats to 32, integers to 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Bytes; truth values too.
    U8(Vec<u8>),
    /// Integers.
    I64(Vec<i64>),
    /// Single precision.
    F32(Vec<f32>),
    /// Double precision.
    F64(Vec<f64>),
}

impl Numbers {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(x) => x.len(),
            Self::I64(x) => x.len(),
            Self::F32(x) => x.len(),
            Self::F64(x) => x.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Array {
    /// Panics if there are not as many numbers as the shape says.
    pub fn new(shape: Vec<usize>, numbers: Numbers) -> Self {
        assert_eq!(
            shape.iter().product::<usize>(),
            numbers.len(),
            "internal error: shape {shape:?}"
        );
        Self { shape, numbers }
    }

    /// The values as f32, rounded where they need to be.
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.numbers {
            Numbers::U8(x) => x.iter().map(|&x| f32::from(x)).collect(),
            Numbers::I64(x) => x.iter().map(|&x| x as f32).collect(),
            Numbers::F32(x) => x.clone(),
            Numbers::F64(x) => x.iter().map(|&x| x as f32).collect(),
        }
    }
}

/// Writes one array; the file is there whole or not at all.
pub fn write_npy(path: &Path, array: &Array) -> Result<(), DataError> {
    write_atomic(path, |out| encode(array, out))
}

/// Writes named arrays without compression; the file is there whole or not at all.
pub fn write_npz(path: &Path, arrays: &[(&str, Array)]) -> Result<(), DataError> {
    write_atomic(path, |out| {
        let mut archive = ZipWriter::new(out);
        for (name, array) in arrays {
            // Zip needs to be told beforehand where 32 bits may not do.
            let large = array.numbers.len() >= 1 << 28;
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Stored)
                .large_file(large);
            archive.start_file(format!("{name}.npy"), options)?;
            encode(array, &mut archive)?;
        }
        archive.finish()?;
        Ok(())
    })
}

/// Reads one array.
pub fn read_npy(path: &Path) -> Result<Array, DataError> {
    let file = Loaded::read(path)?;
    decode(&file.bytes).map_err(|problem| {
        file.malformed(
            problem.offset,
            problem.expected,
            problem.found,
            problem.hint,
        )
    })
}

/// Reads all arrays of an archive, in its order.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, DataError> {
    let file = File::open(path).map_err(|e| io_error(path, "open", e))?;
    let malformed = |place, expected: &str, found: String, hint: Option<&str>| {
        DataError::from(Malformed {
            file: path.to_path_buf(),
            place,
            expected: expected.into(),
            found,
            hint: hint.map(Into::into),
        })
    };
    const AGAIN: Option<&str> = Some("the file is incomplete or damaged; copy or write it again");
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| match error {
        ZipError::Io(e) => io_error(path, "read", e),
        other => malformed(
            Place::Whole,
            "a zip archive of .npy files",
            other.to_string(),
            AGAIN,
        ),
    })?;
    let mut arrays = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let place = |name: String, offset| Place::Array { name, offset };
        let mut member = archive.by_index(index).map_err(|error| {
            let name = format!("number {index}");
            malformed(
                place(name, None),
                "a readable member",
                error.to_string(),
                AGAIN,
            )
        })?;
        let full = member
            .name()
            .map_or_else(|_| format!("number {index}"), |name| name.to_string());
        let name = full.strip_suffix(".npy").unwrap_or(&full).to_string();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| {
            let at = Some(bytes.len() as u64);
            malformed(
                place(name.clone(), at),
                "intact data",
                error.to_string(),
                AGAIN,
            )
        })?;
        let array = decode(&bytes).map_err(|problem| {
            let at = Some(problem.offset as u64);
            malformed(
                place(name.clone(), at),
                &problem.expected,
                problem.found,
                problem.hint,
            )
        })?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

fn encode(array: &Array, out: &mut impl Write) -> io::Result<()> {
    let kind = match array.numbers {
        Numbers::U8(_) => "|u1",
        Numbers::I64(_) => "<i8",
        Numbers::F32(_) => "<f4",
        Numbers::F64(_) => "<f8",
    };
    // A tuple of one is written with a comma.
    let shape: String = array.shape.iter().map(|n| format!("{n}, ")).collect();
    let shape = match array.shape.len() {
        1 => shape.trim_end(),
        _ => shape.trim_end_matches(", "),
    };
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    let before = MAGIC.len() + 4;
    let padded = (before + header.len() + 1).next_multiple_of(ALIGNMENT);
    while before + header.len() + 1 < padded {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    out.write_all(&(header.len() as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    match &array.numbers {
        Numbers::U8(x) => out.write_all(x),
        Numbers::I64(x) => write_all(out, x, |x| x.to_le_bytes()),
        Numbers::F32(x) => write_all(out, x, |x| x.to_le_bytes()),
        Numbers::F64(x) => write_all(out, x, |x| x.to_le_bytes()),
    }
}

fn write_all<T: Copy, const N: usize>(
    out: &mut impl Write,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> io::Result<()> {
    for chunk in numbers.chunks(1 << 13) {
        let chunk: Vec<u8> = chunk.iter().flat_map(|&x| bytes(x)).collect();
        out.write_all(&chunk)?;
    }
    Ok(())
}

/// What is wrong with an array, and where.
struct Problem {
    offset: usize,
    expected: String,
    found: String,
    hint: Option<&'static str>,
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

fn decode(bytes: &[u8]) -> Result<Array, Problem> {
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
        let hint = header
            .kind
            .contains('O')
            .then_some("pickled objects are not read; save plain numbers");
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
        header.numbers(values).ok_or_else(|| {
            problem(
                begin + header_len,
                "integers up to 2^63 - 1",
                "larger ones",
                None,
            )
        })?,
    );
    if header.fortran_order {
        array.numbers = match &array.numbers {
            Numbers::U8(x) => Numbers::U8(to_row_major(x, &array.shape)),
            Numbers::I64(x) => Numbers::I64(to_row_major(x, &array.shape)),
            Numbers::F32(x) => Numbers::F32(to_row_major(x, &array.shape)),
            Numbers::F64(x) => Numbers::F64(to_row_major(x, &array.shape)),
        };
    }
    Ok(array)
}

struct Header {
    /// Byte order and type, such as `<f4`.
    kind: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads the Python dictionary; `None` where it is not as it should be.
    fn parse(text: &str) -> Option<Self> {
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
    fn width(&self) -> Option<usize> {
        let kind = self.kind.get(1..)?;
        let known = [
            "b1", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8",
        ];
        known.contains(&kind).then_some(())?;
        kind.get(1..)?.parse().ok()
    }

    /// The values; `None` if an integer is too large.
    fn numbers(&self, bytes: &[u8]) -> Option<Numbers> {
        let big = self.kind.starts_with('>');
        Some(match &self.kind[1..] {
            "b1" | "u1" => Numbers::U8(bytes.to_vec()),
            "i1" => Numbers::I64(bytes.iter().map(|&b| i64::from(b as i8)).collect()),
            "u2" => Numbers::I64(each(bytes, big, |b| i64::from(u16::from_le_bytes(b)))),
            "i2" => Numbers::I64(each(bytes, big, |b| i64::from(i16::from_le_bytes(b)))),
            "u4" => Numbers::I64(each(bytes, big, |b| i64::from(u32::from_le_bytes(b)))),
            "i4" => Numbers::I64(each(bytes, big, |b| i64::from(i32::from_le_bytes(b)))),
            "i8" => Numbers::I64(each(bytes, big, i64::from_le_bytes)),
            "u8" => {
                let wide = each(bytes, big, u64::from_le_bytes);
                let fit: Result<_, _> = wide.into_iter().map(i64::try_from).collect();
                Numbers::I64(fit.ok()?)
            }
            "f2" => Numbers::F32(each(bytes, big, |b| half(u16::from_le_bytes(b)))),
            "f4" => Numbers::F32(each(bytes, big, f32::from_le_bytes)),
            _ => Numbers::F64(each(bytes, big, f64::from_le_bytes)),
        })
    }
}

/// Decodes value after value; big-endian ones are turned around first.
fn each<T, const N: usize>(bytes: &[u8], big: bool, decode: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| {
            let mut chunk = chunk;
            if big {
                chunk.reverse();
            }
            decode(chunk)
        })
        .collect()
}

/// IEEE 754 half precision: 1 bit sign, 5 exponent, 10 fraction.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff) / 1024.0;
    sign * match (bits >> 10) & 0x1f {
        0 => fraction * (2.0f32).powi(-14),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1.0 + fraction) * (2.0f32).powi(i32::from(exponent) - 15),
    }
}

/// From the first index running fastest to the last.
fn to_row_major<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut index = vec![0; shape.len()];
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |stride, &dim| {
            let this = *stride;
            *stride *= dim;
            Some(this)
        })
        .collect();
    (0..values.len())
        .map(|_| {
            let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
            values[at]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(array: &Array) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(array, &mut bytes).unwrap();
        bytes
    }

    /// A file with this header and these values.
    fn file(header: &str, values: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let arrays = [
            (
                "codes",
                Array::new(vec![2, 2], Numbers::F32(vec![1.5, -2.0, 0.0, 1e-30])),
            ),
            (
                "labels",
                Array::new(vec![3], Numbers::I64(vec![-1, 0, i64::MAX])),
            ),
            ("bound", Array::new(vec![], Numbers::F64(vec![-96.25]))),
            ("bytes", Array::new(vec![1, 0], Numbers::U8(vec![]))),
        ];
        let path = folder.path().join("a.npz");
        write_npz(&path, &arrays).unwrap();
        let back = read_npz(&path).unwrap();
        for ((name, array), (name_back, array_back)) in arrays.iter().zip(&back) {
            assert_eq!((*name, array), (name_back.as_str(), array_back));
            let path = folder.path().join("a.npy");
            write_npy(&path, array).unwrap();
            assert_eq!(&read_npy(&path).unwrap(), array);
        }
        assert_eq!(arrays[0].1.to_f32(), [1.5, -2.0, 0.0, 1e-30]);
    }

    /// As NumPy writes `np.array([1, 2], np.float32)`.
    #[test]
    fn the_header_is_that_of_numpy() {
        let bytes = encoded(&Array::new(vec![2], Numbers::F32(vec![1.0, 2.0])));
        assert_eq!(bytes.len(), 128 + 8);
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
        assert!(bytes[10..].starts_with(header.as_bytes()));
        assert_eq!(bytes[127], b'\n');
        let two = encoded(&Array::new(vec![1, 2], Numbers::U8(vec![1, 2])));
        assert!(
            String::from_utf8_lossy(&two)
                .contains("'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }")
        );
    }

    #[test]
    fn other_types_and_orders_are_understood() {
        let check = |kind: &str, values: &[u8], expected: Numbers| {
            let header =
                format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,), }}\n");
            let array = decode(&file(&header, values)).unwrap_or_else(|p| panic!("{}", p.found));
            assert_eq!(array.numbers, expected, "{kind}");
        };
        check("|b1", &[0, 1], Numbers::U8(vec![0, 1]));
        check("|i1", &[255, 1], Numbers::I64(vec![-1, 1]));
        check(">i2", &[255, 254, 0, 1], Numbers::I64(vec![-2, 1]));
        check(
            "<u4",
            &[1, 0, 0, 0, 0, 0, 0, 255],
            Numbers::I64(vec![1, 0xff00_0000]),
        );
        check(
            "<f2",
            &[0x00, 0x3c, 0x01, 0x80],
            Numbers::F32(vec![1.0, -(2.0f32.powi(-24))]),
        );
        check(
            ">f4",
            &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0],
            Numbers::F32(vec![1.0, -2.0]),
        );
        let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n";
        let array = decode(&file(header, &[1, 4, 2, 5, 3, 6])).ok().unwrap();
        assert_eq!(array.numbers, Numbers::U8(vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn damaged_arrays_tell_where_and_what() {
        let good = encoded(&Array::new(vec![2], Numbers::F32(vec![1.0, 2.0])));
        let object = file(
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            b"x",
        );
        let huge = file(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
            b"x",
        );
        let mut version = good.clone();
        version[6] = 9;
        let large = file(
            "{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }",
            &[255; 8],
        );
        let cases: [(&[u8], usize, &str); 8] = [
            (b"<html>", 0, "bytes 3c 68 74 6d 6c 3e"),
            (b"", 0, "the end of the file"),
            (&good[..9], 9, "the end of the file"),
            (&good[..133], 133, "5 bytes"),
            (&version, 6, "9"),
            (&object, 10, "`|O`"),
            (&huge, huge.len(), "1 bytes"),
            (&large, large.len() - 8, "larger ones"),
        ];
        for (bytes, offset, found) in cases {
            let problem = decode(bytes).err().unwrap();
            assert_eq!((problem.offset, problem.found.as_str()), (offset, found));
        }
    }

    #[test]
    fn damaged_archives_name_the_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let array = Array::new(vec![4], Numbers::F32(vec![1.0, 2.0, 3.0, 4.0]));
        write_npz(&path, &[("mean", array)]).unwrap();
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        // The last value of the only member, so that only the checksum can tell.
        let at = good
            .windows(4)
            .position(|w| w == 4.0f32.to_le_bytes())
            .unwrap();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        let error = read_npz(&path).unwrap_err();
        assert!(
            matches!(&error, DataError::Malformed(m) if matches!(&m.place, Place::Array { name, .. } if name == "mean")),
            "{error}"
        );
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        let error = read_npz(&path).unwrap_err();
        assert!(
            error.to_string().contains("expected a zip archive"),
            "{error}"
        );
    }
}

//! The values of an array: from bytes of any plain type and either order, and to bytes.

use super::Numbers;
use std::io::{self, Write};

/// The values of this type; `None` if an integer is too large.
pub(super) fn read(kind: &str, bytes: &[u8]) -> Option<Numbers> {
    let big = kind.starts_with('>');
    Some(match &kind[1..] {
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

/// Writes values in the type that they have in memory, little-endian.
pub(super) fn write(numbers: &Numbers, out: &mut impl Write) -> io::Result<()> {
    match numbers {
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

/// From the first index running fastest to the last.
pub(super) fn to_row_major(numbers: &Numbers, shape: &[usize]) -> Numbers {
    match numbers {
        Numbers::U8(x) => Numbers::U8(reorder(x, shape)),
        Numbers::I64(x) => Numbers::I64(reorder(x, shape)),
        Numbers::F32(x) => Numbers::F32(reorder(x, shape)),
        Numbers::F64(x) => Numbers::F64(reorder(x, shape)),
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

fn reorder<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
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

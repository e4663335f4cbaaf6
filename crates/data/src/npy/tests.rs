//! Arrays that come back, arrays of other writers, and damaged ones.

use super::format::{MAGIC, decode, encode};
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
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,), }}\n");
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
    let cut = format!(
        "a.npz: expected a zip archive of .npy files, found {} bytes of one, without the end of the archive\n  hint: ",
        good.len() / 2
    );
    assert!(error.to_string().contains(&cut), "{error}");
    std::fs::write(&path, b"<html>").unwrap();
    let error = read_npz(&path).unwrap_err().to_string();
    let other = "found 6 bytes that begin otherwise: bytes 3c 68 74 6d";
    assert!(error.contains(other), "{error}");
}

#[test]
fn labels_in_words_are_refused_with_the_way_to_number_them() {
    let header = "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }";
    let problem = decode(&file(header, b"a\0\0\0b\0\0\0c\0\0\0"))
        .err()
        .unwrap();
    assert_eq!(problem.found, "`<U3`");
    assert!(problem.hint.unwrap().contains("numpy.unique"));
}

//! IDX files as MNIST has them, and files that are damaged or do not belong together.

use super::*;
use crate::files::gzip;
use crate::{Malformed, Place, open};
use std::fs;
use tempfile::{TempDir, tempdir};

fn idx(kind: u8, dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(values);
    bytes
}

/// Three images of 2 x 2 with labels 5, 6, 7 for training, one for testing.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    let levels: Vec<u8> = (0..12).map(|i| 20 * i).collect();
    put(
        "train-images-idx3-ubyte.gz",
        gzip(&idx(8, &[3, 2, 2], &levels)),
    );
    put("train-labels-idx1-ubyte", idx(8, &[3], &[5, 6, 7]));
    put(
        "t10k-images.idx3-ubyte",
        idx(8, &[1, 2, 2], &[1, 2, 3, 255]),
    );
    put("t10k-labels-idx1-ubyte.gz", gzip(&idx(8, &[1], &[9])));
    folder
}

fn error_of(folder: &TempDir) -> DataError {
    let source = folder.path().to_string_lossy().into_owned();
    open(&source, &crate::OpenOptions::default()).unwrap_err()
}

#[test]
fn a_folder_as_mnist_names_it() {
    let folder = folder();
    let parts = read_folder(folder.path()).unwrap().unwrap();
    assert_eq!(parts.train.len(), 3);
    assert_eq!(**parts.train.labels.as_ref().unwrap(), [5, 6, 7]);
    let test = parts.test.unwrap();
    let mut image = [0.0; 4];
    test.gather(&[0], &mut image);
    assert_eq!(image, [1.0 / 255.0, 2.0 / 255.0, 3.0 / 255.0, 1.0]);
    assert_eq!(**test.labels.as_ref().unwrap(), [9]);
    let other = tempdir().unwrap();
    assert!(read_folder(other.path()).unwrap().is_none());
}

#[test]
fn a_single_file_finds_its_labels() {
    let folder = folder();
    let path = folder.path().join("train-images-idx3-ubyte.gz");
    let parts = read_file(&path).unwrap();
    assert_eq!(**parts.train.labels.as_ref().unwrap(), [5, 6, 7]);
    fs::remove_file(folder.path().join("train-labels-idx1-ubyte")).unwrap();
    assert!(read_file(&path).unwrap().train.labels.is_none());
}

#[test]
fn other_types_are_numbers_as_they_are() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.idx");
    let check = |kind, values: &[u8], expected: [f32; 2]| {
        fs::write(&path, idx(kind, &[1, 2], values)).unwrap();
        let mut row = [0.0; 2];
        read_file(&path).unwrap().train.gather(&[0], &mut row);
        assert_eq!(row, expected);
    };
    check(0x09, &[255, 3], [-1.0, 3.0]);
    check(0x0b, &[255, 254, 1, 0], [-2.0, 256.0]);
    check(0x0c, &[255, 255, 255, 255, 0, 1, 0, 0], [-1.0, 65536.0]);
    check(0x0d, &[0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], [1.0, -2.0]);
    check(
        0x0e,
        &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0],
        [1.0, -2.0],
    );
    fs::write(&path, idx(0x0d, &[1, 2], &[0, 0, 0, 0, 0x7f, 0xc0, 0, 0])).unwrap();
    let error = read_file(&path).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("x.idx, element 1: expected a finite number, found NaN")
    );
}

/// What stands in the file, and the place, expected and found that the error tells.
#[test]
fn damaged_files_tell_offset_expected_and_found() {
    let mut long = idx(8, &[3, 2, 2], &[0; 12]);
    long.push(0);
    let cases: [(Vec<u8>, u64, &str, &str); 6] = [
        (
            idx(8, &[3, 2, 2], &[0; 5]),
            21,
            "12 bytes of values (3 x 2 x 2)",
            "5 bytes",
        ),
        (long, 28, "12 bytes of values (3 x 2 x 2)", "13 bytes"),
        (
            b"<html></html>".to_vec(),
            0,
            "an IDX magic number, 00 00 08 03 for images",
            "bytes 3c 68 74 6d",
        ),
        (
            idx(8, &[3], &[5, 6, 7]),
            0,
            "magic 00 00 08 03: bytes with 3 dimensions",
            "bytes 00 00 08 01: 1 dimension(s)",
        ),
        (
            vec![0, 0, 8, 3, 0, 0],
            4,
            "3 dimension(s) of 4 bytes, at least one",
            "2 bytes",
        ),
        (
            idx(8, &[u32::MAX, u32::MAX, u32::MAX], &[0]),
            17,
            "more than fit in memory bytes of values (4294967295 x 4294967295 x 4294967295)",
            "1 bytes",
        ),
    ];
    for (bytes, at, wanted, there) in cases {
        for packed in [false, true] {
            let folder = folder();
            let path = folder.path().join("train-images-idx3-ubyte.gz");
            let bytes = if packed { gzip(&bytes) } else { bytes.clone() };
            fs::write(&path, bytes).unwrap();
            let error = error_of(&folder);
            let DataError::Malformed(malformed) = &error else {
                panic!("{error}")
            };
            let Malformed {
                file,
                place,
                expected,
                found,
                ..
            } = &**malformed;
            assert_eq!(*file, path);
            assert_eq!(
                *place,
                Place::Byte {
                    offset: at,
                    unpacked: packed
                }
            );
            assert_eq!((expected.as_str(), found.as_str()), (wanted, there));
        }
    }
}

#[test]
fn truncated_gzip_is_told_apart_from_truncated_idx() {
    let folder = folder();
    let path = folder.path().join("train-images-idx3-ubyte.gz");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    let text = error_of(&folder).to_string();
    assert!(
        text.contains("expected gzip data, found the end of the file"),
        "{text}"
    );
    assert!(text.contains("hint: the file is incomplete"), "{text}");
}

#[test]
fn labels_that_do_not_belong_are_refused() {
    let folder = folder();
    let labels = folder.path().join("train-labels-idx1-ubyte");
    fs::write(&labels, idx(8, &[2], &[5, 6])).unwrap();
    let error = error_of(&folder);
    assert!(matches!(
        &error,
        DataError::LabelCount { n_examples: 3, n_labels: 2, labels: path, .. } if *path == labels
    ));
    assert!(
        error
            .to_string()
            .contains("expected 3 labels, one for each example of"),
        "{error}"
    );
    fs::write(&labels, idx(8, &[3, 1, 1], &[5, 6, 7])).unwrap();
    let error = error_of(&folder);
    assert!(
        error
            .to_string()
            .contains("found bytes 00 00 08 03: 3 dimension(s)"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("images and labels may be mixed up")
    );
}

#[test]
fn a_missing_training_file_is_named() {
    let folder = folder();
    fs::remove_file(folder.path().join("train-images-idx3-ubyte.gz")).unwrap();
    let error = error_of(&folder);
    assert!(
        matches!(&error, DataError::NoExamples { expected, .. } if expected.contains("train-images-idx3-ubyte"))
    );
}

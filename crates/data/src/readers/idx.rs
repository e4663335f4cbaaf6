//! IDX, the format of MNIST: big-endian magic `00 00 type n_dims`, the dimensions as u32, then the values.
//!
//! Type 08 is unsigned bytes, 09 signed bytes, 0B i16, 0C i32, 0D f32, 0E f64. Files may be packed with gzip.
//! A folder holds up to four of them, named as MNIST does: `train-images-idx3-ubyte(.gz)`,
//! `train-labels-idx1-ubyte(.gz)`, and the same with `t10k` or `test`; a dot before `idx` is understood too.

use super::Parts;
use crate::files::{Loaded, hex_start, list_folder};
use crate::{DataError, Examples, Layout, Values};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a single file of images or vectors; labels are taken from the file that belongs to it, if it is beside.
pub(crate) fn read_file(path: &Path) -> Result<Parts, DataError> {
    let labels = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|name| name.contains("images"))
        .and_then(|name| {
            let folder = path.parent().unwrap_or(Path::new(""));
            let name = name.replace("images", "labels").replace("idx3", "idx1");
            let other = match name.strip_suffix(".gz") {
                Some(plain) => plain.to_string(),
                None => format!("{name}.gz"),
            };
            [name, other]
                .into_iter()
                .map(|name| folder.join(name))
                .find(|path| path.is_file())
        });
    Ok(Parts {
        train: read_part(path, labels.as_deref())?,
        test: None,
        label_names: None,
    })
}

/// Reads a folder with MNIST's file names; `None` if it holds no such names.
pub(crate) fn read_folder(folder: &Path) -> Result<Option<Parts>, DataError> {
    let files: Vec<PathBuf> = list_folder(folder)?
        .into_iter()
        .filter_map(|(path, is_dir)| (!is_dir).then_some(path))
        .collect();
    let find = |parts: &[&str], kind: &str| {
        files.iter().find(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            parts.iter().any(|part| {
                plain
                    .strip_prefix(part)
                    .and_then(|rest| rest.strip_prefix('-'))
                    .and_then(|rest| rest.strip_prefix(kind))
                    .is_some_and(|rest| {
                        rest.is_empty() || rest.starts_with("-idx") || rest.starts_with(".idx")
                    })
            })
        })
    };
    let test_names = ["t10k", "test"];
    let train_images = find(&["train"], "images");
    let test_images = find(&test_names, "images");
    let train_labels = find(&["train"], "labels");
    if train_images.is_none() && test_images.is_none() && train_labels.is_none() {
        return Ok(None);
    }
    let Some(train_images) = train_images else {
        return Err(DataError::NoExamples {
            path: folder.to_path_buf(),
            expected: "the file train-images-idx3-ubyte or train-images-idx3-ubyte.gz".into(),
            found: super::names_in(folder)?,
            hint: None,
        });
    };
    let test = match test_images {
        Some(images) => Some(read_part(
            images,
            find(&test_names, "labels").map(PathBuf::as_path),
        )?),
        None => None,
    };
    Ok(Some(Parts {
        train: read_part(train_images, train_labels.map(PathBuf::as_path))?,
        test,
        label_names: None,
    }))
}

/// One file of examples with its file of labels.
fn read_part(images: &Path, labels: Option<&Path>) -> Result<Examples, DataError> {
    let file = Loaded::read(images)?;
    let header = Header::parse(&file)?;
    let layout = match header.dims[..] {
        [_, len] => Layout::Vector { len },
        [_, height, width] => Layout::Image {
            channels: 1,
            height,
            width,
        },
        [_, channels @ (1 | 3), height, width] => Layout::Image {
            channels,
            height,
            width,
        },
        _ => {
            let hint = (header.dims.len() == 1).then_some(
                "a single dimension is how labels are stored: images and labels may be mixed up",
            );
            return Err(file.malformed(
                0,
                "magic 00 00 08 03: bytes with 3 dimensions",
                format!(
                    "{}: {} dimension(s)",
                    hex_start(&file.bytes, 4),
                    header.dims.len()
                ),
                hint,
            ));
        }
    };
    if header.dims.contains(&0) {
        return Err(file.malformed(
            4,
            "dimensions of at least 1",
            format!("{:?}", header.dims),
            None,
        ));
    }
    let values = header.values(&file)?;
    let n = header.dims[0];
    let labels = match labels {
        Some(path) => Some(read_labels(path, images, n)?),
        None => None,
    };
    Ok(Examples::new(layout, values, labels))
}

fn read_labels(path: &Path, images: &Path, n: usize) -> Result<Arc<[u32]>, DataError> {
    let file = Loaded::read(path)?;
    let header = Header::parse(&file)?;
    if header.kind != Kind::U8 || header.dims.len() != 1 {
        return Err(file.malformed(
            0,
            "magic 00 00 08 01: labels, bytes with 1 dimension",
            format!(
                "{}: {} dimension(s)",
                hex_start(&file.bytes, 4),
                header.dims.len()
            ),
            Some("images and labels may be mixed up"),
        ));
    }
    header.check_length(&file)?;
    if header.dims[0] != n {
        return Err(DataError::LabelCount {
            examples: images.to_path_buf(),
            labels: path.to_path_buf(),
            n_examples: n,
            n_labels: header.dims[0],
        });
    }
    Ok(file.bytes[header.len..]
        .iter()
        .map(|&b| u32::from(b))
        .collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

struct Header {
    kind: Kind,
    dims: Vec<usize>,
    /// Bytes before the values.
    len: usize,
}

impl Header {
    fn parse(file: &Loaded) -> Result<Self, DataError> {
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
    fn check_length(&self, file: &Loaded) -> Result<(), DataError> {
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

    fn values(&self, file: &Loaded) -> Result<Values, DataError> {
        self.check_length(file)?;
        let bytes = &file.bytes[self.len..];
        let numbers: Vec<f32> = match self.kind {
            Kind::U8 => return Ok(super::levels(bytes.into())),
            Kind::I8 => bytes.iter().map(|&b| f32::from(b as i8)).collect(),
            Kind::I16 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f32::from(i16::from_be_bytes(c)))
                .collect(),
            Kind::I32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| i32::from_be_bytes(c) as f32)
                .collect(),
            Kind::F32 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f32::from_be_bytes(c))
                .collect(),
            Kind::F64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&c| f64::from_be_bytes(c) as f32)
                .collect(),
        };
        super::check_finite(&file.path, "", &numbers)?;
        Ok(Values::F32(numbers.into()))
    }
}

#[cfg(test)]
mod tests {
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
}

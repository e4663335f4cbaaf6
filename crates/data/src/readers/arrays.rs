//! NumPy arrays as examples.
//!
//! An array of examples is `[n, len]`, `[n, height, width]`, or with 1 or 3 channels `[n, channels, height, width]`
//! or `[n, height, width, channels]`. Bytes are grey levels, truth values 0 and 1, everything else is taken as it is.
//! In an archive the training examples are called `x_train`, `train_images`, `train` or `x`, or they are the only
//! array; test examples and labels accordingly.

use super::{Parts, check_numbers, levels};
use crate::npy::{self, Array, Numbers};
use crate::{DataError, Examples, Layout, Malformed, Place, Values};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TRAIN: [&str; 6] = ["x_train", "train_images", "train", "x", "X", "images"];
const TRAIN_LABELS: [&str; 6] = ["y_train", "train_labels", "y", "labels", "label", "target"];
const TEST: [&str; 3] = ["x_test", "test_images", "test"];
const TEST_LABELS: [&str; 2] = ["y_test", "test_labels"];

/// Reads one array, or one for training and one for testing; no labels.
pub(crate) fn read_npy(train: &Path, test: Option<&Path>) -> Result<Parts, DataError> {
    let read = |path: &Path| examples(path, "", &npy::read_npy(path)?, None);
    Ok(Parts::new(read(train)?, test.map(read).transpose()?))
}

/// Reads an archive.
pub(crate) fn read_npz(path: &Path) -> Result<Parts, DataError> {
    let arrays = npy::read_npz(path)?;
    let find = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| arrays.iter().find(|(found, _)| found == name))
    };
    let train = match (&arrays[..], find(&TRAIN)) {
        (_, Some(train)) => train,
        ([only], None) => only,
        _ => {
            let found: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
            return Err(DataError::from(Malformed {
                file: path.to_path_buf(),
                place: Place::Whole,
                expected: format!("an array called {}", TRAIN.join(", ")),
                found: match found.len() {
                    0 => "no arrays".into(),
                    _ => format!("arrays {}", found.join(", ")),
                },
                hint: Some("rename the array of examples, or save it alone".into()),
            }));
        }
    };
    let part = |(name, array): &(String, Array), labels| examples(path, name, array, labels);
    let test = find(&TEST).map(|test| part(test, find(&TEST_LABELS)));
    Ok(Parts::new(
        part(train, find(&TRAIN_LABELS))?,
        test.transpose()?,
    ))
}

/// One part; `name` is empty where the file is one array.
fn examples(
    path: &Path,
    name: &str,
    array: &Array,
    labels: Option<&(String, Array)>,
) -> Result<Examples, DataError> {
    let malformed = |expected: &str, found: String| {
        DataError::from(Malformed {
            file: path.to_path_buf(),
            place: match name {
                "" => Place::Whole,
                name => Place::Array {
                    name: name.into(),
                    offset: None,
                },
            },
            expected: expected.into(),
            found,
            hint: None,
        })
    };
    if array.shape.contains(&0) {
        return Err(malformed(
            "at least one value",
            format!("shape {:?}", array.shape),
        ));
    }
    let image = |channels, height, width| Layout::Image {
        channels,
        height,
        width,
    };
    let mut channels_last = false;
    let layout = match array.shape[..] {
        [_, len] => Layout::Vector { len },
        [_, height, width] => image(1, height, width),
        [_, channels @ (1 | 3), height, width] => image(channels, height, width),
        [_, height, width, channels @ (1 | 3)] => {
            channels_last = true;
            image(channels, height, width)
        }
        _ => {
            return Err(malformed(
                "shape [n, len], [n, height, width], or with 1 or 3 channels [n, channels, height, width]",
                format!("shape {:?}", array.shape),
            ));
        }
    };
    let values = match &array.numbers {
        Numbers::U8(bytes) => levels(Arc::from(channels_first(bytes, layout, channels_last))),
        _ => {
            // Whole numbers have the room they need.
            match &array.numbers {
                Numbers::F32(x) => check_numbers(path, name, x.iter().map(|&x| x.into()))?,
                Numbers::F64(x) => check_numbers(path, name, x.iter().copied())?,
                Numbers::U8(_) | Numbers::I64(_) => {}
            }
            let numbers = array.to_f32();
            Values::F32(Arc::from(channels_first(&numbers, layout, channels_last)))
        }
    };
    let n = array.shape[0];
    let labels = match labels {
        Some((label_name, labels)) => {
            let found = read_labels(path, label_name, labels)?;
            if found.len() != n {
                let member = |name: &str| PathBuf::from(format!("{}:{name}", path.display()));
                return Err(DataError::LabelCount {
                    examples: member(name),
                    labels: member(label_name),
                    n_examples: n,
                    n_labels: found.len(),
                });
            }
            Some(found)
        }
        None => None,
    };
    Ok(Examples::new(layout, values, labels))
}

/// Labels are whole numbers from 0, one for each example.
fn read_labels(path: &Path, name: &str, array: &Array) -> Result<Arc<[u32]>, DataError> {
    let numbers: Vec<f64> = match &array.numbers {
        Numbers::U8(x) => x.iter().map(|&x| f64::from(x)).collect(),
        Numbers::I64(x) => x.iter().map(|&x| x as f64).collect(),
        Numbers::F32(x) => x.iter().map(|&x| f64::from(x)).collect(),
        Numbers::F64(x) => x.clone(),
    };
    numbers
        .iter()
        .enumerate()
        .map(|(index, &x)| {
            if x.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&x) {
                return Ok(x as u32);
            }
            Err(DataError::from(Malformed {
                file: path.to_path_buf(),
                place: Place::Element {
                    array: name.into(),
                    index,
                },
                expected: "a label: a whole number from 0".into(),
                found: x.to_string(),
                hint: None,
            }))
        })
        .collect()
}

fn channels_first<T: Copy>(values: &[T], layout: Layout, channels_last: bool) -> Vec<T> {
    let Layout::Image {
        channels,
        height,
        width,
    } = layout
    else {
        return values.to_vec();
    };
    if !channels_last {
        return values.to_vec();
    }
    let plane = height * width;
    values
        .chunks_exact(channels * plane)
        .flat_map(|image| {
            (0..channels).flat_map(move |c| (0..plane).map(move |i| image[i * channels + c]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, open};

    fn bytes(shape: &[usize], from: u8) -> Array {
        let n: usize = shape.iter().product();
        let numbers = (0..n).map(|i| from.wrapping_add(i as u8)).collect();
        Array::new(shape.to_vec(), Numbers::U8(numbers))
    }

    fn read(arrays: &[(&str, Array)]) -> Result<Parts, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        npy::write_npz(&path, arrays).unwrap();
        read_npz(&path)
    }

    fn message(arrays: &[(&str, Array)]) -> String {
        read(arrays).err().unwrap().to_string()
    }

    #[test]
    fn archives_with_parts_and_labels() {
        let labels = |x: Vec<i64>| Array::new(vec![x.len(), 1], Numbers::I64(x));
        let parts = read(&[
            ("x_train", bytes(&[3, 2, 2], 0)),
            ("y_train", labels(vec![4, 5, 6])),
            ("x_test", bytes(&[1, 2, 2], 100)),
            ("y_test", Array::new(vec![1], Numbers::F64(vec![2.0]))),
        ])
        .unwrap();
        assert_eq!(parts.train.labels.as_deref(), Some(&[4, 5, 6][..]));
        assert_eq!(parts.train.n_levels(), Some(256));
        assert_eq!(parts.test.unwrap().labels.as_deref(), Some(&[2][..]));
        let only = read(&[("whatever", bytes(&[2, 5], 0))]).unwrap();
        assert_eq!(only.train.layout, Layout::Vector { len: 5 });
    }

    #[test]
    fn channels_may_come_last() {
        let parts = read(&[("x", bytes(&[1, 2, 2, 3], 0))]).unwrap();
        let Values::U8 { bytes: found, .. } = &parts.train.values else {
            panic!()
        };
        assert_eq!(**found, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        let first = read(&[("x", bytes(&[1, 3, 2, 4], 0))]).unwrap();
        assert_eq!(first.train.layout.n_values(), 24);
    }

    #[test]
    fn truth_values_are_binary_images() {
        let array = Array::new(vec![2, 2], Numbers::U8(vec![0, 1, 1, 0]));
        let parts = read(&[("x", array)]).unwrap();
        assert_eq!(parts.train.n_levels(), Some(2));
        assert!(parts.train.range().binary);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_array() {
        let x = || ("x", bytes(&[3, 4], 0));
        let missing = message(&[("a", bytes(&[1, 1], 0)), ("b", bytes(&[1, 1], 0))]);
        assert!(
            missing.contains("x.npz: expected an array called x_train, train_images, train, x, X, images, found arrays a, b"),
            "{missing}"
        );
        let count = message(&[x(), ("y", bytes(&[2], 0))]);
        assert!(count.contains("x.npz:y: expected 3 labels"), "{count}");
        let label = message(&[
            x(),
            ("y", Array::new(vec![3], Numbers::I64(vec![0, -1, 2]))),
        ]);
        assert!(
            label.contains(
                "array `y`, element 1: expected a label: a whole number from 0, found -1"
            ),
            "{label}"
        );
        let flat = message(&[("x", bytes(&[3], 0))]);
        assert!(
            flat.contains("array `x`: expected shape [n, len]") && flat.contains("found shape [3]"),
            "{flat}"
        );
        let nan = message(&[(
            "x",
            Array::new(vec![1, 2], Numbers::F64(vec![0.0, f64::NAN])),
        )]);
        assert!(
            nan.contains("array `x`, element 1: expected a finite number, found NaN"),
            "{nan}"
        );
        let huge = message(&[("x", Array::new(vec![1, 1], Numbers::F64(vec![1e300])))]);
        assert!(
            huge.contains("expected a number of at most 3.4e38") && huge.contains("found 1e300"),
            "{huge}"
        );
        let none = message(&[("x", bytes(&[0, 4], 0))]);
        assert!(none.contains("expected at least one value"), "{none}");
    }

    #[test]
    fn a_folder_may_hold_train_and_test_arrays() {
        let folder = tempfile::tempdir().unwrap();
        npy::write_npy(&folder.path().join("train.npy"), &bytes(&[3, 4], 0)).unwrap();
        npy::write_npy(&folder.path().join("test.npy"), &bytes(&[2, 4], 9)).unwrap();
        let set = open(&folder.path().to_string_lossy(), &OpenOptions::default()).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (3, 2));
        let single = folder
            .path()
            .join("train.npy")
            .to_string_lossy()
            .into_owned();
        let set = open(&single, &OpenOptions::default()).unwrap();
        assert_eq!(
            (set.train.len(), set.test.len(), set.name.as_str()),
            (2, 1, "train")
        );
    }
}

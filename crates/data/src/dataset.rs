//! A data set: a training and a test part of one layout, with a fingerprint of all values.

use crate::files::hex;
use crate::readers::Parts;
use crate::{DataError, Examples, Layout, OpenOptions, Values, transform};
use jensen_rng::Stream;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Seed of the split of sources without a test part: fixed, so that every run sees the same test examples.
const SPLIT_SEED: u64 = 0x7465_7374;

/// A training and a test part.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Short name: of the catalogue, or of the file or folder.
    pub name: String,
    /// Where it came from: a catalogue name or a path, as given.
    pub source: String,
    /// The training part.
    pub train: Examples,
    /// The test part; for sources without one, a fixed random fraction of the examples.
    pub test: Examples,
    /// Names of the classes, where they are known; `labels` count into it.
    pub label_names: Option<Vec<String>>,
    /// Names of the columns of a table without the label, in the order of the values; none where it has no names.
    pub column_names: Option<Vec<String>>,
    /// Number of grey levels, if the values are levels: 256, or 17 for the embedded digits.
    pub discrete: Option<u32>,
    /// SHA-256 over layout, values and labels of both parts, 64 hexadecimal digits.
    pub fingerprint: String,
    /// What a user should know about what was read and what was not, a sentence each, without a full stop.
    pub notes: Vec<String>,
}

impl Dataset {
    /// The layout of both parts.
    pub fn layout(&self) -> Layout {
        self.train.layout
    }

    pub(crate) fn from_parts(
        name: String,
        source: &str,
        parts: Parts,
        options: &OpenOptions,
    ) -> Result<Self, DataError> {
        let mut train = transform::apply(parts.train, options)?;
        let test = match parts.test {
            Some(mut test) => {
                test = transform::apply(test, options)?;
                if test.layout != train.layout {
                    return Err(DataError::PartsDiffer {
                        path: Path::new(source).to_path_buf(),
                        train: train.layout,
                        test: test.layout,
                    });
                }
                share_scale(&mut train, &mut test);
                test
            }
            None if options.whole => {
                let empty = train.select(&[]);
                std::mem::replace(&mut train, empty)
            }
            None if train.len() < 2 => {
                return Err(DataError::NoExamples {
                    path: Path::new(source).to_path_buf(),
                    expected: "at least 2 examples, to split a test part off".into(),
                    found: train.len().to_string(),
                    hint: None,
                });
            }
            None => {
                let mut stream = Stream::from_seed(SPLIT_SEED).child("test part", 0);
                let (rest, test) = train.split(options.test_fraction, &mut stream);
                train = rest;
                test
            }
        };
        Ok(Self {
            name,
            source: source.into(),
            discrete: train.n_levels(),
            fingerprint: fingerprint(&[&train, &test]),
            label_names: parts.label_names,
            column_names: parts.column_names,
            notes: parts.notes,
            train,
            test,
        })
    }
}

/// The level that stands for 1.0 is guessed for each part from its bytes; the larger guess holds for both.
fn share_scale(train: &mut Examples, test: &mut Examples) {
    if let (Values::U8 { max: a, .. }, Values::U8 { max: b, .. }) =
        (&mut train.values, &mut test.values)
    {
        *a = (*a).max(*b);
        *b = *a;
    }
}

fn fingerprint(parts: &[&Examples]) -> String {
    let mut hasher = Sha256::new_with_prefix(b"jensen data v1");
    for part in parts {
        hasher.update(part.layout.to_string());
        hasher.update((part.len() as u64).to_le_bytes());
        match &part.values {
            Values::U8 { bytes, max } => {
                hasher.update([1, *max]);
                hasher.update(bytes);
            }
            Values::F32(numbers) => {
                hasher.update([2, 0]);
                for chunk in numbers.chunks(1 << 14) {
                    let bytes: Vec<u8> = chunk.iter().flat_map(|x| x.to_le_bytes()).collect();
                    hasher.update(bytes);
                }
            }
        }
        let captions = part.captions.iter();
        for word in captions.flat_map(|captions| captions.words.iter()) {
            hasher.update(word.to_le_bytes());
        }
        for label in part.labels.iter().flat_map(|labels| labels.iter()) {
            hasher.update(label.to_le_bytes());
        }
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn examples(bytes: &[u8], max: u8) -> Examples {
        let bytes = Arc::from(bytes);
        Examples::new(Layout::Vector { len: 2 }, Values::U8 { bytes, max }, None)
    }

    fn dataset(train: Examples, test: Option<Examples>) -> Result<Dataset, DataError> {
        let parts = Parts::new(train, test);
        Dataset::from_parts("x".into(), "x.npz", parts, &OpenOptions::default())
    }

    #[test]
    fn both_parts_have_one_scale() {
        let set = dataset(examples(&[0, 200], 255), Some(examples(&[0, 1], 1))).unwrap();
        assert_eq!((set.discrete, set.test.n_levels()), (Some(256), Some(256)));
    }

    #[test]
    fn the_split_of_a_source_without_test_part_is_always_the_same() {
        let bytes: Vec<u8> = (0..40).collect();
        let first = dataset(examples(&bytes, 255), None).unwrap();
        let again = dataset(examples(&bytes, 255), None).unwrap();
        assert_eq!((first.train.len(), first.test.len()), (16, 4));
        assert_eq!(first.fingerprint, again.fingerprint);
        assert_ne!(
            first.fingerprint,
            dataset(examples(&bytes, 100), None).unwrap().fingerprint
        );
        assert!(matches!(
            dataset(examples(&[0, 1], 1), None),
            Err(DataError::NoExamples { .. })
        ));
    }

    #[test]
    fn a_source_without_test_part_can_be_kept_whole() {
        let parts = Parts::new(examples(&[5, 1, 4, 2], 255), None);
        let options = OpenOptions {
            whole: true,
            ..OpenOptions::default()
        };
        let set = Dataset::from_parts("x".into(), "x.npz", parts, &options).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (0, 2));
        let mut first = [0.0; 2];
        set.test.gather(&[0], &mut first);
        assert_eq!(first, [5.0 / 255.0, 1.0 / 255.0]);
    }

    #[test]
    fn parts_of_different_layout_are_refused() {
        let mut test = examples(&[1, 2, 3, 4], 255);
        test.layout = Layout::Vector { len: 4 };
        let refused = dataset(examples(&[1, 2], 255), Some(test)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "x.npz: expected test examples like the training examples (vectors of 2), found vectors of 4"
        );
    }
}

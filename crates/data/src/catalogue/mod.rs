//! The catalogue of named data sets, one file each.
//!
//! A new set is a file with its entry, a `mod` line and a place in the list.

mod digits;
mod fashion_mnist;
mod mnist;
mod scenes;

use crate::download::{Downloader, Progress, RemoteFile};
use crate::readers::{Parts, idx};
use crate::{DataError, Layout, OpenOptions, cache};
use std::ops::ControlFlow;
use std::path::PathBuf;

static CATALOGUE: [Entry; 4] = [
    digits::ENTRY,
    mnist::ENTRY,
    fashion_mnist::ENTRY,
    scenes::ENTRY,
];

/// A data set with a name.
#[derive(Debug)]
pub struct Entry {
    /// The name to open it by.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Terms of use, with whom to name.
    pub license: &'static str,
    /// Who made it, where it is described.
    pub origin: &'static str,
    /// What one example is.
    pub layout: Layout,
    /// Training examples.
    pub n_train: usize,
    /// Test examples.
    pub n_test: usize,
    /// Names of the classes.
    pub label_names: &'static [&'static str],
    storage: Storage,
}

/// How to come by a data set.
#[derive(Debug)]
enum Storage {
    /// It is part of this crate, or made by it.
    Embedded(fn() -> Result<Parts, DataError>),
    /// Four IDX files in MNIST's naming, at any of the base addresses.
    Idx {
        files: &'static [RemoteFile],
        mirrors: &'static [&'static str],
    },
}

/// Whether a data set can be opened at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It is part of the program.
    Embedded,
    /// It was downloaded to this folder.
    Cached(PathBuf),
    /// It will be downloaded when it is first opened.
    Download {
        /// What is still to come, bytes.
        bytes: u64,
    },
}

/// All named data sets.
pub fn catalogue() -> &'static [Entry] {
    &CATALOGUE
}

pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

impl Entry {
    /// Whether it is here; files in the cache are judged by their size, their hashes are checked when they are opened.
    pub fn availability(&self, options: &OpenOptions) -> Result<Availability, DataError> {
        let Storage::Idx { files, .. } = self.storage else {
            return Ok(Availability::Embedded);
        };
        let folder = self.folder(options)?;
        let bytes = files
            .iter()
            .filter(|file| {
                let found = folder.join(file.name).metadata();
                !found.is_ok_and(|found| found.len() == file.bytes)
            })
            .map(|file| file.bytes)
            .sum();
        Ok(match bytes {
            0 => Availability::Cached(folder),
            bytes => Availability::Download { bytes },
        })
    }

    fn folder(&self, options: &OpenOptions) -> Result<PathBuf, DataError> {
        let cache = match &options.cache {
            Some(folder) => folder.clone(),
            None => cache::cache_folder()?,
        };
        Ok(cache.join("data").join(self.name))
    }

    pub(crate) fn load(
        &self,
        options: &OpenOptions,
        progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Parts, DataError> {
        let mut parts = match &self.storage {
            Storage::Embedded(read) => read()?,
            Storage::Idx { files, mirrors } => {
                let folder = self.folder(options)?;
                let downloader = if options.mirrors.is_empty() {
                    Downloader::new(mirrors.iter().copied())
                } else {
                    Downloader::new(options.mirrors.iter().map(String::as_str))
                };
                downloader.fetch(files, &folder, progress)?;
                idx::read_folder(&folder)?.ok_or_else(|| DataError::NoExamples {
                    path: folder.clone(),
                    expected: "the files that were just downloaded".into(),
                    found: "none of them".into(),
                    hint: None,
                })?
            }
        };
        let names = self.label_names.iter().map(ToString::to_string);
        parts.label_names = (!self.label_names.is_empty()).then(|| names.collect());
        Ok(parts)
    }
}

/// The digits as class names.
const DIGIT_NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;

    #[test]
    fn names_are_unique_and_entries_complete() {
        for (i, entry) in catalogue().iter().enumerate() {
            assert!(
                catalogue()[..i]
                    .iter()
                    .all(|other| other.name != entry.name)
            );
            for text in [entry.summary, entry.license, entry.origin] {
                assert!(!text.is_empty(), "{}", entry.name);
            }
            if let Storage::Idx { files, mirrors } = &entry.storage {
                assert!(mirrors.iter().all(|m| m.starts_with("https://")));
                assert!(files.iter().all(|f| f.sha256.len() == 64 && f.bytes > 0));
            }
        }
    }

    #[test]
    fn an_unknown_name_tells_the_nearest_and_all() {
        let error = open("mnits", &OpenOptions::default()).unwrap_err();
        let DataError::UnknownName { nearest, known, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(nearest.as_deref(), Some("mnist"));
        assert_eq!(known, &["digits", "mnist", "fashion-mnist", "scenes"]);
        assert!(error.to_string().starts_with(
            "no data set is called `mnits`; did you mean `mnist`?\n  known names: digits, mnist, fashion-mnist, scenes"
        ));
        let far = open("imagenet", &OpenOptions::default()).unwrap_err();
        assert!(matches!(far, DataError::UnknownName { nearest: None, .. }));
        let path = open("no/such/folder", &OpenOptions::default()).unwrap_err();
        assert!(matches!(path, DataError::NotFound { .. }));
    }

    #[test]
    fn availability_counts_what_is_missing() {
        let cache = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            cache: Some(cache.path().into()),
            ..OpenOptions::default()
        };
        let of = |name| find(name).unwrap().availability(&options).unwrap();
        assert_eq!(of("digits"), Availability::Embedded);
        assert_eq!(of("mnist"), Availability::Download { bytes: 11_594_722 });
        assert_eq!(
            of("fashion-mnist"),
            Availability::Download { bytes: 30_878_645 }
        );
    }
}

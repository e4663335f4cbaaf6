//! Which files of a folder are the images, and of which class.

use crate::files::list_folder;
use crate::readers::{names_in, unread};
use crate::{DataError, Malformed, Place};
use std::path::{Path, PathBuf};

/// An image file with its class.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) class: Option<String>,
}

/// The images of one part: right in the folder, or in subfolders that name the class.
pub(super) fn find(folder: &Path) -> Result<Vec<Found>, DataError> {
    let mut flat = Vec::new();
    let mut classes = Vec::new();
    for (path, is_dir) in list_folder(folder)? {
        if is_dir {
            let class = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            for (path, is_dir) in list_folder(&path)? {
                if !is_dir && unread::is_image(&path) {
                    classes.push(Found {
                        path,
                        class: Some(class.clone()),
                    });
                }
            }
        } else if unread::is_image(&path) {
            flat.push(Found { path, class: None });
        }
    }
    match (flat.is_empty(), classes.is_empty()) {
        (false, true) => Ok(flat),
        (true, false) => Ok(classes),
        (true, true) => Err(DataError::NoExamples {
            path: folder.to_path_buf(),
            expected: "PNG or JPEG images, in it or in one subfolder for each class".into(),
            found: names_in(folder)?,
            hint: Some(unread::way_out(folder).unwrap_or_else(|| OTHERS.into())),
        }),
        (false, false) => Err(DataError::from(Malformed {
            file: folder.to_path_buf(),
            place: Place::Whole,
            expected: "images, or one subfolder of images for each class".into(),
            found: format!(
                "{} images and {} more in subfolders",
                flat.len(),
                classes.len()
            ),
            hint: Some("move them so that every image has a class or none has".into()),
        })),
    }
}

const OTHERS: &str = "other folders that can be read hold the four IDX files of MNIST, or train.csv, train.npy or \
                      train.npz";

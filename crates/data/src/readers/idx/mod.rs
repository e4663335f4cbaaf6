//! IDX, the format of MNIST: big-endian magic `00 00 type n_dims`, the dimensions as u32, then the values.
//!
//! Type 08 is unsigned bytes, 09 signed bytes, 0B i16, 0C i32, 0D f32, 0E f64. Files may be packed with gzip.
//! A folder holds up to four of them, named as MNIST does: `train-images-idx3-ubyte(.gz)`,
//! `train-labels-idx1-ubyte(.gz)`, and the same with `t10k` or `test`; a dot before `idx` is understood too.

mod header;
#[cfg(test)]
mod tests;

use super::Parts;
use crate::files::{Loaded, hex_start, list_folder};
use crate::{DataError, Examples, Layout};
use header::{Header, Kind};
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
    Ok(Parts::new(read_part(path, labels.as_deref())?, None))
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
    let train = read_part(train_images, train_labels.map(PathBuf::as_path))?;
    Ok(Some(Parts::new(train, test)))
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

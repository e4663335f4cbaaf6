//! Folders of PNG and JPEG images; subfolders are classes, and `train` and `test` on top of them are parts.
//!
//! Images have one size, unless the option `resize` gives them one. They are grey if all of them are, else red,
//! green, blue; they are turned as their EXIF notes say, and what is transparent shows white. Files are taken in the
//! order of their names.

mod decode;
mod find;
#[cfg(test)]
mod tests;

use super::{Parts, unread};
use crate::{DataError, Examples, Layout, OpenOptions, Values, transform};
use decode::{Decoded, decode, has_color};
use find::{Found, find};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads a folder.
pub(crate) fn read(folder: &Path, options: &OpenOptions) -> Result<Parts, DataError> {
    let (train, test) = (folder.join("train"), folder.join("test"));
    let has_parts = train.is_dir();
    let parts = match (has_parts, test.is_dir()) {
        (true, true) => vec![find(&train)?, find(&test)?],
        (true, false) => vec![find(&train)?],
        (false, _) => vec![find(folder)?],
    };
    let mut names: Vec<String> = parts
        .iter()
        .flatten()
        .filter_map(|found| found.class.clone())
        .collect();
    names.sort();
    names.dedup();
    let mut notes = Vec::new();
    let as_classes = names.iter().filter(|name| unread::is_part(name));
    let as_classes: Vec<String> = as_classes.map(|name| format!("`{name}`")).collect();
    if !has_parts && !as_classes.is_empty() {
        let (which, verb) = (
            as_classes.join(", "),
            if as_classes.len() == 1 {
                "is taken as a class"
            } else {
                "are taken as classes"
            },
        );
        notes.push(format!(
            "{which} {verb}, because there is no folder `train`"
        ));
    }
    let read = parts.iter().flatten().map(|found| found.path.as_path());
    notes.extend(unread::beside_images(folder, read, has_parts));
    let mut loading = Loading {
        names: &names,
        color: !options.grey && any_color(&parts)?,
        options,
        first: None,
        transparent: Vec::new(),
    };
    let mut examples = parts
        .iter()
        .map(|part| loading.load(part))
        .collect::<Result<Vec<_>, _>>()?;
    notes.extend(loading.note_on_transparent(folder));
    let test = (examples.len() == 2).then(|| examples.remove(1));
    Ok(Parts {
        label_names: (!names.is_empty()).then_some(names),
        notes,
        ..Parts::new(examples.remove(0), test)
    })
}

/// Whether any image has color, by its header.
fn any_color(parts: &[Vec<Found>]) -> Result<bool, DataError> {
    for found in parts.iter().flatten() {
        if has_color(&found.path)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How images become examples, and what was met on the way.
struct Loading<'a> {
    /// Classes, sorted.
    names: &'a [String],
    /// Whether examples get three channels.
    color: bool,
    options: &'a OpenOptions,
    /// The first image with its height and width, which the others must have.
    first: Option<(PathBuf, (usize, usize))>,
    /// Images that were not opaque.
    transparent: Vec<PathBuf>,
}

impl Loading<'_> {
    fn load(&mut self, part: &[Found]) -> Result<Examples, DataError> {
        let Self {
            names,
            color,
            options,
            ..
        } = *self;
        let channels = if color { 3 } else { 1 };
        transform::check_room(part.len(), channels, 1, options)?;
        let mut all: Vec<u8> = Vec::new();
        let mut size = (0, 0);
        for found in part {
            let Decoded {
                channels: stored,
                height,
                width,
                bytes,
                was_transparent,
            } = decode(&found.path)?;
            if was_transparent {
                self.transparent.push(found.path.clone());
            }
            // Grey images go as one channel and become three at the end, if others have color.
            let mut example = Examples::new(
                Layout::Image {
                    channels: stored,
                    height,
                    width,
                },
                Values::U8 {
                    bytes: bytes.into(),
                    max: u8::MAX,
                },
                None,
            );
            if !color {
                example = transform::grey(&example)?;
            }
            size = match options.resize {
                Some(size) => {
                    example = transform::resize(&example, size.0, size.1)?;
                    size
                }
                None => {
                    let (path, expected) = self
                        .first
                        .get_or_insert_with(|| (found.path.clone(), (height, width)));
                    if *expected != (height, width) {
                        return Err(DataError::MixedSizes {
                            file: found.path.clone(),
                            first: path.clone(),
                            expected: *expected,
                            found: (height, width),
                        });
                    }
                    *expected
                }
            };
            if let Values::U8 { bytes, .. } = &example.values {
                let copies = channels * size.0 * size.1 / bytes.len();
                for _ in 0..copies {
                    all.extend_from_slice(bytes);
                }
            }
        }
        let class = |found: &Found| {
            let class = found.class.as_ref()?;
            Some(names.partition_point(|name| name < class) as u32)
        };
        let labels: Option<Arc<[u32]>> = part.iter().map(class).collect();
        Ok(Examples::new(
            Layout::Image {
                channels,
                height: size.0,
                width: size.1,
            },
            Values::U8 {
                bytes: all.into(),
                max: u8::MAX,
            },
            labels,
        ))
    }

    /// How many images were laid on white.
    fn note_on_transparent(&self, folder: &Path) -> Option<String> {
        let first = self.transparent.first()?;
        let first = first.strip_prefix(folder).unwrap_or(first).display();
        Some(match self.transparent.len() {
            1 => format!("1 image is transparent in places (`{first}`): white shows there"),
            n => format!(
                "{n} images are transparent in places (such as `{first}`): white shows there"
            ),
        })
    }
}

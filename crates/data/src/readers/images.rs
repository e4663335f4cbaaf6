//! Folders of PNG and JPEG images; subfolders are classes, and `train` and `test` on top of them are parts.
//!
//! Images have one size, unless the option `resize` gives them one. They are grey if all of them are, else red,
//! green, blue; transparency is dropped. Files are taken in the order of their names.

use super::{Parts, names_in};
use crate::files::{io_error, list_folder};
use crate::{DataError, Examples, Layout, Malformed, OpenOptions, Place, Values, transform};
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, ImageResult};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// Reads a folder.
pub(crate) fn read(folder: &Path, options: &OpenOptions) -> Result<Parts, DataError> {
    let (train, test) = (folder.join("train"), folder.join("test"));
    let parts = match (train.is_dir(), test.is_dir()) {
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
    let color = !options.grey && any_color(&parts)?;
    let mut first = None;
    let mut examples = parts
        .iter()
        .map(|part| load(part, &names, color, options, &mut first))
        .collect::<Result<Vec<_>, _>>()?;
    let test = (examples.len() == 2).then(|| examples.remove(1));
    Ok(Parts {
        label_names: (!names.is_empty()).then_some(names),
        ..Parts::new(examples.remove(0), test)
    })
}

/// An image file with its class.
struct Found {
    path: PathBuf,
    class: Option<String>,
}

/// The images of one part: right in the folder, or in subfolders that name the class.
fn find(folder: &Path) -> Result<Vec<Found>, DataError> {
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
                if !is_dir && is_image(&path) {
                    classes.push(Found {
                        path,
                        class: Some(class.clone()),
                    });
                }
            }
        } else if is_image(&path) {
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
            hint: Some("other folders that can be read hold the four IDX files of MNIST, or train.csv, train.npy or train.npz".into()),
        }),
        (false, false) => Err(DataError::from(Malformed {
            file: folder.to_path_buf(),
            place: Place::Whole,
            expected: "images, or one subfolder of images for each class".into(),
            found: format!("{} images and {} more in subfolders", flat.len(), classes.len()),
            hint: Some("move them so that every image has a class or none has".into()),
        })),
    }
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| {
        ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    })
}

/// Whether any image has color, by its header.
fn any_color(parts: &[Vec<Found>]) -> Result<bool, DataError> {
    for found in parts.iter().flatten() {
        if with_reader(&found.path, |reader| {
            Ok(reader.into_decoder()?.color_type())
        })?
        .has_color()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn decode(path: &Path) -> Result<DynamicImage, DataError> {
    with_reader(path, |reader| reader.decode())
}

/// Runs a decoder over a file and tells where it stopped if it failed.
fn with_reader<T>(
    path: &Path,
    run: impl FnOnce(ImageReader<&mut Cursor<&[u8]>>) -> ImageResult<T>,
) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(|e| io_error(path, "read", e))?;
    let mut cursor = Cursor::new(&bytes[..]);
    let result = ImageReader::new(&mut cursor)
        .with_guessed_format()
        .map_err(ImageError::IoError)
        .and_then(run);
    result.map_err(|error| {
        DataError::from(Malformed {
            file: path.to_path_buf(),
            place: Place::Byte {
                offset: cursor.position(),
                unpacked: false,
            },
            expected: "a PNG or JPEG image".into(),
            found: error.to_string(),
            hint: Some("remove the file, or copy it again".into()),
        })
    })
}

fn load(
    part: &[Found],
    names: &[String],
    color: bool,
    options: &OpenOptions,
    first: &mut Option<(PathBuf, (usize, usize))>,
) -> Result<Examples, DataError> {
    let channels = if color { 3 } else { 1 };
    transform::check_room(part.len(), channels, 1, options)?;
    let mut all: Vec<u8> = Vec::new();
    let mut size = (0, 0);
    for found in part {
        let image = decode(&found.path)?;
        let is_grey = !image.color().has_color();
        let (height, width) = (image.height() as usize, image.width() as usize);
        // Grey images go as one channel and become three at the end, if others have color.
        let (stored, bytes) = if is_grey {
            (1, image.into_luma8().into_raw())
        } else {
            (3, planes(&image.into_rgb8().into_raw()))
        };
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
                let (path, expected) =
                    first.get_or_insert_with(|| (found.path.clone(), (height, width)));
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

/// From red, green, blue of each pixel to a plane for each.
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3)
        .flat_map(|c| pixels.iter().skip(c).step_by(3).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbImage};
    use tempfile::{TempDir, tempdir};

    fn put(folder: &TempDir, name: &str, image: impl Into<DynamicImage>) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.into().save(path).unwrap();
    }

    fn grey(width: u32, height: u32, level: u8) -> GrayImage {
        GrayImage::from_pixel(width, height, image::Luma([level]))
    }

    fn bytes(examples: &Examples) -> &[u8] {
        match &examples.values {
            Values::U8 { bytes, max: 255 } => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn subfolders_are_classes_and_parts_are_honoured() {
        let folder = tempdir().unwrap();
        put(&folder, "train/cat/b.png", grey(3, 2, 10));
        put(&folder, "train/cat/a.png", grey(3, 2, 20));
        put(&folder, "train/ant/z.jpeg", grey(3, 2, 30));
        put(&folder, "test/cat/c.png", grey(3, 2, 40));
        fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
        let parts = read(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(
            parts.train.layout,
            Layout::Image {
                channels: 1,
                height: 2,
                width: 3
            }
        );
        assert_eq!(parts.label_names.unwrap(), ["ant", "cat"]);
        assert_eq!(**parts.train.labels.as_ref().unwrap(), [0, 1, 1]);
        assert_eq!(bytes(&parts.train)[6], 20, "a.png comes before b.png");
        let test = parts.test.unwrap();
        assert_eq!(**test.labels.as_ref().unwrap(), [1]);
        assert_eq!(bytes(&test), [40; 6]);
    }

    #[test]
    fn one_color_image_makes_all_color_unless_grey_is_asked_for() {
        let folder = tempdir().unwrap();
        put(&folder, "a.png", grey(2, 1, 50));
        let mut red = RgbImage::new(2, 1);
        red.put_pixel(1, 0, image::Rgb([255, 1, 2]));
        put(&folder, "b.png", red);
        let parts = read(folder.path(), &OpenOptions::default()).unwrap();
        assert_eq!(
            bytes(&parts.train),
            [50, 50, 50, 50, 50, 50, 0, 255, 0, 1, 0, 2]
        );
        assert!(parts.train.labels.is_none() && parts.label_names.is_none());
        let options = OpenOptions {
            grey: true,
            ..OpenOptions::default()
        };
        let parts = read(folder.path(), &options).unwrap();
        // 0.2126 * 255 + 0.7152 * 1 + 0.0722 * 2 = 55.07
        assert_eq!(bytes(&parts.train), [50, 50, 0, 55]);
    }

    #[test]
    fn mixed_sizes_need_resize() {
        let folder = tempdir().unwrap();
        put(&folder, "a.png", grey(4, 6, 9));
        put(&folder, "b.png", grey(5, 6, 9));
        let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
        assert!(
            matches!(
                &error,
                DataError::MixedSizes { file, expected: (6, 4), found: (6, 5), .. } if file.ends_with("b.png")
            ),
            "{error}"
        );
        assert!(error.to_string().contains("resize"));
        let options = OpenOptions {
            resize: Some((2, 3)),
            ..OpenOptions::default()
        };
        let parts = read(folder.path(), &options).unwrap();
        assert_eq!(bytes(&parts.train), [9; 12]);
    }

    #[test]
    fn a_folder_without_images_says_what_it_holds() {
        let folder = tempdir().unwrap();
        let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
        assert!(
            matches!(&error, DataError::NoExamples { found, .. } if found == "an empty folder")
        );
        fs::write(folder.path().join("readme.md"), "x").unwrap();
        let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
        assert!(
            error.to_string().contains("found 1 name(s): readme.md"),
            "{error}"
        );
    }

    #[test]
    fn images_beside_class_folders_are_refused() {
        let folder = tempdir().unwrap();
        put(&folder, "a.png", grey(1, 1, 0));
        put(&folder, "class/b.png", grey(1, 1, 0));
        let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("found 1 images and 1 more in subfolders")
        );
    }

    #[test]
    fn an_unreadable_image_is_named_with_the_byte_where_reading_stopped() {
        let folder = tempdir().unwrap();
        put(&folder, "a.png", grey(40, 40, 7));
        let path = folder.path().join("a.png");
        let whole = fs::read(&path).unwrap();
        for (content, name) in [(&whole[..whole.len() / 2], "cut"), (b"<html>", "page")] {
            fs::write(&path, content).unwrap();
            let error = read(folder.path(), &OpenOptions::default()).err().unwrap();
            let DataError::Malformed(malformed) = &error else {
                panic!("{name}: {error}")
            };
            assert!(malformed.file.ends_with("a.png"), "{name}");
            assert!(matches!(malformed.place, Place::Byte { .. }), "{name}");
            assert!(
                error.to_string().contains("expected a PNG or JPEG image"),
                "{name}: {error}"
            );
        }
    }
}

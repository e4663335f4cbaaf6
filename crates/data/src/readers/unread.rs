//! What lies in a folder beside what was read of it: images and tables that nobody should miss silently.
//!
//! Hidden files and files that are neither images nor tables (licenses, notes) are nobody's data and not told.

use crate::files::list_folder;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Endings of images that are read.
const READ: [&str; 3] = ["png", "jpg", "jpeg"];
/// Endings of images that are not.
const FOREIGN: [&str; 10] = [
    "bmp", "webp", "gif", "tif", "tiff", "heic", "heif", "avif", "jp2", "ppm",
];
/// Endings of tables and arrays, perhaps packed with gzip.
const TABLES: [&str; 4] = [".csv", ".tsv", ".npy", ".npz"];
/// What parts for validation are called.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];
/// Folders inside one another that are looked into: a part, a class of it and what lies deeper.
const DEPTH_OF_IMAGES: usize = 4;
/// Beside a table nothing is nested.
const DEPTH_OF_TABLES: usize = 2;

/// Whether a folder of this name is a part of a set where there is a part for training.
pub(super) fn is_part(name: &str) -> bool {
    name == "test" || VALIDATION.contains(&name)
}

/// Whether a file is an image that is read.
pub(super) fn is_image(path: &Path) -> bool {
    has_ending(path, &READ)
}

/// What a folder of images holds beside the images that were read: a sentence for each kind.
pub(super) fn beside_images<'a>(
    folder: &Path,
    read: impl Iterator<Item = &'a Path>,
    has_parts: bool,
) -> Vec<String> {
    let read: BTreeSet<&Path> = read.collect();
    let [mut foreign, mut tables] = [Rest::default(), Rest::default()];
    let [mut validation, mut beside, mut nested] =
        [Rest::default(), Rest::default(), Rest::default()];
    let mut endings = BTreeSet::new();
    walk(folder, DEPTH_OF_IMAGES, &mut |path| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let top = inside.iter().next().unwrap_or_default().to_string_lossy();
        if has_ending(path, &FOREIGN) {
            endings.insert(ending(path));
            foreign.add(inside);
        } else if is_table(path) {
            tables.add(inside);
        } else if is_image(path) && !read.contains(path) {
            match () {
                () if has_parts && VALIDATION.contains(&&*top) => validation.add(inside),
                () if has_parts && !["train", "test"].contains(&&*top) => beside.add(inside),
                () => nested.add(inside),
            }
        }
    });
    let name = name_of(folder);
    let endings: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
    let top = validation.first.iter().next().unwrap_or_default();
    let top = top.to_string_lossy().into_owned();
    [
        foreign.told("file", &format!(" in `{name}`"), |example| {
            format!(": {} ({example}); png and jpeg are", endings.join(", "))
        }),
        validation.told("image", &format!(" in `{top}`"), |example| {
            format!(" ({example}): validation holds a part of `train` out")
        }),
        beside.told("image", " beside `train`", |example| {
            format!(" ({example}): only `train` and `test` are")
        }),
        nested.told("image", " in nested folders", |example| {
            format!(" ({example}): a class is the images right in its folder")
        }),
        tables.told("table", &format!(" in `{name}`"), |example| {
            format!(" ({example}): the images are; name a table itself to read it")
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a folder holds beside the files `read`, of which `main` is the most important.
pub(super) fn beside_tables(folder: &Path, main: &str, read: &[&Path]) -> Vec<String> {
    let [mut images, mut tables] = [Rest::default(), Rest::default()];
    walk(folder, DEPTH_OF_TABLES, &mut |path| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        if is_image(path) || has_ending(path, &FOREIGN) {
            images.add(inside);
        } else if is_table(path) && !read.contains(&path) {
            tables.add(inside);
        }
    });
    let place = format!(" in `{}`", name_of(folder));
    let because = |example: &str| format!(" ({example}), because {main} there");
    [
        images.told("image", &place, because),
        tables.told("table", &place, because),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What can be done about a folder in which there are no images to read, but others.
pub(super) fn way_out(folder: &Path) -> Option<String> {
    let [mut foreign, mut deeper] = [Rest::default(), Rest::default()];
    walk(folder, DEPTH_OF_IMAGES, &mut |path| {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        if is_image(path) {
            deeper.add(inside);
        } else if has_ending(path, &FOREIGN) {
            foreign.add(inside);
        }
    });
    let (n, first) = (foreign.n, foreign.first.display());
    match (deeper.n, n) {
        (0, 0) => None,
        (0, _) => Some(format!(
            "{n} of its files are images that are not read, such as {first}: convert them to PNG or JPEG"
        )),
        (n, _) => Some(format!(
            "{n} of its images lie deeper, such as {}: name the folder of the classes",
            deeper.first.display()
        )),
    }
}

/// Files of one kind: how many, and the first of them, inside the folder.
#[derive(Default)]
struct Rest {
    n: usize,
    first: PathBuf,
}

impl Rest {
    fn add(&mut self, inside: &Path) {
        if self.n == 0 {
            self.first = inside.to_path_buf();
        }
        self.n += 1;
    }

    /// A sentence, unless there are none: `more` goes on after "are not read" with the example.
    fn told(&self, what: &str, place: &str, more: impl FnOnce(&str) -> String) -> Option<String> {
        let first = self.first.display();
        let (start, example) = match self.n {
            0 => return None,
            1 => (format!("1 {what}{place} is"), format!("`{first}`")),
            n => (
                format!("{n} {what}s{place} are"),
                format!("such as `{first}`"),
            ),
        };
        Some(format!("{start} not read{}", more(&example)))
    }
}

/// Calls with every file, in the order of names; what cannot be listed is passed over.
fn walk(folder: &Path, depth: usize, call: &mut dyn FnMut(&Path)) {
    for (path, is_dir) in list_folder(folder).unwrap_or_default() {
        match is_dir {
            false => call(&path),
            true if depth > 1 => walk(&path, depth - 1, call),
            true => {}
        }
    }
}

fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let whole = whole.as_deref().unwrap_or(folder);
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

fn ending(path: &Path) -> String {
    let ending = path.extension().unwrap_or_default();
    ending.to_string_lossy().to_ascii_lowercase()
}

fn has_ending(path: &Path, known: &[&str]) -> bool {
    known.contains(&&*ending(path))
}

fn is_table(path: &Path) -> bool {
    let name = path.to_string_lossy().to_lowercase();
    let plain = name.strip_suffix(".gz").unwrap_or(&name);
    TABLES.iter().any(|ending| plain.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use crate::{DataError, Dataset, OpenOptions, open};
    use std::fs;
    use std::path::Path;
    use tempfile::{TempDir, tempdir};

    fn put(folder: &TempDir, names: &[&str]) {
        for name in names {
            let path = folder.path().join("photos").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match path.extension().unwrap().to_str().unwrap() {
                "png" | "jpg" => image::GrayImage::new(2, 2).save(path).unwrap(),
                "csv" => fs::write(path, "1,2\n2,2\n1,3\n2,1\n").unwrap(),
                _ => fs::write(path, "anything").unwrap(),
            }
        }
    }

    fn read(folder: &Path) -> Result<Dataset, DataError> {
        let path = folder.join("photos");
        open(&path.to_string_lossy(), &OpenOptions::default())
    }

    /// The notes on a folder that holds these files.
    fn notes(names: &[&str]) -> Vec<String> {
        let folder = tempdir().unwrap();
        put(&folder, names);
        read(folder.path()).unwrap().notes
    }

    #[test]
    fn nothing_is_said_where_all_images_are_read() {
        let names = ["cat/a.png", "cat/b.jpg", "README.md", "LICENSE.txt"];
        assert!(notes(&names).is_empty());
        let beside = ["ant/c.png", ".cache/x.png", "cat/labels.json"];
        assert!(notes(&[&names[..], &beside].concat()).is_empty());
    }

    #[test]
    fn images_of_other_formats_are_counted() {
        let names = ["cat/a.png", "cat/b.png", "cat/x.bmp", "cat/y.BMP"];
        assert_eq!(
            notes(&names),
            ["2 files in `photos` are not read: .bmp (such as `cat/x.bmp`); png and jpeg are"]
        );
        let one = notes(&["a.png", "b.png", "x.heic"]);
        assert_eq!(
            one,
            ["1 file in `photos` is not read: .heic (`x.heic`); png and jpeg are"]
        );
    }

    #[test]
    fn a_part_for_validation_and_what_lies_beside_train_are_told() {
        for name in ["val", "valid", "validation"] {
            let of = |file: &str| format!("{name}/{file}");
            let names = ["train/a.png", "test/b.png", "c.png", "more/d.png"];
            let held_out = [of("x.png"), of("cat/y.png")];
            let held_out = held_out.iter().map(String::as_str);
            let names: Vec<&str> = names.into_iter().chain(held_out).collect();
            assert_eq!(
                notes(&names),
                [
                    format!(
                        "2 images in `{name}` are not read (such as `{name}/cat/y.png`): validation holds a part of \
                         `train` out"
                    ),
                    "2 images beside `train` are not read (such as `c.png`): only `train` and `test` are"
                        .to_string(),
                ]
            );
        }
    }

    #[test]
    fn nested_images_are_told() {
        let names = ["cat/a.png", "cat/b.png", "cat/more/x.png"];
        let told = [
            "1 image in nested folders is not read (`cat/more/x.png`): a class is the images right in its folder",
        ];
        assert_eq!(notes(&names), told);
        let flat = notes(&["a.png", "b.png", "deep/er/x.png"]);
        assert!(flat[0].contains("(`deep/er/x.png`)"), "{flat:?}");
    }

    #[test]
    fn a_table_hides_no_image_and_an_image_no_table() {
        let names = ["train.csv", "valid.csv", "a.png", "more/b.bmp"];
        assert_eq!(
            notes(&names),
            [
                "2 images in `photos` are not read (such as `a.png`), because `train.csv` is there",
                "1 table in `photos` is not read (`valid.csv`), because `train.csv` is there",
            ]
        );
        assert_eq!(
            notes(&["a.png", "b.png", "labels.csv"]),
            [
                "1 table in `photos` is not read (`labels.csv`): the images are; name a table itself to read it"
            ]
        );
    }

    #[test]
    fn folders_that_are_parts_elsewhere_and_classes_here_are_told() {
        let told = notes(&["test/a.png", "val/b.png"]);
        assert_eq!(
            told,
            ["`test`, `val` are taken as classes, because there is no folder `train`"]
        );
    }

    #[test]
    fn a_folder_without_readable_images_says_where_others_are() {
        for (names, hint) in [
            (
                &["cat/x.webp", "dog/y.webp"][..],
                "hint: 2 of its files are images that are not read, such as cat/x.webp: convert them",
            ),
            (
                &["set/cat/x.png", "set/dog/y.png"],
                "hint: 2 of its images lie deeper, such as set/cat/x.png: name the folder",
            ),
        ] {
            let folder = tempdir().unwrap();
            put(&folder, names);
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }
}

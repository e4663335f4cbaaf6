//! Where generated values go: a picture, an archive of arrays, or a table, by the file's extension.

use crate::error::{Error, Result};
use crate::memory;
use crate::pictures::{self, Side};
use crate::session::Session;
use jensen_data::Layout;
use jensen_data::npy::{Array, Numbers, write_npz};
use jensen_report::{Picture, png_bytes};
use jensen_run::{Event, Observer, file, write_atomic};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What a verb wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Written {
    /// The run.
    pub run: PathBuf,
    /// The files, the most important first.
    pub files: Vec<PathBuf>,
    /// Examples in them.
    pub n: usize,
    /// What was measured on the way, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Why nothing was written, where what was measured is worth telling all the same.
    #[serde(rename = "error", skip_serializing_if = "Option::is_none")]
    pub not_stored: Option<NotStored>,
}

impl Written {
    /// Files of a run with n examples; where pictures are among them, the report shows them. A report that
    /// cannot be written is a matter of its own, and no reason to call what was written a failure.
    pub(super) fn of(
        session: &Session,
        files: Vec<PathBuf>,
        n: usize,
        observer: &mut dyn Observer,
    ) -> Self {
        let is_shown =
            |path: &PathBuf| path.starts_with(session.run.root()) && extension(path) == "png";
        if files.iter().any(is_shown)
            && let Err(error) = session.refresh_report(observer)
        {
            let hint = error
                .hint()
                .map_or_else(String::new, |hint| format!("; {hint}"));
            let text = format!("the report was not written again: {error}{hint}");
            observer.on(&Event::Warning { text: &text });
        }
        Self {
            run: session.run.root().to_path_buf(),
            files,
            n,
            ..Self::default()
        }
    }
}

/// Why what was measured could not be stored. The numbers are in the result all the same, and the result
/// is a failure all the same: in JSON this is its `error`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotStored {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl NotStored {
    pub(super) fn of(error: &Error) -> Self {
        Self {
            message: format!("the numbers could not be stored: {error}"),
            hint: error.hint(),
        }
    }
}

/// What a result is called without another name: after what it is, and after the data where they are not
/// the run's, so that nobody takes it for the run's own.
pub(super) fn default_name(what: &str, data: Option<&str>) -> String {
    let Some(data) = data else {
        return what.to_owned();
    };
    let stem = Path::new(data).file_stem().unwrap_or_default();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let stem: String = (stem.to_string_lossy().chars())
        .map(|c| if is_plain(c) { c } else { '-' })
        .take(LONGEST_NAME)
        .collect();
    match stem.is_empty() {
        true => format!("{what}-of-others"),
        false => format!("{what}-of-{stem}"),
    }
}

/// Signs that are taken over from the name of other data; a file's name has at most 255 bytes.
const LONGEST_NAME: usize = 40;

/// The place for a result: as asked for, else in the run's `samples/` as a picture, or as a table where
/// data are no images. Asked before the work, so that a wrong place does not cost it.
///
/// # Errors
/// [`Error::Option`] for a file that cannot hold the result.
pub(super) fn place(session: &Session, out: Option<&Path>, name: &str) -> Result<PathBuf> {
    let is_image = pictures::shape(session.layout()).is_some();
    let Some(out) = out else {
        let extension = if is_image { "png" } else { "csv" };
        let path = format!("{}/{name}.{extension}", file::SAMPLES);
        return Ok(session.run.path(path));
    };
    check_place(out, &["png", "npz", "csv"])?;
    match is_image || extension(out) != "png" {
        true => Ok(out.to_path_buf()),
        false => Err(Error::Option {
            name: "--out",
            expected: "a file .npz or .csv, because these data are no images".to_owned(),
            found: out.display().to_string(),
        }),
    }
}

/// Refuses a file that cannot be made, or whose extension is none of these.
pub(super) fn check_place(out: &Path, known: &[&str]) -> Result<()> {
    check_extension(out, known)?;
    check_file("--out", out)
}

/// [`check_place`] where there is one format alone, so that its extension can be left out.
pub(super) fn check_place_of(out: &Path, known: &str) -> Result<()> {
    match out.extension() {
        None => check_file("--out", out),
        Some(_) => check_place(out, &[known]),
    }
}

/// Refuses a place for several files that is named like one of them.
pub(super) fn check_place_of_several(out: &Path) -> Result<()> {
    let is_file = matches!(
        &*extension(out),
        "png" | "gif" | "svg" | "csv" | "npy" | "npz"
    );
    match is_file && !out.is_dir() {
        true => Err(Error::Option {
            name: "--out",
            expected: "a folder, for several files".to_owned(),
            found: out.display().to_string(),
        }),
        false => check_folder("--out", out),
    }
}

/// Refuses a place for a file where a folder stands, or that lies in no folder.
pub(super) fn check_file(name: &'static str, out: &Path) -> Result<()> {
    match out.is_dir() {
        true => Err(Error::Option {
            name,
            expected: "a file".to_owned(),
            found: format!("the folder {}", out.display()),
        }),
        false => check_folder(name, out.parent().unwrap_or(out)),
    }
}

/// Refuses a place for a folder where a file stands, it or something above it.
pub(crate) fn check_folder(name: &'static str, out: &Path) -> Result<()> {
    let there = out.ancestors().find(|path| path.exists());
    match there.filter(|path| !path.is_dir()) {
        None => Ok(()),
        Some(file) => Err(Error::Option {
            name,
            expected: "a folder".to_owned(),
            found: format!("{}, which is a file", file.display()),
        }),
    }
}

fn check_extension(out: &Path, known: &[&str]) -> Result<()> {
    if known.contains(&&*extension(out)) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(|known| format!(".{known}")).collect();
    let expected = match known.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => known.concat(),
    };
    Err(Error::Option {
        name: "--out",
        expected: format!("a file {expected}"),
        found: out.display().to_string(),
    })
}

/// What a file is: its extension in small letters.
fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

/// Refuses rows of values that a file could not be made of in memory: beside the values themselves an
/// archive holds a copy, a table their text; pictures have their own limits.
pub(super) fn check_size(session: &Session, extension: &str, n: usize) -> Result<()> {
    let times = match extension {
        "npz" => 2,
        // A number takes up to some thirteen characters.
        "csv" => 5,
        _ => 1,
    };
    let width = session.layout().n_values().saturating_mul(times);
    memory::check_rows(&format!("holding {n} examples"), n, width)
}

/// [`check_size`], and for a picture whether one can be so large.
pub(super) fn check_grid(session: &Session, path: &Path, columns: Side, rows: Side) -> Result<()> {
    let n = columns.lines.saturating_mul(rows.lines);
    let extension = extension(path);
    check_size(session, &extension, n)?;
    match &*extension {
        "png" => pictures::check_grid(session.model.site(), columns, rows),
        _ => Ok(()),
    }
}

/// Writes rows of values `[n, P]`, several under names; `draw` lays the pictures of all rows out. Tables
/// and archives begin with `keys`, a number a row that says what the row is.
pub(super) fn write(
    session: &Session,
    path: &Path,
    keys: &[(&str, Vec<f32>)],
    named: &[(&str, &[f32])],
    draw: impl FnOnce(&[Vec<Picture>]) -> Result<Picture>,
) -> Result<()> {
    match &*extension(path) {
        "png" => {
            let mut all = Vec::new();
            for (_, values) in named {
                let rows = pictures::of_rows(values, session.model.site())?;
                all.push(rows.expect("internal error: a picture of what is no image"));
            }
            write_atomic(path, &png_bytes(&draw(&all)?)?)?;
        }
        "npz" => {
            let shape = array_shape(session.layout());
            let named = named
                .iter()
                .map(|(name, values)| (*name, array(values, &shape)));
            let keys = (keys.iter())
                .map(|(name, of)| (*name, Array::new(vec![of.len()], Numbers::F32(of.clone()))));
            let arrays: Vec<(&str, Array)> = named.chain(keys).collect();
            write_npz(path, &arrays)?;
        }
        "csv" => {
            let width = session.layout().n_values();
            let columns = session.column_names.as_deref();
            let columns = columns.filter(|columns| columns.len() == width);
            let text = table(keys, named, width, columns);
            write_atomic(path, text.as_bytes())?;
        }
        _ => panic!("internal error: {} was not checked", path.display()),
    }
    Ok(())
}

/// Shape of one example in an array.
fn array_shape(layout: Layout) -> Vec<usize> {
    match layout {
        Layout::Image {
            channels,
            height,
            width,
        } => vec![channels, height, width],
        Layout::Vector { len } => vec![len],
    }
}

/// Rows of f32 as an array `[n, ...shape]`.
pub(super) fn array(values: &[f32], shape: &[usize]) -> Array {
    let n = values.len() / shape.iter().product::<usize>();
    Array::new([&[n], shape].concat(), Numbers::F32(values.to_vec()))
}

/// Rows as comma-separated text with a header. Values alone are called like the `columns` of the data, so that the
/// table can be read in their place.
fn table(
    keys: &[(&str, Vec<f32>)],
    named: &[(&str, &[f32])],
    width: usize,
    columns: Option<&[String]>,
) -> String {
    let is_alone = keys.is_empty() && named.len() == 1;
    let call = |name: &str, i: usize| match columns {
        Some(columns) if is_alone => quoted(&columns[i]),
        Some(columns) => quoted(&format!("{name}_{}", columns[i])),
        None => format!("{name}_{i}"),
    };
    let values = named
        .iter()
        .flat_map(|(name, _)| (0..width).map(|i| call(name, i)).collect::<Vec<_>>());
    let keyed = keys.iter().map(|(name, _)| (*name).to_owned());
    let columns: Vec<String> = keyed.chain(values).collect();
    let mut text = columns.join(",") + "\n";
    let n = named.first().map_or(0, |(_, values)| values.len() / width);
    for row in 0..n {
        let cells = named
            .iter()
            .flat_map(|(_, values)| &values[row * width..(row + 1) * width]);
        let keyed = keys.iter().map(|(_, of)| &of[row]);
        for (i, value) in keyed.chain(cells).enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(text, "{comma}{value}").expect("internal error: writing to a text");
        }
        text.push('\n');
    }
    text
}

/// A cell of comma-separated text.
fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// Refuses values that are not finite: `[n, P]`, and what the row at fault is made of.
pub(super) fn check_finite(
    values: &[f32],
    width: usize,
    name: &'static str,
    place: impl Fn(usize) -> String,
) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            name,
            place: place(at / width),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_extension() {
        let refused = |out: &str, known: &[&str]| {
            let error = check_extension(Path::new(out), known).unwrap_err();
            error.to_string()
        };
        let known = ["png", "npz", "csv"];
        for fitting in ["a.b/x.npz", "x.PNG", "x.Csv"] {
            assert!(check_extension(Path::new(fitting), &known).is_ok());
        }
        assert!(check_place_of(Path::new("x"), "html").is_ok());
        assert!(check_place_of(Path::new("x.HTML"), "html").is_ok());
        assert!(check_place_of(Path::new("x.txt"), "html").is_err());
        assert!(check_place_of_several(Path::new("x.1")).is_ok());
        assert!(check_place_of_several(Path::new("x.Gif")).is_err());
        assert_eq!(
            refused("x.tiff", &known),
            "--out: expected a file .png, .npz or .csv, found x.tiff"
        );
        assert!(refused("x", &["npz"]).contains("a file .npz, found x"));
    }

    #[test]
    fn results_of_other_data_are_called_after_them() {
        let long = "x".repeat(300);
        let cut = format!("scores-of-{}", "x".repeat(LONGEST_NAME));
        for (data, expected) in [
            (None, "scores"),
            (Some("mnist"), "scores-of-mnist"),
            (Some("/tmp/my data.npz"), "scores-of-my-data"),
            (Some("photos/"), "scores-of-photos"),
            (Some(".."), "scores-of-others"),
            (Some(&*long), &*cut),
        ] {
            assert_eq!(default_name("scores", data), expected);
        }
    }

    #[test]
    fn tables_name_their_columns() {
        let text = table(
            &[],
            &[("x", &[1.0, 2.5, 3.0, 4.0]), ("y", &[5.0, 6.0, 7.0, 8.0])],
            2,
            None,
        );
        assert_eq!(text, "x_0,x_1,y_0,y_1\n1,2.5,5,6\n3,4,7,8\n");
        let keys = [("dim", vec![7.0, 9.0])];
        let values: [(&str, &[f32]); 1] = [("x", &[1.0, 2.5])];
        let keyed = table(&keys, &values, 1, None);
        assert_eq!(keyed, "dim,x_0\n7,1\n9,2.5\n");
        let columns = ["width, \"cm\"".to_owned()];
        let columns = Some(&columns[..]);
        assert_eq!(
            table(&[], &values, 1, columns),
            "\"width, \"\"cm\"\"\"\n1\n2.5\n"
        );
        assert_eq!(
            table(&keys, &values, 1, columns),
            "dim,\"x_width, \"\"cm\"\"\"\n7,1\n9,2.5\n"
        );
    }

    #[test]
    fn arrays_take_the_shape_of_the_examples() {
        let shape = array_shape(Layout::Image {
            channels: 1,
            height: 2,
            width: 3,
        });
        assert_eq!(array(&[0.0; 12], &shape).shape, [2, 1, 2, 3]);
    }
}

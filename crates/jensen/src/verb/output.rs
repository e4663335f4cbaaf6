//! Where generated values go: a picture, an archive of arrays, or a table, by the file's extension.

use crate::error::{Error, Result};
use crate::pictures;
use crate::session::Session;
use jensen_data::Layout;
use jensen_data::npy::{Array, Numbers, write_npz};
use jensen_report::{Picture, png_bytes};
use jensen_run::{file, write_atomic};
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
}

/// The place for a result: as asked for, else in the run's `samples/` as a picture, or as a table where
/// data are no images.
pub(super) fn place(session: &Session, out: Option<&Path>, name: &str) -> PathBuf {
    let extension = match pictures::shape(session.layout()) {
        Some(_) => "png",
        None => "csv",
    };
    out.map_or_else(
        || {
            session
                .run
                .path(format!("{}/{name}.{extension}", file::SAMPLES))
        },
        Path::to_path_buf,
    )
}

/// Writes rows of values `[n, P]`, several under names; `draw` lays the pictures of all rows out.
pub(super) fn write(
    session: &Session,
    path: &Path,
    named: &[(&str, &[f32])],
    draw: impl FnOnce(&[Vec<Picture>]) -> Result<Picture>,
) -> Result<()> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    match &*extension {
        "png" => {
            let mut all = Vec::new();
            for (_, values) in named {
                let rows = pictures::of_rows(values, session.model.site())?;
                all.push(rows.ok_or_else(|| Error::Option {
                    name: "--out",
                    expected: "a file .npz or .csv, because these data are no images".to_owned(),
                    found: path.display().to_string(),
                })?);
            }
            write_atomic(path, &png_bytes(&draw(&all)?)?)?;
        }
        "npz" => {
            let shape = array_shape(session.layout());
            let arrays: Vec<(&str, Array)> = named
                .iter()
                .map(|(name, values)| (*name, array(values, &shape)))
                .collect();
            write_npz(path, &arrays)?;
        }
        "csv" => write_atomic(path, table(named, session.layout().n_values()).as_bytes())?,
        _ => {
            return Err(Error::Option {
                name: "--out",
                expected: "a file .png, .npz or .csv".to_owned(),
                found: path.display().to_string(),
            });
        }
    }
    if path.starts_with(session.run.root()) && extension == "png" {
        session.refresh_report()?;
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

/// Rows as comma-separated text with a header.
fn table(named: &[(&str, &[f32])], width: usize) -> String {
    let columns: Vec<String> = named
        .iter()
        .flat_map(|(name, _)| (0..width).map(move |i| format!("{name}_{i}")))
        .collect();
    let mut text = columns.join(",") + "\n";
    let n = named.first().map_or(0, |(_, values)| values.len() / width);
    for row in 0..n {
        let cells = named
            .iter()
            .flat_map(|(_, values)| &values[row * width..(row + 1) * width]);
        for (i, value) in cells.enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(text, "{comma}{value}").expect("internal error: writing to a text");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_their_columns() {
        let text = table(
            &[("x", &[1.0, 2.5, 3.0, 4.0]), ("y", &[5.0, 6.0, 7.0, 8.0])],
            2,
        );
        assert_eq!(text, "x_0,x_1,y_0,y_1\n1,2.5,5,6\n3,4,7,8\n");
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

//! What a run folder holds for its report, read once.

use crate::error::{ReportError, Result};
use jensen_run::{Event, Observer, Record, RunError, RunFolder, damaged_lines, file, read_metrics};
use serde_json::Value;
use std::fs;
use std::io;

/// Everything that the sections draw from.
pub(crate) struct Contents {
    /// The folder's name.
    pub(crate) name: String,
    /// `config.toml` as it stands.
    pub(crate) config_text: String,
    /// `config.toml` as data.
    pub(crate) config: toml::Table,
    /// `metrics.jsonl`.
    pub(crate) records: Vec<Record>,
    /// `evaluation.json`.
    pub(crate) evaluation: Option<Value>,
    /// The pictures of `samples/`, by name.
    pub(crate) pictures: Vec<PictureFile>,
}

/// A picture on disk.
pub(crate) struct PictureFile {
    /// Name without the extension.
    pub(crate) stem: String,
    /// `png`, `gif` or `svg`, as it is written.
    pub(crate) extension: String,
    pub(crate) bytes: Vec<u8>,
}

impl Contents {
    /// Reads a run; `observer` hears of lines that had to be left out.
    pub(crate) fn read(run: &RunFolder, observer: &mut dyn Observer) -> Result<Self> {
        if let Some((fault, n)) = damaged_lines(run.path(file::METRICS))? {
            let others = match n {
                1 => String::new(),
                n => format!(", and so are {} more", n - 1),
            };
            let text = format!("{fault}; this line is left out{others}");
            observer.on(&Event::Warning { text: &text });
        }
        let evaluation = match run.has(file::EVALUATION) {
            true => Some(run.read_json(file::EVALUATION)?),
            false => None,
        };
        Ok(Self {
            name: run.name(),
            config_text: run.read_text(file::CONFIG)?,
            config: run.read_toml(file::CONFIG)?,
            records: read_metrics(run.path(file::METRICS))?,
            evaluation,
            pictures: read_pictures(run)?,
        })
    }

    /// A value of the configuration as text, by the first of these dotted paths that is there.
    pub(crate) fn setting(&self, paths: &[&str]) -> Option<String> {
        let find = |path: &&str| {
            let (mut table, mut value) = (Some(&self.config), None);
            for key in path.split('.') {
                value = table?.get(key);
                table = value?.as_table();
            }
            match value? {
                toml::Value::Table(_) | toml::Value::Array(_) => None,
                toml::Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            }
        };
        paths.iter().find_map(find)
    }
}

fn read_pictures(run: &RunFolder) -> Result<Vec<PictureFile>> {
    let folder = run.path(file::SAMPLES);
    let fault = |action, path: &std::path::Path, source| {
        ReportError::Run(RunError::Io {
            action,
            path: path.to_path_buf(),
            source,
        })
    };
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|e| fault("read the folder", &folder, e))?,
    };
    let mut pictures = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|e| fault("read the folder", &folder, e))?
            .path();
        let part = |part: Option<&std::ffi::OsStr>| part.map(|p| p.display().to_string());
        let (Some(stem), Some(extension)) = (part(path.file_stem()), part(path.extension())) else {
            continue;
        };
        // Temporary files begin with a dot and are not finished.
        let known = extension.to_ascii_lowercase();
        if stem.starts_with('.') || !matches!(&*known, "png" | "gif" | "svg") {
            continue;
        }
        let bytes = fs::read(&path).map_err(|e| fault("read", &path, e))?;
        pictures.push(PictureFile {
            stem,
            extension,
            bytes,
        });
    }
    pictures.sort_by(|a, b| (&a.stem, &a.extension).cmp(&(&b.stem, &b.extension)));
    Ok(pictures)
}

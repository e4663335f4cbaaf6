//! The states a run can be continued from: `checkpoints/step-00001234.safetensors`.
//!
//! One file holds everything: tensors (weights, moments of the optimizer, averages) and, as JSON in
//! the metadata, the rest of the state (random streams, data cursor, schedules). So a checkpoint is
//! either wholly there or not at all.

use crate::atomic::{is_temporary, write_atomic};
use crate::error::{Result, RunError};
use crate::folder::{RunFolder, file};
use crate::tensors::{self, Tensor, View};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a run's checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointEntry {
    /// Steps done.
    pub step: u64,
    /// The file.
    pub path: PathBuf,
}

/// A checkpoint in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// In the order they were saved.
    pub tensors: Vec<Tensor>,
    /// The rest of the state, as it was saved.
    pub state: Value,
}

/// The newest checkpoint that can be read.
#[derive(Debug)]
pub struct Recovered {
    /// None where there is no readable checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// Why newer ones cannot be read, newest first.
    pub skipped: Vec<RunError>,
}

impl Checkpoints {
    /// The checkpoints of a run; the folder is made on the first save.
    pub fn of(run: &RunFolder) -> Self {
        Self {
            folder: run.path(file::CHECKPOINTS),
        }
    }

    /// Those of one stage of the run, in a folder of their own inside this one.
    pub fn within(&self, stage: &str) -> Self {
        Self {
            folder: self.folder.join(stage),
        }
    }

    /// Saves a state, atomically; an earlier one of the same step is replaced.
    pub fn save(&self, step: u64, tensors: &[View<'_>], state: &Value) -> Result<PathBuf> {
        let path = self.path(step);
        let metadata = BTreeMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            ("step".to_owned(), step.to_string()),
            ("state".to_owned(), state.to_string()),
        ]);
        tensors::write(&path, tensors, &metadata)?;
        Ok(path)
    }

    /// Reads a checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Checkpoint> {
        let path = path.as_ref();
        let file = tensors::read(path)?;
        let malformed = |expected: &str, found: String| RunError::Malformed {
            path: path.to_path_buf(),
            offset: 8,
            expected: expected.to_owned(),
            found,
        };
        let entry = |key: &str| file.metadata.get(key).map_or("nothing", |text| text);
        if entry("format") != FORMAT {
            let expected = format!("metadata `format` = `{FORMAT}`");
            return Err(malformed(&expected, format!("`{}`", entry("format"))));
        }
        let step = entry("step");
        let state = entry("state");
        Ok(Checkpoint {
            step: step
                .parse()
                .map_err(|_| malformed("metadata `step`, a whole number", format!("`{step}`")))?,
            state: serde_json::from_str(state)
                .map_err(|e| malformed("metadata `state`, JSON", e.to_string()))?,
            tensors: file.tensors,
        })
    }

    /// What is there, by step. Temporary files and others are not listed.
    pub fn list(&self) -> Result<Vec<CheckpointEntry>> {
        let mut entries: Vec<CheckpointEntry> = (self.names()?.into_iter())
            .filter_map(|name| {
                let digits = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
                Some(CheckpointEntry {
                    step: digits.parse().ok()?,
                    path: self.folder.join(name),
                })
            })
            .collect();
        entries.sort();
        Ok(entries)
    }

    /// The checkpoint with the most steps.
    pub fn latest(&self) -> Result<Option<CheckpointEntry>> {
        Ok(self.list()?.pop())
    }

    /// Reads the newest checkpoint, or the newest before it where it is damaged.
    pub fn load_latest(&self) -> Result<Recovered> {
        let mut skipped = Vec::new();
        for entry in self.list()?.iter().rev() {
            match Self::load(&entry.path) {
                Ok(checkpoint) => {
                    return Ok(Recovered {
                        checkpoint: Some(checkpoint),
                        skipped,
                    });
                }
                Err(error) => skipped.push(error),
            }
        }
        Ok(Recovered {
            checkpoint: None,
            skipped,
        })
    }

    /// Marks a saved checkpoint as the best; it is then never pruned.
    pub fn mark_best(&self, step: u64) -> Result<()> {
        let path = self.path(step);
        fs::metadata(&path).map_err(RunError::io("mark as best", &path))?;
        let name = Self::file_name(step) + "\n";
        write_atomic(self.folder.join(BEST), name.as_bytes())
    }

    /// The checkpoint marked as the best.
    pub fn best(&self) -> Result<Option<CheckpointEntry>> {
        let path = self.folder.join(BEST);
        let name = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(RunError::io("read", &path))?,
        };
        let found = (self.list()?.into_iter()).find(|entry| entry.path.ends_with(name.trim_end()));
        found.map(Some).ok_or(RunError::Text {
            path,
            line: 1,
            column: 0,
            message: format!(
                "expected the name of a checkpoint, found `{}`",
                name.trim_end()
            ),
        })
    }

    /// Removes the checkpoints of steps after `step`, newest first: work that was rolled back.
    pub fn discard_after(&self, step: u64) -> Result<()> {
        let best = self.best()?;
        if best.is_some_and(|best| best.step > step) {
            let marker = self.folder.join(BEST);
            fs::remove_file(&marker).map_err(RunError::io("remove", &marker))?;
        }
        for entry in self.list()?.iter().rev().filter(|entry| entry.step > step) {
            fs::remove_file(&entry.path).map_err(RunError::io("remove", &entry.path))?;
        }
        Ok(())
    }

    /// Removes all but the newest `n` and the best, and what crashes left; returns what it removed.
    pub fn keep(&self, n: usize) -> Result<Vec<PathBuf>> {
        let best = self.best()?;
        let mut entries = self.list()?;
        entries.truncate(entries.len().saturating_sub(n));
        entries.retain(|entry| Some(entry) != best.as_ref());
        let leftovers = self.names()?.into_iter().filter(|name| is_temporary(name));
        let doomed: Vec<PathBuf> = (entries.into_iter().map(|entry| entry.path))
            .chain(leftovers.map(|name| self.folder.join(name)))
            .collect();
        for path in &doomed {
            fs::remove_file(path).map_err(RunError::io("remove", path))?;
        }
        Ok(doomed)
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(Self::file_name(step))
    }

    fn file_name(step: u64) -> String {
        format!("step-{step:08}.safetensors")
    }

    /// Names of the files in the folder; none where it is missing.
    fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(RunError::io("read the folder", &self.folder))?,
        };
        entries
            .map(|entry| {
                let entry = entry.map_err(RunError::io("read the folder", &self.folder))?;
                Ok(entry.file_name().display().to_string())
            })
            .collect()
    }
}

/// What the metadata of every checkpoint says; a change of the layout changes the number.
const FORMAT: &str = "jensen-checkpoint-1";

/// Name of the file that names the best checkpoint.
const BEST: &str = "best";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atomic::AtomicFile;
    use serde_json::json;
    use tempfile::{TempDir, tempdir};

    fn checkpoints(steps: &[u64]) -> (TempDir, Checkpoints) {
        let dir = tempdir().unwrap();
        let run = RunFolder::create(dir.path().join("run")).unwrap();
        let checkpoints = Checkpoints::of(&run);
        for &step in steps {
            save(&checkpoints, step);
        }
        (dir, checkpoints)
    }

    fn save(checkpoints: &Checkpoints, step: u64) -> PathBuf {
        let values = [step as f32, -0.0];
        let weight = View {
            name: "weight",
            shape: &[2],
            values: &values,
        };
        checkpoints.save(step, &[weight], &state(step)).unwrap()
    }

    fn state(step: u64) -> Value {
        json!({"epoch": step / 10, "rate": 0.1, "stream": {"key": "00ff", "position": "9"}})
    }

    fn steps(checkpoints: &Checkpoints) -> Vec<u64> {
        let entries = checkpoints.list().unwrap();
        entries.into_iter().map(|entry| entry.step).collect()
    }

    #[test]
    fn a_state_comes_back_whole() {
        let (_dir, checkpoints) = checkpoints(&[]);
        assert_eq!(checkpoints.latest().unwrap(), None);
        let path = save(&checkpoints, 1234);
        assert!(path.ends_with("checkpoints/step-00001234.safetensors"));
        let checkpoint = Checkpoints::load(&path).unwrap();
        assert_eq!(checkpoint.step, 1234);
        assert_eq!(checkpoint.state, state(1234));
        assert_eq!(checkpoint.tensors[0].values[0], 1234.0);
        assert!(checkpoint.tensors[0].values[1].is_sign_negative());
    }

    #[test]
    fn steps_are_ordered_as_numbers() {
        let (_dir, checkpoints) = checkpoints(&[999_999_999, 5, 1_000_000_000]);
        assert_eq!(steps(&checkpoints), [5, 999_999_999, 1_000_000_000]);
        assert_eq!(checkpoints.latest().unwrap().unwrap().step, 1_000_000_000);
    }

    #[test]
    fn pruning_keeps_the_newest_and_the_best() {
        let (_dir, checkpoints) = checkpoints(&[10, 20, 30, 40, 50]);
        assert_eq!(checkpoints.best().unwrap(), None);
        checkpoints.mark_best(20).unwrap();
        assert_eq!(checkpoints.keep(2).unwrap().len(), 2);
        assert_eq!(steps(&checkpoints), [20, 40, 50]);
        checkpoints.mark_best(50).unwrap();
        checkpoints.keep(1).unwrap();
        assert_eq!(steps(&checkpoints), [50]);
        assert_eq!(checkpoints.best().unwrap().unwrap().step, 50);
        assert!(checkpoints.keep(9).unwrap().is_empty());
        assert!(matches!(
            checkpoints.mark_best(7).unwrap_err(),
            RunError::Io { path, .. } if path.ends_with("step-00000007.safetensors")
        ));
    }

    #[test]
    fn work_that_was_rolled_back_is_discarded_with_its_mark() {
        let (_folder, checkpoints) = checkpoints(&[10, 20, 30]);
        checkpoints.mark_best(30).unwrap();
        checkpoints.discard_after(15).unwrap();
        assert_eq!(steps(&checkpoints), [10]);
        assert_eq!(checkpoints.best().unwrap(), None);
    }

    #[test]
    fn leftovers_of_a_crash_are_ignored_and_swept() {
        let (_dir, checkpoints) = checkpoints(&[1]);
        let unfinished = AtomicFile::create(checkpoints.path(2)).unwrap();
        std::mem::forget(unfinished);
        fs::write(checkpoints.folder.join("step-two.safetensors"), b"").unwrap();
        assert_eq!(steps(&checkpoints), [1]);
        assert_eq!(checkpoints.keep(3).unwrap().len(), 1);
        assert_eq!(checkpoints.names().unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_newest_falls_back_on_the_one_before() {
        let (_dir, checkpoints) = checkpoints(&[1, 2, 3]);
        let whole = fs::read(checkpoints.path(3)).unwrap();
        fs::write(checkpoints.path(3), &whole[..whole.len() - 1]).unwrap();
        let mut damaged = fs::read(checkpoints.path(2)).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(checkpoints.path(2), damaged).unwrap();
        let recovered = checkpoints.load_latest().unwrap();
        assert_eq!(recovered.checkpoint.unwrap().step, 1);
        assert!(matches!(
            recovered.skipped[..],
            [RunError::Length { .. }, RunError::Checksum { .. }]
        ));
    }

    #[test]
    fn other_files_are_no_checkpoints() {
        let (dir, checkpoints) = checkpoints(&[1]);
        let path = dir.path().join("model.safetensors");
        let metadata = |entries: &[(&str, &str)]| {
            let entries = entries.iter().map(|&(k, v)| (k.to_owned(), v.to_owned()));
            tensors::write(&path, &[], &entries.collect()).unwrap();
            Checkpoints::load(&path).unwrap_err().to_string()
        };
        assert!(metadata(&[]).contains("jensen-checkpoint-1"));
        assert!(metadata(&[("format", FORMAT), ("step", "x")]).contains("`x`"));
        assert!(metadata(&[("format", FORMAT), ("step", "1"), ("state", "{")]).contains("state"));
        fs::write(checkpoints.folder.join(BEST), "step-00000009.safetensors\n").unwrap();
        assert!(matches!(
            checkpoints.best().unwrap_err(),
            RunError::Text { line: 1, .. }
        ));
    }
}

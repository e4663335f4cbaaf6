//! The folder of a run: `config.toml`, `metrics.jsonl`, event file, `checkpoints/`, `model/`,
//! `samples/`, `report.html`, `log.txt`.
//!
//! A process that trains holds the folder's lock, so that two never write one run. The lock is the
//! operating system's own and ends with the process, so a crash leaves none behind. Reading, and
//! adding pictures or results beside a training run, takes no lock: every write is atomic.

use crate::atomic::{create_folder, is_temporary, write_atomic};
use crate::clock::utc;
use crate::error::{Result, RunError};
use crate::metrics::without_place;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, SystemTime};

/// Names inside a run folder.
pub mod file {
    /// The resolved configuration, with seed and versions; a folder with it is a run folder.
    pub const CONFIG: &str = "config.toml";
    /// The metrics over the steps.
    pub const METRICS: &str = "metrics.jsonl";
    /// The results of the verb `evaluate`.
    pub const EVALUATION: &str = "evaluation.json";
    /// The folder of checkpoints.
    pub const CHECKPOINTS: &str = "checkpoints";
    /// The folder of the trained model.
    pub const MODEL: &str = "model";
    /// The folder of pictures.
    pub const SAMPLES: &str = "samples";
    /// The self-contained report.
    pub const REPORT: &str = "report.html";
    /// What was said during the run.
    pub const LOG: &str = "log.txt";
    /// Held by the process that writes the run.
    pub(crate) const LOCK: &str = ".lock";
}

/// The folder of one run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Keeps the lock as long as it lives; none when opened for reading.
    lock: Option<File>,
}

impl RunFolder {
    /// Makes a new run folder and locks it; a folder that exists must be empty.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        create_folder(path)?;
        // Before the lock, so that no lock file is left in a folder of something else; and under
        // the lock, so that nobody has begun a run there meanwhile.
        check_empty(path)?;
        let lock = lock(path)?;
        check_empty(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            lock: Some(lock),
        })
    }

    /// Makes `parent/name-001`, or the first number above those taken, and locks it.
    ///
    /// Characters of `name` other than letters, digits, `.`, `_` and `-` become `-`, and none of the last
    /// three begins it: such folders are hidden, or look like options.
    pub fn create_numbered(parent: impl AsRef<Path>, name: &str) -> Result<Self> {
        let parent = parent.as_ref();
        let keep = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = name
            .chars()
            .map(|c| if keep(c) { c } else { '-' })
            .collect();
        let name = match name.trim_start_matches(['.', '-', '_']) {
            "" => "run",
            name => name,
        };
        create_folder(parent)?;
        let mut number = 1 + highest_number(parent, name)?;
        loop {
            let path = parent.join(format!("{name}-{number:03}"));
            // Making a folder succeeds for one process only, so each gets its own number.
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(e) => return Err(RunError::io("create the folder", &path)(e)),
            }
        }
    }

    /// Opens a run for reading, or for adding whole files, without a lock.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match fs::metadata(path.join(file::CONFIG)) {
            Ok(config) if config.is_file() => {}
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(RunError::io("read the folder", path)(e));
            }
            _ => {
                return Err(RunError::NotARun {
                    path: path.to_path_buf(),
                    expected: file::CONFIG,
                });
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            lock: None,
        })
    }

    /// Opens a run to continue it, and locks it.
    pub fn resume(path: impl AsRef<Path>) -> Result<Self> {
        let mut run = Self::open(path)?;
        run.lock = Some(lock(&run.path)?);
        Ok(run)
    }

    /// Whether this process holds the run's lock.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// Whether another process writes this run now.
    pub fn writer(&self) -> Option<Writer> {
        let path = self.path(file::LOCK);
        let other = File::open(&path).ok().filter(|_| !self.is_locked())?;
        // A lock that could be shared is nobody's; it is given back with the file.
        match other.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(Writer {
                process: holder(&path),
            }),
            _ => None,
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// The folder's own name: `vae-001`.
    pub fn name(&self) -> String {
        let absolute = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        absolute
            .file_name()
            .map_or_else(String::new, |name| name.display().to_string())
    }

    /// A path in the folder.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path.join(relative)
    }

    /// Whether a file or folder is there.
    pub fn has(&self, relative: impl AsRef<Path>) -> bool {
        self.path(relative).exists()
    }

    /// Writes a file, atomically; missing folders are made.
    pub fn write(&self, relative: impl AsRef<Path>, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(relative);
        write_atomic(&path, bytes)?;
        Ok(path)
    }

    /// Removes a file, if it is there.
    pub fn remove(&self, relative: impl AsRef<Path>) -> Result<()> {
        let path = self.path(relative);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(RunError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Reads a file of text.
    pub fn read_text(&self, relative: impl AsRef<Path>) -> Result<String> {
        let path = self.path(relative);
        fs::read_to_string(&path).map_err(RunError::io("read", &path))
    }

    /// Writes a value as indented JSON, atomically.
    ///
    /// # Panics
    /// If the value cannot be JSON (a map with keys that are not text).
    pub fn write_json(
        &self,
        relative: impl AsRef<Path>,
        value: &impl Serialize,
    ) -> Result<PathBuf> {
        let mut bytes =
            serde_json::to_vec_pretty(value).expect("internal error: the value is no JSON");
        bytes.push(b'\n');
        self.write(relative, &bytes)
    }

    /// Reads a file of JSON.
    pub fn read_json<T: DeserializeOwned>(&self, relative: impl AsRef<Path>) -> Result<T> {
        let text = self.read_text(&relative)?;
        serde_json::from_str(&text).map_err(|e| RunError::Text {
            path: self.path(relative),
            line: e.line(),
            column: e.column(),
            message: format!("expected the JSON that jensen wrote: {}", without_place(&e)),
        })
    }

    /// Reads a file of TOML.
    pub fn read_toml<T: DeserializeOwned>(&self, relative: impl AsRef<Path>) -> Result<T> {
        let text = self.read_text(&relative)?;
        toml::from_str(&text).map_err(|e| {
            let before = &text[..e.span().map_or(0, |span| span.start.min(text.len()))];
            RunError::Text {
                path: self.path(relative),
                line: 1 + before.matches('\n').count(),
                column: 1 + before.chars().rev().take_while(|&c| c != '\n').count(),
                message: format!("expected TOML: {}", e.message()),
            }
        })
    }

    /// Appends a line with the time to `log.txt`; further lines of the text are indented.
    pub fn log(&self, text: &str) -> Result<()> {
        let path = self.path(file::LOG);
        let text = text.trim_end().replace('\n', "\n    ");
        let line = format!("{} {text}\n", utc(SystemTime::now()));
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut log| log.write_all(line.as_bytes()))
            .map_err(RunError::io("append to", &path))
    }
}

/// Another process that writes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Its number, where it could be read.
    pub process: Option<u32>,
}

/// The process number in a lock file.
fn holder(lock: &Path) -> Option<u32> {
    fs::read_to_string(lock).ok()?.trim().parse().ok()
}

/// How often a lock is tried, and the wait between: a tenth of a second is far longer than [`RunFolder::writer`]
/// holds it, and short for somebody who is refused.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: Duration = Duration::from_millis(2);

/// Takes the folder's lock and writes the process number into it, for the message of the second.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(file::LOCK);
    let mut lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(RunError::io("lock", &path))?;
    let mut tries = 1;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            // Whoever asks for the writer holds the lock for a moment: that is no writer yet.
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                thread::sleep(LOCK_WAIT);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(RunError::Locked {
                    path: folder.to_path_buf(),
                    holder: holder(&path),
                });
            }
            // Some network file systems know no locks; a run there is better than none.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => break,
            Err(TryLockError::Error(e)) => return Err(RunError::io("lock", &path)(e)),
        }
    }
    lock.set_len(0)
        .and_then(|()| lock.write_all(process::id().to_string().as_bytes()))
        .map_err(RunError::io("write", &path))?;
    Ok(lock)
}

/// Refuses a folder with content; what a crash left before it wrote anything is none.
fn check_empty(folder: &Path) -> Result<()> {
    if folder.join(file::CONFIG).is_file() {
        return Err(RunError::NotEmpty {
            path: folder.to_path_buf(),
            found: "a run".to_owned(),
        });
    }
    for entry in fs::read_dir(folder).map_err(RunError::io("read the folder", folder))? {
        let entry = entry.map_err(RunError::io("read the folder", folder))?;
        let found = entry.file_name().display().to_string();
        if found != file::LOCK && !is_temporary(&found) {
            return Err(RunError::NotEmpty {
                path: folder.to_path_buf(),
                found,
            });
        }
    }
    Ok(())
}

/// The highest number among the folders `name-001`, `name-002`, ...; 0 where there is none.
fn highest_number(parent: &Path, name: &str) -> Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir(parent).map_err(RunError::io("read the folder", parent))? {
        let entry = entry.map_err(RunError::io("read the folder", parent))?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|taken| taken.strip_prefix(name)?.strip_prefix('-')?.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::Barrier;
    use tempfile::tempdir;

    #[test]
    fn one_process_writes_a_run() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("runs/a");
        let run = RunFolder::create(&path).unwrap();
        run.write(file::CONFIG, b"seed = 7\n").unwrap();
        assert!(run.is_locked());
        let locked = |result: Result<RunFolder>| match result.unwrap_err() {
            RunError::Locked {
                path: named,
                holder,
            } => {
                assert_eq!(named, path);
                assert_eq!(holder, Some(process::id()));
            }
            other => panic!("{other}"),
        };
        locked(RunFolder::resume(&path));
        // Readers, and verbs that add pictures, are welcome meanwhile.
        let reader = RunFolder::open(&path).unwrap();
        assert!(!reader.is_locked());
        let process = Some(process::id());
        assert_eq!(
            (reader.writer(), run.writer()),
            (Some(Writer { process }), None)
        );
        reader.write("samples/grid.png", b"png").unwrap();
        assert!(run.has("samples/grid.png"));
        drop(run);
        assert_eq!(reader.writer(), None);
        assert!(RunFolder::resume(&path).unwrap().is_locked());
    }

    #[test]
    fn a_begun_run_without_content_is_no_obstacle() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("a");
        let run = RunFolder::create(&path).unwrap();
        fs::write(path.join(".config.toml.1-0.jensen-tmp"), b"").unwrap();
        assert!(matches!(
            RunFolder::create(&path).unwrap_err(),
            RunError::Locked { .. }
        ));
        drop(run);
        RunFolder::create(&path).unwrap();
    }

    #[test]
    fn nothing_is_left_in_a_foreign_folder() {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), b"").unwrap();
        assert!(matches!(
            RunFolder::create(dir.path()).unwrap_err(),
            RunError::NotEmpty { found, .. } if found == "thesis.tex"
        ));
        assert!(matches!(
            RunFolder::resume(dir.path()).unwrap_err(),
            RunError::NotARun {
                expected: "config.toml",
                ..
            }
        ));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn numbers_go_on_above_the_highest() {
        let dir = tempdir().unwrap();
        let name = |name| RunFolder::create_numbered(dir.path(), name).unwrap().name();
        assert_eq!(name("vae"), "vae-001");
        assert_eq!(name("vae"), "vae-002");
        assert_eq!(name("beta-vae"), "beta-vae-001");
        for other in ["vae-041", "vae-notes", "vae-1x"] {
            fs::create_dir(dir.path().join(other)).unwrap();
        }
        assert_eq!(name("vae"), "vae-042");
        fs::create_dir(dir.path().join("vae-999")).unwrap();
        assert_eq!(name("vae"), "vae-1000");
        assert_eq!(name("my models/x y.toml"), "my-models-x-y.toml-001");
        assert_eq!(name("."), "run-001");
        assert_eq!(name("-x"), "x-001");
    }

    #[test]
    fn many_at_once_get_different_numbers() {
        let dir = tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| RunFolder::create_numbered(dir.path(), "vae").unwrap());
            }
        });
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 16);
    }

    #[test]
    fn one_of_many_starts_wins_though_somebody_asks_for_the_writer() {
        const N_STARTS: usize = 6;
        let dir = tempdir().unwrap();
        let path = dir.path().join("a");
        let run = RunFolder::create(&path).unwrap();
        run.write(file::CONFIG, b"seed = 7\n").unwrap();
        drop(run);
        for _ in 0..20 {
            let begin = Barrier::new(N_STARTS + 1);
            let start = || {
                begin.wait();
                RunFolder::resume(&path)
            };
            // A winner keeps its lock until all have tried.
            let starts: Vec<Result<RunFolder>> = thread::scope(|scope| {
                let starts = [(); N_STARTS].map(|()| scope.spawn(start));
                // As `writer` does, and for as long as a slow machine may take over it.
                let asking = File::open(path.join(file::LOCK)).unwrap();
                asking.try_lock_shared().unwrap();
                begin.wait();
                thread::sleep(2 * LOCK_WAIT);
                drop(asking);
                starts.map(|start| start.join().unwrap()).into()
            });
            assert_eq!(starts.iter().filter(|start| start.is_ok()).count(), 1);
        }
    }

    #[test]
    fn texts_have_places() {
        let dir = tempdir().unwrap();
        let run = RunFolder::create(dir.path().join("a")).unwrap();
        let value = json!({"metrics": {"test_neg_elbo": 29.5}});
        run.write_json(file::EVALUATION, &value).unwrap();
        assert_eq!(run.read_json::<Value>(file::EVALUATION).unwrap(), value);
        run.write("bad.json", b"{\n  \"a\": nope}").unwrap();
        run.write("bad.toml", b"a = 1\n[b]\nc = = 2\n").unwrap();
        match run.read_json::<Value>("bad.json").unwrap_err() {
            RunError::Text {
                path,
                line: 2,
                column,
                ..
            } => {
                assert!(path.ends_with("bad.json") && column > 1);
            }
            other => panic!("{other}"),
        }
        match run.read_toml::<toml::Table>("bad.toml").unwrap_err() {
            RunError::Text {
                path,
                line: 3,
                column: 5,
                ..
            } => assert!(path.ends_with("bad.toml")),
            other => panic!("{other}"),
        }
        assert!(matches!(
            run.read_toml::<toml::Table>("missing.toml").unwrap_err(),
            RunError::Io { action: "read", .. }
        ));
    }

    #[test]
    fn the_log_grows_by_lines_with_times() {
        let dir = tempdir().unwrap();
        let run = RunFolder::create(dir.path().join("a")).unwrap();
        run.log("begin").unwrap();
        run.log("two\nlines\n").unwrap();
        let log = run.read_text(file::LOG).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("20") && lines[0].ends_with("Z begin"));
        assert_eq!(lines[2], "    lines");
    }
}

//! The binary from outside: every verb, every exit code, every error that a user can cause.
//!
//! Models are tiny and train for a second; what they learn is tested elsewhere.

mod damage;
mod data;
mod errors;
mod fit;
mod interchange;
mod outcomes;
mod recipes;
mod reproduce;
mod small;
mod stop;
mod verbs;
mod verdict;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use tempfile::TempDir;

/// A network and a budget for a second of training.
const TINY: &[&str] = &[
    "--set",
    "encoder.hidden=[16]",
    "--set",
    "decoder.hidden=[16]",
    "--set",
    "latent.z.dim=4",
    "--set",
    "train.epochs=8",
];

/// What a call of the binary gave.
struct Call {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Call {
    /// The JSON object on standard output, which must be all there is.
    fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }

    /// Asserts the exit code, showing everything if it is another.
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        let Self { out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "\nstdout:\n{out}\nstderr:\n{err}");
        self
    }

    /// Asserts that the messages hold all of these.
    #[track_caller]
    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "no `{part}` in:\n{}", self.err);
        }
        self
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jensen"));
    command.current_dir(folder).args(args);
    // Nothing of the surroundings may be seen or touched.
    command
        .env("JENSEN_CACHE", folder.join("cache"))
        .env_remove("NO_COLOR");
    command
}

fn finish(output: Output) -> Call {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Call {
        code: output.status.code(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Runs `jensen` in a folder.
fn jensen(folder: &Path, args: &[&str]) -> Call {
    finish(command(folder, args).output().unwrap())
}

/// The arguments of a tiny fit.
fn tiny<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, TINY].concat()
}

/// A trained run that all tests share; they add files to it and change none.
struct Shared {
    folder: TempDir,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    jensen(folder.path(), &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    Shared { folder }
});

impl Shared {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self) -> PathBuf {
        self.folder().join("run")
    }
}

/// Whether a file is a PNG.
#[track_caller]
fn check_png(path: &Path) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(bytes.starts_with(b"\x89PNG"), "{}", path.display());
    assert!(bytes.len() > 200, "{}", path.display());
}

//! Stopping, being killed, going on: the same bits as if nothing had happened.

use super::{command, jensen};
use jensen::rng::Stream;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// A few seconds of training.
const LONG: &[&str] = &[
    "--set",
    "data.limit=512",
    "--set",
    "data.batch=64",
    "--set",
    "train.epochs=400",
    "--set",
    "train.log_every=10",
    "--set",
    "train.checkpoint_seconds=0.2",
];

fn weights(run: &Path) -> Vec<u8> {
    fs::read(run.join("model/model.safetensors")).unwrap()
}

/// The lines of the log without their times.
fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("elapsed_s");
        line
    };
    text.lines().map(line).collect()
}

/// The lines of the log of a run that may be at work.
#[cfg(unix)]
fn n_lines(run: &Path) -> usize {
    let text = fs::read(run.join("metrics.jsonl")).unwrap_or_default();
    text.iter().filter(|&&byte| byte == b'\n').count()
}

/// A fit in a process of its own, ended with the test whatever happens.
struct Fit(Child);

impl Drop for Fit {
    fn drop(&mut self) {
        // It may have ended already, which is no error here.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Begins a verb whose words go to a file beside the run.
fn spawn(folder: &Path, run: &str, args: &[&str]) -> Fit {
    let said = fs::File::create(folder.join(format!("{run}.out"))).unwrap();
    let mut command = command(folder, args);
    command.stderr(said.try_clone().unwrap()).stdout(said);
    Fit(command.spawn().unwrap())
}

/// Begins a fit and waits until it has a checkpoint, if asked, or has begun to train.
fn begin(folder: &Path, run: &str, until_checkpoint: bool) -> Fit {
    let fit = spawn(folder, run, &[&["fit", "vae", "--out", run], LONG].concat());
    wait_for(folder, run, until_checkpoint);
    fit
}

/// Waits until a run has a checkpoint, if asked, or has begun to train.
fn wait_for(folder: &Path, run: &str, until_checkpoint: bool) {
    let started = Instant::now();
    loop {
        let run = folder.join(run);
        let has_metrics = fs::metadata(run.join("metrics.jsonl")).is_ok_and(|m| m.len() > 0);
        let has_checkpoint = fs::read_dir(run.join("checkpoints"))
            .is_ok_and(|files| files.flatten().any(|file| is_checkpoint(&file.path())));
        if has_metrics && (has_checkpoint || !until_checkpoint) {
            return;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "training does not begin"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_checkpoint(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("step-") && name.ends_with(".safetensors")
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let status = std::process::Command::new("kill")
        .args([name, &pid])
        .status();
    assert!(status.unwrap().success());
}

#[cfg(unix)]
#[test]
fn stopped_and_killed_runs_end_with_the_bits_of_an_unbroken_one() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let unbroken = [&["fit", "vae", "--out", "unbroken", "--json"], LONG].concat();
    let unbroken = jensen(folder, &unbroken).expect(0).json();

    let mut fit = begin(folder, "stopped", false);
    signal(&fit.0, "-INT");
    assert_eq!(fit.0.wait().unwrap().code(), Some(130));
    let said = fs::read_to_string(folder.join("stopped.out")).unwrap();
    for part in ["press Ctrl-C again", "jensen resume stopped"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let run = folder.join("stopped");
    assert!(!run.join("model").exists());
    jensen(folder, &["sample", "stopped"]).expect(2).says(&[
        "no model yet: training was stopped at step",
        "jensen resume stopped",
    ]);
    let resumed = jensen(folder, &["resume", "stopped", "--json"])
        .expect(0)
        .json();
    assert_eq!(resumed["metrics"], unbroken["metrics"]);
    assert_eq!(weights(&run), weights(&folder.join("unbroken")));

    // Killed without warning at several moments after the first checkpoint: steps, lines of metrics and
    // snapshots that no checkpoint holds are made again.
    for delay_ms in [0, 60, 170, 330] {
        let name = format!("killed-{delay_ms}");
        let fit = begin(folder, &name, true);
        std::thread::sleep(Duration::from_millis(delay_ms));
        drop(fit);
        jensen(folder, &["resume", &name])
            .expect(0)
            .says(&["going on after step"]);
        let run = folder.join(&name);
        assert_eq!(weights(&run), weights(&folder.join("unbroken")), "{name}");
        assert_eq!(metrics(&run), metrics(&folder.join("unbroken")), "{name}");
    }
}

/// Everything that has a state: a moving average, momentum of two optimizers, a schedule, random data.
#[cfg(unix)]
const RICH: &str = "
    name = 'rich'
    latent.z.dim = 4
    encoder.hidden = [32]
    decoder.hidden = [32]
    objective.rate.z.weight = { kind = 'linear', from = 0.0, to = 1.0, until = 0.6 }
    data = { source = 'digits', limit = 512, batch = 64, binarize = 'dynamic', validation = 0.1 }
    [train]
    epochs = 500
    ema = 0.99
    log_every = 10
    checkpoint_seconds = 0.1
    optimizer = { kind = 'adam', lr = 2e-3 }
    [train.groups.decoder]
    prefix = 'decoder.'
    optimizer = { kind = 'sgd', lr = 3e-3, momentum = 0.9 }
";
/// Runs that are killed twice each, once in the fit and once in the resumption.
#[cfg(unix)]
const N_KILLED: u64 = 4;
/// Kills that must meet a process at work; the others come late where it ends between two looks.
#[cfg(unix)]
const N_HITS: usize = 4;

#[cfg(unix)]
#[test]
fn kills_at_random_moments_leave_no_trace_in_a_run_with_every_state() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::write(folder.join("rich.toml"), RICH).unwrap();
    // Its verdict on so short a training is no matter here.
    let unbroken = jensen(folder, &["fit", "rich.toml", "--out", "unbroken"]);
    assert!(matches!(unbroken.code, Some(0 | 3)), "{}", unbroken.err);
    let (expected_weights, expected_metrics) = (
        weights(&folder.join("unbroken")),
        metrics(&folder.join("unbroken")),
    );

    let mut n_hits = 0;
    for idx in 0..N_KILLED {
        let mut stream = Stream::from_seed(31).child("kill", idx);
        let name = format!("killed-{idx}");
        let run = folder.join(&name);
        // By what was logged and not by the clock, which runs faster than a busy machine.
        let mut kill = |mut process: Fit| {
            let more = 0.45 * expected_metrics.len() as f64 * stream.uniform();
            let until = n_lines(&run) + more as usize;
            let mut is_at_work = || process.0.try_wait().unwrap().is_none();
            while n_lines(&run) < until && is_at_work() {
                std::thread::sleep(Duration::from_millis(1));
            }
            n_hits += usize::from(is_at_work());
        };
        let process = spawn(folder, &name, &["fit", "rich.toml", "--out", &name]);
        wait_for(folder, &name, false);
        kill(process);
        kill(spawn(folder, &name, &["resume", &name]));
        let last = jensen(folder, &["resume", &name]);
        assert!(matches!(last.code, Some(0 | 3)), "{name}: {}", last.err);
        assert!(weights(&run) == expected_weights, "{name}: other weights");
        assert_eq!(metrics(&run), expected_metrics, "{name}");
    }
    assert!(n_hits >= N_HITS, "{n_hits} kills met a process at work");
}

#[test]
fn a_run_is_written_by_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let fit = begin(dir.path(), "run", false);
    jensen(dir.path(), &["resume", "run"])
        .expect(2)
        .says(&["is being written by process", &fit.0.id().to_string()]);
    // Nobody has stopped it, and nobody can resume it.
    let process = format!("process {} is training it", fit.0.id());
    let sample = jensen(dir.path(), &["sample", "run"]).expect(2);
    let sample = sample.says(&["has no model yet", &process, "wait for it"]);
    assert!(!sample.err.contains("jensen resume"), "{}", sample.err);
}

#[test]
fn a_complete_run_can_only_be_extended() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let fit = |run, epochs| {
        let set = format!("train.epochs={epochs}");
        let fit = [
            "fit",
            "vae",
            "--out",
            run,
            "--set",
            &set,
            "--set",
            "encoder.hidden=[16]",
        ];
        jensen(folder, &fit).expect(0);
    };
    fit("short", 15);
    fit("long", 20);
    let call = jensen(folder, &["resume", "short", "--json"]).expect(0);
    assert_eq!(call.json()["status"], "unchanged");
    call.says(&["nothing to do"]);
    let before = weights(&folder.join("short"));
    assert_ne!(before, weights(&folder.join("long")));
    for (set, section) in [
        ("latent.z.dim=3", "latent"),
        ("train.seed=4", "train.seed"),
        ("data.batch=3", "data"),
    ] {
        jensen(folder, &["resume", "short", "--set", set])
            .expect(2)
            .says(&[&format!("`{section}` cannot change"), "train.epochs"]);
    }
    // What trains nothing must not get into the record.
    let config = || std::fs::read_to_string(folder.join("short/config.toml")).unwrap();
    let record = config();
    for set in ["train.optimizer.lr=0.5", "train.clip=3", "train.epochs=15"] {
        let call = jensen(folder, &["resume", "short", "--set", set]);
        match set {
            "train.epochs=15" => call.expect(0).says(&["nothing to do"]),
            _ => call
                .expect(2)
                .says(&["add steps", "train.epochs=30", "(before: "]),
        };
        assert_eq!(config(), record);
    }
    assert_eq!(before, weights(&folder.join("short")));
    jensen(folder, &["resume", "short", "--set", "train.epochs=20"]).expect(0);
    let log = std::fs::read_to_string(folder.join("short/log.txt")).unwrap();
    assert!(log.contains("; train.epochs = 20 (before: 15)"), "{log}");
    assert!(config().contains("[[changed]]"), "{}", config());
    assert_eq!(
        weights(&folder.join("short")),
        weights(&folder.join("long"))
    );
    jensen(folder, &["resume", "short"])
        .expect(0)
        .says(&["nothing to do"]);
}

#[test]
fn a_run_does_not_go_on_with_other_data() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let table = |shift: usize| {
        let rows = (0..100).map(|i| format!("{},{},{}\n", (i + shift) % 2, i % 3 / 2, i % 5 / 4));
        fs::write(folder.join("bits.csv"), rows.collect::<String>()).unwrap();
    };
    table(0);
    let small = ["--set", "encoder.hidden=[8]", "--set", "decoder.hidden=[8]"];
    let fit = [
        "fit",
        "vae",
        "--data",
        "bits.csv",
        "--out",
        "run",
        "--set",
        "train.epochs=3",
    ];
    let call = jensen(folder, &[&fit[..], &small].concat());
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    table(1);
    jensen(folder, &["resume", "run", "--set", "train.epochs=5"])
        .expect(2)
        .says(&["have changed since this run began", "hint: "]);
    jensen(folder, &["reconstruct", "run"])
        .expect(0)
        .says(&["warning: ", "have changed"]);
    // Numbers of other data do not replace those of the run.
    let stored = || fs::read_to_string(folder.join("run/evaluation.json")).unwrap();
    let of_the_run = stored();
    let call = jensen(folder, &["evaluate", "run", "--samples", "5", "--json"]).expect(0);
    assert!(call.json()["metrics"]["test_nll_iwae_5"].is_number());
    call.says(&["warning: ", "have changed"]);
    assert_eq!(stored(), of_the_run);
}

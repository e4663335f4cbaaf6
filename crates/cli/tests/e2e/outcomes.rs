//! How calls end beside success: failures as JSON, results that nobody can write, work that is stopped.

use super::{SHARED, command, finish, jensen, tiny};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The object of a failure.
#[track_caller]
fn failure(folder: &Path, args: &[&str], code: i32) -> Value {
    let call = jensen(folder, &[args, &["--json"]].concat()).expect(code);
    let value = call.json();
    assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
    let error = value["error"].clone();
    let message = error["message"].as_str().unwrap();
    assert!(
        !message.is_empty() && !message.contains("hint: "),
        "{value}"
    );
    // People see the same beside it.
    call.says(&[message.lines().next().unwrap(), "error: "]);
    error
}

#[test]
fn failures_are_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let unknown = failure(folder, &["fit", "va"], 2);
    assert!(unknown["message"].as_str().unwrap().contains("`vae`"));
    assert!(unknown["hint"].as_str().unwrap().contains("list models"));
    let key = failure(folder, &["check", "vae", "--set", "train.epoch=3"], 2);
    assert_eq!(key["hint"], Value::Null);
    let data = failure(folder, &["fit", "vae", "--data", "digit"], 2);
    assert!(data["hint"].as_str().unwrap().contains("./digit"));
    let arguments = failure(folder, &["sample", "run", "-n", "0"], 2);
    assert!(
        arguments["message"]
            .as_str()
            .unwrap()
            .contains("at least 1")
    );
    let fit = ["fit", "vae", "--set", "train.optimizer.lr=1e30"];
    let diverged = failure(folder, &tiny(&fit), 1);
    assert!(
        diverged["message"]
            .as_str()
            .unwrap()
            .contains("gave up at step")
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for args in [
        &["list", "models"][..],
        &["list", "data", "--json"],
        &["--help"],
    ] {
        let mut command = command(SHARED.folder(), args);
        let call = finish(command.stdout(full()).output().unwrap());
        call.expect(1).says(&["cannot write to standard output"]);
    }
    // A reader that has seen enough.
    let mut command = command(SHARED.folder(), &["list", "methods"]);
    let mut child = (command.stdout(std::process::Stdio::piped()))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    finish(child.wait_with_output().unwrap()).expect(0);
}

/// A disk that is full, as a process sees it that may write no large file: the old file stays whole.
#[cfg(target_os = "linux")]
#[test]
fn what_does_not_fit_on_the_disk_leaves_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    jensen(dir.path(), &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    let run = dir.path().join("run");
    let list = || {
        let mut names: Vec<_> = fs::read_dir(&run)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let before = (fs::read(run.join("report.html")).unwrap(), list());
    for (args, file) in [
        (&["report", "run"][..], "report.html"),
        (
            &["export", "run", "--out", "run/all.safetensors"],
            "all.safetensors",
        ),
        (
            &["sample", "run", "--out", "run/many.csv", "-n", "200"],
            "many.csv",
        ),
    ] {
        // The signal that comes with the limit would end the process before it could say anything.
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$@\"";
        let program = command(dir.path(), args);
        let output = std::process::Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(dir.path())
            .output()
            .unwrap();
        finish(output).expect(1).says(&["File too large", file]);
        assert_eq!(
            before,
            (fs::read(run.join("report.html")).unwrap(), list()),
            "{args:?}"
        );
    }
}

/// What was asked for is there; that the report beside it was not written again is worth a warning.
#[test]
fn a_picture_is_no_failure_where_the_report_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    jensen(dir.path(), &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    let run = dir.path().join("run");
    fs::write(run.join("evaluation.json"), "{\n  \"metrics\": oops").unwrap();
    let says = [
        "warning: the report was not",
        "evaluation.json:2",
        "`jensen evaluate run`",
    ];
    for verb in ["sample", "reconstruct", "traverse", "interpolate"] {
        let call = jensen(dir.path(), &[verb, "run", "--json"]).expect(0);
        assert!(call.json()["error"].is_null());
        assert_eq!(call.says(&says).err.matches("was not written").count(), 1);
    }
    jensen(dir.path(), &["report", "run"])
        .expect(2)
        .says(&["evaluation.json:2", "`jensen evaluate run`"]);
    jensen(dir.path(), &["evaluate", "run", "--samples", "0"]).expect(0);
    jensen(dir.path(), &["report", "run"]).expect(0);
}

/// Waits until a process has loaded its run and is at work, however busy the machine is.
#[cfg(unix)]
fn wait_until_at_work(pid: &str) {
    use std::time::{Duration, Instant};
    /// Many times what it takes to load a tiny run, and little beside the work.
    const AT_WORK: Duration = Duration::from_millis(500);
    /// The kernel counts hundredths of a second for programs.
    const TICK: Duration = Duration::from_millis(10);
    let started = Instant::now();
    // Of `PID (NAME) STATE ...`, fields 14 and 15 are its time on processors, see proc(5).
    let time = || -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<u32>().ok();
        Some((ticks()? + ticks()?) * TICK)
    };
    // Where the system does not tell, the time since the start has to do.
    while time().unwrap_or(started.elapsed()) < AT_WORK {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "no work begins"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn slow_work_can_be_stopped() {
    use std::process::{Command, Stdio};
    let far = i32::MAX.to_string();
    let folder = SHARED.folder();
    // Pictures have a largest size, tables have none.
    let rows = (0..50).map(|i| format!("{},{}\n", i % 2, i % 3 / 2));
    fs::write(folder.join("bits.csv"), rows.collect::<String>()).unwrap();
    let vectors = ["fit", "vae", "--data", "bits.csv", "--out", "vectors"];
    let fitted = jensen(folder, &tiny(&vectors));
    assert!(matches!(fitted.code, Some(0 | 3)), "{}", fitted.err);
    for args in [
        &["score", "run", "--samples", &far, "--out", "far.csv"][..],
        &["evaluate", "run", "--samples", &far],
        &["sample", "run", "-n", "3000000", "--out", "far.npz"],
        &[
            "interpolate",
            "vectors",
            "--steps",
            "2000000",
            "--out",
            "far",
        ],
        &["traverse", "run", "--steps", "1000000", "--out", "far.npz"],
    ] {
        let mut command = command(folder, &[args, &["--json"]].concat());
        let child = (command.stdout(Stdio::piped()).stderr(Stdio::piped()))
            .spawn()
            .unwrap();
        let pid = child.id().to_string();
        wait_until_at_work(&pid);
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.unwrap().success());
        let call = finish(child.wait_with_output().unwrap()).expect(130);
        assert_eq!(call.json()["error"]["message"], "stopped on request");
        call.says(&["press Ctrl-C again"]);
    }
    assert!(!folder.join("far.csv").exists() && !folder.join("far.npz").exists());
}

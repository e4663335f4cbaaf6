//! A writer is killed at arbitrary moments; a reader must find whole files only.
//!
//! The test runs itself again as the writer, with the folder in an environment variable.

use jensen_run::{
    Checkpoints, MetricsLog, Record, RunFolder, Split, file, read_metrics, tensors::View,
};
use serde_json::json;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const FOLDER: &str = "JENSEN_CRASH_TEST_FOLDER";

/// Values in the checkpoint of a step: enough that a write takes a while.
fn values(step: u64) -> Vec<f32> {
    (0..50_000).map(|i| (i as f32) + step as f32).collect()
}

/// Writes without an end.
fn writer(folder: &Path) {
    let run = RunFolder::resume(folder).unwrap();
    let checkpoints = Checkpoints::of(&run);
    let mut metrics = MetricsLog::open(run.path(file::METRICS)).unwrap();
    let recovered = checkpoints.load_latest().unwrap();
    let first = recovered.checkpoint.map_or(0, |c| c.step);
    metrics.truncate_after(first).unwrap();
    for step in first + 1.. {
        metrics
            .append(&Record {
                step,
                epoch: 1,
                split: Split::Train,
                elapsed_s: 0.5,
                metrics: vec![("elbo".into(), -(step as f64))],
            })
            .unwrap();
        let values = values(step);
        let weight = View {
            name: "weight",
            shape: &[values.len()],
            values: &values,
        };
        checkpoints
            .save(step, &[weight], &json!({ "step": step }))
            .unwrap();
        checkpoints.keep(2).unwrap();
        let text = step.to_string().repeat(10_000);
        run.write(file::REPORT, text.as_bytes()).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_whole_files_and_no_lock() {
    if let Some(folder) = env::var_os(FOLDER) {
        return writer(Path::new(&folder));
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let run = RunFolder::create(&folder).unwrap();
    run.write(file::CONFIG, b"seed = 1\n").unwrap();
    drop(run);
    let mut last = 0;
    for trial in 0..12 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_killed_writer_leaves_whole_files_and_no_lock"])
            .env(FOLDER, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(60 + 7 * trial));
        child.kill().unwrap();
        child.wait().unwrap();

        let run = RunFolder::resume(&folder).expect("the lock ended with the process");
        let recovered = Checkpoints::of(&run).load_latest().unwrap();
        assert!(recovered.skipped.is_empty());
        if let Some(checkpoint) = recovered.checkpoint {
            assert!(checkpoint.step >= last, "no step is lost");
            last = checkpoint.step;
            assert_eq!(checkpoint.tensors[0].values, values(last));
            assert_eq!(checkpoint.state["step"], last);
        }
        for (record_idx, record) in read_metrics(run.path(file::METRICS))
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!(record.step, record_idx as u64 + 1);
        }
        if let Ok(text) = fs::read_to_string(run.path(file::REPORT)) {
            let step = &text[..text.len() / 10_000];
            assert_eq!(text, step.repeat(10_000));
        }
    }
    assert!(last > 0, "the writer never got to write");
}

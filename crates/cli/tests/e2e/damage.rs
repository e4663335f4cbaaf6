//! Runs whose files were damaged or edited: what is noticed, what is made again, and what is left alone.

use super::{Call, jensen, tiny};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A trained run of its own, with the folder it lies in.
fn trained() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    jensen(dir.path(), &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    let run = dir.path().join("run");
    (dir, run)
}

fn resume(dir: &TempDir, more: &[&str]) -> Call {
    jensen(dir.path(), &[&["resume", "run"], more].concat())
}

/// The second half of a file is lost.
fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Changes a text file at one place.
fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(run.join("checkpoints")).unwrap().flatten();
    let files = files.map(|file| file.path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "safetensors"))
        .collect()
}

/// Refused with code 2, these words, and without a change to configuration and report.
#[track_caller]
fn refused(dir: &TempDir, more: &[&str], parts: &[&str]) {
    let read = |name: &str| fs::read(dir.path().join("run").join(name)).unwrap();
    let before = ["config.toml", "report.html"].map(read);
    resume(dir, more).expect(2).says(parts);
    assert_eq!(before, ["config.toml", "report.html"].map(read));
}

#[test]
fn a_configuration_that_does_not_fit_its_checkpoint_changes_nothing() {
    let (dir, run) = trained();
    refused(
        &dir,
        &["--set", "train.epochs=5"],
        &["epochs = 5: expected at least 8", "has done"],
    );
    // Shapes of a hidden layer that was edited by hand.
    let config = run.join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert_eq!(text.matches("hidden = [16]").count(), 2);
    fs::write(&config, text.replace("hidden = [16]", "hidden = [24]")).unwrap();
    refused(
        &dir,
        &["--set", "train.epochs=9"],
        &[
            "`encoder` is not what the newest checkpoint was trained with",
            "hint: config.toml",
        ],
    );
    // Nor does it go on with other numbers of the same shapes, or from an empty file.
    for (from, to, section) in [
        ("batch = 128", "batch = 64", "data"),
        ("seed = 1", "seed = 2", "train.seed"),
        ("weight = 1.0", "weight = 4.0", "objective"),
    ] {
        fs::write(&config, text.replace(from, to)).unwrap();
        let says = format!("`{section}` is not what");
        refused(&dir, &["--set", "train.epochs=9"], &[&says]);
    }
    fs::write(&config, "").unwrap();
    refused(&dir, &["--set", "train.epochs=9"], &["`name` is not what"]);
    let without_data = &text[..text.find("[dataset]").unwrap()];
    fs::write(&config, without_data).unwrap();
    refused(&dir, &["--set", "train.epochs=9"], &["`dataset` is not"]);
    fs::write(&config, text).unwrap();
    resume(&dir, &["--set", "train.epochs=9"]).expect(0);
    // A fault in the file itself has its place.
    edit(&config, "epochs = 9", "epochs = = 9");
    refused(&dir, &[], &["config.toml:", "expected TOML", "hint: "]);
}

#[test]
fn a_damaged_part_of_a_finished_run_is_made_again() {
    let (dir, run) = trained();
    let weights = run.join("model/model.safetensors");
    let whole = fs::read(&weights).unwrap();
    resume(&dir, &[]).expect(0).says(&["nothing to do"]);
    for damaged in [
        "model/model.safetensors",
        "model/config.json",
        "evaluation.json",
    ] {
        cut(&run.join(damaged));
        let says = [damaged, "finished again from its checkpoint"];
        resume(&dir, &[]).expect(0).says(&says);
        assert_eq!(fs::read(&weights).unwrap(), whole, "{damaged}");
        resume(&dir, &[]).expect(0).says(&["nothing to do"]);
    }
    // Nothing is left to make it of.
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    cut(&weights);
    refused(
        &dir,
        &[],
        &[
            "model.safetensors",
            "cut short",
            "no checkpoint",
            "jensen fit run/config.toml",
        ],
    );
}

#[test]
fn damaged_inputs_of_a_resume_are_no_failed_fit() {
    let (dir, run) = trained();
    let more = ["--set", "train.epochs=9"];
    checkpoints(&run).iter().for_each(|path| cut(path));
    refused(&dir, &more, &["checkpoints/step-", "cut short", "hint: "]);
    // The model needs none of them.
    jensen(dir.path(), &["evaluate", "run", "--samples", "0"]).expect(0);
}

#[test]
fn a_damaged_line_of_metrics_is_left_out() {
    let (dir, run) = trained();
    let metrics = run.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, format!("nonsense\n{text}")).unwrap();
    let says = [
        "warning: ",
        "metrics.jsonl:1:",
        "expected one record of metrics",
        "left out",
    ];
    for verb in [
        &["report", "run"][..],
        &["evaluate", "run", "--samples", "0"],
        &["sample", "run"],
    ] {
        jensen(dir.path(), verb).expect(0).says(&says);
    }
    // Who goes on with the file removes the line.
    let more = ["--set", "train.epochs=9"];
    resume(&dir, &more)
        .expect(0)
        .says(&["metrics.jsonl:1:", "such lines are removed"]);
    assert!(!fs::read_to_string(&metrics).unwrap().contains("nonsense"));
}

#[test]
fn a_model_without_checkpoints_is_not_trained_over() {
    let (dir, run) = trained();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let weights = fs::read(run.join("model/model.safetensors")).unwrap();
    let says = [
        "no checkpoint to go on from",
        "`jensen evaluate run`",
        "`jensen fit run/config.toml`",
    ];
    refused(&dir, &["--set", "train.epochs=9"], &says);
    fs::remove_file(run.join("evaluation.json")).unwrap();
    resume(&dir, &[]).expect(2).says(&says);
    assert_eq!(
        fs::read(run.join("model/model.safetensors")).unwrap(),
        weights
    );
    // What is offered works.
    jensen(dir.path(), &["evaluate", "run", "--samples", "0"]).expect(0);
    resume(&dir, &[]).expect(0).says(&["nothing to do"]);
}

#[test]
fn numbers_are_shown_even_if_they_cannot_be_stored() {
    let (dir, run) = trained();
    // A folder in the way holds off every user, also one who may write everywhere.
    for (verb, name) in [("evaluate", "evaluation.json"), ("score", "scores.csv")] {
        let file = run.join(name);
        let _ = fs::remove_file(&file);
        fs::create_dir_all(file.join("x")).unwrap();
        let call = jensen(dir.path(), &[verb, "run"]).expect(1);
        assert!(call.out.contains("neg_elbo"), "{}", call.out);
        call.says(&["error: the numbers could not be stored", name]);
        let value = jensen(dir.path(), &[verb, "run", "--json"])
            .expect(1)
            .json();
        let message = value["error"]["message"].as_str().unwrap();
        assert!(message.contains("could not be stored"), "{value}");
        assert!(value["metrics"].as_object().unwrap().len() > 2, "{value}");
    }
}

#[test]
fn damaged_files_say_what_makes_them_again() {
    let (dir, run) = trained();
    for (file, verb, remedy) in [
        ("evaluation.json", "report", "jensen evaluate run"),
        ("model/config.json", "sample", "jensen resume run"),
        ("model/model.safetensors", "sample", "jensen resume run"),
    ] {
        let path = run.join(file);
        let whole = fs::read(&path).unwrap();
        cut(&path);
        jensen(dir.path(), &[verb, "run"])
            .expect(2)
            .says(&[file, "hint: ", remedy]);
        fs::write(&path, whole).unwrap();
    }
    cut(&run.join("evaluation.json"));
    jensen(dir.path(), &["evaluate", "run", "--samples", "0"]).expect(0);
    jensen(dir.path(), &["report", "run"]).expect(0);
}

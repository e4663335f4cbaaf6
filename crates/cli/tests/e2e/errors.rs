//! What users do wrong: the exit code, the message, and that nothing is left behind.

use super::{SHARED, jensen, tiny};
use jensen_data::npy::{Array, Numbers, write_npy};
use std::fs;
use std::path::Path;

/// Refused with code 2, a message with these parts, and no run folder.
#[track_caller]
fn refused(folder: &Path, args: &[&str], parts: &[&str]) {
    let call = jensen(folder, args).expect(2).says(parts);
    assert_eq!(call.out, "");
    assert!(!call.err.contains("internal error"), "{}", call.err);
    assert!(!folder.join("runs").exists());
}

#[test]
fn recipes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    refused(
        folder,
        &["fit", "va"],
        &["no model is called `va`", "did you mean `vae`", "conv-vae"],
    );
    refused(
        folder,
        &["fit", "no.toml"],
        &["cannot read the recipe no.toml"],
    );
    refused(
        folder,
        &["fit", "vae", "--set", "train.epoch=3"],
        &[
            "error: train: unknown key `epoch`; did you mean `epochs`?",
            "hint: ",
        ],
    );
    refused(
        folder,
        &["fit", "vae", "--set", "likelihood=bernouli"],
        &["there are bernoulli"],
    );
    refused(folder, &["fit", "vae", "--set", "epochs"], &["key=value"]);
    refused(
        folder,
        &["fit", "vae", "--set", "train.epochs=0"],
        &["nothing to train"],
    );
    refused(
        folder,
        &["fit", "vae", "--set", "train.optimizer.lr=-1"],
        &["a learning rate is positive"],
    );
    refused(
        folder,
        &["fit", "vae", "--seed", "18446744073709551615"],
        &["--seed"],
    );
    // All at once.
    refused(
        folder,
        &[
            "check",
            "vae",
            "--set",
            "train.epoch=3",
            "--set",
            "latent.z.dims=2",
        ],
        &["`epochs`", "`dim`"],
    );
    fs::write(folder.join("bad.toml"), "name = \n").unwrap();
    refused(folder, &["fit", "bad.toml"], &["bad", "line 1"]);
    refused(
        folder,
        &["fit", "vae", "--device", "gpu"],
        &["no device `gpu`", "--features vulkan"],
    );
}

#[test]
fn data() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    refused(
        folder,
        &["fit", "vae", "--data", "digit"],
        &["no data set is called `digit`", "did you mean `digits`"],
    );
    refused(
        folder,
        &["fit", "vae", "--data", "no/such.npz"],
        &["no/such.npz", "no such file"],
    );

    // Two images of 2 x 2 are announced, and one and a half are there.
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2];
    idx.extend([7; 6]);
    fs::write(folder.join("images-idx3-ubyte"), idx).unwrap();
    refused(
        folder,
        &["fit", "vae", "--data", "images-idx3-ubyte"],
        &["images-idx3-ubyte", "byte ", "expected", "found"],
    );
}

#[test]
fn symmetric_data_with_a_bernoulli_likelihood() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let parts = &["[0, 1]", "[-1, 1]", "unbounded", "likelihood=gaussian"];
    refused(
        folder,
        &["fit", "vae", "--set", "data.range=symmetric"],
        parts,
    );
    let values = (0..400).map(|i| (i as f32 * 0.7).sin()).collect();
    let file = folder.join("waves.npy");
    write_npy(&file, &Array::new(vec![100, 4], Numbers::F32(values))).unwrap();
    refused(
        folder,
        &["fit", "vae", "--data", "waves.npy"],
        &["unbounded", "likelihood=gaussian"],
    );
    // What the message offers works.
    let offered = [
        "fit",
        "vae",
        "--set",
        "data.range=symmetric",
        "--set",
        "likelihood=gaussian",
    ];
    jensen(folder, &tiny(&offered)).expect(0);
}

#[test]
fn run_folders() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for verb in ["sample", "resume", "evaluate", "report"] {
        refused(
            folder,
            &[verb, "runs/vae-001"],
            &["runs/vae-001 is not a run folder", "jensen fit"],
        );
    }
    fs::create_dir(folder.join("thesis")).unwrap();
    fs::write(folder.join("thesis/thesis.tex"), "x").unwrap();
    refused(
        folder,
        &["fit", "vae", "--out", "thesis"],
        &["already holds thesis.tex"],
    );
    assert_eq!(fs::read_dir(folder.join("thesis")).unwrap().count(), 1);
    let shared = SHARED.folder();
    let out = ["sample", "run", "--out", "x.tiff"];
    jensen(shared, &out)
        .expect(2)
        .says(&[".png, .npz or .csv", "x.tiff"]);
    // Examples of another shape.
    let wide = Array::new(vec![10, 1, 9, 9], Numbers::U8(vec![3; 810]));
    write_npy(&shared.join("wide.npy"), &wide).unwrap();
    let score = ["score", "run", "--data", "wide.npy"];
    jensen(shared, &score)
        .expect(2)
        .says(&["1 x 8 x 8", "1 x 9 x 9"]);
}

#[test]
fn a_damaged_model_is_named() {
    let dir = tempfile::tempdir().unwrap();
    jensen(dir.path(), &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    let file = dir.path().join("run/model/model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    jensen(dir.path(), &["sample", "run"])
        .expect(2)
        .says(&["model.safetensors", "checksum"]);
    fs::write(&file, &bytes[..last / 2]).unwrap();
    jensen(dir.path(), &["sample", "run"])
        .expect(2)
        .says(&["model.safetensors", "cut short"]);
}

#[test]
fn numbers_that_explode_end_with_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let fit = [
        "fit",
        "vae",
        "--out",
        "run",
        "--set",
        "train.optimizer.lr=1e30",
    ];
    let call = jensen(dir.path(), &tiny(&fit)).expect(1);
    call.says(&["rolled back", "gave up at step", "not finite", "train.clip"]);
    let log = fs::read_to_string(dir.path().join("run/log.txt")).unwrap();
    assert!(log.contains("training failed"));
    jensen(dir.path(), &["sample", "run"])
        .expect(2)
        .says(&["no model yet"]);
}

#[test]
fn a_collapsed_posterior_is_not_called_good() {
    let dir = tempfile::tempdir().unwrap();
    let fit = [
        "fit",
        "vae",
        "--set",
        "objective.rate.z.weight=1000",
        "--json",
    ];
    let value = jensen(dir.path(), &tiny(&fit)).expect(3).json();
    assert_eq!(value["verdict"]["word"], "doubtful");
    assert!(
        value["verdict"]["reason"]
            .as_str()
            .unwrap()
            .contains("collapsed")
    );
}

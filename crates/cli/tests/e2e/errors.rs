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
    refused(folder, &["fit", "VAE"], &["did you mean `vae`"]);
    refused(
        folder,
        &["fit", "no.toml"],
        &["cannot read the recipe no.toml"],
    );
    refused(
        folder,
        &["fit", "vae", "--set", "train.epoch=3"],
        &["error: train: unknown key `epoch`; did you mean `epochs`?"],
    );
    // The lists of parts show no options of training.
    let unknown = jensen(folder, &["check", "vae", "--set", "train.epoch=3"]).expect(2);
    assert!(!unknown.err.contains("jensen list"), "{}", unknown.err);
    refused(
        folder,
        &["fit", "vae", "--set", "bound=elb"],
        &["hint: `jensen list methods` shows"],
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
    // One fault is one error, however many lines it takes to show it.
    fs::write(folder.join("bad.toml"), "about = 'x'\nname = {\n").unwrap();
    let bad = jensen(folder, &["check", "bad.toml"]).expect(2);
    let bad = bad.says(&["\n  2 | name = {\n"]);
    assert_eq!(bad.err.matches("error: ").count(), 1, "{}", bad.err);
    refused(
        folder,
        &[
            "check",
            "vae",
            "--set",
            "objective.rate.z.weight={ kind = 'linear' }",
        ],
        &["error: objective.rate.z.weight: the key `from` is missing"],
    );
    for (set, part) in [
        (
            "encoder.hidden=3",
            "encoder.hidden: expected a list in brackets, found 3",
        ),
        (
            "encoder.hidden=['a']",
            "encoder.hidden: expected a whole number of at least 0, found text \"a\"",
        ),
    ] {
        refused(folder, &["check", "vae", "--set", set], &[part]);
    }
    refused(
        folder,
        &["check", "sigma-vae", "--set", "likelihood.scale=true"],
        &["likelihood.scale: expected \"shared\", \"per_value\" or a number, found true"],
    );
    refused(
        folder,
        &["fit", "vae", "--device", "gpu"],
        &["no device `gpu`", "--features vulkan"],
    );
}

#[test]
fn options_of_a_recipe_given_as_those_of_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for (args, part) in [
        (
            &["fit", "vae", "--epochs", "3"][..],
            "`--set train.epochs=3`",
        ),
        (
            &["check", "conv-vae", "--learning-rate=0.1"],
            "`--set train.optimizer.lr=0.1`",
        ),
        (&["fit", "vae", "--oout", "x"], "'--out'"),
    ] {
        refused(folder, args, &["unexpected argument", part]);
        let call = jensen(folder, args);
        assert!(!call.err.contains("as a value"), "{}", call.err);
        // The same as an object.
        let value = jensen(folder, &[args, &["--json"]].concat())
            .expect(2)
            .json();
        let hint = value["error"]["hint"].as_str().unwrap();
        assert!(hint.contains(part), "{hint}");
    }
    // What is offered works.
    let offered = ["check", "vae", "--set", "train.epochs=3"];
    jensen(folder, &offered).expect(0);
}

#[test]
fn sizes_that_no_machine_holds() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for (set, part) in [
        ("latent.z.dim=1000000000", "GB of memory"),
        ("latent.z.dim=1000000000000", "latent.z.dim: expected"),
        ("encoder.hidden=[1000000000, 1000000000]", "GB of memory"),
        ("bound.samples=1000000000", "GB of memory"),
        ("data.resize=100000", "GB of memory"),
        ("train.threads=100000", "at most 1024"),
        ("train.epochs=9000000000000000000", "at most"),
    ] {
        refused(folder, &["fit", "vae", "--set", set], &[part]);
        refused(folder, &["check", "vae", "--set", set], &[part]);
    }
    for (args, part) in [
        (
            &["traverse", "run", "--steps", "5000"][..],
            "--steps: expected at most 1310",
        ),
        (
            &["interpolate", "run", "--steps", "10000000"],
            "--steps: expected at most 1310",
        ),
        (
            &["sample", "run", "-n", "50000"],
            "-n: expected at most 13100",
        ),
        (
            &["sample", "run", "-n", "500000000", "--out", "x.csv"],
            "GB of memory",
        ),
    ] {
        jensen(SHARED.folder(), args).expect(2).says(&[part]);
    }
    let residual = ["fit", "conv-vae", "--set", "encoder.residual=1000000000"];
    refused(folder, &residual, &["residual = 1000000000", "1000"]);
    let shared = SHARED.folder();
    let far = i64::MAX.to_string();
    for args in [
        &["sample", "run", "-n", &far][..],
        &["interpolate", "run", "--steps", &far],
        &["traverse", "run", "--steps", &far],
    ] {
        jensen(shared, args).expect(2).says(&["GB of memory"]);
    }
}

#[test]
fn options_that_mean_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    for (model, set, parts) in [
        (
            "vae",
            "objective.rate.z.weight=-1",
            &["weight: -1", "at least 0"][..],
        ),
        ("vae", "objective.rate.z.capacity=-1", &["capacity: -1"]),
        ("vae", "objective.rate.z.free_bits=-1", &["free_bits = -1"]),
        (
            "vae",
            "train.optimizer.epsilon=0",
            &["above 0, such as 1e-8"],
        ),
        ("beta-tc-vae", "data.batch=1", &["data.batch of at least 2"]),
        ("wae-mmd", "data.batch=1", &["data.batch of at least 2"]),
        (
            "beta-tc-vae",
            "bound.kind=importance",
            &["one part of the rate"],
        ),
        (
            "conv-vae",
            "encoder.kernel=0",
            &["kernel = 0: expected at least 1 pixel"],
        ),
        (
            "conv-vae",
            "encoder.padding=99",
            &["padding = 99: expected less than the kernel of 4"],
        ),
        (
            "conv-vae",
            "decoder.padding=4",
            &["decoder: padding = 4: expected less"],
        ),
        (
            "vae",
            "train.optimizer.lr=1e300",
            &["train.optimizer.lr: 1e300: expected", "3.4e38"],
        ),
        ("vae", "name=", &["name: expected", "found nothing"]),
        ("vae", "name=' '", &["name: expected", "found nothing"]),
        (
            "vae",
            "data.limit=1",
            &["at least 2 examples", "1, for data.limit = 1"],
        ),
    ] {
        refused(folder, &["fit", model, "--set", set], parts);
    }
    fs::write(folder.join("two.csv"), "1,0\n0,1\n").unwrap();
    let two = ["fit", "vae", "--data", "two.csv"];
    refused(
        folder,
        &two,
        &["at least 2", "1 in the training part of `two`"],
    );
    let contradiction = [
        "fit",
        "vae",
        "--data",
        "mnist",
        "--set",
        "data.source=digits",
    ];
    refused(
        folder,
        &contradiction,
        &["mnist", "digits", "one of the two"],
    );
}

#[test]
fn numbers_on_the_command_line() {
    let shared = SHARED.folder();
    for (args, part) in [
        (&["sample", "run", "-n", "0"][..], "at least 1"),
        (&["sample", "run", "-n", "-5"], "at least 1"),
        (&["reconstruct", "run", "-n", "0"], "at least 1"),
        (&["interpolate", "run", "--pairs", "0"], "at least 1"),
        (&["traverse", "run", "--rows", "0"], "at least 1"),
        (&["traverse", "run", "--range", "-1"], "a number above 0"),
        (&["traverse", "run", "--range", "1e39"], "finite range"),
        (&["sample", "run", "--seed", "-1"], "at least 0"),
        (
            &["reconstruct", "run", "--index", "3", "-n", "4"],
            "cannot be used with",
        ),
        (
            &["traverse", "run", "--dims", "1", "--rows", "4"],
            "cannot be used with",
        ),
        (
            &[
                "interpolate",
                "run",
                "--from",
                "1",
                "--to",
                "2",
                "--pairs",
                "3",
            ],
            "cannot be used with",
        ),
        (
            &["encode", "run", "--out", "x.csv"],
            "a file .npz, found x.csv",
        ),
        (
            &["score", "run", "--out", "x.npz"],
            "a file .csv, found x.npz",
        ),
        (
            &["export", "run", "--out", "x.npz"],
            "a file .safetensors, found x.npz",
        ),
        (
            &["report", "run", "--out", "x.txt"],
            "a file .html, found x.txt",
        ),
        (
            &["interpolate", "run", "--out", "x.PNG"],
            "a folder, for several files, found x.PNG",
        ),
    ] {
        let call = jensen(shared, args).expect(2).says(&[part]);
        assert!(!call.err.contains("tip:"), "{}", call.err);
    }
    for name in ["x.csv", "x.npz", "x.txt", "x.PNG"] {
        assert!(!shared.join(name).exists(), "{name}");
    }
}

#[test]
fn codes_that_are_no_numbers() {
    let shared = SHARED.folder();
    let mut values = vec![0.0; 12];
    values[6] = f32::NAN;
    let codes = Array::new(vec![3, 4], Numbers::F32(values));
    write_npy(&shared.join("nan.npy"), &codes).unwrap();
    let decode = ["decode", "run", "--codes", "nan.npy", "--out", "nan.png"];
    jensen(shared, &decode)
        .expect(2)
        .says(&["NaN in row 1, column 2", "nan.npy"]);
    assert!(!shared.join("nan.png").exists());
    for codes in [".", "run"] {
        jensen(shared, &["decode", "run", "--codes", codes])
            .expect(2)
            .says(&["expected a file of arrays, .npy or .npz, found a folder"]);
    }
    fs::write(shared.join("codes.csv"), "0,0,0,0\n").unwrap();
    let call = jensen(shared, &["decode", "run", "--codes", "codes.csv"]).expect(2);
    let call = call.says(&["--codes: expected a file of arrays, .npy or .npz, found codes.csv"]);
    assert!(!call.err.contains("damaged"), "{}", call.err);
    let flat = Array::new(vec![12], Numbers::F32(vec![0.0; 12]));
    write_npy(&shared.join("flat.npy"), &flat).unwrap();
    jensen(shared, &["decode", "run", "--codes", "flat.npy"])
        .expect(2)
        .says(&["[n, 4]", "an array without a name of shape [12]"]);
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
        &["fit", "vae", "--data", "MNIST"],
        &["did you mean `mnist`"],
    );
    refused(
        folder,
        &["fit", "vae", "--data", "no/such.npz"],
        &["no/such.npz", "no such file"],
    );

    // Finite, and still no number that a network computes with.
    fs::write(folder.join("huge.csv"), "1,2\n1e300,3\n").unwrap();
    refused(
        folder,
        &["fit", "vae", "--data", "huge.csv"],
        &[
            "huge.csv, line 2, column 1",
            "at most 3.4e38",
            "`1e300`",
            "larger unit",
        ],
    );
    // The way to a label that there is.
    fs::write(folder.join("words.csv"), "1,2\n3,cat\n").unwrap();
    let words = ["fit", "vae", "--data", "words.csv"];
    refused(
        folder,
        &words,
        &["call it `label` in a first line of names"],
    );
    fs::write(
        folder.join("words.csv"),
        "x,label\n0,cat\n1,dog\n0,cat\n1,dog\n",
    )
    .unwrap();
    jensen(folder, &["check", "vae", "--data", "words.csv"]).expect(0);

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
fn grey_levels_of_a_table_with_a_bernoulli_likelihood() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let rows: String = (0..100)
        .map(|i| {
            format!(
                "{},{},{},{}\n",
                255 * (i % 2),
                i,
                2 * i,
                if i % 3 == 0 { 9 } else { 200 }
            )
        })
        .collect();
    fs::write(folder.join("grey.csv"), rows).unwrap();
    let fit = ["fit", "vae", "--data", "grey.csv"];
    let offer = "`--set data.max_value=255`, or use `--set likelihood=gaussian`";
    refused(folder, &fit, &["unbounded", offer]);
    // What the message offers works.
    let offered = [&fit[..], &["--set", "data.max_value=255"]].concat();
    let call = jensen(folder, &tiny(&offered));
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
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
    // Places where nothing can be, told before the work.
    let file = "thesis/thesis.tex";
    refused(
        folder,
        &["fit", "vae", "--out", file],
        &["a folder, found", "which is a file"],
    );
    refused(folder, &["fit", "vae", "--out", ""], &["--out"]);
    refused(
        folder,
        &["fit", ""],
        &["MODEL: expected a built-in recipe", "found nothing"],
    );
    refused(folder, &["sample", ""], &["<RUN>"]);
    refused(
        folder,
        &["fit", "vae", "--set", "=3"],
        &["--set: `=3`: expected a key"],
    );
    fs::create_dir(folder.join("old")).unwrap();
    fs::write(folder.join("old/config.toml"), "name = 'x'\n").unwrap();
    refused(
        folder,
        &["check", "old"],
        &["that is a run; `jensen fit old/config.toml`"],
    );
    refused(
        folder,
        &["fit", "vae", "--out", "old"],
        &["old already holds a run"],
    );
    refused(
        folder,
        &["fit", "vae", "--data", ""],
        &["expected a name, a file or a folder"],
    );
    let shared = SHARED.folder();
    let out = ["sample", "run", "--out", "x.tiff"];
    jensen(shared, &out)
        .expect(2)
        .says(&[".png, .npz or .csv", "x.tiff"]);
    // Examples of another shape.
    let wide = Array::new(vec![10, 1, 9, 9], Numbers::U8(vec![3; 810]));
    write_npy(&shared.join("wide.npy"), &wide).unwrap();
    let score = ["score", "run", "--data", "wide.npy"];
    let call = jensen(shared, &score).expect(2);
    let call = call.says(&["1 x 8 x 8", "1 x 9 x 9", "hint: "]);
    assert!(!call.err.contains("--set"), "{}", call.err);
    // Values that the likelihood of the model gives no probability to.
    let far = Array::new(vec![10, 1, 8, 8], Numbers::F32(vec![-3.0; 640]));
    write_npy(&shared.join("far.npy"), &far).unwrap();
    let call = jensen(shared, &["score", "run", "--data", "far.npy"]).expect(2);
    let call = call.says(&["bernoulli", "[0, 1]", "[-3, -3]", "hint: "]);
    assert!(!call.err.contains("--set"), "{}", call.err);
}

#[test]
fn levels_that_a_model_was_not_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let store = |name: &str, numbers| {
        let array = Array::new(vec![10, 1, 8, 8], numbers);
        write_npy(&folder.join(name), &array).unwrap();
    };
    store(
        "bytes.npy",
        Numbers::U8((0..640).map(|i| (i % 251) as u8).collect()),
    );
    store(
        "real.npy",
        Numbers::F32((0..640).map(|i| i as f32 / 640.0).collect()),
    );
    // Black and white are the ends of every grid.
    store(
        "bits.npy",
        Numbers::U8((0..640).map(|i| (i % 3 / 2) as u8).collect()),
    );
    for likelihood in ["categorical", "discretized_logistic_mixture"] {
        let set = format!("likelihood={likelihood}");
        let fit = ["fit", "vae", "--out", likelihood, "--set", &set];
        let short = ["--set", "train.epochs=1"];
        let call = jensen(folder, &[&tiny(&fit)[..], &short].concat());
        assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
        for verb in [
            &["score", likelihood, "--out", "x.csv"][..],
            &["evaluate", likelihood],
        ] {
            let on = |data: &'static str| jensen(folder, &[verb, &["--data", data]].concat());
            for (data, found) in [
                ("bytes.npy", "these are 256 levels in [0, 1]"),
                ("real.npy", "these are real numbers in [0, "),
            ] {
                on(data).expect(2).says(&[
                    likelihood,
                    "expects 17 levels in [0, 1]",
                    found,
                    "hint: ",
                ]);
                assert!(!folder.join("x.csv").exists());
            }
            on("bits.npy").expect(0);
            let _ = fs::remove_file(folder.join("x.csv"));
        }
    }
}

#[test]
fn places_for_results_are_looked_at_first() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    jensen(folder, &tiny(&["fit", "vae", "--out", "run"])).expect(0);
    for extension in ["csv", "npz", "png", "html"] {
        fs::create_dir(folder.join(format!("taken.{extension}"))).unwrap();
    }
    fs::create_dir(folder.join("taken")).unwrap();
    fs::write(folder.join("file"), "x").unwrap();
    for (verb, out, part) in [
        ("score", "taken.csv", "a file, found the folder taken.csv"),
        ("encode", "taken.npz", "a file, found the folder taken.npz"),
        ("sample", "taken.png", "a file, found the folder taken.png"),
        ("export", "taken", "a file, found the folder"),
        ("report", "taken.html", "a file, found the folder"),
        (
            "sample",
            "file/x.png",
            "a folder, found file, which is a file",
        ),
        (
            "interpolate",
            "file",
            "a folder, found file, which is a file",
        ),
    ] {
        jensen(folder, &[verb, "run", "--out", out])
            .expect(2)
            .says(&["--out", part]);
    }
}

#[test]
fn suggested_commands_can_be_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let fit = jensen(dir.path(), &tiny(&["fit", "vae", "--out", "my runs/it's"])).expect(0);
    assert!(
        fit.out.contains("jensen sample 'my runs/it'\\''s'"),
        "{}",
        fit.out
    );
    fs::remove_dir_all(dir.path().join("my runs/it's/model")).unwrap();
    jensen(dir.path(), &["sample", "my runs/it's"])
        .expect(2)
        .says(&["`jensen resume 'my runs/it'\\''s'`"]);
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

//! `fit`: the run folder, the result on the terminal and as JSON, threads, other data.

use super::{SHARED, check_png, jensen, tiny};
use std::fs;
use std::path::Path;

#[test]
fn a_fit_leaves_everything_in_its_run() {
    let run = SHARED.run();
    for file in [
        "config.toml",
        "metrics.jsonl",
        "log.txt",
        "evaluation.json",
        "model/config.json",
        "model/model.safetensors",
        "samples/latent.svg",
        "samples/interpolation-spherical.gif",
    ] {
        assert!(run.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    for picture in [
        "reconstructions",
        "samples",
        "traversal",
        "interpolation-linear",
        "interpolation-spherical",
    ] {
        check_png(&run.join(format!("samples/{picture}.png")));
    }
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    for part in [
        "Reconstructions",
        "Samples",
        "Latent traversal",
        "Interpolation",
        "<svg",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(!report.contains("src=\"http"));
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    for part in [
        "[dataset]",
        "sha256 = ",
        "[versions]",
        "jensen = ",
        "burn = ",
        "rust = ",
    ] {
        assert!(config.contains(part), "{part}");
    }
    let names: Vec<String> = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let events = names
        .iter()
        .find(|name| name.starts_with("events.out.tfevents"));
    let events = fs::read(run.join(events.unwrap())).unwrap();
    for tag in [
        "reconstructions",
        "samples",
        "weights/encoder.fc1.weight",
        "codes/z",
        "train/elbo",
    ] {
        let found = events
            .windows(tag.len())
            .any(|window| window == tag.as_bytes());
        assert!(found, "{tag}");
    }
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let plain = jensen(dir.path(), &tiny(&["fit", "vae"])).expect(0);
    for part in [
        "test_neg_elbo",
        "bits/dim",
        "verdict",
        "report.html",
        "jensen sample runs",
    ] {
        assert!(plain.out.contains(part), "{part}: {}", plain.out);
    }
    assert!(!plain.out.contains('\x1b') && !plain.err.contains('\x1b'));
    plain.says(&["data: digits", "parameters", "ELBO ", "log p(x|z)", "KL "]);

    let json = jensen(dir.path(), &tiny(&["fit", "vae", "--json"])).expect(0);
    let value = json.json();
    assert_eq!(value["verb"], "fit");
    assert_eq!(value["status"], "completed");
    let run = value["run"].as_str().unwrap();
    assert!(run.ends_with("vae-002") && dir.path().join(run).is_dir());
    assert!(value["metrics"]["test_neg_elbo"].as_f64().unwrap() > 0.0);
    assert!(value["metrics"]["test_nll_iwae_100"].as_f64().unwrap() > 0.0);
    // So short a training is not called good, whatever it has reached.
    assert_eq!(value["verdict"]["word"], "doubtful");
    json.says(&["ELBO "]);
    let settled = [
        "--json",
        "--set",
        "encoder.hidden=[32]",
        "--set",
        "decoder.hidden=[32]",
    ];
    let settled = [&["fit", "vae"], &settled[..], &["--set", "latent.z.dim=4"]].concat();
    let epochs = ["--set", "train.epochs=250", "--out", "settled"];
    let value = jensen(dir.path(), &[&settled[..], &epochs].concat())
        .expect(0)
        .json();
    assert_eq!(value["verdict"]["word"], "good", "{}", value["verdict"]);
    let metric = |name: &str| value["metrics"][name].as_f64().unwrap();
    // By hand: -sum of x ln m + (1 - x) ln(1 - m) with the mean m of each pixel in the training part.
    assert!((metric("test_neg_elbo_without_latent") - 26.83).abs() < 0.02);
    assert!(metric("test_neg_elbo") < 26.0);

    let quiet = jensen(dir.path(), &tiny(&["fit", "vae", "--quiet"])).expect(0);
    assert_eq!((quiet.err.as_str(), quiet.out.lines().count()), ("", 1));
    assert!(
        dir.path()
            .join(quiet.out.trim())
            .join("report.html")
            .is_file()
    );
}

#[test]
fn seeds_decide_and_threads_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let weights = |name: &str, more: &[&str]| {
        let fit = [&["fit", "vae", "--out", name], more].concat();
        jensen(dir.path(), &tiny(&fit)).expect(0);
        fs::read(dir.path().join(name).join("model/model.safetensors")).unwrap()
    };
    let one = weights("one", &["--set", "train.threads=1"]);
    assert_eq!(one, weights("two", &["--set", "train.threads=2"]));
    assert_ne!(one, weights("other", &["--seed", "2"]));
}

#[test]
fn vectors_have_tables_instead_of_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let mut table = String::from("a,b,c,label\n");
    for i in 0..200 {
        let t = f64::from(i) * 0.37;
        table += &format!(
            "{:.4},{:.4},{:.4},{}\n",
            t.sin(),
            t.cos(),
            (2.0 * t).sin(),
            i % 2
        );
    }
    fs::write(dir.path().join("waves.csv"), table).unwrap();
    let fit = ["fit", "sigma-vae", "--data", "waves.csv", "--out", "run"];
    let call = jensen(dir.path(), &tiny(&fit));
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    assert!(!call.out.contains("bits/dim"));
    let call = jensen(dir.path(), &["sample", "run", "-n", "3"]).expect(0);
    let sampled = fs::read_to_string(dir.path().join(call.out.trim())).unwrap();
    assert!(sampled.starts_with("a,b,c\n"));
    assert_eq!(sampled.lines().count(), 4);
    jensen(dir.path(), &["sample", "run", "--out", "x.png"])
        .expect(2)
        .says(&["no images"]);
    jensen(dir.path(), &["report", "run"]).expect(0);
    // A file without a test part is scored whole and in its order.
    let call = jensen(dir.path(), &["score", "run", "--data", "waves.csv"]).expect(0);
    let scores = fs::read_to_string(dir.path().join(call.out.lines().next().unwrap())).unwrap();
    assert_eq!(scores.lines().count(), 201);
    assert!(scores.lines().nth(2).unwrap().starts_with("1,1,"));
}

#[test]
fn the_original_files_of_mnist_are_read_from_a_folder() {
    let Some(folder) = jensen_testkit::larger_data("mnist") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let data = folder.to_string_lossy();
    let fit = [
        "fit",
        "vae",
        "--data",
        &data,
        "--set",
        "data.limit=600",
        "--out",
        "run",
    ];
    let call = jensen(dir.path(), &tiny(&fit)).expect(0);
    assert!(
        !call.out.contains("test_nll_iwae"),
        "too slow for a quick look"
    );
    check_png(&dir.path().join("run/samples/samples.png"));
}

#[test]
fn a_recipe_of_ones_own_works_like_a_built_in_one() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = "latent.z.dim = 2\nencoder.hidden = [8]\ndecoder.hidden = [8]\ntrain.epochs = 2\n";
    fs::write(dir.path().join("mine.toml"), recipe).unwrap();
    let call = jensen(dir.path(), &["fit", "mine.toml", "--quiet"]);
    assert!(
        Path::new(call.out.trim()).ends_with("mine-001"),
        "{}",
        call.err
    );
}

#[test]
fn test_examples_that_are_training_examples_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..60)
        .map(|i| format!("{},0.5\n", f64::from(i % 5) / 5.0))
        .collect();
    fs::write(dir.path().join("table.csv"), format!("a,b\n{rows}")).unwrap();
    let fit = |args: &[&str]| jensen(dir.path(), &tiny(&[&["fit", "vae"], args].concat()));
    let warning = "test examples equal a training example";
    // Five points teach no latent, which is a verdict of its own.
    let repeated = fit(&["--data", "table.csv", "--out", "table"]).expect(3);
    repeated.says(&[&format!("warning: 12 of 12 {warning}")]);
    let digits = fit(&["--out", "digits"]).expect(0);
    assert!(!digits.err.contains(warning));
}

//! Every verb on a trained run, in its forms.

use super::{SHARED, check_png, jensen, tiny};
use jensen_data::npy::{Array, Numbers, read_npz, write_npz};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Runs a verb on the shared run and gives its JSON.
fn on_run(verb: &str, more: &[&str]) -> Value {
    let args = [&[verb, "run", "--json"], more].concat();
    let value = jensen(SHARED.folder(), &args).expect(0).json();
    assert_eq!(value["verb"], verb);
    assert_eq!(value["run"], "run");
    value
}

fn file(name: &str) -> std::path::PathBuf {
    SHARED.folder().join(name)
}

fn shape(path: &Path, name: &str) -> Vec<usize> {
    let arrays = read_npz(path).unwrap();
    let found = arrays.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.shape.clone()
}

/// Relative rounding of sums of a few f32 numbers, averaged over examples.
const SUM_TOLERANCE: f64 = 1e-6;
/// Rounding of means in [0, 1] when other rows are decoded beside them.
const MEAN_TOLERANCE: f32 = 1e-5;

#[test]
fn samples_as_picture_arrays_and_table() {
    for name in ["s.png", "capital.PNG"] {
        on_run("sample", &["-n", "12", "--out", name]);
        check_png(&file(name));
    }
    on_run("sample", &["-n", "5", "--draw", "--out", "s.npz"]);
    assert_eq!(shape(&file("s.npz"), "x"), [5, 1, 8, 8]);
    let sampled = |seed: &str| {
        on_run("sample", &["-n", "4", "--seed", seed, "--out", "s.csv"]);
        fs::read_to_string(file("s.csv")).unwrap()
    };
    let first = sampled("1");
    assert_eq!(first.lines().count(), 5);
    assert_eq!(first, sampled("1"));
    assert_ne!(first, sampled("2"));
}

#[test]
fn reconstructions_of_chosen_examples() {
    let value = on_run("reconstruct", &["--index", "3,14,15", "--out", "r.npz"]);
    assert_eq!(value["n"], 3);
    assert!(value["metrics"]["mse"].as_f64().unwrap() < 0.2);
    for name in ["original", "reconstruction"] {
        assert_eq!(shape(&file("r.npz"), name), [3, 1, 8, 8]);
    }
    on_run(
        "reconstruct",
        &["-n", "7", "--part", "train", "--out", "r.png"],
    );
    check_png(&file("r.png"));
    jensen(SHARED.folder(), &["reconstruct", "run", "--index", "400"])
        .expect(2)
        .says(&["--index", "0 to 359", "400"]);
}

#[test]
fn interpolations_of_both_kinds() {
    let value = on_run(
        "interpolate",
        &["--from", "0,1", "--to", "2,3", "--out", "ways"],
    );
    assert_eq!(value["n"], 2);
    for name in ["linear", "spherical"] {
        check_png(&file(&format!("ways/interpolation-{name}.png")));
        let gif = fs::read(file(&format!("ways/interpolation-{name}.gif"))).unwrap();
        assert!(gif.starts_with(b"GIF89a"));
    }
    let value = on_run(
        "interpolate",
        &["--path", "linear", "--steps", "5", "--out", "way"],
    );
    assert_eq!(value["files"].as_array().unwrap().len(), 2);
    let refused = jensen(
        SHARED.folder(),
        &["interpolate", "run", "--from", "1,2", "--to", "3"],
    );
    refused.expect(2).says(&["equally many"]);
}

/// The array of this name in a file of the folder.
fn array(folder: &Path, file: &str, name: &str) -> Vec<f32> {
    let arrays = read_npz(&folder.join(file)).unwrap();
    let found = arrays.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1.to_f32()
}

/// The cells of a table below its first line, row by row.
fn cells(folder: &Path, file: &str) -> Vec<Vec<f32>> {
    let text = fs::read_to_string(folder.join(file)).unwrap();
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    text.lines().skip(1).map(row).collect()
}

/// What `decode` makes of codes `[n, 4]`.
fn decoded(folder: &Path, codes: Vec<f32>) -> Vec<f32> {
    let codes = Array::new(vec![codes.len() / 4, 4], Numbers::F32(codes));
    write_npz(&folder.join("between.npz"), &[("z", codes)]).unwrap();
    let decode = ["decode", "run", "--codes", "between.npz"];
    jensen(folder, &[&decode[..], &["--out", "x.npz"]].concat()).expect(0);
    array(folder, "x.npz", "x")
}

#[track_caller]
fn check_equal(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < MEAN_TOLERANCE,
            "{found} for {expected}"
        );
    }
}

#[test]
fn traversals_and_interpolations_are_decoded_codes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::write(folder.join("bits.csv"), super::small::table(200)).unwrap();
    let fit = ["fit", "vae", "--data", "bits.csv", "--out", "run"];
    let fast = ["--set", "train.epochs=100", "--set", "data.batch=16"];
    let call = jensen(folder, &[&tiny(&fit)[..], &fast].concat());
    assert!(matches!(call.code, Some(0 | 3)), "{}", call.err);
    jensen(folder, &["encode", "run", "--out", "codes.npz"]).expect(0);
    let means = array(folder, "codes.npz", "z_mean");
    let code = |i: usize| &means[4 * i..4 * (i + 1)];

    for (middle, center) in [
        (&["--origin"][..], &[0.0; 4][..]),
        (&["--example", "7"], code(7)),
    ] {
        let traverse = ["traverse", "run", "--out", "t.npz", "--dims", "3,1"];
        let steps = ["--steps", "5", "--range", "2"];
        jensen(folder, &[&traverse, middle, &steps].concat()).expect(0);
        let mut codes = Vec::new();
        for dim in [3, 1] {
            for value in [-2.0, -1.0, 0.0, 1.0, 2.0] {
                let mut code = center.to_vec();
                code[dim] = value;
                codes.extend(code);
            }
        }
        check_equal(&array(folder, "t.npz", "x"), &decoded(folder, codes));
    }

    let pairs = [(3, 8), (5, 21)];
    let ends = ["--from", "3,5", "--to", "8,21", "--steps", "4"];
    let interpolate = ["interpolate", "run", "--out", "ways"];
    jensen(folder, &[&interpolate[..], &ends].concat()).expect(0);
    let norm = |code: &[f32]| code.iter().map(|z| z * z).sum::<f32>().sqrt();
    for name in ["linear", "spherical"] {
        let mut codes = Vec::new();
        for (from, to) in pairs {
            let (from, to) = (code(from), code(to));
            let dot: f32 = from.iter().zip(to).map(|(a, b)| a * b).sum();
            let angle = (dot / norm(from) / norm(to)).acos();
            for share in [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0] {
                // On the sphere directions turn by equal angles, and lengths change evenly.
                let length = (1.0 - share) * norm(from) + share * norm(to);
                let turned = |share: f32, end: &[f32]| {
                    (share * angle).sin() / angle.sin() * length / norm(end)
                };
                let (a, b) = match name {
                    "linear" => (1.0 - share, share),
                    _ => (turned(1.0 - share, from), turned(share, to)),
                };
                codes.extend(from.iter().zip(to).map(|(from, to)| a * from + b * to));
            }
        }
        let rows = cells(folder, &format!("ways/interpolation-{name}.csv"));
        let keys: Vec<(f32, f32)> = rows.iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(keys[..4], [(3.0, 8.0); 4]);
        assert_eq!(keys[4..], [(5.0, 21.0); 4]);
        let found: Vec<f32> = rows.iter().flat_map(|row| row[3..].to_vec()).collect();
        check_equal(&found, &decoded(folder, codes));
    }
}

#[test]
fn traversals_of_chosen_dimensions() {
    let args = [
        "--dims", "0,3", "--steps", "5", "--origin", "--out", "t.npz",
    ];
    assert_eq!(on_run("traverse", &args)["n"], 2);
    assert_eq!(shape(&file("t.npz"), "x"), [10, 1, 8, 8]);
    assert_eq!(
        (shape(&file("t.npz"), "dim"), shape(&file("t.npz"), "value")),
        (vec![10], vec![10])
    );
    on_run(
        "traverse",
        &[
            "--dims", "3", "--steps", "3", "--range", "2", "--out", "t.csv",
        ],
    );
    let table = fs::read_to_string(file("t.csv")).unwrap();
    let starts: Vec<String> = (table.lines())
        .map(|line| line.split(',').take(2).collect::<Vec<_>>().join(","))
        .collect();
    assert_eq!(starts, ["dim,value", "3,-2", "3,0", "3,2"]);
    on_run(
        "traverse",
        &["--rows", "3", "--example", "7", "--out", "t.png"],
    );
    check_png(&file("t.png"));
    for (args, part) in [
        (["--dims", "4"], "0 to 3"),
        (["--latent", "y"], "one of z"),
        (["--steps", "1"], "at least 2"),
    ] {
        let args = [&["traverse", "run"], &args[..]].concat();
        jensen(SHARED.folder(), &args).expect(2).says(&[part]);
    }
}

#[test]
fn codes_go_out_and_come_back() {
    on_run("encode", &["--out", "codes.npz"]);
    for (name, expected) in [
        ("z_mean", vec![360, 4]),
        ("z_log_var", vec![360, 4]),
        ("z_sample", vec![360, 4]),
        ("label", vec![360]),
    ] {
        assert_eq!(shape(&file("codes.npz"), name), expected);
    }
    on_run("decode", &["--codes", "codes.npz", "--out", "decoded.npz"]);
    let decoded = read_npz(&file("decoded.npz")).unwrap();
    assert_eq!(decoded[0].1.shape, [360, 1, 8, 8]);
    // The means decode to the reconstructions.
    on_run("reconstruct", &["-n", "360", "--out", "all.npz"]);
    let all = read_npz(&file("all.npz")).unwrap();
    let made = all
        .iter()
        .find(|(name, _)| name == "reconstruction")
        .unwrap();
    let pairs = made.1.to_f32().into_iter().zip(decoded[0].1.to_f32());
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5));

    let wrong = Array::new(vec![2, 3], Numbers::F32(vec![0.0; 6]));
    write_npz(&file("wrong.npz"), &[("z", wrong)]).unwrap();
    jensen(SHARED.folder(), &["decode", "run", "--codes", "wrong.npz"])
        .expect(2)
        .says(&["[n, 4]", "[2, 3]", "wrong.npz"]);
}

#[test]
fn results_of_other_data_have_names_of_their_own() {
    let other = Array::new(vec![20, 1, 8, 8], Numbers::U8(vec![255; 1280]));
    write_npz(&file("bright.npz"), &[("x_train", other)]).unwrap();
    let samples = [
        "reconstructions.png",
        "traversal.png",
        "interpolation-linear.png",
    ];
    let read = || samples.map(|name| fs::read(file("run/samples").join(name)).unwrap());
    let before = read();
    for (verb, expected) in [
        ("reconstruct", "run/samples/reconstructions-of-bright.png"),
        ("traverse", "run/samples/traversal-of-bright.png"),
        (
            "interpolate",
            "run/samples/interpolation-linear-of-bright.gif",
        ),
        ("encode", "run/codes-of-bright.npz"),
        ("score", "run/scores-of-bright.csv"),
    ] {
        let value = on_run(verb, &["--data", "bright.npz"]);
        assert_eq!(value["files"][0], expected);
        assert!(file(expected).is_file());
    }
    assert_eq!(before, read());
    assert!(!file("run/codes.npz").exists() && !file("run/scores.csv").exists());
    let page = fs::read_to_string(file("run/report.html")).unwrap();
    assert!(page.contains("Reconstructions of other data, bright"));
}

#[test]
fn dimensions_in_use_are_shown_by_default() {
    let folder = SHARED.folder();
    // A weight of the rate at which all codes collapse.
    let collapsed = [
        "fit",
        "vae",
        "--set",
        "objective.rate.z.weight=1000",
        "--out",
        "flat",
    ];
    jensen(folder, &tiny(&collapsed)).expect(3);
    let rows = |more: &[&str]| {
        let args = [&["traverse", "flat", "--json"], more].concat();
        jensen(folder, &args).expect(0).json()["n"].clone()
    };
    assert_eq!(rows(&[]), 1);
    assert_eq!(rows(&["--rows", "3"]), 3);
    assert_eq!(rows(&["--dims", "0,1"]), 2);
}

#[test]
fn scores_add_up() {
    let value = on_run("score", &["--samples", "20", "--out", "scores.csv"]);
    let text = fs::read_to_string(file("scores.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "index,label,neg_elbo,reconstruction,kl,nll_iwae_20"
    );
    let mut sum = 0.0;
    for (i, line) in lines.enumerate() {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(cells[0], i as f64);
        assert!((cells[2] - cells[3] - cells[4]).abs() < 1e-5);
        sum += cells[2];
    }
    let mean = value["metrics"]["neg_elbo"].as_f64().unwrap();
    assert!((mean - sum / 360.0).abs() < 1e-4);
    let metrics = &value["metrics"];
    assert!(metrics["nll_iwae_20"].as_f64().unwrap() < metrics["neg_elbo"].as_f64().unwrap());
}

#[test]
fn an_evaluation_names_what_it_was_computed_with() {
    let value = on_run("evaluate", &["--samples", "7"]);
    for name in [
        "test_neg_elbo",
        "test_nll_iwae_7",
        "test_bits_per_dim",
        "test_rate",
        "test_distortion",
        "mutual_information_360",
        "aggregate_mmd_imq_360",
        "active_units",
    ] {
        assert!(value["metrics"][name].is_number(), "{name}");
    }
    // The parts make up the whole.
    let kl: Vec<f64> = (value["kl_per_dim"].as_array().unwrap().iter())
        .map(|kl| kl.as_f64().unwrap())
        .collect();
    assert_eq!(kl.len(), 4);
    let metric = |name: &str| value["metrics"][name].as_f64().unwrap();
    for (found, expected) in [
        (kl.iter().sum::<f64>(), metric("test_rate")),
        (
            metric("test_rate") + metric("test_distortion"),
            metric("test_neg_elbo"),
        ),
    ] {
        assert!(
            (found - expected).abs() < SUM_TOLERANCE * expected,
            "{found} for {expected}"
        );
    }
    assert_eq!(value["units"][1], 4);
    assert!(value["verdict"]["reason"].is_string());
    let written: Value =
        serde_json::from_slice(&fs::read(SHARED.run().join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(written["settings"]["data"], "digits");
    assert_eq!(written["settings"]["iwae_samples"], 7);
    // An estimate that is not asked for again is not dropped.
    for (samples, k) in [("0", 7), ("9", 9)] {
        let again = on_run("evaluate", &["--samples", samples]);
        let nll = "test_nll_iwae_7";
        assert_eq!(again["metrics"][nll], value["metrics"][nll]);
        let file = fs::read(SHARED.run().join("evaluation.json")).unwrap();
        let written: Value = serde_json::from_slice(&file).unwrap();
        assert_eq!(written["metrics"][nll], value["metrics"][nll]);
        assert_eq!(written["settings"]["iwae_samples"], k);
    }

    // Other data are measured and leave no trace in the run.
    let other = Array::new(vec![20, 1, 8, 8], Numbers::U8(vec![255; 1280]));
    write_npz(
        &file("white.npz"),
        &[("x_test", other.clone()), ("x_train", other)],
    )
    .unwrap();
    let elsewhere = on_run("evaluate", &["--data", "white.npz", "--samples", "0"]);
    assert_eq!(elsewhere["data"], "white");
    assert_eq!(elsewhere["verdict"], Value::Null);
    let there = elsewhere["metrics"]["test_neg_elbo"].as_f64().unwrap();
    assert!(there > value["metrics"]["test_neg_elbo"].as_f64().unwrap());
}

#[test]
fn reports_and_exports_stand_alone() {
    let value = on_run("report", &["--out", "page.html"]);
    assert_eq!(value["report"], "page.html");
    let page = fs::read_to_string(file("page.html")).unwrap();
    assert!(page.contains("<html") && page.contains("data:image/png;base64,"));

    let value = on_run(
        "export",
        &["--format", "safetensors", "--out", "vae.safetensors"],
    );
    assert_eq!(value["file"], "vae.safetensors");
    let bytes = fs::read(file("vae.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(
        header["encoder.fc1.weight"]["shape"],
        serde_json::json!([64, 16])
    );
    let config = header["__metadata__"]["config"].as_str().unwrap();
    let config: Value = serde_json::from_str(config).unwrap();
    assert_eq!(config["recipe"]["name"], "vae");
    jensen(SHARED.folder(), &["export", "run", "--format", "pickle"]).expect(2);
}

#[test]
fn lists_show_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    for (what, parts) in [
        ("models", &["vae", "conv-vae", "sigma-vae"][..]),
        (
            "data",
            &["digits", "fashion-mnist", "CC BY 4.0", "in the program"],
        ),
        ("methods", &["importance", "adam", "mmd", "free_bits = 0.0"]),
        (
            "distributions",
            &[
                "bernoulli",
                "vamp",
                "gaussian_full",
                "logistic_mixture",
                "\"post_hoc\"",
            ],
        ),
    ] {
        let call = jensen(dir.path(), &["list", what]).expect(0);
        for part in parts {
            assert!(call.out.contains(part), "{what}: {part}");
        }
        let value = jensen(dir.path(), &["list", what, "--json"])
            .expect(0)
            .json();
        assert_eq!(value["verb"], format!("list {what}"));
        assert!(!value["items"].as_array().unwrap().is_empty());
    }
}

#[test]
fn a_plan_has_shapes_and_costs_and_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let call = jensen(dir.path(), &["check", "conv-vae"]).expect(0);
    for part in ["encoder", "32 x 4 x 4", "parameters", "FLOP", "epochs"] {
        assert!(call.out.contains(part), "{part}: {}", call.out);
    }
    let value = jensen(dir.path(), &["check", "vae", "--json"])
        .expect(0)
        .json();
    assert_eq!(value["n_parameters"], 76104);
    assert_eq!(value["data"]["name"], "digits");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The example of a recipe in the first page that one reads.
#[test]
fn the_recipe_of_the_readme_is_one() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("\n\n");
    let mut recipes = blocks.filter(|block| block.starts_with("    ["));
    let recipe = recipes.next().expect("no recipe in the README");
    assert_eq!(recipes.next(), None);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("readme.toml"), recipe).unwrap();
    let check = jensen(dir.path(), &["check", "readme.toml"]).expect(0);
    assert!(check.out.contains("400"), "{}", check.out);
}

#[test]
fn every_verb_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    for verb in [
        "fit",
        "resume",
        "check",
        "sample",
        "reconstruct",
        "interpolate",
        "traverse",
        "encode",
        "decode",
        "score",
        "evaluate",
        "report",
        "export",
        "import",
        "reproduce",
        "list",
    ] {
        let call = jensen(dir.path(), &[verb, "--help"]).expect(0);
        assert!(call.out.contains("Examples:"), "{verb}");
    }
}

#[test]
fn compressed_examples_come_back_as_they_were() {
    let folder = SHARED.folder();
    // `threshold` makes the same zeros and ones each time.
    let fit = tiny(&[
        "fit",
        "vae",
        "--set",
        "data.binarize=threshold",
        "--out",
        "binary",
    ]);
    jensen(folder, &fit).expect(0);
    let json = |args: &[&str]| {
        jensen(folder, &[args, &["--json"]].concat())
            .expect(0)
            .json()
    };
    let value = json(&["compress", "binary", "--out", "b.bitsback"]);
    let metric = |name: &str| value["metrics"][name].as_f64().unwrap();
    let bits = 8.0 * fs::metadata(file("b.bitsback")).unwrap().len() as f64 / 360.0;
    assert!((metric("code_length") - bits * std::f64::consts::LN_2).abs() < 1e-9);
    assert!((metric("bits_per_dim") - bits / 64.0).abs() < 1e-9);
    let excess = metric("code_length") / metric("neg_elbo") - 1.0;
    assert!((metric("excess") - excess).abs() < 1e-9);
    // 360 examples of some 30 nats, and 60 bytes for the first bits and the header.
    assert!(excess.abs() < 0.1, "{excess}");

    json(&[
        "decompress",
        "binary",
        "--file",
        "b.bitsback",
        "--out",
        "b.npz",
    ]);
    let arrays = read_npz(&file("b.npz")).unwrap();
    let found = arrays[0].1.to_f32();
    json(&["reconstruct", "binary", "-n", "360", "--out", "all.npz"]);
    let arrays = read_npz(&file("all.npz")).unwrap();
    let original = arrays.iter().find(|(name, _)| name == "original").unwrap();
    assert!(found == original.1.to_f32());
    json(&[
        "decompress",
        "binary",
        "--file",
        "b.bitsback",
        "--out",
        "b.png",
    ]);
    check_png(&file("b.png"));

    for (args, told) in [
        (&["compress", "run"][..], "data.binarize=dynamic"),
        (
            &["decompress", "binary", "--file", "b.npz"],
            "no file of `jensen compress`",
        ),
        (
            &["decompress", "binary", "--file", "none.bitsback"],
            "cannot read none.bitsback",
        ),
        (&["compress", "binary", "--out", "b.png"], ".bitsback"),
    ] {
        jensen(folder, args).expect(2).says(&[told]);
    }
    let other = tiny(&[
        "fit",
        "vae",
        "--set",
        "data.binarize=threshold",
        "--seed",
        "2",
        "--out",
        "other",
    ]);
    jensen(folder, &other).expect(0);
    jensen(folder, &["decompress", "other", "--file", "b.bitsback"])
        .expect(2)
        .says(&["another model"]);
}

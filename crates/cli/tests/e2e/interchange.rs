//! Models that go to the diffusers library and come back.

use super::jensen;
use jensen_data::npy::{Numbers, read_npz};
use std::fs;
use std::path::Path;

const RECIPE: &str = "
    name = 'small'
    likelihood = 'gaussian'
    encoder = { kind = 'resnet', channels = [4, 8], groups = 4, features = 4 }
    decoder = { kind = 'resnet', channels = [4, 8], groups = 4, features = 2 }
    latent.z = { kind = 'gaussian', channels = 2, clamp = true }
    data = { source = 'digits', range = 'symmetric', batch = 64, limit = 128 }
    train = { epochs = 1 }
";
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

fn array(path: &Path, name: &str) -> Vec<f32> {
    let arrays = read_npz(path).unwrap();
    let found = arrays.into_iter().find(|(known, _)| known == name);
    match found.map(|(_, array)| array.numbers) {
        Some(Numbers::F32(values)) => values,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_model_goes_and_comes_back_with_its_bits() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    fs::write(folder.join("small.toml"), RECIPE).unwrap();
    let run = |args: &[&str]| jensen(folder, args).expect(0);
    run(&["fit", "small.toml", "--out", "run"]);
    let export = [
        "export",
        "run",
        "--format",
        "diffusers",
        "--out",
        "there",
        "--json",
    ];
    let value = run(&export).json();
    assert_eq!(value["file"], "there");
    let config = fs::read_to_string(folder.join("there/config.json")).unwrap();
    assert!(config.contains("\"AutoencoderKL\""), "{config}");

    let value = run(&[
        "import", "there", "--data", "digits", "--out", "back", "--json",
    ])
    .json();
    assert_eq!(
        (&value["verb"], &value["run"]),
        (&"import".into(), &"back".into())
    );
    assert_eq!(value["dim"], 2 * 4 * 4);
    let args = ["export", "back", "--format", "diffusers", "--out", "again"];
    run(&args);
    let weights = |name: &str| fs::read(folder.join(name).join(WEIGHTS)).unwrap();
    assert!(weights("there") == weights("again"));

    // Every verb that needs no training works, and finds the same.
    for name in ["run", "back"] {
        run(&["encode", name]);
    }
    for what in ["z_mean", "z_log_var"] {
        let of = |name: &str| array(&folder.join(name).join("codes.npz"), what);
        assert_eq!(of("run"), of("back"));
    }
    run(&["reconstruct", "back", "-n", "4"]);
    run(&[
        "decode",
        "back",
        "--codes",
        "run/codes.npz",
        "--out",
        "d.npz",
    ]);
    run(&["sample", "back", "-n", "4"]);
}

#[test]
fn what_is_no_counterpart_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let run = super::SHARED.run();
    let run = run.to_str().unwrap();
    jensen(
        folder,
        &["export", run, "--format", "diffusers", "--out", "there"],
    )
    .expect(2)
    .says(&["encoder: ", "kind = \"resnet\"", "--format safetensors"]);
    assert!(!folder.join("there").exists());

    jensen(folder, &["import", "nowhere"])
        .expect(2)
        .says(&["nowhere/config.json"]);
    fs::create_dir(folder.join("model")).unwrap();
    let config = |text: &str| fs::write(folder.join("model/config.json"), text).unwrap();
    for (text, part) in [
        ("{", "no JSON"),
        (
            "{\"_class_name\": \"UNet2DModel\"}",
            "expected AutoencoderKL or VQModel",
        ),
        (
            "{\"_class_name\": \"VQModel\", \"act_fn\": 3}",
            "act_fn: expected text, found 3",
        ),
    ] {
        config(text);
        let call = jensen(folder, &["import", "model", "--out", "run"]).expect(2);
        call.says(&["model/config.json", part]);
    }
    config("{\"_class_name\": \"AutoencoderKL\"}");
    jensen(folder, &["import", "model", "--out", "run"])
        .expect(2)
        .says(&[WEIGHTS, "safe_serialization=True"]);
    assert!(!folder.join("run").exists());
}

/// That the graphs compute what the model does was checked with onnxruntime (`benches/vs_onnxruntime.py`); here, that
/// they hold the model's weights under their names, and operations for its layers.
#[test]
fn encoder_and_decoder_become_graphs() {
    let run = super::SHARED.run();
    let dir = tempfile::tempdir().unwrap();
    let export = [
        "export",
        run.to_str().unwrap(),
        "--format",
        "onnx",
        "--out",
        "graphs",
        "--json",
    ];
    let value = jensen(dir.path(), &export).expect(0).json();
    assert_eq!(value["file"], "graphs");
    let weights = fs::read(run.join("model/model.safetensors")).unwrap();
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for (name, parts) in [
        (
            "encoder",
            &[
                "encoder.fc1.weight",
                "latent.z.head.bias",
                "MatMul",
                "Relu",
                "Tanh",
                "z_log_var",
            ][..],
        ),
        (
            "decoder",
            &["decoder.out.weight", "MatMul", "Relu", "outputs"],
        ),
    ] {
        let graph = fs::read(dir.path().join(format!("graphs/{name}.onnx"))).unwrap();
        for part in parts {
            assert!(holds(&graph, part.as_bytes()), "{name}: {part}");
        }
        // The first bytes of the first weight that both files name.
        let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
        let header: serde_json::Value = serde_json::from_slice(&weights[8..8 + length]).unwrap();
        let from = header[parts[0]]["data_offsets"][0].as_u64().unwrap() as usize;
        let first = &weights[8 + length + from..][..64];
        assert!(holds(&graph, first), "{name}");
    }
}

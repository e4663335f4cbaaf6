//! Models of the diffusers library: what they compute, against the library itself, and their names.
//!
//! `diffusers.json` was made by `benches/vs_diffusers.py fixture` with diffusers 0.42 and torch 2.15. Weights follow
//! the same formula there and here.

use burn::tensor::{Device, Tensor, TensorData};
use jensen_data::Layout;
use jensen_nets::{HostTensor, Params};
use jensen_vae::interchange::diffusers::{self, Configured, DiffusersError};
use jensen_vae::ledger::to_f64;
use jensen_vae::likelihood::DataFacts;
use jensen_vae::model::{DataSite, Model};
use serde_json::{Value, json};

/// Sums of a few hundred products of order one, a few layers deep, and the five digits of the file.
const ROUNDING: f64 = 1e-4;
const BATCH: usize = 2;

fn fixture() -> Value {
    serde_json::from_str(include_str!("diffusers.json")).unwrap()
}

/// n numbers in [-1, 1): splitmix64 of the FNV-1a hash of the key plus the index.
fn formula(key: &str, n: usize) -> Vec<f64> {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let number = |i: u64| {
        let mut z = hash.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (1..=n as u64).map(number).collect()
}

/// The weights of a case by the formula.
fn weights(case: &Value) -> Vec<HostTensor> {
    let keys: Vec<(String, Vec<usize>)> = serde_json::from_value(case["keys"].clone()).unwrap();
    let weight = |(name, shape): (String, Vec<usize>)| {
        let n: usize = shape.iter().product();
        let fan_in = (n / shape[0]) as f64;
        let scaled = |u: f64| match (shape.len(), name.as_str()) {
            (1, name) if name.contains("norm") && name.ends_with("weight") => 1.0 + 0.3 * u,
            (1, _) => 0.3 * u,
            (_, name) if name.starts_with("quantize") => u,
            _ => u * (3.0 / fan_in).sqrt(),
        };
        let values = formula(&name, n).into_iter().map(|u| scaled(u) as f32);
        HostTensor {
            values: values.collect(),
            name,
            shape,
        }
    };
    keys.into_iter().map(weight).collect()
}

fn site(layout: Layout) -> DataSite {
    DataSite {
        layout,
        facts: DataFacts {
            min: -1.0,
            max: 1.0,
            levels: None,
        },
        mean: vec![0.0; layout.n_values()],
        n_train: 1,
        vocabulary: None,
    }
}

fn loaded(case: &Value) -> (Configured, Model, Params) {
    let configured = diffusers::recipe(&case["config"], "imported", "images", None).unwrap();
    let site = site(configured.layout);
    let device = Device::flex();
    let outline = Model::outline(&configured.recipe, &site, &device).unwrap();
    let ours = diffusers::import(&outline, &case["config"], weights(case)).unwrap();
    let (model, mut params) = Model::assemble(&configured.recipe, &site, &device).unwrap();
    params.load(&ours).unwrap();
    (configured, model, params)
}

fn images() -> Tensor<2> {
    let n = 3 * 12 * 12;
    let values: Vec<f32> = (formula("x", BATCH * n).into_iter())
        .map(|x| x as f32)
        .collect();
    Tensor::from_data(TensorData::new(values, [BATCH, n]), &Device::flex())
}

#[track_caller]
fn same(found: Tensor<2>, expected: &Value) {
    let found = to_f64(found);
    let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() < ROUNDING,
            "value {i}: {found}, {expected}"
        );
    }
}

#[test]
fn an_autoencoder_with_gaussian_codes_computes_what_the_library_does() {
    let case = &fixture()["kl"];
    let (configured, model, params) = loaded(case);
    let posterior = &model.posteriors(&params, images())[0];
    same(posterior.mean(), &case["mean"]);
    same(posterior.gaussian().unwrap().log_var(), &case["log_var"]);
    same(model.decode(&params, &[posterior.mean()]), &case["decoded"]);
    let [mean, scale] = configured.moments.unwrap();
    assert_eq!((mean, 1.0 / scale), (0.0, 0.18215));
}

#[test]
fn an_autoencoder_with_a_book_of_codes_computes_what_the_library_does() {
    let case = &fixture()["vq"];
    let (_, model, params) = loaded(case);
    let posterior = &model.posteriors(&params, images())[0];
    let codes = posterior.codes().unwrap();
    let codes: Vec<i64> = codes.into_data().convert::<i64>().try_into_vec().unwrap();
    assert_eq!(json!(codes), case["codes"]);
    same(model.decode(&params, &[posterior.mean()]), &case["decoded"]);
}

#[test]
fn what_comes_goes_with_the_same_bits_and_options() {
    for name in ["kl", "vq"] {
        let case = &fixture()[name];
        let (configured, _, params) = loaded(case);
        let Configured {
            recipe,
            layout,
            moments,
        } = configured;
        let mut config = diffusers::config(&recipe, layout, moments).unwrap();
        let mut found = diffusers::export(&params.to_host(), &mut config);
        let mut expected = weights(case);
        for list in [&mut found, &mut expected] {
            list.sort_by(|a, b| a.name.cmp(&b.name));
        }
        assert_eq!(found, expected);
        for (key, value) in case["config"].as_object().unwrap() {
            let says_nothing = key.starts_with('_') || config.get(key).is_none();
            assert!(says_nothing || config[key] == *value, "{key}");
        }
        let again = diffusers::recipe(&config, "imported", "images", None).unwrap();
        assert_eq!(again.recipe, recipe);
    }
}

/// The layer of a place that newer models leave out comes as the identity, and goes again.
#[test]
fn layers_that_are_switched_off_are_the_identity() {
    let mut case = fixture()["kl"].clone();
    for switch in ["use_quant_conv", "use_post_quant_conv"] {
        case["config"][switch] = json!(false);
    }
    let keys = case["keys"].as_array_mut().unwrap();
    keys.retain(|key| !key[0].as_str().unwrap().contains("quant_conv"));
    let (configured, _, params) = loaded(&case);
    let mut config = diffusers::config(&configured.recipe, configured.layout, None).unwrap();
    let found = diffusers::export(&params.to_host(), &mut config);
    assert_eq!(found.len(), weights(&case).len());
    assert_eq!(config["use_quant_conv"], json!(false));
    assert_eq!(config["use_post_quant_conv"], json!(false));
}

/// Names and shapes of the autoencoder of Stable Diffusion, by the rule of its blocks, without its 84 million numbers.
#[test]
fn the_autoencoder_of_stable_diffusion_has_its_names() {
    let config = json!({
        "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 4,
        "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "norm_num_groups": 32,
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "up_block_types": vec!["UpDecoderBlock2D"; 4],
        "act_fn": "silu", "sample_size": 512, "scaling_factor": 0.18215,
    });
    let configured = diffusers::recipe(&config, "sd", "images", None).unwrap();
    let site = DataSite {
        mean: Vec::new(),
        ..site(configured.layout)
    };
    let outline = Model::outline(&configured.recipe, &site, &Device::flex()).unwrap();
    let mut found = diffusers::keys(&outline);

    let mut expected: Vec<(String, Vec<usize>)> = Vec::new();
    let mut layer = |name: String, shape: &[usize]| {
        expected.push((format!("{name}.weight"), shape.to_vec()));
        expected.push((format!("{name}.bias"), vec![shape[0]]));
    };
    let channels = [128, 256, 512, 512];
    for (side, ends) in [("encoder", [3, 8]), ("decoder", [4, 3])] {
        let is_down = side == "encoder";
        let (first, last) = if is_down { (128, 512) } else { (512, 128) };
        layer(format!("{side}.conv_in"), &[first, ends[0], 3, 3]);
        layer(format!("{side}.conv_out"), &[ends[1], last, 3, 3]);
        layer(format!("{side}.conv_norm_out"), &[last]);
        let mut resnet = |name: String, n_in: usize, n: usize| {
            layer(format!("{name}.norm1"), &[n_in]);
            layer(format!("{name}.conv1"), &[n, n_in, 3, 3]);
            layer(format!("{name}.norm2"), &[n]);
            layer(format!("{name}.conv2"), &[n, n, 3, 3]);
            if n_in != n {
                layer(format!("{name}.conv_shortcut"), &[n, n_in, 1, 1]);
            }
        };
        let (blocks, n_blocks) = if is_down { ("down", 2) } else { ("up", 3) };
        let at = |i: usize| channels[if is_down { i } else { 3 - i }];
        for i in 0..4 {
            for j in 0..n_blocks {
                let n_in = if j > 0 {
                    at(i)
                } else {
                    at(i.saturating_sub(1))
                };
                resnet(
                    format!("{side}.{blocks}_blocks.{i}.resnets.{j}"),
                    n_in,
                    at(i),
                );
            }
        }
        for j in 0..2 {
            resnet(format!("{side}.mid_block.resnets.{j}"), 512, 512);
        }
        let resample = if is_down {
            "downsamplers"
        } else {
            "upsamplers"
        };
        for i in 0..3 {
            let name = format!("{side}.{blocks}_blocks.{i}.{resample}.0.conv");
            layer(name, &[at(i), at(i), 3, 3]);
        }
        let attention = format!("{side}.mid_block.attentions.0");
        layer(format!("{attention}.group_norm"), &[512]);
        for part in ["to_q", "to_k", "to_v", "to_out.0"] {
            layer(format!("{attention}.{part}"), &[512, 512]);
        }
    }
    layer("quant_conv".to_owned(), &[8, 8, 1, 1]);
    layer("post_quant_conv".to_owned(), &[4, 4, 1, 1]);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    // As `sum(p.numel() for p in AutoencoderKL(...).parameters())` says.
    let n: usize = found
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .sum();
    assert_eq!((found.len(), n), (248, 83_653_863));
}

#[test]
fn what_no_recipe_has_is_refused_with_its_key() {
    let case = &fixture()["kl"];
    let message = |key: &str, value: Value| {
        let mut config = case["config"].clone();
        config[key] = value;
        diffusers::recipe(&config, "imported", "images", None)
            .unwrap_err()
            .to_string()
    };
    for (key, value, part) in [
        (
            "_class_name",
            json!("UNet2DModel"),
            "AutoencoderKL or VQModel",
        ),
        ("act_fn", json!("mish"), "act_fn: expected silu, found mish"),
        (
            "down_block_types",
            json!(["AttnDownEncoderBlock2D"]),
            "DownEncoderBlock2D alone",
        ),
        ("latent_channels", json!(-1), "a whole number above 0"),
        ("norm_type", json!("spatial"), "expected group"),
    ] {
        let mut config = case["config"].clone();
        config["_class_name"] = json!("AutoencoderKL");
        let message = message(key, value);
        assert!(message.contains(part), "{message}");
    }
    let (configured, ..) = loaded(case);
    let outline = Model::outline(
        &configured.recipe,
        &site(configured.layout),
        &Device::flex(),
    )
    .unwrap();
    let import = |weights| diffusers::import(&outline, &case["config"], weights).unwrap_err();
    let mut few = weights(case);
    let first = few.remove(0);
    let key = first.name.clone();
    assert_eq!(import(few), DiffusersError::Missing { key: key.clone() });
    let mut many = weights(case);
    many.push(HostTensor {
        name: "loss.weight".to_owned(),
        ..first
    });
    let extra = "loss.weight".to_owned();
    assert_eq!(import(many), DiffusersError::Extra { key: extra });
    let mut other = weights(case);
    other[0].shape = vec![3, 8, 3, 3];
    assert!(matches!(import(other), DiffusersError::Shape { key: found, .. } if found == key));
}

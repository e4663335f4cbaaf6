//! Nets over maps: sizes that fit and sizes that are refused, and what a place sees.

use crate::common::{parameter, recipe, set_parameter, site};
use burn::tensor::{Device, Tensor};
use jensen_data::Layout;
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_vae::ledger::to_f64;
use jensen_vae::model::{DataSite, Model};
use jensen_vae::noise;
use jensen_vae::recipe::RecipeError;

fn assembled(
    text: &str,
    [channels, height, width]: [usize; 3],
) -> Result<(Model, Params), RecipeError> {
    let site = DataSite {
        layout: Layout::Image {
            channels,
            height,
            width,
        },
        ..site(channels * height * width)
    };
    Model::assemble(&recipe(text), &site, &Device::flex())
}

const RESNET: &str = "
    encoder = { kind = 'resnet', channels = [4, 8], groups = 4, features = 4 }
    decoder = { kind = 'resnet', channels = [4, 8], groups = 4, features = 3 }
    likelihood = { kind = 'gaussian', scale = 'per_value' }
";
const VIT: &str = "
    encoder = { kind = 'vit', patch = 4, width = 8, layers = 1, heads = 2, hidden = 12, features = 5 }
    decoder = { kind = 'vit', patch = 4, width = 8, layers = 1, heads = 2, hidden = 12 }
    likelihood = { kind = 'gaussian', scale = 'per_value' }
";

/// z as a map, as a vector, and as codes, for images of several sizes.
#[test]
fn images_become_maps_and_images_again() {
    for (nets, side_of) in [(RESNET, 2), (VIT, 4)] {
        for [channels, height, width] in [[1, 8, 8], [1, 28, 28], [3, 32, 32], [3, 8, 16]] {
            let places = (height / side_of) * (width / side_of);
            for (latent, dim) in [
                ("kind = 'gaussian', channels = 2", 2 * places),
                ("kind = 'gaussian', dim = 7", 7),
                ("kind = 'vq', codes = 5, dim = 3", 3 * places),
            ] {
                let text = format!("{nets}\nlatent.z = {{ {latent} }}");
                let (model, params) = assembled(&text, [channels, height, width])
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                let n = channels * height * width;
                let x = noise::normal(&mut Stream::from_seed(1), 2, n, &Device::flex());
                let z = model.posteriors(&params, x)[0].mean();
                assert_eq!(z.dims(), [2, dim], "{text}");
                assert_eq!(model.decode(&params, &[z]).dims(), [2, 2 * n], "{text}");
            }
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused_with_those_that_do() {
    let message = |text: &str, image| match assembled(text, image) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => error.to_string(),
    };
    let resnet = |options: &str| format!("encoder = {{ kind = 'resnet', {options} }}");
    let vit = |options: &str| format!("encoder = {{ kind = 'vit', {options} }}");
    for (text, image, parts) in [
        (
            resnet("channels = [8, 8, 8, 8]"),
            [1, 28, 28],
            &[
                "halve an image 3 times",
                "28 x 28 can be halved 2 times",
                "at most 3 channels",
            ][..],
        ),
        (
            resnet("channels = [8, 12]"),
            [1, 8, 8],
            &["groups = 8 do not divide 12 channels"],
        ),
        (resnet("channels = []"), [1, 8, 8], &["at least one size"]),
        (resnet("blocks = 0"), [1, 8, 8], &["blocks = 0"]),
        (
            resnet("attention = 'all'"),
            [1, 8, 8],
            &["attention", "mid", "none"],
        ),
        (
            vit("patch = 3"),
            [1, 8, 8],
            &["3 x 3 do not fill", "8 x 8", "1, 2, 4, 8"],
        ),
        (
            vit("width = 6, heads = 4"),
            [1, 8, 8],
            &["multiple of the heads"],
        ),
        (vit("layers = 0"), [1, 8, 8], &["layers = 0"]),
    ] {
        let message = message(&text, image);
        for part in parts {
            assert!(message.contains(part), "no `{part}` in {message}");
        }
    }
    for nets in [RESNET, VIT] {
        let latent = "latent.z = { kind = 'gaussian', channels = 2 }";
        let other = match nets == RESNET {
            true => nets.replacen("[4, 8]", "[4]", 1),
            false => nets.replacen("patch = 4", "patch = 2", 1),
        };
        let message = message(&format!("{other}\n{latent}"), [1, 8, 8]);
        assert!(message.contains("give encoder and decoder"), "{message}");
    }
}

/// Two patches that trade places trade their features, where places have no vectors; with vectors they do not, and a
/// change of one patch reaches all.
#[test]
fn a_vision_transformer_knows_patches_by_content_and_place() {
    let text = format!("{VIT}\nlatent.z = {{ kind = 'gaussian', channels = 2 }}");
    let (model, mut params) = assembled(&text, [1, 8, 8]).unwrap();
    let x = noise::normal(&mut Stream::from_seed(2), 1, 64, &Device::flex());
    let halves = |x: &Tensor<2>| x.clone().reshape([2, 32]);
    // The upper two patches below, the lower two above.
    let traded = halves(&x).flip([0]).reshape([1, 64]);
    let features =
        |params: &Params, x: &Tensor<2>| to_f64(model.posteriors(params, x.clone())[0].mean());
    let differences = |params: &Params| {
        let (plain, other) = (features(params, &x), features(params, &traded));
        // Two channels of 2 x 2 places; places 0 and 2, 1 and 3 trade.
        let far = |i: usize| (plain[i] - other[i ^ 2]).abs();
        (0..8).map(far).fold(0.0, f64::max)
    };
    assert!(differences(&params) > 1e-4);
    let places: Tensor<2> = parameter(&params, "encoder.places");
    let n = places.dims().iter().product();
    set_parameter(&mut params, "encoder.places", &vec![0.0; n]);
    assert!(differences(&params) < 1e-5);

    let (plain, changed) = (features(&params, &x), {
        let one = Tensor::<2>::zeros([1, 64], &Device::flex());
        let one = one.slice_fill([0..1, 0..1], 1.0);
        features(&params, &(x.clone() + one))
    });
    for (plain, changed) in plain.iter().zip(changed) {
        assert!((plain - changed).abs() > 1e-6);
    }
}

//! What several test files of this crate need.

use burn::tensor::{Device, Tensor, TensorData};
use jensen_data::{Examples, Layout, Values};
use jensen_nets::Params;
use jensen_rng::Stream;
use jensen_run::{RunFolder, Silent};
use jensen_vae::feed::Feed;
use jensen_vae::likelihood::DataFacts;
use jensen_vae::model::{DataSite, Model};
use jensen_vae::recipe::Recipe;
use jensen_vae::train::{Task, TrainError, Trained, train};

/// The recipe in a text.
pub(crate) fn recipe(text: &str) -> Recipe {
    Recipe::parse(text, "test", &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// n real vectors, row-major `[n, len]`.
pub(crate) fn vectors(len: usize, values: Vec<f32>) -> Examples {
    Examples::new(Layout::Vector { len }, Values::F32(values.into()), None)
}

/// n binary-looking grey images of 6 x 6 pixels: a bright bar whose place and slant vary.
pub(crate) fn bars(n: usize, seed: u64) -> Examples {
    let mut stream = Stream::from_seed(seed);
    let mut bytes = Vec::with_capacity(n * 36);
    for _ in 0..n {
        let (at, slant) = (6.0 * stream.uniform(), stream.uniform() - 0.5);
        for row in 0..6 {
            for column in 0..6 {
                let distance = f64::from(column) - at - slant * f64::from(row);
                bytes.push((255.0 * (-distance * distance).exp()) as u8);
            }
        }
    }
    let layout = Layout::Image {
        channels: 1,
        height: 6,
        width: 6,
    };
    Examples::new(
        layout,
        Values::U8 {
            bytes: bytes.into(),
            max: 255,
        },
        None,
    )
}

/// A feed, the assembled model and its first parameters.
pub(crate) fn assemble(recipe: &Recipe, examples: Examples) -> (Feed, Model, Params) {
    let device = Device::flex();
    let feed = Feed::new(examples, &recipe.data, &device).unwrap_or_else(|e| panic!("{e}"));
    let (model, params) =
        Model::assemble(recipe, &feed.site(), &device).unwrap_or_else(|error| panic!("{error}"));
    (feed, model, params)
}

/// Trains from these parameters in a run folder of its own, without validation.
pub(crate) fn trained(
    recipe: &Recipe,
    (feed, model): (&Feed, &Model),
    first: Params,
) -> Result<Trained, TrainError> {
    let folder = tempfile::tempdir().unwrap();
    let run = RunFolder::create(folder.path().join("run")).unwrap();
    let task = Task {
        recipe,
        model,
        train: feed,
        validation: None,
        run: &run,
    };
    train(&task, first, &mut Silent, &mut |_, _, _| Ok(()))
}

/// A site of real vectors of this length.
pub(crate) fn site(len: usize) -> DataSite {
    DataSite {
        layout: Layout::Vector { len },
        facts: DataFacts {
            min: -1.0,
            max: 1.0,
            levels: None,
        },
        mean: vec![0.0; len],
        n_train: 100,
        vocabulary: None,
    }
}

/// A host matrix as a tensor.
pub(crate) fn matrix(values: &[f64], columns: usize) -> Tensor<2> {
    let rows = values.len() / columns;
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

/// Mean and standard error.
pub(crate) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (var / n).sqrt())
}

/// The parameter of this name.
pub(crate) fn parameter<const D: usize>(params: &Params, name: &str) -> Tensor<D> {
    let index = params.entries().iter().position(|entry| entry.name == name);
    params.at(index.unwrap_or_else(|| panic!("no parameter `{name}`")))
}

/// Sets the parameter of this name, row-major.
pub(crate) fn set_parameter(params: &mut Params, name: &str, values: &[f64]) {
    let mut host = params.to_host();
    let tensor = host.iter_mut().find(|tensor| tensor.name == name);
    let tensor = tensor.unwrap_or_else(|| panic!("no parameter `{name}`"));
    assert_eq!(tensor.values.len(), values.len(), "{name}");
    tensor.values = values.iter().map(|&v| v as f32).collect();
    params.load(&host).unwrap();
}

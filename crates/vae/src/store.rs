//! A trained model on disk: `config.json` (the recipe and what the model knows of its data) and
//! `model.safetensors` (parameters by name, and the mean and scale of every latent's codes).
//!
//! The architecture is rebuilt from the configuration; there is no code in a model folder.

use crate::condition::Vocabulary;
use crate::likelihood::DataFacts;
use crate::metric::aggregate::Codes;
use crate::model::{DataSite, Model};
use crate::recipe::{Recipe, RecipeError};
use burn::tensor::Device;
use jensen_data::Layout;
use jensen_nets::{HostTensor, Params, ParamsError};
use jensen_run::tensors::{self, View};
use jensen_run::{RunError, RunFolder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The configuration inside a run folder.
pub const CONFIG: &str = "model/config.json";
/// The parameters inside a run folder.
pub const WEIGHTS: &str = "model/model.safetensors";
/// Where codes' statistics stand among the tensors.
const STATISTICS: &str = "statistics.";
/// What is known of them.
const MOMENTS: [&str; 2] = ["mean", "scale"];

/// Why a model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file of the run could not be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The stored recipe does not build.
    #[error("the stored configuration does not build: {0}")]
    Recipe(#[from] RecipeError),
    /// The parameters do not fit the configuration.
    #[error("the stored parameters do not fit the configuration: {0}")]
    Params(#[from] ParamsError),
}

#[derive(Serialize, Deserialize)]
struct Config {
    /// For readers of model folders.
    _class_name: String,
    jensen_version: String,
    recipe: Recipe,
    data: Site,
}

#[derive(Serialize, Deserialize)]
struct Site {
    /// `[channels, height, width]` for images, `[length]` for vectors.
    shape: Vec<usize>,
    min: f32,
    max: f32,
    levels: Option<u32>,
    n_train: usize,
    mean: Vec<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vocabulary: Option<Vocabulary>,
}

/// A loaded model.
pub struct Stored {
    /// Its recipe.
    pub recipe: Recipe,
    /// The model.
    pub model: Model,
    /// Its parameters.
    pub params: Params,
}

/// Mean and standard deviation of every number of a latent's codes, `[d]` each.
pub type Moments = [Vec<f32>; 2];

/// Writes the model of a run; `codes` are those of the training data, in the model's order.
pub fn save(
    run: &RunFolder,
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    codes: &[Codes],
) -> Result<(), StoreError> {
    let moments: Vec<Moments> = codes.iter().map(moments).collect();
    write(run, recipe, model, params, &moments)
}

/// Writes the model of a run with what is known of its codes, in the model's order.
pub fn write(
    run: &RunFolder,
    recipe: &Recipe,
    model: &Model,
    params: &Params,
    moments: &[Moments],
) -> Result<(), StoreError> {
    let site = model.site();
    let config = Config {
        _class_name: "JensenVae".to_owned(),
        jensen_version: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: recipe.clone(),
        data: Site {
            shape: match site.layout {
                Layout::Image {
                    channels,
                    height,
                    width,
                } => vec![channels, height, width],
                Layout::Vector { len } => vec![len],
            },
            min: site.facts.min,
            max: site.facts.max,
            levels: site.facts.levels,
            n_train: site.n_train,
            mean: site.mean.clone(),
            vocabulary: site.vocabulary.clone().filter(|_| model.is_conditional()),
        },
    };
    let mut named = params.to_host();
    for (name, moments) in model.latent_names().zip(moments) {
        for (what, values) in MOMENTS.into_iter().zip(moments) {
            named.push(HostTensor {
                name: format!("{STATISTICS}{name}.{what}"),
                shape: vec![values.len()],
                values: values.clone(),
            });
        }
    }
    let views: Vec<View<'_>> = named
        .iter()
        .map(|tensor| View {
            name: &tensor.name,
            shape: &tensor.shape,
            values: &tensor.values,
        })
        .collect();
    let metadata = BTreeMap::from([
        ("format".to_owned(), "jensen".to_owned()),
        ("recipe".to_owned(), recipe.name.clone()),
        ("seed".to_owned(), recipe.train.seed.to_string()),
    ]);
    // The configuration comes last: where it stands, the weights are whole.
    tensors::write(run.path(WEIGHTS), &views, &metadata)?;
    run.write_json(CONFIG, &config)?;
    Ok(())
}

/// Mean and standard deviation of all numbers of a latent's codes together, where a run knows them.
pub fn moments_of(run: &RunFolder, latent: &str) -> Result<Option<[f64; 2]>, StoreError> {
    let file = tensors::read(run.path(WEIGHTS))?;
    let [mean, scale] = MOMENTS.map(|what| file.get(&format!("{STATISTICS}{latent}.{what}")));
    let (Some(mean), Some(scale)) = (mean, scale) else {
        return Ok(None);
    };
    let n = mean.values.len() as f64;
    let center = mean.values.iter().map(|&m| f64::from(m)).sum::<f64>() / n;
    let each = mean.values.iter().zip(&scale.values);
    let square = |(&m, &s): (&f32, &f32)| f64::from(s).powi(2) + (f64::from(m) - center).powi(2);
    let spread = (each.map(square).sum::<f64>() / n).sqrt();
    Ok((spread.is_finite() && spread > 0.0).then_some([center, spread]))
}

/// Mean and standard deviation of drawn codes.
fn moments(codes: &Codes) -> Moments {
    let n = codes.len().max(1) as f64;
    let column = |i: usize| codes.sample.iter().skip(i).step_by(codes.dim);
    let mean: Vec<f64> = (0..codes.dim).map(|i| column(i).sum::<f64>() / n).collect();
    let scale = (0..codes.dim)
        .map(|i| (column(i).map(|z| (z - mean[i]).powi(2)).sum::<f64>() / n).sqrt() as f32)
        .collect();
    [mean.into_iter().map(|m| m as f32).collect(), scale]
}

/// Loads the model of a run onto a device.
pub fn load(run: &RunFolder, device: &Device) -> Result<Stored, StoreError> {
    let config: Config = run.read_json(CONFIG)?;
    let layout = match config.data.shape.as_slice() {
        &[channels, height, width] => Layout::Image {
            channels,
            height,
            width,
        },
        shape => Layout::Vector {
            len: shape.iter().product(),
        },
    };
    let site = DataSite {
        layout,
        facts: DataFacts {
            min: config.data.min,
            max: config.data.max,
            levels: config.data.levels,
        },
        mean: config.data.mean,
        n_train: config.data.n_train,
        vocabulary: config.data.vocabulary,
    };
    let (model, mut params) = Model::assemble(&config.recipe, &site, device)?;
    let file = tensors::read(run.path(WEIGHTS))?;
    let stored: Vec<HostTensor> = file
        .tensors
        .into_iter()
        .map(|tensor| HostTensor {
            name: tensor.name,
            shape: tensor.shape,
            values: tensor.values,
        })
        .collect();
    params.load(&stored)?;
    Ok(Stored {
        recipe: config.recipe,
        model,
        params,
    })
}

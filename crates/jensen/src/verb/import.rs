//! `import`: a model of the diffusers library as a run that can be used.

use super::fit::check_out;
use crate::config;
use crate::device;
use crate::error::{Error, Result};
use crate::memory;
use crate::session::RUNS;
use jensen_nets::HostTensor;
use jensen_run::{Observer, RunError, RunFolder, tensors};
use jensen_vae::interchange::diffusers::{self, Configured, DiffusersError};
use jensen_vae::likelihood::DataFacts;
use jensen_vae::model::{DataSite, Model};
use jensen_vae::store;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// The source of the data of a model that came without.
pub const NO_DATA: &str = "none";

/// What to import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The folder with `config.json` and the weights, or one that holds such a folder `vae`.
    pub folder: PathBuf,
    /// Images that the run's verbs take where none are named.
    pub data: Option<String>,
    /// Side of the images, pixels, in place of the configuration's `sample_size`.
    pub size: Option<usize>,
    /// The run folder; without one the next number under runs/.
    pub out: Option<PathBuf>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    /// The run.
    pub run: PathBuf,
    /// What one image is.
    pub layout: String,
    /// Numbers of z.
    pub dim: usize,
    /// Numbers in the weights.
    pub n_values: usize,
}

/// Reads configuration and weights of an `AutoencoderKL` or a `VQModel` into a run folder with a model.
///
/// # Errors
/// [`Error::Foreign`] for what no recipe has and weights that do not fit, before anything is written.
pub fn import(request: &Request, _: &mut dyn Observer) -> Result<Imported> {
    if let Some(out) = &request.out {
        check_out(out)?;
    }
    let inside = request.folder.join("vae");
    let folder = match inside.join(diffusers::CONFIG).is_file() {
        true => inside,
        false => request.folder.clone(),
    };
    let config_path = folder.join(diffusers::CONFIG);
    let weights_path = folder.join(diffusers::WEIGHTS);
    let foreign = |place: &Path, error: DiffusersError| Error::Foreign {
        place: place.to_path_buf(),
        error: Box::new(error),
    };
    let text = fs::read_to_string(&config_path).map_err(|source| RunError::Io {
        action: "read",
        path: config_path.clone(),
        source,
    })?;
    let named = fs::canonicalize(&request.folder).unwrap_or_else(|_| request.folder.clone());
    let name = named.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or("imported");
    let data = request.data.as_deref().unwrap_or(NO_DATA);
    let config = diffusers::parse(&text).map_err(|error| foreign(&config_path, error))?;
    let Configured {
        recipe,
        layout,
        moments,
    } = diffusers::recipe(&config, name, data, request.size)
        .map_err(|error| foreign(&config_path, error))?;

    let site = DataSite {
        layout,
        facts: DataFacts {
            min: -1.0,
            max: 1.0,
            levels: None,
        },
        mean: vec![0.0; layout.n_values()],
        n_train: 1,
        vocabulary: None,
    };
    let device = device::open(&recipe.train)?;
    let outline = Model::outline(&recipe, &site, &device)?;
    memory::check_parameters(&outline)?;
    let weights = tensors::read(&weights_path)?.tensors.into_iter();
    let weights = weights.map(|tensor| HostTensor {
        name: tensor.name,
        shape: tensor.shape,
        values: tensor.values,
    });
    let ours = diffusers::import(&outline, &config, weights.collect())
        .map_err(|error| foreign(&weights_path, error))?;
    let (model, mut params) = Model::assemble(&recipe, &site, &device)?;
    params.load(&ours).map_err(store::StoreError::from)?;

    let run = match &request.out {
        Some(path) => RunFolder::create(path)?,
        None => RunFolder::create_numbered(RUNS, name)?,
    };
    config::write_imported(&run, &recipe)?;
    let dims = model.latent_dims();
    let moments: Vec<store::Moments> = (moments.iter())
        .flat_map(|moments| dims.iter().map(|&d| moments.map(|m| vec![m as f32; d])))
        .collect();
    store::write(&run, &recipe, &model, &params, &moments)?;
    run.log(&format!("imported from {}", folder.display()))?;
    Ok(Imported {
        run: run.root().to_path_buf(),
        layout: layout.to_string(),
        dim: dims.iter().sum(),
        n_values: ours.iter().map(|tensor| tensor.values.len()).sum(),
    })
}

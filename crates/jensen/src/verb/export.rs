//! `export`: a model as one file for other programs.

use super::output;
use crate::error::Result;
use crate::session::Session;
use jensen_run::{Observer, tensors};
use jensen_vae::store;
use serde::Serialize;
use std::path::PathBuf;

/// The formats there are.
pub const FORMATS: &[&str] = &["safetensors"];

/// What to export.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// The file, `.safetensors`; without one the run's name with the format's extension, in the run.
    pub out: Option<PathBuf>,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exported {
    /// The run.
    pub run: PathBuf,
    /// The file.
    pub file: PathBuf,
    /// Tensors in it.
    pub n_tensors: usize,
    /// Numbers in them.
    pub n_values: usize,
}

/// Writes parameters and latent statistics as one safetensors file; its metadata entry `config` holds
/// the configuration of the model, so that the file stands alone.
pub fn export(request: &Request, _: &mut dyn Observer) -> Result<Exported> {
    if let Some(out) = &request.out {
        output::check_place_of(out, "safetensors")?;
    }
    let session = Session::load(&request.run, None)?;
    let run = &session.run;
    let mut stored = tensors::read(run.path(store::WEIGHTS))?;
    let config = run.read_text(store::CONFIG)?;
    stored.metadata.insert("config".to_owned(), config);
    let views: Vec<tensors::View<'_>> = stored.tensors.iter().map(|t| t.view()).collect();
    let file = request
        .out
        .clone()
        .unwrap_or_else(|| run.path(format!("{}.safetensors", run.name())));
    tensors::write(&file, &views, &stored.metadata)?;
    Ok(Exported {
        run: run.root().to_path_buf(),
        file,
        n_tensors: views.len(),
        n_values: views.iter().map(|view| view.values.len()).sum(),
    })
}

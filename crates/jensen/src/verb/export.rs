//! `export`: a model for other programs.

use super::output;
use crate::error::{Error, Result};
use crate::session::Session;
use jensen_nets::HostTensor;
use jensen_run::{Event, Observer, RunError, tensors, write_atomic};
use jensen_vae::interchange::diffusers::{self, DiffusersError};
use jensen_vae::store;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One file of named arrays; the configuration is in its metadata.
    #[default]
    Safetensors,
    /// A folder that the diffusers library opens.
    Diffusers,
    /// A folder with encoder and decoder as graphs.
    Onnx,
}

/// What to export.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// The format.
    pub format: Format,
    /// The file, `.safetensors`, without one the run's name with the format's extension, in the run; or the folder,
    /// without one `diffusers/` or `onnx/` in the run.
    pub out: Option<PathBuf>,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Exported {
    /// The run.
    pub run: PathBuf,
    /// The file or the folder.
    pub file: PathBuf,
    /// Tensors in it.
    pub n_tensors: usize,
    /// Numbers in them.
    pub n_values: usize,
}

/// Writes a model in a format.
pub fn export(request: &Request, observer: &mut dyn Observer) -> Result<Exported> {
    match request.format {
        Format::Safetensors => safetensors(request),
        Format::Diffusers => for_diffusers(request, observer),
        Format::Onnx => onnx(request),
    }
}

/// Writes parameters and latent statistics as one safetensors file; its metadata entry `config` holds
/// the configuration of the model, so that the file stands alone.
fn safetensors(request: &Request) -> Result<Exported> {
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

/// Writes configuration and weights under the names of the diffusers library.
fn for_diffusers(request: &Request, observer: &mut dyn Observer) -> Result<Exported> {
    if let Some(out) = &request.out {
        output::check_folder("--out", out)?;
    }
    let session = Session::load(&request.run, None)?;
    let run = &session.run;
    let foreign = |error: DiffusersError| Error::Foreign {
        place: run.root().to_path_buf(),
        error: Box::new(error),
    };
    let latent = session.model.latent_names().next().unwrap_or_default();
    let moments = store::moments_of(run, latent)?;
    let mut config =
        diffusers::config(&session.recipe, session.layout(), moments).map_err(foreign)?;
    let weights = diffusers::export(&session.params.to_host(), &mut config);
    let smooth = |table: &toml::Table| table.get("clamp") == Some(&false.into());
    if session.recipe.latent.values().any(smooth) {
        let text = "log variances were bounded smoothly in training, and are cut off there: means are the same, log \
                    variances far from 0 are not; latent.z.clamp = true trains with theirs";
        observer.on(&Event::Warning { text });
    }
    let folder = request.out.clone();
    let folder = folder.unwrap_or_else(|| run.path("diffusers"));
    create_folder(&folder)?;
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    let views: Vec<tensors::View<'_>> = weights.iter().map(view).collect();
    tensors::write(folder.join(diffusers::WEIGHTS), &views, &metadata)?;
    let text = serde_json::to_string_pretty(&config).expect("internal error: no JSON");
    write_atomic(
        folder.join(diffusers::CONFIG),
        format!("{text}\n").as_bytes(),
    )?;
    Ok(Exported {
        run: run.root().to_path_buf(),
        file: folder,
        n_tensors: views.len(),
        n_values: views.iter().map(|view| view.values.len()).sum(),
    })
}

/// Writes `encoder.onnx` and `decoder.onnx`.
fn onnx(request: &Request) -> Result<Exported> {
    if let Some(out) = &request.out {
        output::check_folder("--out", out)?;
    }
    let session = Session::load(&request.run, None)?;
    let graphs = session.model.graphs(&session.params);
    let graphs = graphs.map_err(|section| Error::Option {
        name: "--format",
        expected: "a model of mlp, conv, resnet or vit nets with gaussian or vq latents for onnx"
            .to_owned(),
        found: format!("one whose `{section}` has no form there yet"),
    })?;
    let folder = request.out.clone();
    let folder = folder.unwrap_or_else(|| session.run.path("onnx"));
    create_folder(&folder)?;
    let (mut n_tensors, mut n_values) = (0, 0);
    for (name, graph) in ["encoder", "decoder"].into_iter().zip(graphs) {
        n_tensors += graph.n_tensors();
        n_values += graph.n_values();
        write_atomic(folder.join(format!("{name}.onnx")), &graph.finish(name))?;
    }
    Ok(Exported {
        run: session.run.root().to_path_buf(),
        file: folder,
        n_tensors,
        n_values,
    })
}

fn create_folder(folder: &Path) -> Result<()> {
    let created = fs::create_dir_all(folder);
    Ok(created.map_err(|source| RunError::Io {
        action: "create",
        path: folder.to_path_buf(),
        source,
    })?)
}

fn view(tensor: &HostTensor) -> tensors::View<'_> {
    tensors::View {
        name: &tensor.name,
        shape: &tensor.shape,
        values: &tensor.values,
    }
}

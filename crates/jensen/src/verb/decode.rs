//! `decode`: examples from codes.

use super::output::{self, Written};
use crate::error::{Error, Result};
use crate::pictures::{self, COLUMNS, Side};
use crate::session::{self, Session};
use burn::tensor::{Tensor, TensorData};
use jensen_data::npy::{Array, read_npy, read_npz};
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::generate;
use std::path::{Path, PathBuf};

/// What to decode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Codes `[n, d]`: an `.npz` as `encode` writes it (or with an array named like the latent), or an
    /// `.npy` for models with one latent.
    pub codes: PathBuf,
    /// Whether to draw from the likelihood, instead of giving its mean.
    pub draw: bool,
    /// Seed of the draws.
    pub seed: u64,
    /// The file, `.png`, `.npz` or `.csv`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

/// Codes decoded in one pass.
const BATCH: usize = 500;

/// Decodes codes from a file.
pub fn decode(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    let session = Session::load(&request.run, request.device.as_deref())?;
    let path = output::place(&session, request.out.as_deref(), "decoded")?;
    let arrays = read(&request.codes)?;
    let names: Vec<&str> = session.model.latent_names().collect();
    let dims = session.model.latent_dims();
    let mut codes = Vec::new();
    for (name, &dim) in names.iter().zip(&dims) {
        codes.push(find(&arrays, name, dim, names.len() == 1, &request.codes)?);
    }
    let n = codes[0].len() / dims[0];
    for (code, &dim) in codes.iter().zip(&dims) {
        if code.len() != n * dim {
            return Err(fault(
                &request.codes,
                format!("{n} codes of each latent"),
                format!("{} of one", code.len() / dim),
            ));
        }
    }
    let width = session.layout().n_values();
    output::check_grid(
        &session,
        &path,
        Side::of("--codes", COLUMNS),
        Side::rows_of("--codes", n),
    )?;
    let device = session.params.device();
    let stream = Stream::from_seed(request.seed);
    let mut values = Vec::new();
    for start in (0..n).step_by(BATCH) {
        let rows = BATCH.min(n - start);
        let z: Vec<Tensor<2>> = (codes.iter().zip(&dims))
            .map(|(code, &d)| {
                let part = code[start * d..(start + rows) * d].to_vec();
                Tensor::from_data(TensorData::new(part, [rows, d]), device)
            })
            .collect();
        let stream = stream.child("decode", start as u64);
        let (model, params) = (&session.model, &session.params);
        values.extend(generate::decode(model, params, &z, request.draw, &stream));
        session::advance(observer, "decode", start + rows, n, "codes")?;
    }
    output::check_finite(&values, width, "--codes", |row| format!("row {row}"))?;
    output::write(&session, &path, &[], &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    Ok(Written::of(&session, vec![path], n, observer))
}

fn read(path: &Path) -> Result<Vec<(String, Array)>> {
    let is = |known: &str| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case(known))
    };
    if is("npy") {
        return Ok(vec![(String::new(), read_npy(path)?)]);
    }
    // What a folder is, is said by the reader.
    if is("npz") || path.is_dir() {
        return Ok(read_npz(path)?);
    }
    Err(Error::Option {
        name: "--codes",
        expected: "a file of arrays, .npy or .npz".to_owned(),
        found: path.display().to_string(),
    })
}

/// The codes of a latent: by its name, as `encode` calls them, or the only array there is.
fn find(
    arrays: &[(String, Array)],
    latent: &str,
    dim: usize,
    is_only: bool,
    path: &Path,
) -> Result<Vec<f32>> {
    let wanted = [
        latent.to_owned(),
        format!("{latent}_mean"),
        format!("{latent}_sample"),
    ];
    let named = wanted
        .iter()
        .find_map(|wanted| arrays.iter().find(|(name, _)| name == wanted));
    let (name, array) = match (named, arrays) {
        (Some(found), _) => found,
        (None, [only]) if is_only => only,
        _ => {
            let found: Vec<String> = arrays.iter().map(|(name, _)| called(name)).collect();
            let found = match found.is_empty() {
                true => "no array".to_owned(),
                false => found.join(", "),
            };
            let expected = format!("an array {}", wanted.join(" or "));
            return Err(fault(path, expected, found));
        }
    };
    if array.shape.len() != 2 || array.shape[1] != dim || array.shape[0] == 0 {
        return Err(fault(
            path,
            format!("codes of shape [n, {dim}]"),
            format!("{} of shape {:?}", called(name), array.shape),
        ));
    }
    let codes = array.to_f32();
    match codes.iter().position(|code| !code.is_finite()) {
        None => Ok(codes),
        Some(at) => Err(fault(
            path,
            "finite numbers".to_owned(),
            format!(
                "{} in row {}, column {} (counted from 0) of {}",
                codes[at],
                at / dim,
                at % dim,
                called(name)
            ),
        )),
    }
}

/// An array in words; the one of an `.npy` file has no name.
fn called(name: &str) -> String {
    match name {
        "" => "an array without a name".to_owned(),
        name => format!("`{name}`"),
    }
}

fn fault(path: &Path, expected: String, found: String) -> Error {
    Error::Option {
        name: "--codes",
        expected,
        found: format!("{found} in {}", path.display()),
    }
}

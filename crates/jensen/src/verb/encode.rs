//! `encode`: codes of examples as arrays.

use super::output::{Written, check_place, default_name};
use crate::error::{Error, Result};
use crate::session::{self, Part, Session};
use jensen_data::npy::{Array, Numbers, write_npz};
use jensen_rng::Stream;
use jensen_run::Observer;
use jensen_vae::metric::aggregate;
use std::path::PathBuf;

/// What to encode.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// Other data than the run's.
    pub data: Option<String>,
    /// The part of the data.
    pub part: Part,
    /// Seed of the drawn codes.
    pub seed: u64,
    /// The file, `.npz`; without one `codes.npz` in the run, or `codes-of-DATA.npz`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            run: PathBuf::new(),
            data: None,
            part: Part::Test,
            seed: 1,
            out: None,
            device: None,
        }
    }
}

/// Writes for each latent, such as `z`, the arrays `z_mean`, `z_log_var` and `z_sample`, `[n, d]` each,
/// and `label` `[n]` where there are labels.
pub fn encode(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    if let Some(out) = &request.out {
        check_place(out, &["npz"])?;
    }
    let session = Session::load(&request.run, request.device.as_deref())?;
    let feed = session
        .feed(request.data.as_deref(), request.part, observer)?
        .feed;
    let stream = Stream::from_seed(request.seed).child("encode", 0);
    let n = feed.len();
    let codes = {
        let advance = &mut session::advancing(observer, "encode", n, "examples");
        let (model, params) = (&session.model, &session.params);
        aggregate::encode(model, params, &feed, &stream, advance).ok_or(Error::Stopped)?
    };
    let mut arrays: Vec<(String, Array)> = Vec::new();
    for (name, codes) in session.model.latent_names().zip(&codes) {
        for (what, values) in [
            ("mean", &codes.mean),
            ("log_var", &codes.log_var),
            ("sample", &codes.sample),
        ] {
            // Codes have no variance.
            if values.is_empty() {
                continue;
            }
            let values = values.iter().map(|&x| x as f32).collect();
            let array = Array::new(vec![n, codes.dim], Numbers::F32(values));
            arrays.push((format!("{name}_{what}"), array));
        }
    }
    for (name, codes) in session.model.latent_names().zip(&codes) {
        if codes.is_discrete() {
            let indices = codes.indices.iter().map(|&code| i64::from(code)).collect();
            let array = Array::new(vec![n, codes.n_units()], Numbers::I64(indices));
            arrays.push((format!("{name}_codes"), array));
        }
    }
    if let Some(labels) = &feed.examples().labels {
        let labels = labels.iter().map(|&label| i64::from(label)).collect();
        arrays.push((
            "label".to_owned(),
            Array::new(vec![n], Numbers::I64(labels)),
        ));
    }
    let named: Vec<(&str, Array)> = (arrays.iter())
        .map(|(name, array)| (name.as_str(), array.clone()))
        .collect();
    let name = default_name("codes", request.data.as_deref());
    let out = request.out.clone();
    let path = out.unwrap_or_else(|| session.run.path(format!("{name}.npz")));
    write_npz(&path, &named)?;
    Ok(Written::of(&session, vec![path], n, observer))
}

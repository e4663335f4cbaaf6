//! `decompress`: the examples that `compress` wrote, as they were.

use super::output::{self, Written};
use crate::error::{Error, Result};
use crate::pictures::{self, COLUMNS, Side};
use crate::session::{self, Session};
use jensen_run::{Observer, RunError};
use jensen_vae::bits_back::{Code, Coder};
use std::fs;
use std::path::PathBuf;

/// What to decompress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run whose model compressed.
    pub run: PathBuf,
    /// The file that `compress` wrote.
    pub file: PathBuf,
    /// The file, `.png`, `.npz` or `.csv`.
    pub out: Option<PathBuf>,
    /// Another device than the processor.
    pub device: Option<String>,
}

/// Writes the examples.
pub fn decompress(request: &Request, observer: &mut dyn Observer) -> Result<Written> {
    let session = Session::load(&request.run, request.device.as_deref())?;
    let path = output::place(&session, request.out.as_deref(), "decompressed")?;
    let of_code = |error| Error::of_code(session.run.root(), error);
    let coder = Coder::new(&session.model, &session.params).map_err(of_code)?;
    let of_file = |error| Error::of_code(&request.file, error);
    let bytes = fs::read(&request.file).map_err(|source| RunError::Io {
        action: "read",
        path: request.file.clone(),
        source,
    })?;
    let code = Code::from_bytes(&bytes).map_err(of_file)?;
    let n = code.n;
    output::check_grid(
        &session,
        &path,
        Side::of("--file", COLUMNS),
        Side::rows_of("--file", n),
    )?;
    let levels = {
        let advance = &mut session::advancing(observer, "decompress", n, "examples");
        coder.decompress(&code, advance).map_err(of_file)?
    };
    let values: Vec<f32> = levels.iter().map(|&level| coder.value(level)).collect();
    output::write(&session, &path, &[], &[("x", &values)], |rows| {
        pictures::plain(&rows[0], COLUMNS)
    })?;
    Ok(Written::of(&session, vec![path], n, observer))
}

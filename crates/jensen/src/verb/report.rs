//! `report`: a run as one self-contained page.

use super::output;
use crate::error::Result;
use crate::session::run_path;
use jensen_run::{Observer, RunFolder, write_atomic};
use serde::Serialize;
use std::path::PathBuf;

/// Which run to report on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The run.
    pub run: PathBuf,
    /// The file, `.html`; without one `report.html` in the run.
    pub out: Option<PathBuf>,
}

/// Where the page is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reported {
    /// The run.
    pub run: PathBuf,
    /// The page.
    pub report: PathBuf,
}

/// Writes the report of a run, finished or not.
pub fn report(request: &Request, observer: &mut dyn Observer) -> Result<Reported> {
    if let Some(out) = &request.out {
        output::check_place_of(out, "html")?;
    }
    let run = RunFolder::open(run_path(&request.run))?;
    let report = match &request.out {
        None => jensen_report::write_html(&run, observer)?,
        Some(path) => {
            write_atomic(path, jensen_report::html(&run, observer)?.as_bytes())?;
            path.clone()
        }
    };
    Ok(Reported {
        run: run.root().to_path_buf(),
        report,
    })
}

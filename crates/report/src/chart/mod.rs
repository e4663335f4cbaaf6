//! Charts as SVG, written by hand: lines with bands, bars, points with classes and curves of the plane.
//!
//! A chart is one self-contained `<svg>` that works inline and as a file, scales with its place, and
//! follows the reader's choice of light or dark. Nothing is computed here but places on paper; what
//! is left out or cut off for drawing is said by the chart.

mod axis;
mod bars;
mod frame;
mod lines;
mod scatter;

pub use bars::BarChart;
pub use frame::Style;
pub use lines::{LineChart, Series};
pub use scatter::{ScatterChart, ScatterClass};

use crate::Result;
use std::path::{Path, PathBuf};

/// Writes a chart as `folder/name.svg`, making the folder; returns its path.
///
/// # Errors
/// [`crate::ReportError::Run`] where it cannot be written.
pub fn write_svg(folder: impl AsRef<Path>, name: &str, svg: &str) -> Result<PathBuf> {
    let path = folder.as_ref().join(format!("{name}.svg"));
    jensen_run::write_atomic(&path, svg.as_bytes())?;
    Ok(path)
}

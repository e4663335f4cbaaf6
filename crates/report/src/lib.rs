//! Run folder to PNG, GIF, SVG and HTML; one section per file.
//!
//! [`html`] turns a run folder into one page that works offline, without scripts, in light and dark
//! and on a small screen: everything is inside. [`chart`] draws SVG, [`grid`] and [`gif_bytes`] lay
//! out pictures. No statistics are computed here: what a page shows was measured by others and
//! stands in `metrics.jsonl` and `evaluation.json`.

pub mod chart;
mod contents;
mod error;
mod lettering;
mod names;
mod page;
mod picture;
mod sections;
mod text;

pub use error::{ReportError, Result};
pub use lettering::Labels;
pub use page::{html, write_html};
pub use picture::{
    GridOptions, LEGIBLE, Picture, gif_bytes, grid, grid_size, labelled_grid, png_bytes,
};
pub use sections::{SectionInfo, sections};
pub use text::plain_number;

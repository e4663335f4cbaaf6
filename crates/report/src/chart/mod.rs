//! Charts as SVG, written by hand: lines over steps, bars, points with classes.
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
pub use lines::{LineChart, Series};
pub use scatter::{ScatterChart, ScatterClass};

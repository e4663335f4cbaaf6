//! What can go wrong between a run folder and its report.

use jensen_run::RunError;

/// The result of drawing.
pub type Result<T, E = ReportError> = std::result::Result<T, E>;

/// A fault in what is to be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file of the run cannot be read or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A picture's pixels do not fill its size, or it has an odd number of channels.
    #[error(
        "a picture of {width} x {height} pixels and {channels} channels (1 or 3 are possible) has {got} values"
    )]
    Pixels {
        /// Width, pixels.
        width: usize,
        /// Height, pixels.
        height: usize,
        /// Values of one pixel.
        channels: usize,
        /// Values given.
        got: usize,
    },
    /// Pictures that belong together differ in size or channels.
    #[error("picture {index} is {got:?}, the first is {expected:?} (width, height, channels)")]
    Unequal {
        /// Position of the picture, from 0.
        index: usize,
        /// Width, height, channels of the first.
        expected: (usize, usize, usize),
        /// Width, height, channels of this one.
        got: (usize, usize, usize),
    },
    /// There is nothing to draw.
    #[error("no pictures were given")]
    NoPictures,
    /// The picture's format cannot hold it.
    #[error("cannot encode the picture as {format}: {message}")]
    Encode {
        /// "PNG" or "GIF".
        format: &'static str,
        /// Why not.
        message: String,
    },
}

//! What a trained model is measured by. Every estimate names what it was computed with.

pub mod aggregate;
pub mod baseline;
pub mod disentanglement;
pub mod evaluate;
pub mod frechet;
pub mod images;
pub mod importance;
pub mod kernel_distance;
pub mod neighbors;
pub mod psnr;
pub mod score;
pub mod ssim;

pub use evaluate::{EvaluateOptions, Evaluation, evaluate};
pub use score::{Scores, samples_per_example, score};

/// Asked inside long loops: hears how many examples are done, or `None` between two counts, and says
/// whether to go on.
pub type Advance<'a> = dyn FnMut(Option<usize>) -> bool + 'a;

/// The indices 0..n in consecutive batches.
pub(crate) fn batches(n: usize, size: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..n)
        .step_by(size)
        .map(move |start| (start..(start + size).min(n)).collect())
}

//! What a fit leaves behind, as data: draws, approximations, and what they are worth.

mod approximation;
mod draws;
mod gaussian;

pub use approximation::Approximation;
pub use draws::Draws;
pub use gaussian::{Gaussian, Scale};

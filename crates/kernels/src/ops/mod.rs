//! The operations, one file each: the function, the plain composition, the kernel, its backward pass.

pub(crate) mod activation;
pub(crate) mod bernoulli;
pub(crate) mod bias;
pub(crate) mod conv2d;
pub(crate) mod conv_transpose2d;
mod convolution;
pub(crate) mod flatten;
pub(crate) mod gaussian;
mod image;
pub(crate) mod kl;
pub(crate) mod linear;
mod patches;
pub(crate) mod reparameterize;
mod rows;
pub(crate) mod scale_gradient;
pub(crate) mod silu;

//! Fused CPU operations for burn, each beside its plain burn composition.
//!
//! A network layer or loss term written in plain burn is a chain of small operations: each one reads
//! and writes whole tensors on one thread. Here the hot chains are single operations with hand-written
//! backward passes for the CPU backend `flex`; on every other device the same functions run as the
//! plain composition, which is also the oracle of their tests.
//!
//! - Layers: [`linear`], [`conv2d`], [`conv_transpose2d`], and [`flatten`], [`unflatten`] between images and vectors.
//! - Terms in nats: [`bernoulli_log_prob`], [`gaussian_log_prob`], [`kl_standard_normal`].
//! - Noise: [`reparameterize`], and [`scale_gradient`] for weights that are known late.
//! - Optimizer: [`Adam`], in place behind burn's `Optimizer`.

#![allow(
    unsafe_code,
    reason = "buffers without clearing, disjoint parts for threads, and instruction sets chosen at run time"
)]

mod adam;
mod alloc;
mod buffer;
#[cfg(test)]
mod check;
mod dense;
mod gemm;
mod ops;
mod pool;
mod simd;

pub use adam::{Adam, AdamState};
pub use alloc::CachingAllocator;
pub use ops::activation::Activation;
pub use ops::bernoulli::bernoulli_log_prob;
pub use ops::conv_transpose2d::conv_transpose2d;
pub use ops::conv2d::conv2d;
pub use ops::flatten::{flatten, unflatten};
pub use ops::gaussian::gaussian_log_prob;
pub use ops::kl::kl_standard_normal;
pub use ops::linear::linear;
pub use ops::reparameterize::reparameterize;
pub use ops::scale_gradient::{RowFactors, scale_gradient};
pub use ops::silu::silu;
pub use pool::{set_threads, threads};

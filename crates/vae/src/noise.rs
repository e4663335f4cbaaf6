//! The border where host randomness becomes tensors.
//!
//! burn's own generator is process-wide and depends on the order of calls, so noise is drawn here from
//! labelled streams and uploaded: the same seed gives the same noise on every device.

use burn::tensor::{Device, Tensor, TensorData};
use jensen_rng::Stream;

/// Standard normal noise `[rows, columns]`.
pub fn normal(stream: &mut Stream, rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0; rows * columns];
    stream.fill_normal(&mut values);
    upload(values, rows, columns, device)
}

/// Host values, row-major, as a tensor `[rows, columns]`.
pub fn upload(values: Vec<f32>, rows: usize, columns: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// An index with probability proportional to its weight, by inversion of the distribution function.
pub(crate) fn choose(weights: &[f64], stream: &mut Stream) -> usize {
    let mut left = stream.uniform() * weights.iter().sum::<f64>();
    let found = weights.iter().position(|&weight| {
        left -= weight;
        left < 0.0
    });
    // Rounding can leave a crumb behind the last weight.
    found.unwrap_or(weights.len() - 1)
}

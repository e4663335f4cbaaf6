//! Activations that the layers apply in the same pass as the bias.

use crate::buffer::Parts;
use crate::simd::{self, vectorized};
use crate::{dense, pool};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};

/// What a fused layer applies to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    Identity,
    /// max(0, value); the gradient at zero is zero, NaN stays NaN.
    Relu,
}

impl Activation {
    /// The plain burn form.
    pub(crate) fn composition<B: Backend>(self, x: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            Self::Identity => x,
            Self::Relu => B::relu(x),
        }
    }
}

vectorized! {
    /// Adds a bias of the same length, then applies ReLU if asked.
    fn bias_and_activation(values: &mut [f32], bias: &[f32], relu: bool) {
        if relu {
            for (value, bias) in values.iter_mut().zip(bias) {
                let sum = *value + bias;
                *value = if sum < 0.0 { 0.0 } else { sum };
            }
        } else {
            for (value, bias) in values.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}

vectorized! {
    /// ReLU in place.
    fn relu(values: &mut [f32]) {
        for value in values {
            *value = if *value < 0.0 { 0.0 } else { *value };
        }
    }
}

/// Bias, if there is one, and activation on a piece of a row, in place.
pub(crate) fn finish_row(values: &mut [f32], bias: Option<&[f32]>, activation: Activation) {
    let level = crate::simd::level();
    match (bias, activation) {
        (Some(bias), _) => {
            bias_and_activation(level, values, bias, activation == Activation::Relu);
        }
        (None, Activation::Relu) => relu(level, values),
        (None, Activation::Identity) => {}
    }
}

vectorized! {
    /// Clears the gradient where the output of ReLU is zero, and adds what is left to `sums`, by column.
    fn mask_row(gradient: &mut [f32], output: &[f32], sums: &mut [f32]) {
        for ((gradient, output), sum) in gradient.iter_mut().zip(output).zip(sums) {
            *gradient = if *output == 0.0 { 0.0 } else { *gradient };
            *sum += *gradient;
        }
    }
}

vectorized! {
    /// Adds a row to `sums`, by column.
    fn add_row(gradient: &[f32], sums: &mut [f32]) {
        for (gradient, sum) in gradient.iter().zip(sums) {
            *sum += gradient;
        }
    }
}

/// Columns of one task: each takes all rows of its columns, in order.
const COLUMNS: usize = 128;

/// The gradient before the activation, `[R, N]`, packed, and, if asked, its column sums `[N]`.
///
/// `output` is that of ReLU. Works in place if nobody else holds the gradient.
pub(crate) fn backward(
    gradient: FlexTensor,
    output: Option<FlexTensor>,
    with_sums: bool,
) -> (FlexTensor, Option<FlexTensor>) {
    let (n_rows, n_cols) = (gradient.shape()[0], gradient.shape()[1]);
    if output.is_none() && !with_sums {
        return (gradient, None);
    }
    let mut gradient = dense::packed(gradient);
    let mut sums = vec![0f32; n_cols];
    let sum_parts = Parts::new(&mut sums);
    let n_tasks = n_cols.div_ceil(COLUMNS);
    let level = simd::level();
    if let Some(output) = output {
        let output = dense::packed(output);
        let output = dense::values(&output);
        gradient = dense::owned(gradient);
        let masked = Parts::new(dense::owned_values(&mut gradient));
        pool::run(n_tasks, &|task| {
            let start = task * COLUMNS;
            let len = COLUMNS.min(n_cols - start);
            // SAFETY: tasks have different columns.
            let sums = unsafe { sum_parts.part(start, len) };
            for first in (0..n_rows).map(|row| row * n_cols + start) {
                // SAFETY: as above.
                let values = unsafe { masked.part(first, len) };
                mask_row(level, values, &output[first..first + len], sums);
            }
        });
    } else {
        let values = dense::values(&gradient);
        pool::run(n_tasks, &|task| {
            let start = task * COLUMNS;
            let len = COLUMNS.min(n_cols - start);
            // SAFETY: tasks have different columns.
            let sums = unsafe { sum_parts.part(start, len) };
            for first in (0..n_rows).map(|row| row * n_cols + start) {
                add_row(level, &values[first..first + len], sums);
            }
        });
    }
    let sums = with_sums.then(|| dense::tensor(sums, [n_cols]));
    (gradient, sums)
}

//! Activations that the layers apply in the same pass as the bias.

use super::rows::rows_per_task;
use crate::buffer::{self, Parts};
use crate::dense;
use crate::simd::{self, vectorized};
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

/// Rows shorter than this are handled several at a time, as one row: short loops are not vector code.
const WIDTH: usize = 64;

/// How many rows of `n_cols` values are handled as one.
fn rows_at_once(n_cols: usize) -> usize {
    (WIDTH / n_cols.max(1)).max(1)
}

/// Bias and activation on whole rows, for layers with few outputs.
pub(crate) struct Finish {
    /// The bias, repeated for rows that are handled at once.
    bias: Option<Vec<f32>>,
    activation: Activation,
    width: usize,
}

impl Finish {
    /// For rows of `n_cols` values.
    pub(crate) fn new(bias: Option<&[f32]>, n_cols: usize, activation: Activation) -> Self {
        let n_at_once = rows_at_once(n_cols);
        Self {
            bias: bias.map(|bias| bias.repeat(n_at_once)),
            activation,
            width: n_cols * n_at_once,
        }
    }

    /// On whole rows, in place.
    pub(crate) fn rows(&self, values: &mut [f32]) {
        for row in values.chunks_mut(self.width.max(1)) {
            let bias = self.bias.as_ref().map(|bias| &bias[..row.len()]);
            finish_row(row, bias, self.activation);
        }
    }
}

vectorized! {
    /// Clears the gradient where the output of ReLU is zero, and adds what is left to `sums`, by column.
    fn mask_rows(gradient: &mut [f32], output: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        for (gradient, output) in gradient.chunks_mut(width).zip(output.chunks(width)) {
            for ((gradient, output), sum) in gradient.iter_mut().zip(output).zip(sums.iter_mut()) {
                *gradient = if *output == 0.0 { 0.0 } else { *gradient };
                *sum += *gradient;
            }
        }
    }
}

vectorized! {
    /// Adds rows to `sums`, by column.
    fn add_rows(gradient: &[f32], sums: &mut [f32]) {
        for gradient in gradient.chunks(sums.len()) {
            for (gradient, sum) in gradient.iter().zip(sums.iter_mut()) {
                *sum += gradient;
            }
        }
    }
}

/// The gradient before the activation, `[R, N]`, packed, and, if asked, its column sums `[N]`.
///
/// `output` is that of ReLU. Works in place if nobody else holds the gradient.
pub(crate) fn backward(
    gradient: FlexTensor,
    output: Option<FlexTensor>,
    with_sums: bool,
) -> (FlexTensor, Option<FlexTensor>) {
    let (n_rows, n_cols) = (gradient.shape()[0], gradient.shape()[1]);
    if (output.is_none() && !with_sums) || n_rows == 0 || n_cols == 0 {
        let sums = with_sums.then(|| dense::tensor(vec![0.0; n_cols], [n_cols]));
        return (gradient, sums);
    }
    let mut gradient = dense::packed(gradient);
    let n_at_once = rows_at_once(n_cols);
    let (width, len) = (n_cols * n_at_once, n_rows * n_cols);
    let step = rows_per_task(n_cols).next_multiple_of(n_at_once) * n_cols;
    let n_tasks = len.div_ceil(step);
    let mut partial_sums = vec![0f32; n_tasks * width];
    let level = simd::level();
    if let Some(output) = output {
        let output = dense::packed(output);
        let output = dense::values(&output);
        gradient = dense::owned(gradient);
        let masked = Parts::new(dense::owned_values(&mut gradient));
        buffer::for_chunks(&mut partial_sums, width, |task, sums| {
            let (start, n) = (task * step, step.min(len - task * step));
            // SAFETY: tasks have different rows.
            let values = unsafe { masked.part(start, n) };
            mask_rows(level, values, &output[start..][..n], sums);
        });
    } else {
        let values = dense::values(&gradient);
        buffer::for_chunks(&mut partial_sums, width, |task, sums| {
            let (start, n) = (task * step, step.min(len - task * step));
            add_rows(level, &values[start..][..n], sums);
        });
    }
    let sums = with_sums.then(|| {
        let mut sums = vec![0f32; n_cols];
        add_rows(level, &partial_sums, &mut sums);
        dense::tensor(sums, [n_cols])
    });
    (gradient, sums)
}

//! Convolution and transposed convolution on images `[B, C, H, W]` with square kernels.
//!
//! Output heights: (h + 2 p - k) / s + 1 for the convolution and (h - 1) s - 2 p + k + o for the
//! transposed one, where the output padding o makes it the exact mirror of a convolution.

use crate::{Activation, Attribute, Builder, Graph, Handle, Init, Params, Value};
use burn::tensor::Tensor;
use jensen_kernels as kernels;

/// Kernel size, stride and zero padding, in pixels, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Side of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

impl ConvShape {
    /// The side of the output for an input of side `n`; `None` if the kernel does not fit.
    pub fn output(&self, n: usize) -> Option<usize> {
        let room = (n + 2 * self.padding).checked_sub(self.kernel)?;
        Some(room / self.stride + 1)
    }

    /// The output padding with which the transposed convolution turns `output(n)` back into `n`.
    pub fn output_padding(&self, n: usize) -> Option<usize> {
        (n + 2 * self.padding)
            .checked_sub(self.kernel)
            .map(|room| room % self.stride)
    }

    /// The options of the operation in a graph.
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let all = |n: usize, times| Attribute::Ints(vec![n as i64; times]);
        vec![
            ("kernel_shape", all(self.kernel, 2)),
            ("strides", all(self.stride, 2)),
            ("pads", all(self.padding, 4)),
        ]
    }
}

/// A convolution with bias and activation.
#[derive(Clone, Debug)]
pub struct Conv2d {
    name: String,
    weight: Handle<4>,
    bias: Handle<1>,
    shape: ConvShape,
    activation: Activation,
}

impl Conv2d {
    /// Registers the weights `[out, in, k, k]` and bias `[out]`, uniform on +-1/sqrt(in k^2).
    pub fn new(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        shape: ConvShape,
        activation: Activation,
    ) -> Self {
        Self::scaled(builder, name, n_in, n_out, shape, activation, 1.0)
    }

    /// The same with first weights and bias times `scale`.
    pub fn scaled(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        shape: ConvShape,
        activation: Activation,
        scale: f64,
    ) -> Self {
        let side = shape.kernel;
        let bound = Init::Uniform(scale / ((n_in * side * side) as f64).sqrt());
        let (name, (weight, bias)) = builder.within(name, |b| {
            (
                b.register("weight", [n_out, n_in, side, side], bound),
                b.register("bias", [n_out], bound),
            )
        });
        Self {
            name,
            weight,
            bias,
            shape,
            activation,
        }
    }

    /// The output `[B, out, H', W']`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let y = kernels::conv2d(
            x,
            params.get(self.weight),
            Some(params.get(self.bias)),
            self.shape.stride,
            self.shape.padding,
            self.activation.fused(),
        );
        params.observe(&self.name, self.activation.rest(y))
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let weight = graph.parameter(params, self.weight);
        let bias = graph.parameter(params, self.bias);
        let y = graph.node("Conv", &[x, &weight, &bias], &self.shape.attributes());
        self.activation.emit(graph, &y)
    }
}

/// A transposed convolution with bias and activation.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    name: String,
    weight: Handle<4>,
    bias: Handle<1>,
    shape: ConvShape,
    output_padding: [usize; 2],
    activation: Activation,
}

impl ConvTranspose2d {
    /// Registers the weights `[in, out, k, k]` and bias `[out]`, uniform on +-1/sqrt(out k^2).
    ///
    /// `output_padding` is that of height and width, see [`ConvShape::output_padding`].
    pub fn new(
        builder: &mut Builder,
        name: &str,
        n_in: usize,
        n_out: usize,
        shape: ConvShape,
        output_padding: [usize; 2],
        activation: Activation,
    ) -> Self {
        let side = shape.kernel;
        let bound = Init::Uniform(1.0 / ((n_out * side * side) as f64).sqrt());
        let (name, (weight, bias)) = builder.within(name, |b| {
            (
                b.register("weight", [n_in, n_out, side, side], bound),
                b.register("bias", [n_out], bound),
            )
        });
        Self {
            name,
            weight,
            bias,
            shape,
            output_padding,
            activation,
        }
    }

    /// The output `[B, out, H', W']`.
    pub fn forward(&self, params: &Params, x: Tensor<4>) -> Tensor<4> {
        let [rows, columns] = self.output_padding;
        let padded = rows.max(columns);
        let y = kernels::conv_transpose2d(
            x,
            params.get(self.weight),
            Some(params.get(self.bias)),
            self.shape.stride,
            self.shape.padding,
            padded,
            self.activation.fused(),
        );
        // Output padding only adds rows below and columns on the right: cut what is too much.
        let [_, _, height, width] = y.dims();
        let y = match rows == columns {
            true => y,
            false => {
                y.narrow(2, 0, height - (padded - rows))
                    .narrow(3, 0, width - (padded - columns))
            }
        };
        params.observe(&self.name, self.activation.rest(y))
    }

    /// Adds the layer to a graph.
    pub fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Value {
        let weight = graph.parameter(params, self.weight);
        let bias = graph.parameter(params, self.bias);
        let mut attributes = self.shape.attributes();
        let padding = self.output_padding.map(|side| side as i64).to_vec();
        attributes.push(("output_padding", Attribute::Ints(padding)));
        let y = graph.node("ConvTranspose", &[x, &weight, &bias], &attributes);
        self.activation.emit(graph, &y)
    }
}

#[cfg(test)]
mod tests {
    use super::ConvShape;

    #[test]
    fn transposed_shape_mirrors_the_convolution() {
        for kernel in 1..=5 {
            for stride in 1..=3 {
                for padding in 0..kernel {
                    let shape = ConvShape {
                        kernel,
                        stride,
                        padding,
                    };
                    for n in kernel..20 {
                        let small = shape.output(n).unwrap();
                        let back = (small - 1) * stride + kernel + shape.output_padding(n).unwrap();
                        assert_eq!(back, n + 2 * padding, "{shape:?} on {n}");
                    }
                }
            }
        }
        let shape = ConvShape {
            kernel: 4,
            stride: 2,
            padding: 0,
        };
        assert_eq!(shape.output(3), None);
    }
}

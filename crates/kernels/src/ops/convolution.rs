//! What a convolution and its transpose share as operations of burn: the forward and the backward pass of
//! a layer, in one direction or the other between the big and the small images of [`super::patches`].

use super::activation::{self, Activation, Finish};
use super::bias::Bias;
use super::image::{self, Size};
use super::patches::{self, Geometry, Wanted};
use crate::dense;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Shape;

/// Which way a layer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From big images to small ones: a convolution.
    Down,
    /// From small images to big ones: a transposed convolution.
    Up,
}

/// A convolution or its transpose, with activation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) direction: Direction,
    pub(super) geometry: Geometry,
    pub(super) activation: Activation,
}

impl Layer {
    /// The layer without gradients.
    pub(super) fn run(&self, x: FlexTensor, weight: FlexTensor, bias: Bias<Flex>) -> FlexTensor {
        self.forward(&image::channels_last(x), weight, bias.into_tensor())
    }

    /// The layer in a graph of gradients.
    pub(super) fn run_tracked<C: CheckpointStrategy>(
        self,
        x: FloatTensor<Autodiff<Flex, C>>,
        weight: FloatTensor<Autodiff<Flex, C>>,
        bias: Bias<Autodiff<Flex, C>>,
    ) -> FloatTensor<Autodiff<Flex, C>> {
        let (bias, bias_node) = bias.into_parts();
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let x = image::channels_last(x);
        let y = self.forward(&x, weight.clone(), bias);
        match ConvolutionBackward
            .prepare::<C>([x_node, weight_node, bias_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(prep) => prep.finish(y),
            OpsKind::Tracked(prep) => {
                let output = (self.activation == Activation::Relu).then(|| y.clone());
                let state = State {
                    layer: self,
                    x,
                    weight,
                    output,
                };
                prep.finish(state, y)
            }
        }
    }

    fn input(&self) -> Size {
        match self.direction {
            Direction::Down => self.geometry.big,
            Direction::Up => self.geometry.small,
        }
    }

    fn output(&self) -> Size {
        match self.direction {
            Direction::Down => self.geometry.small,
            Direction::Up => self.geometry.big,
        }
    }

    /// `x` has its channels last.
    fn forward(&self, x: &FlexTensor, weight: FlexTensor, bias: Option<FlexTensor>) -> FlexTensor {
        let size = self.output();
        let what = match self.direction {
            Direction::Down => "conv2d: bias",
            Direction::Up => "conv_transpose2d: bias",
        };
        let bias = bias.map(|bias| {
            dense::expect_shape(what, &bias, &[size.channels]);
            dense::packed(bias)
        });
        let bias = bias.as_ref().map(dense::values);
        let finish = Finish::new(bias, size.channels, self.activation);
        let weight = patches::weight_rows(weight);
        let (geometry, x) = (&self.geometry, image::values(x));
        let y = match self.direction {
            Direction::Down => patches::small_from_big(geometry, x, &weight, &finish),
            Direction::Up => patches::big_from_small(geometry, x, &weight, &finish),
        };
        image::tensor(y, size)
    }
}

#[derive(Debug)]
struct ConvolutionBackward;

/// What backward needs, the images with channels last; the output only for ReLU.
#[derive(Clone, Debug)]
struct State {
    layer: Layer,
    x: FlexTensor,
    weight: FlexTensor,
    output: Option<FlexTensor>,
}

impl Backward<Flex, 3> for ConvolutionBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [x_node, weight_node, bias_node] = ops.parents;
        let State {
            layer,
            x,
            weight,
            output,
        } = ops.state;
        let g = image::channels_last(grads.consume::<Flex>(&ops.node));
        let pixels = Shape::from([layer.output().n_pixels(), layer.output().channels]);
        let rows = |tensor: FlexTensor| tensor.with_layout(Layout::contiguous(pixels.clone()));
        let (g, bias_grad) = activation::backward(rows(g), output.map(rows), bias_node.is_some());
        let (x, g) = (image::values(&x), dense::values(&g));
        let (big, small, own) = match layer.direction {
            Direction::Down => (x, g, Wanted::Big),
            Direction::Up => (g, x, Wanted::Small),
        };
        let wanted = if x_node.is_some() {
            own
        } else {
            Wanted::Neither
        };
        let (x_grad, weight_grad) = patches::backward(
            &layer.geometry,
            big,
            small,
            &patches::weight_rows(weight),
            wanted,
            weight_node.is_some(),
        );
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, image::tensor(x_grad, layer.input()));
        }
        if let (Some(node), Some(weight_grad)) = (weight_node, weight_grad) {
            grads.register::<Flex>(node.id, weight_grad);
        }
        if let (Some(node), Some(bias_grad)) = (bias_node, bias_grad) {
            grads.register::<Flex>(node.id, bias_grad);
        }
    }
}

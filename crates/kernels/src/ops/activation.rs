//! Activations that the layers apply in the same pass as the bias.

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;

/// What a fused layer applies to its output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The value itself.
    #[default]
    Identity,
    /// max(0, value); the gradient at zero is zero.
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

//! The optional bias of a layer, as an argument that crosses burn's dispatch.

use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::ops::NodeGuard;
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchTensor, ExtensionType, Flex,
};

/// A bias tensor, or none.
#[derive(ExtensionType)]
pub(crate) enum Bias<B: Backend> {
    /// Add this, one value per output.
    Of(FloatTensor<B>),
    /// Add nothing.
    Absent,
}

impl From<Option<DispatchTensor>> for Bias<Dispatch> {
    fn from(bias: Option<DispatchTensor>) -> Self {
        bias.map_or(Self::Absent, Self::Of)
    }
}

impl<B: Backend> Bias<B> {
    pub(crate) fn into_tensor(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Of(bias) => Some(bias),
            Self::Absent => None,
        }
    }
}

impl<C: CheckpointStrategy> Bias<Autodiff<Flex, C>> {
    /// The values and the node; an absent bias gets a node that wants no gradient.
    pub(crate) fn into_parts(self) -> (Option<FlexTensor>, NodeGuard) {
        match self {
            Self::Of(bias) => {
                let (bias, node) = bias.into_parts();
                (Some(bias), node)
            }
            Self::Absent => {
                let nothing = crate::dense::tensor(Vec::new(), [0]);
                (None, Autodiff::<Flex, C>::from_inner(nothing).node())
            }
        }
    }
}

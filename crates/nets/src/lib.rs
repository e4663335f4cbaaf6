//! Network blocks on burn, one per file.
//!
//! A block is built once by a [`Builder`], which draws its initial weights from a labelled stream and
//! registers them by name in [`Params`]; its `forward` is then a pure function of the parameters and
//! the input. So a moving average, a snapshot to roll back to, and a copy without gradients are simply
//! other [`Params`] for the same network.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use jensen_nets::{Activation, Builder, Linear};
//! use jensen_rng::Stream;
//!
//! let device = Device::flex();
//! let mut builder = Builder::new(Stream::from_seed(1), &device);
//! let layer = Linear::new(&mut builder, "fc1", 3, 2, Activation::Relu);
//! let params = builder.finish();
//! let y = layer.forward(&params, Tensor::zeros([5, 3], &device));
//! assert_eq!(y.dims(), [5, 2]);
//! ```

mod activation;
mod attention;
mod bottleneck;
mod conv;
mod embedding;
mod graph;
mod layer_norm;
mod linear;
mod map_attention;
mod masked_conv;
mod masked_linear;
mod mlp;
mod norm;
mod params;
mod protobuf;
mod resample;
mod residual;
mod resnet_block;
mod time_embedding;
mod transformer;
mod unet;

pub use activation::Activation;
pub use attention::{Attention, Memory};
pub use bottleneck::{Bottleneck, BottleneckShape};
pub use conv::{Conv2d, ConvShape, ConvTranspose2d};
pub use embedding::Embedding;
pub use graph::{Attribute, Graph, Value};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use map_attention::MapAttention;
pub use masked_conv::MaskedConv2d;
pub use masked_linear::MaskedLinear;
pub use mlp::Mlp;
pub use norm::{Norm, NormKind};
pub use params::{Builder, Entry, Handle, HostTensor, Init, Observed, Params, ParamsError};
pub use resample::{Double, Halve};
pub use residual::Residual;
pub use resnet_block::ResnetBlock;
pub use time_embedding::TimeEmbedding;
pub use transformer::{Transformer, TransformerShape};
pub use unet::{Unet, UnetShape};

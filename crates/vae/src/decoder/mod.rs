//! Decoders: from latents at their ports to the parameters of the likelihood.

pub mod conv;
pub mod mlp;
pub mod none;
pub mod resnet;
pub mod vit;

use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_nets::{Builder, Graph, Params, Value};
use toml::Table;

/// Where latents enter and what comes out.
pub struct DecoderSite {
    /// Layout of the data.
    pub layout: Layout,
    /// Numbers per data value that the likelihood takes.
    pub n_params: usize,
    /// What enters, `bottom` first; latents at one port are joined.
    pub inputs: Vec<Input>,
}

/// The latents that enter at a port.
pub struct Input {
    /// The port.
    pub port: String,
    /// Total dimension.
    pub dim: usize,
    /// `[channels, height, width]` where all of them are maps of one size; their channels are joined.
    pub map: Option<[usize; 3]>,
}

/// A network from latents to likelihood parameters.
pub trait Decoder: Send + Sync {
    /// Outputs `[R, n P]` in planes from one joined latent `[R, d]` per port of the site.
    fn forward(&self, params: &Params, latents: &[Tensor<2>]) -> Tensor<2>;

    /// Adds the network to a graph, as [`Decoder::forward`] computes it; `None` where it has no form there.
    fn emit(&self, _params: &Params, _graph: &mut Graph, _latents: &[Value]) -> Option<Value> {
        None
    }
}

/// Builds a decoder for its site.
pub type Build = fn(&Table, &DecoderSite, &mut Builder) -> Result<Box<dyn Decoder>, RecipeError>;

/// The known decoders.
pub const CATALOGUE: &[Entry<Build>] = &[
    conv::ENTRY,
    mlp::ENTRY,
    none::ENTRY,
    resnet::ENTRY,
    vit::ENTRY,
];

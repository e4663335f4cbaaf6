//! Decoders: from latents at their ports to the parameters of the likelihood.
//!
//! A plain decoder takes all latents at once. One that goes top-down has a state, which a latent sees before it enters:
//! its posterior reads the state beside the features of the encoder, and its prior may depend on it.

pub mod conv;
pub mod mlp;
pub mod none;
pub mod resnet;
pub mod top_down;
pub mod vit;

use crate::encoder::Port;
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
    /// What enters, `bottom` first; latents at one port are joined, or follow each other where a decoder goes top-down.
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

    /// The way from latent to latent, where each sees what came of those before.
    fn top_down(&self) -> Option<&dyn TopDown> {
        None
    }
}

/// A decoder with a state `[R, F]` that changes from latent to latent; `F` is that of the port, see [`Kind::contexts`].
pub trait TopDown {
    /// The state that the first latent sees.
    fn start(&self, params: &Params, n_rows: usize) -> Tensor<2>;

    /// The state after this input of the site, as the next one sees it.
    fn enter(&self, params: &Params, input: usize, state: Tensor<2>, z: Tensor<2>) -> Tensor<2>;

    /// Outputs `[R, n P]` from the state after the last input.
    fn finish(&self, params: &Params, state: Tensor<2>) -> Tensor<2>;
}

/// What the catalogue keeps of a kind of decoder.
pub struct Kind {
    /// The states that latents see, by the encoder's port, for its options; none where a decoder does not go top-down.
    pub contexts: fn(&Table, Layout) -> Result<Vec<Port>, RecipeError>,
    /// Builds it.
    pub build: Build,
}

impl Kind {
    /// A decoder that takes all latents at once.
    const fn plain(build: Build) -> Self {
        Self {
            contexts: |_, _| Ok(Vec::new()),
            build,
        }
    }
}

/// Builds a decoder for its site.
pub type Build = fn(&Table, &DecoderSite, &mut Builder) -> Result<Box<dyn Decoder>, RecipeError>;

/// The known decoders.
pub const CATALOGUE: &[Entry<Kind>] = &[
    conv::ENTRY,
    mlp::ENTRY,
    none::ENTRY,
    resnet::ENTRY,
    top_down::ENTRY,
    vit::ENTRY,
];

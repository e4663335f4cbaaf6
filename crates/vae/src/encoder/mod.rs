//! Encoders: from data to features at named ports.

pub mod conv;
pub mod mlp;
pub mod none;
pub mod pyramid;
pub mod resnet;
pub mod vit;

use crate::part::Entry;
use crate::recipe::RecipeError;
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_nets::{Builder, Graph, Params, Value};
use toml::Table;

/// A place where a latent can take its features, with their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Name: `bottom` is the last layer, `h1` the first hidden one, and so on.
    pub name: String,
    /// Features per example.
    pub width: usize,
    /// `[channels, height, width]` where the features are those of a map, in this order.
    pub map: Option<[usize; 3]>,
}

impl Port {
    /// Features without places.
    pub(crate) fn vector(name: impl Into<String>, width: usize) -> Self {
        Self {
            name: name.into(),
            width,
            map: None,
        }
    }
}

/// A network from data `[B, P]` to the features of its ports.
pub trait Encoder: Send + Sync {
    /// The ports that this encoder offers.
    fn ports(&self) -> &[Port];

    /// Features `[B, width]` of every port, in the order of [`Encoder::ports`].
    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>>;

    /// Adds the network to a graph, as [`Encoder::forward`] computes it; `None` where it has no form there.
    fn emit(&self, _params: &Params, _graph: &mut Graph, _x: &Value) -> Option<Vec<Value>> {
        None
    }
}

/// Builds an encoder for data of a layout.
pub type Build = fn(&Table, Layout, &mut Builder) -> Result<Box<dyn Encoder>, RecipeError>;

/// The known encoders.
pub const CATALOGUE: &[Entry<Build>] = &[
    conv::ENTRY,
    mlp::ENTRY,
    none::ENTRY,
    pyramid::ENTRY,
    resnet::ENTRY,
    vit::ENTRY,
];

/// The port that every encoder offers.
pub const BOTTOM: &str = "bottom";

/// Reads an activation's name.
pub(crate) fn activation(place: &str, name: &str) -> Result<jensen_nets::Activation, RecipeError> {
    jensen_nets::Activation::from_name(name).ok_or_else(|| {
        let known = jensen_nets::Activation::NAMES.map(|(known, _)| known);
        RecipeError::choice(place, "activation", name, &known)
    })
}

/// Refuses hidden widths of zero.
pub(crate) fn check_widths(place: &str, key: &str, widths: &[usize]) -> Result<(), RecipeError> {
    match widths.contains(&0) {
        true => Err(RecipeError::value(
            place,
            format!("{key} = {widths:?}: a layer of width 0"),
        )),
        false => Ok(()),
    }
}

//! Fully connected encoder: x through hidden layers; every hidden layer is a port.

use super::{BOTTOM, Encoder, Port, activation, check_widths};
use crate::part::{self, Entry};
use burn::tensor::Tensor;
use jensen_nets::{Graph, Mlp, Params, Value};
use serde::{Deserialize, Serialize};

/// Options of the fully connected encoder and of the decoder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Widths of the hidden layers, from the data on (from the latent on in the decoder); empty for a
    /// linear network.
    pub hidden: Vec<usize>,
    /// Nonlinearity after each hidden layer.
    pub activation: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hidden: vec![400],
            activation: "relu".to_owned(),
        }
    }
}

struct MlpEncoder {
    net: Mlp,
    ports: Vec<Port>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "mlp",
    about: "fully connected layers",
    defaults: part::defaults::<Options>,
    build: |table, layout, builder| {
        let options: Options = part::options(table, "encoder")?;
        let activation = activation("encoder", &options.activation)?;
        check_widths("encoder", "hidden", &options.hidden)?;
        let n_values = layout.n_values();
        let net = Mlp::new(builder, n_values, &options.hidden, &[], activation);
        let bottom = Port::vector(BOTTOM, options.hidden.last().copied().unwrap_or(n_values));
        let layers = options.hidden.iter().enumerate();
        let layers = layers.map(|(i, &width)| Port::vector(format!("h{}", i + 1), width));
        let ports = std::iter::once(bottom).chain(layers).collect();
        Ok(Box::new(MlpEncoder { net, ports }))
    },
};

impl Encoder for MlpEncoder {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        let layers = self.net.forward(params, x.clone());
        let bottom = layers.last().cloned().unwrap_or(x);
        std::iter::once(bottom).chain(layers).collect()
    }

    fn emit(&self, params: &Params, graph: &mut Graph, x: &Value) -> Option<Vec<Value>> {
        let layers = self.net.emit_with(params, graph, x, &[]);
        let bottom = layers.last().unwrap_or(x).clone();
        Some(std::iter::once(bottom).chain(layers).collect())
    }
}

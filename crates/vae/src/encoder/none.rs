//! No encoder: the features are the data, with the places of images.

use super::{BOTTOM, Encoder, Port};
use crate::part::{self, Entry};
use burn::tensor::Tensor;
use jensen_data::Layout;
use jensen_nets::Params;
use serde::{Deserialize, Serialize};

/// No encoder has no options.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Options {}

struct NoEncoder {
    ports: [Port; 1],
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "none",
    about: "the data themselves, for a prior in the space of the data",
    defaults: part::defaults::<Options>,
    build: |_, layout, _| {
        let port = match layout {
            Layout::Image {
                channels,
                height,
                width,
            } => Port {
                name: BOTTOM.to_owned(),
                width: layout.n_values(),
                map: Some([channels, height, width]),
            },
            Layout::Vector { len } => Port::vector(BOTTOM, len),
        };
        Ok(Box::new(NoEncoder { ports: [port] }))
    },
};

impl Encoder for NoEncoder {
    fn ports(&self) -> &[Port] {
        &self.ports
    }

    fn forward(&self, _: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
        vec![x]
    }
}

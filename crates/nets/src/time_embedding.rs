//! A vector for a time in [0, 1]: sines and cosines of it, then two layers.
//!
//! e_i = sin(w_i s), cos(w_i s) with s = 1000 t and w_i = 10000^(-i / (F / 2)), as for the positions of a transformer
//! ([vaswani-2017], section 3.5), then fc2(silu(fc1(e))) ([ho-2020], appendix B). Times are known on the host.

use crate::{Activation, Builder, Linear, Params};
use burn::tensor::{Tensor, TensorData};

/// Sines and cosines together.
const N_WAVES: usize = 32;
/// The unit of the waves: a thousandth, as there are a thousand steps in the paper.
const STEPS: f64 = 1000.0;
/// The longest wave is about so many units.
const LONGEST: f64 = 10_000.0;

/// The layers that turn waves into an embedding.
#[derive(Clone, Debug)]
pub struct TimeEmbedding {
    layers: [Linear; 2],
}

impl TimeEmbedding {
    /// Embeddings of `width` numbers.
    pub fn new(builder: &mut Builder, name: &str, width: usize) -> Self {
        let (_, layers) = builder.within(name, |b| {
            [
                Linear::new(b, "fc1", N_WAVES, width, Activation::Silu),
                Linear::new(b, "fc2", width, width, Activation::Identity),
            ]
        });
        Self { layers }
    }

    /// The embeddings `[R, W]` of times in [0, 1].
    pub fn forward(&self, params: &Params, times: &[f64]) -> Tensor<2> {
        let waves: Vec<f32> = times.iter().flat_map(|&time| waves(time)).collect();
        let waves = TensorData::new(waves, [times.len(), N_WAVES]);
        let waves = Tensor::from_data(waves, params.device());
        let layers = self.layers.iter();
        layers.fold(waves, |h, layer| layer.forward(params, h))
    }
}

fn waves(time: f64) -> impl Iterator<Item = f32> {
    let half = N_WAVES / 2;
    (0..N_WAVES).map(move |i| {
        let frequency = LONGEST.powf(-((i % half) as f64) / half as f64);
        let phase = frequency * STEPS * time;
        (if i < half { phase.sin() } else { phase.cos() }) as f32
    })
}

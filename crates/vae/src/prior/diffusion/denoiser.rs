//! The network of a diffusion: what it tells of noisy codes, given the time and, where there is one, a condition.
//!
//! A latent that is a map gets a U-Net, any other some fully connected layers, each of which the embedding of the time
//! enters. The vectors of a condition's words, one table for each position, are added to that of the time.

use crate::condition::Condition;
use crate::prior::PriorSite;
use burn::tensor::Tensor;
use jensen_kernels::{flatten, unflatten};
use jensen_nets::{
    Activation, Builder, Embedding, Linear, Mlp, Params, TimeEmbedding, Unet, UnetShape,
};

/// Standard deviation of the first vectors of words.
const SCALE: f64 = 0.02;

pub(super) struct Denoiser {
    time: TimeEmbedding,
    words: Option<Words>,
    body: Body,
}

/// Vectors of the words of a condition.
struct Words {
    table: Embedding,
    /// Words of a condition and of the vocabulary.
    size: [usize; 2],
}

enum Body {
    Map { unet: Box<Unet>, map: [usize; 3] },
    Vector { layers: Mlp, last: Linear, n: usize },
}

impl Denoiser {
    pub(super) fn new(
        builder: &mut Builder,
        site: &PriorSite,
        widths: &[usize],
        condition: Option<[usize; 2]>,
    ) -> Self {
        let (body, width) = match site.map {
            Some(map) => {
                let width = 2 * widths[0];
                let shape = UnetShape {
                    map,
                    channels: widths.to_vec(),
                    width,
                };
                let unet = Box::new(Unet::new(builder, "unet", &shape));
                (Body::Map { unet, map }, width)
            }
            None => {
                let width = widths[0];
                let extra = vec![width; widths.len()];
                let last = widths[widths.len() - 1];
                let body = Body::Vector {
                    layers: Mlp::new(builder, site.dim, widths, &extra, Activation::Silu),
                    last: Linear::new(builder, "last", last, site.dim, Activation::Identity),
                    n: widths.len(),
                };
                (body, width)
            }
        };
        let words = condition.map(|size| {
            let [len, n_words] = size;
            let n = len * (n_words + 1);
            let table = Embedding::new(builder, "words", n, width, SCALE);
            Words { table, size }
        });
        Self {
            time: TimeEmbedding::new(builder, "time", width),
            words,
            body,
        }
    }

    /// What it tells `[R, d]` of codes `[R, d]` at times in [0, 1].
    pub(super) fn forward(
        &self,
        params: &Params,
        z: Tensor<2>,
        times: &[f64],
        condition: Option<&Condition>,
    ) -> Tensor<2> {
        let mut vectors = self.time.forward(params, times);
        if let Some(words) = &self.words {
            vectors = vectors + words.forward(params, times.len(), condition);
        }
        match &self.body {
            Body::Map { unet, map } => {
                let [channels, height, width] = *map;
                let maps = unflatten(z, channels, height, width);
                flatten(unet.forward(params, maps, vectors))
            }
            Body::Vector { layers, last, n } => {
                let enters = |i: usize| (i < *n).then(|| vectors.clone());
                last.forward(params, layers.forward_with(params, z, enters))
            }
        }
    }
}

impl Words {
    /// The sum of the vectors of each row's words, `[R, W]`.
    fn forward(&self, params: &Params, n_rows: usize, condition: Option<&Condition>) -> Tensor<2> {
        let [len, n_words] = self.size;
        let unsaid = || Condition::unsaid(n_rows, self.size);
        let condition = condition.cloned().unwrap_or_else(unsaid);
        let numbers = condition.upload(|position| position * (n_words + 1), params.device());
        let vectors = (self.table).forward(params, numbers.reshape([n_rows * len]));
        let width = vectors.dims()[1];
        vectors
            .reshape([n_rows, len, width])
            .sum_dim(1)
            .reshape([n_rows, width])
    }
}

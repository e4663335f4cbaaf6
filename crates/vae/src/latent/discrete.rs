//! What discrete latents share: a vector of D numbers at each of n positions, replaced by a code.
//!
//! A map of features has a position a pixel and one linear layer for all of them; features without places are
//! turned into n vectors by one layer. z is `[B, D n]`, the numbers of a position n apart, so that it is a map
//! `[D, height, width]` where the features were one.

use super::{Penalty, Posterior, Seen};
use crate::encoder::Port;
use crate::ledger::to_f32;
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::{Activation, Builder, Graph, Linear, Params, Value};

/// The layer that makes the vectors, and where they stand.
pub(super) struct Positions {
    head: Linear,
    /// Features of a position, where the port is a map.
    channels: Option<usize>,
    map: Option<[usize; 3]>,
    /// How many.
    pub(super) n: usize,
    /// Numbers D of a vector.
    pub(super) width: usize,
}

impl Positions {
    /// `wanted` positions at a port without places; a map brings its own, and then 0 is wanted.
    pub(super) fn new(
        wanted: usize,
        width: usize,
        port: &Port,
        place: &str,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        let (n, channels, n_in, n_out) = match (port.map, wanted) {
            (Some([channels, h, w]), 0) => (h * w, Some(channels), channels, width),
            (Some([_, h, w]), found) => {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "positions = {found}: the port `{}` is a map of {h} x {w}, so leave positions away",
                        port.name
                    ),
                ));
            }
            (None, 0) => {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "positions = 0: the port `{}` has no places, so say how many codes make a z, as in positions = 16",
                        port.name
                    ),
                ));
            }
            (None, n) => (n, None, port.width, n.saturating_mul(width)),
        };
        Ok(Self {
            head: Linear::new(builder, "head", n_in, n_out, Activation::Identity),
            channels,
            map: port.map.map(|[_, h, w]| [width, h, w]),
            n,
            width,
        })
    }

    /// `[D, height, width]` of z at a map.
    pub(super) fn map(&self) -> Option<[usize; 3]> {
        self.map
    }

    /// Numbers of z.
    pub(super) fn dim(&self) -> usize {
        self.n * self.width
    }

    /// Adds the vectors `[B, n, D]` to a graph.
    pub(super) fn emit(&self, params: &Params, graph: &mut Graph, features: &Value) -> Value {
        match self.channels {
            Some(channels) => {
                let map = graph.reshape(features, &[0, channels as i64, -1]);
                let places = graph.transpose(&map, &[0, 2, 1]);
                self.head.emit(params, graph, &places)
            }
            None => {
                let all = self.head.emit(params, graph, features);
                graph.reshape(&all, &[0, self.n as i64, self.width as i64])
            }
        }
    }

    /// The vectors `[B n, D]`, position after position, of features `[B, F]`.
    pub(super) fn vectors(&self, params: &Params, features: Tensor<2>) -> Tensor<2> {
        match self.channels {
            Some(channels) => self.head.forward(params, split(features, channels)),
            None => {
                let batch = features.dims()[0];
                let all = self.head.forward(params, features);
                all.reshape([batch * self.n, self.width])
            }
        }
    }
}

/// `[B, D n]` with the numbers of a position n apart, as `[B n, D]`.
pub(crate) fn split(z: Tensor<2>, width: usize) -> Tensor<2> {
    let [batch, dim] = z.dims();
    let n = dim / width;
    let apart = z.reshape([batch, width, n]).swap_dims(1, 2);
    apart.reshape([batch * n, width])
}

/// The inverse of [`split`] for `n` positions.
pub(crate) fn join(vectors: Tensor<2>, n: usize) -> Tensor<2> {
    let [rows, width] = vectors.dims();
    let by_example = vectors.reshape([rows / n, n, width]).swap_dims(1, 2);
    by_example.reshape([rows / n, n * width])
}

/// The sum of each example over its n rows of `[B n, D]`, `[B]`.
pub(super) fn sum_of_example(rows: Tensor<2>, n: usize) -> Tensor<1> {
    let [count, width] = rows.dims();
    let batch = count / n;
    rows.reshape([batch, n * width]).sum_dim(1).reshape([batch])
}

/// All mass on one code for each of B examples.
pub(super) struct PointMass {
    /// z `[B, D n]`, with the gradient that the latent chose.
    pub(super) z: Tensor<2>,
    /// `[B, n]`.
    pub(super) codes: Tensor<2, Int>,
    /// The vectors before they were replaced, `[B n, D]`, where somebody learns from them.
    pub(super) vectors: Option<Tensor<2>>,
    /// Name, value `[B]` and weight of each penalty.
    pub(super) penalties: Vec<(&'static str, Tensor<1>, f64)>,
}

impl Posterior for PointMass {
    fn mean(&self) -> Tensor<2> {
        self.z.clone()
    }

    fn sample(&self, noise: Tensor<2>) -> Tensor<2> {
        let k = noise.dims()[0] / self.z.dims()[0];
        crate::rows::repeat(self.z.clone(), k)
    }

    /// 0 for the codes that samples are: the probability of each is 1.
    fn log_prob(&self, z: Tensor<2>) -> Tensor<1> {
        Tensor::zeros([z.dims()[0]], &z.device().inner())
    }

    fn detached(&self) -> Box<dyn Posterior> {
        Box::new(Self {
            z: self.z.clone().detach(),
            codes: self.codes.clone(),
            vectors: None,
            penalties: Vec::new(),
        })
    }

    fn codes(&self) -> Option<Tensor<2, Int>> {
        Some(self.codes.clone())
    }

    fn seen(&self) -> Option<Seen> {
        let vectors = to_f32(self.vectors.clone()?);
        Some(Seen {
            vectors,
            codes: to_codes(self.codes.clone()),
        })
    }

    fn penalties(&self) -> Vec<Penalty> {
        let penalty = |(name, value, weight): &(&'static str, Tensor<1>, f64)| Penalty {
            name,
            value: value.clone(),
            weight: *weight,
        };
        self.penalties.iter().map(penalty).collect()
    }
}

/// Codes on the host.
pub(crate) fn to_codes(codes: Tensor<2, Int>) -> Vec<u32> {
    let data = codes.into_data().convert::<i64>();
    let values = data
        .try_into_vec::<i64>()
        .expect("internal error: codes are not whole numbers");
    values.into_iter().map(|code| code as u32).collect()
}

/// exp of the entropy of shares proportional to these counts: how many codes they are worth.
pub(crate) fn perplexity(counts: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let shares = counts
        .iter()
        .filter(|&&count| count > 0.0)
        .map(|count| count / total);
    shares.map(|p| -p * p.ln()).sum::<f64>().exp()
}

//! A normalizing flow of affine couplings: z becomes standard normal u by layers that can be turned back.
//!
//! A layer keeps one half of the coordinates, a, and moves the other: u_b = (z_b - t(a)) exp(-s(a)), with s and t from a
//! network of a; between layers the coordinates change places by a fixed permutation. First of all comes one shift and
//! scale for each coordinate. log p(z) = log N(u; 0, I) - sum of all s, exact; samples run the layers backwards.
//! Source: [dinh-2017], sections 3.2 and 3.5. Cost: a pass of each layer's network, for densities and samples alike.

use super::PriorSite;
use super::normalizing::{Layer, NormalizingFlow, SCALE_BOUND, check};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_nets::{Activation, Builder, Linear, Mlp, Params};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Couplings, at least 1.
    pub layers: usize,
    /// Hidden widths of each coupling's network.
    pub hidden: Vec<usize>,
    /// Steps of training after those of everything else; 0 trains the prior with the network.
    pub steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            layers: 6,
            hidden: vec![64, 64],
            steps: 0,
        }
    }
}

struct Coupling {
    body: Mlp,
    last: Linear,
    /// Where each coordinate comes from before the layer, and where it goes back to.
    order: Vec<usize>,
    back: Vec<usize>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "flow",
    about: "affine couplings, whose density is exact; trained with the network or afterwards",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(flow(table, place, site, builder)?)),
};

fn flow(
    table: &Table,
    place: &str,
    site: &PriorSite,
    builder: &mut Builder,
) -> Result<NormalizingFlow<Coupling>, RecipeError> {
    super::expect_numbers("flow", place, site)?;
    let options: Options = part::options(table, place)?;
    check(options.layers, &options.hidden, place)?;
    let dim = site.dim;
    if dim < 2 {
        return Err(RecipeError::value(
            place,
            "kind = \"flow\" splits the coordinates in two halves, and this latent has one; take kind = \"maf\"",
        ));
    }
    let kept = dim / 2;
    let stream = Stream::from_seed(0).child("flow", dim as u64);
    let layer = |b: &mut Builder, index: usize| {
        let last = options.hidden[options.hidden.len() - 1];
        let order = stream.child("layer", index as u64).permutation(dim);
        let mut back = vec![0; dim];
        for (to, &from) in order.iter().enumerate() {
            back[from] = to;
        }
        Coupling {
            body: Mlp::new(b, kept, &options.hidden, &[], Activation::Silu),
            last: Linear::new(b, "last", last, 2 * (dim - kept), Activation::Identity),
            order,
            back,
        }
    };
    Ok(NormalizingFlow::new(
        builder,
        dim,
        options.layers,
        options.steps,
        layer,
    ))
}

fn permuted(z: Tensor<2>, order: &[usize], device: &Device) -> Tensor<2> {
    let order: Vec<i64> = order.iter().map(|&i| i as i64).collect();
    let order = TensorData::new(order.clone(), [order.len()]);
    z.select(1, Tensor::<1, Int>::from_data(order, device))
}

impl Coupling {
    /// s and t `[R, d_b]` of the half that is kept.
    fn told(&self, params: &Params, kept: Tensor<2>) -> [Tensor<2>; 2] {
        let hidden = self.body.forward(params, kept).pop();
        let hidden = hidden.expect("internal error: a network without layers");
        let both = self.last.forward(params, hidden);
        let n = both.dims()[1] / 2;
        let s = both.clone().narrow(1, 0, n);
        [crate::latent::bounded(s, SCALE_BOUND), both.narrow(1, n, n)]
    }

    fn halves(&self, x: Tensor<2>) -> [Tensor<2>; 2] {
        let dim = self.order.len();
        let n = dim / 2;
        [x.clone().narrow(1, 0, n), x.narrow(1, n, dim - n)]
    }
}

impl Layer for Coupling {
    fn forward(&self, params: &Params, z: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let [kept, moved] = self.halves(permuted(z, &self.order, params.device()));
        let [s, t] = self.told(params, kept.clone());
        let moved = (moved - t) * s.clone().neg().exp();
        (Tensor::cat(vec![kept, moved], 1), rows::sum(s))
    }

    fn inverse(&self, params: &Params, u: Tensor<2>) -> Tensor<2> {
        let [kept, moved] = self.halves(u);
        let [s, t] = self.told(params, kept.clone());
        let moved = moved * s.exp() + t;
        let z = Tensor::cat(vec![kept, moved], 1);
        permuted(z, &self.back, params.device())
    }
}

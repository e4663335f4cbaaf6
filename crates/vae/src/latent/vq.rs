//! Vector quantization: each vector gives way to the nearest of K codes.
//!
//! z = e_k with k = argmin_k |v - e_k|^2. The gradient of the decoder passes to v unchanged (straight through,
//! [oord-2017], section 3.1) or turned and scaled as v was ([fifty-2024], section 3). The commitment
//! w |v - sg(e)|^2 keeps v near its code; with decay 0 codes follow by the gradient of |sg(v) - e|^2, else by moving
//! averages, see `book.rs`. Cosine codes have length one, and so have the vectors ([yu-2022], section 3.2).
//! Cost: B n K D a step.

use super::book::{Book, Cover, LEAST_SQUARE, unit};
use super::discrete::{PointMass, Positions, join, split, sum_of_example};
use super::{CodeBook, Latent, Posterior, Seen};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::{Graph, Params, Value};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of vector quantization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Codes K, at least 2.
    pub codes: usize,
    /// Numbers D of a code, at least 1.
    pub dim: usize,
    /// Codes of a z, at a port without places; 0 at a map, which brings them.
    pub positions: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Factor of the commitment in the loss, at least 0.
    pub commitment: f64,
    /// Decay of the moving averages that codes follow, in [0, 1); 0 trains them by gradients.
    pub decay: f64,
    /// Whether codes and vectors have length one.
    pub cosine: bool,
    /// How the gradient passes a code: `"straight_through"` or `"rotation"`.
    pub gradient: Gradient,
    /// Steps without use after which a code moves to where vectors are; 0 leaves it.
    pub revive_after: usize,
}

/// How the gradient of z becomes one of v.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gradient {
    /// As it is.
    StraightThrough,
    /// Turned back by the rotation from v to its code, and scaled.
    Rotation,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            codes: 256,
            dim: 16,
            positions: 0,
            port: "bottom".to_owned(),
            commitment: 0.25,
            decay: 0.99,
            cosine: false,
            gradient: Gradient::Rotation,
            revive_after: 50,
        }
    }
}

struct Vq {
    positions: Positions,
    options: Options,
    book: Book,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "vq",
    about: "the nearest of a book of codes",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "uniform",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            let cover = Cover {
                codes: options.codes,
                dim: options.dim,
                decay: options.decay,
                cosine: options.cosine,
                revive_after: options.revive_after,
            };
            cover.check(place)?;
            check_commitment(options.commitment, place)?;
            let positions = Positions::new(options.positions, options.dim, port, place, builder)?;
            Ok(Box::new(Vq {
                positions,
                book: Book::new(builder, cover),
                options,
            }))
        },
    },
};

/// Refuses what is no weight of a commitment.
pub(super) fn check_commitment(weight: f64, place: &str) -> Result<(), RecipeError> {
    match weight >= 0.0 && weight.is_finite() {
        true => Ok(()),
        false => Err(RecipeError::value(
            place,
            format!("commitment = {weight}: expected a number of at least 0"),
        )),
    }
}

/// z with the value of `codes` and a gradient that passes to `vectors` by the rotation and scaling of one onto the
/// other, which themselves pass none.
fn rotated(vectors: Tensor<2>, codes: Tensor<2>) -> Tensor<2> {
    let length = |rows: &Tensor<2>| {
        rows.clone()
            .square()
            .sum_dim(1)
            .clamp_min(LEAST_SQUARE)
            .sqrt()
    };
    let v = vectors.clone().detach();
    let scale = length(&codes) / length(&v);
    let (from, to) = (unit(v.clone()), unit(codes.clone()));
    let middle = unit(from.clone() + to.clone());
    // (I - 2 m m^T + 2 t f^T) v.
    let along = |axis: &Tensor<2>| (vectors.clone() * axis.clone()).sum_dim(1);
    let turned = vectors.clone() - middle.clone() * along(&middle) * 2.0 + to * along(&from) * 2.0;
    let z = turned * scale;
    // Rounding must not move z away from its code.
    z.clone() + (codes - z.detach())
}

impl Latent for Vq {
    fn dim(&self) -> usize {
        self.positions.dim()
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.positions.map()
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let n = self.positions.n;
        let mut vectors = self.positions.vectors(params, features);
        if self.options.cosine {
            vectors = unit(vectors);
        }
        let codes = self.book.nearest(params, vectors.clone());
        let chosen = self.book.codes(params).select(0, codes.clone());
        let fixed = chosen.clone().detach();
        let z = match self.options.gradient {
            Gradient::StraightThrough => {
                vectors.clone() + (fixed.clone() - vectors.clone().detach())
            }
            Gradient::Rotation => rotated(vectors.clone(), fixed.clone()),
        };
        let commitment = sum_of_example((vectors.clone() - fixed).square(), n);
        let mut penalties = vec![("commitment", commitment, self.options.commitment)];
        if self.book.wants_gradients() {
            let fixed = vectors.clone().detach();
            penalties.push((
                "codebook",
                sum_of_example((fixed - chosen).square(), n),
                1.0,
            ));
        }
        let batch = vectors.dims()[0] / n;
        Box::new(PointMass {
            z: join(z, n),
            codes: codes.reshape([batch, n]),
            vectors: Some(vectors.detach()),
            penalties,
        })
    }

    fn code_book(&self) -> Option<&dyn CodeBook> {
        Some(self)
    }

    /// z of the nearest codes.
    fn emit(
        &self,
        params: &Params,
        graph: &mut Graph,
        features: &Value,
    ) -> Option<Vec<(&'static str, Value)>> {
        let vectors = self.positions.emit(params, graph, features);
        let chosen = self.book.emit(params, graph, &vectors);
        let apart = graph.transpose(&chosen, &[0, 2, 1]);
        Some(vec![("mean", graph.reshape(&apart, &[0, -1]))])
    }

    fn adapt(&self, params: &mut Params, seen: &Seen, stream: &mut Stream) {
        self.book.adapt(params, &seen.vectors, &seen.codes, stream);
    }
}

impl CodeBook for Vq {
    fn n_positions(&self) -> usize {
        self.positions.n
    }

    fn n_codes(&self) -> usize {
        self.options.codes
    }

    fn embed(&self, params: &Params, codes: Tensor<2, Int>) -> Tensor<2> {
        let [n_rows, n] = codes.dims();
        let book = self.book.codes(params);
        join(book.select(0, codes.reshape([n_rows * n])), n)
    }

    fn codes(&self, params: &Params, z: Tensor<2>) -> Tensor<2, Int> {
        let n_rows = z.dims()[0];
        let vectors = split(z, self.options.dim);
        let codes = self.book.nearest(params, vectors);
        codes.reshape([n_rows, self.positions.n])
    }

    /// `usage`: the share of codes used in the last epoch; `perplexity` of the decayed counts.
    fn measures(&self, params: &Params, steps_per_epoch: u64) -> Vec<(&'static str, f64)> {
        let mut measures = vec![("usage", self.book.usage(params, steps_per_epoch))];
        measures.extend((self.book.perplexity(params)).map(|found| ("perplexity", found)));
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::to_f64;
    use burn::tensor::{Device, TensorData};

    fn rows(values: &[f64], width: usize, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// What the gradient g of z becomes for v: scale R^T g with the reflection-made rotation R of v onto e.
    #[test]
    fn the_rotation_trick_turns_gradients_as_it_turns_vectors() {
        let (v, e, g) = ([0.6, -1.1, 0.4], [1.2, 0.3, -0.9], [0.5, 0.2, -1.0]);
        let device = Device::flex().autodiff();
        let vectors = rows(&v, 3, &device).require_grad();
        let z = rotated(vectors.clone(), rows(&e, 3, &device));
        for (z, e) in to_f64(z.clone()).iter().zip(e) {
            assert!((z - e).abs() < 1e-6, "{z}, {e}");
        }
        let grads = (z * rows(&g, 3, &device)).sum().backward();
        let found = to_f64(vectors.grad(&grads).unwrap());

        let norm = |x: [f64; 3]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let unit = |x: [f64; 3]| x.map(|entry| entry / norm(x));
        let (from, to) = (unit(v), unit(e));
        let middle = unit([0, 1, 2].map(|i| from[i] + to[i]));
        let turn = |i: usize, j: usize| {
            f64::from(i == j) - 2.0 * middle[i] * middle[j] + 2.0 * to[i] * from[j]
        };
        for (j, found) in found.iter().enumerate() {
            let expected: f64 = (0..3).map(|i| turn(i, j) * g[i]).sum::<f64>() * norm(e) / norm(v);
            assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
        }
    }
}

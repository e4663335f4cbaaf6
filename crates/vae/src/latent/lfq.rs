//! Lookup-free quantization: each of D numbers gives way to its sign, without a book of codes.
//!
//! z = sign(v) in {-1, 1}^D, straight through; code sum_i 2^i [z_i = 1]. The penalty
//! w (E[H(q(z|v))] - H(E[q(z|v)])) makes each choice sure and the choices of all vectors even, with
//! q(z_i = 1 | v) = sigmoid(2 v_i), the posterior of a sign under unit Gaussians around -1 and 1. The commitment
//! |v - sg(z)|^2 keeps v near its signs. Source: [yu-2024], section 3.1.
//!
//! Differences from the paper: the entropy of all choices is the sum over the bits, an upper bound that is exact for
//! independent bits and costs D, not 2^D.

use super::discrete::{PointMass, Positions, join, split, sum_of_example};
use super::vq::check_commitment;
use super::{CodeBook, Latent, Posterior};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor, activation};
use jensen_nets::Params;
use serde::{Deserialize, Serialize};

/// Options of lookup-free quantization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Signs D of a vector, 1 to 24; there are 2^D codes.
    pub bits: usize,
    /// Codes of a z, at a port without places; 0 at a map, which brings them.
    pub positions: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
    /// Factor of the commitment in the loss, at least 0.
    pub commitment: f64,
    /// Factor of the entropies in the loss, per position, at least 0.
    pub entropy: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bits: 8,
            positions: 0,
            port: "bottom".to_owned(),
            commitment: 0.25,
            entropy: 0.1,
        }
    }
}

/// More codes cannot be told apart by the numbers that hold them.
const MOST_BITS: usize = 24;
/// Keeps the logarithm of a probability finite.
const LEAST: f64 = 1e-7;

struct Lfq {
    positions: Positions,
    options: Options,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "lfq",
    about: "codes by the signs of a few numbers",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "uniform",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            if !(1..=MOST_BITS).contains(&options.bits) {
                return Err(RecipeError::value(
                    place,
                    format!("bits = {}: expected 1 to {MOST_BITS}", options.bits),
                ));
            }
            check_commitment(options.commitment, place)?;
            if !(options.entropy >= 0.0 && options.entropy.is_finite()) {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "entropy = {}: expected a number of at least 0",
                        options.entropy
                    ),
                ));
            }
            let positions = Positions::new(options.positions, options.bits, port, place, builder)?;
            Ok(Box::new(Lfq { positions, options }))
        },
    },
};

/// -1 or 1, and 1 for zero.
fn signs(vectors: Tensor<2>) -> Tensor<2> {
    vectors.greater_equal_elem(0.0).float() * 2.0 - 1.0
}

/// H(p) in nats of each probability.
fn entropy(p: Tensor<2>) -> Tensor<2> {
    let part = |p: Tensor<2>| p.clone() * p.clamp_min(LEAST).log();
    -(part(p.clone()) + part(1.0 - p))
}

/// The entropy of each vector's choice less that of all choices, `[R, D]` nats.
fn doubt(vectors: Tensor<2>) -> Tensor<2> {
    let p = activation::sigmoid(vectors * 2.0);
    entropy(p.clone()) - entropy(p.mean_dim(0))
}

impl Lfq {
    /// The codes `[R, n]` of signs `[R n, D]`.
    fn number(&self, signs: Tensor<2>) -> Tensor<2, Int> {
        let n_rows = signs.dims()[0] / self.positions.n;
        let bits = signs.inner().greater_equal_elem(0.0).int();
        let places = (0..self.options.bits).map(|i| bits.clone().narrow(1, i, 1) * (1i64 << i));
        let code = places.reduce(|sum, next| sum + next);
        let code = code.expect("internal error: no bits");
        code.reshape([n_rows, self.positions.n])
    }
}

impl Latent for Lfq {
    fn dim(&self) -> usize {
        self.positions.dim()
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.positions.map()
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let n = self.positions.n;
        let vectors = self.positions.vectors(params, features);
        let fixed = signs(vectors.clone().detach());
        let z = vectors.clone() + (fixed.clone() - vectors.clone().detach());
        let commitment = sum_of_example((vectors.clone() - fixed.clone()).square(), n);
        Box::new(PointMass {
            z: join(z, n),
            codes: self.number(fixed),
            vectors: None,
            penalties: vec![
                ("commitment", commitment, self.options.commitment),
                (
                    "entropy",
                    sum_of_example(doubt(vectors), n),
                    self.options.entropy,
                ),
            ],
        })
    }

    fn code_book(&self) -> Option<&dyn CodeBook> {
        Some(self)
    }
}

impl CodeBook for Lfq {
    fn n_positions(&self) -> usize {
        self.positions.n
    }

    fn n_codes(&self) -> usize {
        1 << self.options.bits
    }

    fn embed(&self, _: &Params, codes: Tensor<2, Int>) -> Tensor<2> {
        let [n_rows, n] = codes.dims();
        let mut rest = codes.reshape([n_rows * n, 1]);
        let mut columns = Vec::with_capacity(self.options.bits);
        for _ in 0..self.options.bits {
            let bit = rest.clone().remainder_scalar(2);
            rest = (rest - bit.clone()) / 2;
            columns.push(bit.float() * 2.0 - 1.0);
        }
        join(Tensor::cat(columns, 1), n)
    }

    fn codes(&self, _: &Params, z: Tensor<2>) -> Tensor<2, Int> {
        self.number(split(z, self.options.bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::to_f64;
    use burn::tensor::Device;

    #[test]
    fn sure_and_even_choices_have_the_least_doubt() {
        let device = Device::flex();
        let mean = |rows: [[f32; 2]; 2]| {
            let found = to_f64(doubt(Tensor::from_floats(rows, &device)));
            found.iter().sum::<f64>() / 2.0
        };
        // Both bits sure and half of them 1: 0 - 2 ln 2. All alike: 0 - 0. All in doubt: 2 ln 2 - 2 ln 2.
        let least = -2.0 * std::f64::consts::LN_2;
        assert!((mean([[20.0, -20.0], [-20.0, 20.0]]) - least).abs() < 1e-5);
        assert!(mean([[20.0, 20.0], [20.0, 20.0]]).abs() < 1e-5);
        assert!(mean([[0.0, 0.0], [0.0, 0.0]]).abs() < 1e-5);
        // By hand: p = sigmoid(1), sigmoid(-3), their mean, one bit; the other is always sure.
        let h = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
        let p = [0.731_058_578_6, 0.047_425_873_2];
        let expected = (h(p[0]) + h(p[1])) / 2.0 - h((p[0] + p[1]) / 2.0);
        let found = mean([[0.5, 20.0], [-1.5, 20.0]]);
        assert!((found - expected).abs() < 1e-5, "{found}, {expected}");
    }
}

//! Finite scalar quantization: each of D numbers is rounded to one of L_i levels, without a book of codes.
//!
//! bounded(v) = h tanh(v + s) - o with half width h = (L - 1)(1 + eps) / 2, offset o = 1/2 for even L (else 0) and
//! shift s = atanh(o / h), so that v = 0 stays in the middle; z = round(bounded) / floor(L / 2), in [-1, 1]. The
//! gradient passes the rounding unchanged. A code is the number sum_i level_i prod_{j<i} L_j.
//! Source: [mentzer-2024], section 3 and appendix A.

use super::discrete::{PointMass, Positions, join, split};
use super::{CodeBook, Latent, Posterior};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use jensen_nets::Params;
use serde::{Deserialize, Serialize};

/// Options of finite scalar quantization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Levels of each number of a vector, each at least 2; their product is the number of codes.
    pub levels: Vec<usize>,
    /// Codes of a z, at a port without places; 0 at a map, which brings them.
    pub positions: usize,
    /// Where the features come from: `bottom` (the encoder's last layer) or a layer such as `h1`.
    pub port: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            levels: vec![8, 6, 5],
            positions: 0,
            port: "bottom".to_owned(),
        }
    }
}

/// Keeps the outermost levels within reach of the hyperbolic tangent.
const REACH: f64 = 1e-3;
/// More codes cannot be told apart by the numbers that hold them.
const MOST_CODES: usize = 1 << 24;

struct Fsq {
    positions: Positions,
    levels: Vec<usize>,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "fsq",
    about: "codes by rounding each number to a few levels",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "uniform",
        build: |table, place, port, builder| {
            let Options {
                levels, positions, ..
            } = part::options(table, place)?;
            if levels.is_empty() || levels.iter().any(|&level| level < 2) {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "levels = {levels:?}: expected at least one number of levels, each at least 2"
                    ),
                ));
            }
            let n_codes = levels
                .iter()
                .try_fold(1usize, |n, &level| n.checked_mul(level));
            if n_codes.is_none_or(|n| n > MOST_CODES) {
                return Err(RecipeError::value(
                    place,
                    format!(
                        "levels = {levels:?}: their product is above the {MOST_CODES} codes that can be numbered"
                    ),
                ));
            }
            let positions = Positions::new(positions, levels.len(), port, place, builder)?;
            Ok(Box::new(Fsq { positions, levels }))
        },
    },
};

impl Fsq {
    /// One number for each entry of a vector, `[1, D]`.
    fn row(&self, of: impl Fn(f64) -> f64, device: &Device) -> Tensor<2> {
        let row: Vec<f32> = self
            .levels
            .iter()
            .map(|&level| of(level as f64) as f32)
            .collect();
        Tensor::from_data(TensorData::new(row, [1, self.levels.len()]), device)
    }

    /// Whole numbers from -floor(L / 2) on, as numbers `[R, D]`.
    fn round(&self, vectors: Tensor<2>) -> Tensor<2> {
        let device = vectors.device().inner();
        let half = |level: f64| (level - 1.0) * (1.0 + REACH) / 2.0;
        let offset = |level: f64| if level % 2.0 == 0.0 { 0.5 } else { 0.0 };
        let shift = self.row(|level| (offset(level) / half(level)).atanh(), &device);
        let bounded =
            (vectors + shift).tanh() * self.row(half, &device) - self.row(offset, &device);
        let rounded = bounded.clone().detach().round();
        // The value of the one, the gradient of the other.
        bounded.clone() + (rounded - bounded.detach())
    }

    /// The codes `[R, n]` of whole numbers `[R n, D]`.
    fn number(&self, whole: Tensor<2>) -> Tensor<2, Int> {
        let device = whole.device().inner();
        let mut place = 1.0;
        let places: Vec<f32> = (self.levels.iter())
            .map(|&level| {
                let here = place;
                place *= level as f64;
                here as f32
            })
            .collect();
        let places =
            Tensor::<2>::from_data(TensorData::new(places, [1, self.levels.len()]), &device);
        let level = whole.inner().round() + self.row(|level| (level / 2.0).floor(), &device);
        let code = (level * places).sum_dim(1);
        let n_rows = code.dims()[0] / self.positions.n;
        code.round().int().reshape([n_rows, self.positions.n])
    }
}

impl Latent for Fsq {
    fn dim(&self) -> usize {
        self.positions.dim()
    }

    fn map(&self) -> Option<[usize; 3]> {
        self.positions.map()
    }

    fn posterior(&self, params: &Params, features: Tensor<2>) -> Box<dyn Posterior> {
        let whole = self.round(self.positions.vectors(params, features));
        let widths = self.row(|level| (level / 2.0).floor(), &whole.device().inner());
        Box::new(PointMass {
            codes: self.number(whole.clone()),
            z: join(whole / widths, self.positions.n),
            vectors: None,
            penalties: Vec::new(),
        })
    }

    fn code_book(&self) -> Option<&dyn CodeBook> {
        Some(self)
    }
}

impl CodeBook for Fsq {
    fn n_positions(&self) -> usize {
        self.positions.n
    }

    fn n_codes(&self) -> usize {
        self.levels.iter().product()
    }

    fn embed(&self, _: &Params, codes: Tensor<2, Int>) -> Tensor<2> {
        let [n_rows, n] = codes.dims();
        let mut rest = codes.reshape([n_rows * n, 1]);
        let mut columns = Vec::with_capacity(self.levels.len());
        for &level in &self.levels {
            let here = rest.clone().remainder_scalar(level as i64);
            rest = (rest - here.clone()) / level as i64;
            let half = level / 2;
            columns.push((here.float() - half as f64) * (1.0 / half as f64));
        }
        join(Tensor::cat(columns, 1), n)
    }

    fn codes(&self, _: &Params, z: Tensor<2>) -> Tensor<2, Int> {
        let vectors = split(z, self.levels.len());
        let device = vectors.device().inner();
        let whole = vectors * self.row(|level| (level / 2.0).floor(), &device);
        let low = self.row(|level| -(level / 2.0).floor(), &device);
        let high = self.row(|level| ((level - 1.0) / 2.0).floor(), &device);
        self.number(whole.round().max_pair(low).min_pair(high))
    }
}

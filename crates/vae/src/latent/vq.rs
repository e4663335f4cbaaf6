//! Vector quantization: each vector gives way to the nearest of K codes.
//!
//! z = e_k with k = argmin_k |v - e_k|^2. The gradient of the decoder passes to v unchanged (straight through,
//! [oord-2017], section 3.1) or turned and scaled as v was ([fifty-2024], section 3). The commitment
//! w |v - sg(e)|^2 keeps v near its code. Codes follow the vectors that chose them: by moving averages with a
//! decay, counts smoothed ([oord-2017], appendix A.1), or, with decay 0, by the gradient of |sg(v) - e|^2.
//! The first batch places the codes by k-means; a code that was unused for `revive_after` steps moves to a vector
//! of the batch, with its averages ([zeghidour-2021], section III-C). Cosine codes have length one, and so have
//! the vectors ([yu-2022], section 3.2). Cost: B n K D a step.

use super::discrete::{PointMass, Positions, join, split, sum_of_example};
use super::{CodeBook, Latent, Posterior, Seen};
use crate::ledger::to_f64;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::{Handle, Init, Params};
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

/// Added to every count, so that an unused code has an average.
const SMOOTHING: f64 = 1e-5;
/// Rounds of k-means on the first batch.
const N_ROUNDS: usize = 8;
/// The least squared length that is divided by.
const LEAST_SQUARE: f64 = 1e-12;

struct Vq {
    positions: Positions,
    options: Options,
    /// `[K, D]`.
    book: Handle<2>,
    /// Moving averages: how many vectors chose a code `[K]`, and their sum `[K, D]`.
    averages: Option<(Handle<1>, Handle<2>)>,
    /// Steps since a code was used, `[K]`.
    age: Handle<1>,
    /// 1 once the first batch has placed the codes.
    is_placed: Handle<1>,
}

pub(super) const ENTRY: Entry<super::Kind> = Entry {
    kind: "vq",
    about: "the nearest of a book of codes",
    defaults: part::defaults::<Options>,
    build: super::Kind {
        prior: "uniform",
        build: |table, place, port, builder| {
            let options: Options = part::options(table, place)?;
            check(&options, place)?;
            let (k, d) = (options.codes, options.dim);
            let positions = Positions::new(options.positions, d, port, place, builder)?;
            let spread = Init::Normal(1.0 / (d as f64).sqrt());
            let zero = Init::Constant(0.0);
            let follows = options.decay > 0.0;
            Ok(Box::new(Vq {
                positions,
                book: match follows {
                    true => builder.register_fixed("book", [k, d], spread),
                    false => builder.register("book", [k, d], spread),
                },
                averages: follows.then(|| {
                    let counts = builder.register_fixed("counts", [k], zero);
                    (counts, builder.register_fixed("sums", [k, d], zero))
                }),
                age: builder.register_fixed("age", [k], zero),
                is_placed: builder.register_fixed("is_placed", [1], zero),
                options,
            }))
        },
    },
};

fn check(options: &Options, place: &str) -> Result<(), RecipeError> {
    let refuse = |message: String| Err(RecipeError::value(place, message));
    if options.codes < 2 {
        return refuse(format!("codes = {}: expected at least 2", options.codes));
    }
    if options.dim == 0 {
        return refuse("dim = 0: a code needs a number".to_owned());
    }
    if !(options.commitment >= 0.0 && options.commitment.is_finite()) {
        return refuse(format!(
            "commitment = {}: expected a number of at least 0",
            options.commitment
        ));
    }
    if !(0.0..1.0).contains(&options.decay) {
        return refuse(format!("decay = {} is not in [0, 1)", options.decay));
    }
    if options.cosine && options.dim == 1 {
        return refuse(
            "cosine codes of one number are 1 or -1; expected dim of at least 2".to_owned(),
        );
    }
    Ok(())
}

/// Rows of length one.
fn unit(rows: Tensor<2>) -> Tensor<2> {
    let square = rows.clone().square().sum_dim(1).clamp_min(LEAST_SQUARE);
    rows / square.sqrt()
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

impl Vq {
    /// The codes in use `[K, D]`.
    fn book(&self, params: &Params) -> Tensor<2> {
        let book = params.get(self.book);
        match self.options.cosine {
            true => unit(book),
            false => book,
        }
    }

    /// The nearest code of every vector, `[R]`.
    fn nearest(&self, params: &Params, vectors: Tensor<2>) -> Tensor<1, Int> {
        let book = self.book(params).inner();
        let square = book.clone().square().sum_dim(1).transpose();
        let distance = square - vectors.inner().matmul(book.transpose()) * 2.0;
        let n_rows = distance.dims()[0];
        distance.argmin(1).reshape([n_rows])
    }
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
        let codes = self.nearest(params, vectors.clone());
        let chosen = self.book(params).select(0, codes.clone());
        let fixed = chosen.clone().detach();
        let z = match self.options.gradient {
            Gradient::StraightThrough => {
                vectors.clone() + (fixed.clone() - vectors.clone().detach())
            }
            Gradient::Rotation => rotated(vectors.clone(), fixed.clone()),
        };
        let commitment = sum_of_example((vectors.clone() - fixed).square(), n);
        let mut penalties = vec![("commitment", commitment, self.options.commitment)];
        if self.averages.is_none() {
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

    fn adapt(&self, params: &mut Params, seen: &Seen, stream: &mut Stream) {
        let (k, d) = (self.options.codes, self.options.dim);
        let vectors: Vec<f64> = seen.vectors.iter().map(|&v| f64::from(v)).collect();
        let mut state = State {
            width: d,
            book: to_f64(params.get(self.book)),
            averages: self
                .averages
                .map(|(counts, sums)| (to_f64(params.get(counts)), to_f64(params.get(sums)))),
            age: to_f64(params.get(self.age)),
        };
        if params.get(self.is_placed).into_scalar::<f32>() == 0.0 {
            let codes = state.place(&vectors, stream);
            state.follow(&vectors, &codes, 0.0);
            state.age = vec![0.0; k];
            params.set(self.is_placed, vec![1.0]);
        } else {
            state.follow(&vectors, &seen.codes, self.options.decay);
            state.grow_old(&seen.codes);
            if self.options.revive_after > 0 {
                state.revive(&vectors, self.options.revive_after as f64, stream);
            }
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        if let (Some((counts, sums)), Some((counts_now, sums_now))) =
            (self.averages, state.averages)
        {
            params.set(counts, narrow(counts_now));
            params.set(sums, narrow(sums_now));
        }
        params.set(self.book, narrow(state.book));
        params.set(self.age, narrow(state.age));
    }
}

/// The codes and what is known of their use, on the host.
struct State {
    /// Numbers D of a code.
    width: usize,
    /// Row-major `[K, D]`.
    book: Vec<f64>,
    /// Counts `[K]` and sums `[K, D]` of the vectors that chose a code, decayed.
    averages: Option<(Vec<f64>, Vec<f64>)>,
    /// Steps since a code was used, `[K]`.
    age: Vec<f64>,
}

impl State {
    /// Puts the codes where k-means finds the vectors' centers; the code of each vector.
    fn place(&mut self, vectors: &[f64], stream: &mut Stream) -> Vec<u32> {
        let d = self.width;
        let n = vectors.len() / d;
        let order = stream.permutation(n);
        for (slot, &row) in self.book.chunks_exact_mut(d).zip(order.iter().cycle()) {
            slot.copy_from_slice(&vectors[row * d..][..d]);
        }
        let mut codes = vec![0; n];
        for _ in 0..N_ROUNDS {
            for (code, vector) in codes.iter_mut().zip(vectors.chunks_exact(d)) {
                *code = nearest(&self.book, vector) as u32;
            }
            let (counts, sums) = totals(self.age.len(), vectors, &codes, d);
            for (k, slot) in self.book.chunks_exact_mut(d).enumerate() {
                if counts[k] > 0.0 {
                    slot.iter_mut()
                        .zip(&sums[k * d..])
                        .for_each(|(e, sum)| *e = sum / counts[k]);
                } else {
                    // Two codes on one vector: the second looks for a place of its own.
                    slot.copy_from_slice(&vectors[stream.below(n) * d..][..d]);
                }
            }
        }
        codes
    }

    /// Moves the averages towards these vectors, and the codes to their averages.
    fn follow(&mut self, vectors: &[f64], codes: &[u32], decay: f64) {
        let d = self.width;
        let Some((counts, sums)) = &mut self.averages else {
            return;
        };
        let (new_counts, new_sums) = totals(counts.len(), vectors, codes, d);
        let mix = |old: &mut [f64], new: &[f64]| {
            old.iter_mut()
                .zip(new)
                .for_each(|(old, new)| *old = decay * *old + (1.0 - decay) * new);
        };
        mix(counts, &new_counts);
        mix(sums, &new_sums);
        let total: f64 = counts.iter().sum();
        let k = counts.len() as f64;
        for (i, slot) in self.book.chunks_exact_mut(d).enumerate() {
            let smoothed = (counts[i] + SMOOTHING) / (total + k * SMOOTHING) * total;
            // An average over less than that is of nothing but rounding.
            if counts[i] > SMOOTHING {
                slot.iter_mut()
                    .zip(&sums[i * d..])
                    .for_each(|(e, sum)| *e = sum / smoothed);
            }
        }
    }

    fn grow_old(&mut self, codes: &[u32]) {
        self.age.iter_mut().for_each(|age| *age += 1.0);
        for &code in codes {
            self.age[code as usize] = 0.0;
        }
    }

    /// Moves codes that were unused for too long to vectors of the batch, and their averages with them.
    fn revive(&mut self, vectors: &[f64], limit: f64, stream: &mut Stream) {
        let d = self.width;
        let n = vectors.len() / d;
        for k in 0..self.age.len() {
            if self.age[k] < limit {
                continue;
            }
            let vector = &vectors[stream.below(n) * d..][..d];
            self.book[k * d..][..d].copy_from_slice(vector);
            if let Some((counts, sums)) = &mut self.averages {
                counts[k] = 1.0;
                sums[k * d..][..d].copy_from_slice(vector);
            }
            self.age[k] = 0.0;
        }
    }
}

/// How many vectors chose each of K codes, and their sums, row-major `[K, D]`.
fn totals(k: usize, vectors: &[f64], codes: &[u32], d: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut counts, mut sums) = (vec![0.0; k], vec![0.0; k * d]);
    for (vector, &code) in vectors.chunks_exact(d).zip(codes) {
        let code = code as usize;
        counts[code] += 1.0;
        sums[code * d..][..d]
            .iter_mut()
            .zip(vector)
            .for_each(|(sum, v)| *sum += v);
    }
    (counts, sums)
}

/// The nearest row of a book.
fn nearest(book: &[f64], vector: &[f64]) -> usize {
    let distance =
        |code: &[f64]| -> f64 { code.iter().zip(vector).map(|(e, v)| (e - v).powi(2)).sum() };
    let rows = book.chunks_exact(vector.len()).map(distance).enumerate();
    rows.min_by(|a, b| a.1.total_cmp(&b.1))
        .map_or(0, |(k, _)| k)
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
        join(self.book(params).select(0, codes.reshape([n_rows * n])), n)
    }

    fn codes(&self, params: &Params, z: Tensor<2>) -> Tensor<2, Int> {
        let n_rows = z.dims()[0];
        let vectors = split(z, self.options.dim);
        self.nearest(params, vectors)
            .reshape([n_rows, self.positions.n])
    }

    /// `usage`: the share of codes used in the last epoch; `perplexity` of the decayed counts.
    fn measures(&self, params: &Params, steps_per_epoch: u64) -> Vec<(&'static str, f64)> {
        let age = to_f64(params.get(self.age));
        let used = age
            .iter()
            .filter(|&&age| age < steps_per_epoch as f64)
            .count();
        let mut measures = vec![("usage", used as f64 / age.len() as f64)];
        if let Some((counts, _)) = self.averages {
            let counts = to_f64(params.get(counts));
            measures.push(("perplexity", super::discrete::perplexity(&counts)));
        }
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn state(book: &[f64], width: usize) -> State {
        let k = book.len() / width;
        State {
            width,
            book: book.to_vec(),
            averages: Some((vec![0.0; k], vec![0.0; k * width])),
            age: vec![0.0; k],
        }
    }

    #[test]
    fn codes_follow_the_mean_of_their_vectors() {
        let mut state = state(&[0.0, 10.0, 50.0], 1);
        for _ in 0..200 {
            state.follow(&[1.0, 3.0, 11.0], &[0, 0, 1], 0.9);
        }
        // Smoothing of 1e-5 and what 200 steps leave of the start, 0.9^200.
        for (code, expected) in state.book.iter().zip([2.0, 11.0, 50.0]) {
            assert!((code - expected).abs() < 1e-3, "{code}, {expected}");
        }
        let (counts, _) = state.averages.unwrap();
        assert!(
            (counts[0] - 2.0).abs() < 1e-6 && counts[2] == 0.0,
            "{counts:?}"
        );
    }

    #[test]
    fn the_first_batch_places_the_codes_at_its_centers() {
        let mut stream = Stream::from_seed(4);
        let centers = [-9.0, -3.0, 2.0, 8.0];
        let vectors: Vec<f64> = (0..400)
            .map(|i| centers[i % 4] + 0.1 * stream.normal())
            .collect();
        // Several tries: k-means may join two centers in one.
        let n_found = (0..20)
            .filter(|&seed| {
                let mut state = state(&[0.0; 8], 1);
                state.place(&vectors, &mut Stream::from_seed(seed));
                centers
                    .iter()
                    .all(|center| state.book.iter().any(|code| (code - center).abs() < 0.2))
            })
            .count();
        assert!(n_found >= 15, "{n_found}");
    }

    #[test]
    fn unused_codes_move_to_vectors_with_their_averages() {
        let mut state = state(&[0.0, 100.0], 1);
        for step in 0..5 {
            state.follow(&[1.0, 2.0], &[0, 0], 0.5);
            state.grow_old(&[0, 0]);
            assert_eq!(state.age, [0.0, f64::from(step + 1)]);
            state.revive(&[1.0, 2.0], 5.0, &mut Stream::from_seed(1));
        }
        assert!([1.0, 2.0].contains(&state.book[1]));
        assert_eq!(state.age[1], 0.0);
        let (counts, sums) = state.averages.clone().unwrap();
        assert_eq!((counts[1], sums[1]), (1.0, state.book[1]));
        // Once used, it stays near its vectors: the old averages are gone.
        state.follow(&[2.0], &[1], 0.5);
        // Smoothing of two counts moves an average by less than this share.
        let smoothed = 2.0 * SMOOTHING;
        let near = 1.0 - smoothed..=2.0 * (1.0 + smoothed);
        assert!(near.contains(&state.book[1]), "{}", state.book[1]);
    }
}

//! A book of K codes of D numbers, and how it follows the vectors that choose from it.
//!
//! Codes follow by moving averages with a decay, counts smoothed ([oord-2017], appendix A.1), or, with decay 0, by the
//! gradient of what the latent adds to the loss. The first batch places the codes by k-means; a code that was unused
//! for `revive_after` steps moves to a vector of the batch, with its averages ([zeghidour-2021], section III-C).

use crate::ledger::to_f64;
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor};
use jensen_nets::{Attribute, Builder, Graph, Handle, Init, Params, Value};
use jensen_rng::Stream;

/// Added to every count, so that an unused code has an average.
const SMOOTHING: f64 = 1e-5;
/// Rounds of k-means on the first batch.
const N_ROUNDS: usize = 8;
/// The least squared length that is divided by.
pub(super) const LEAST_SQUARE: f64 = 1e-12;

/// What makes a book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cover {
    /// Codes K.
    pub(super) codes: usize,
    /// Numbers D of a code.
    pub(super) dim: usize,
    /// Decay of the moving averages; 0 for gradients.
    pub(super) decay: f64,
    /// Whether codes have length one.
    pub(super) cosine: bool,
    /// Steps without use after which a code moves; 0 for never.
    pub(super) revive_after: usize,
}

impl Cover {
    pub(super) fn check(&self, place: &str) -> Result<(), RecipeError> {
        let refuse = |message: String| Err(RecipeError::value(place, message));
        if self.codes < 2 {
            return refuse(format!("codes = {}: expected at least 2", self.codes));
        }
        if self.dim == 0 {
            return refuse("dim = 0: a code needs a number".to_owned());
        }
        if !(0.0..1.0).contains(&self.decay) {
            return refuse(format!("decay = {} is not in [0, 1)", self.decay));
        }
        if self.cosine && self.dim == 1 {
            return refuse(
                "cosine codes of one number are 1 or -1; expected dim of at least 2".to_owned(),
            );
        }
        Ok(())
    }
}

/// Codes among the parameters of a model.
pub(super) struct Book {
    cover: Cover,
    /// `[K, D]`.
    codes: Handle<2>,
    /// Moving averages: how many vectors chose a code `[K]`, and their sum `[K, D]`.
    averages: Option<(Handle<1>, Handle<2>)>,
    /// Steps since a code was used, `[K]`.
    age: Handle<1>,
    /// 1 once the first batch has placed the codes.
    is_placed: Handle<1>,
}

impl Book {
    pub(super) fn new(builder: &mut Builder, cover: Cover) -> Self {
        let (k, d) = (cover.codes, cover.dim);
        let spread = Init::Normal(1.0 / (d as f64).sqrt());
        let zero = Init::Constant(0.0);
        let follows = cover.decay > 0.0;
        Self {
            codes: match follows {
                true => builder.register_fixed("book", [k, d], spread),
                false => builder.register("book", [k, d], spread),
            },
            averages: follows.then(|| {
                let counts = builder.register_fixed("counts", [k], zero);
                (counts, builder.register_fixed("sums", [k, d], zero))
            }),
            age: builder.register_fixed("age", [k], zero),
            is_placed: builder.register_fixed("is_placed", [1], zero),
            cover,
        }
    }

    /// Whether codes are trained by gradients.
    pub(super) fn wants_gradients(&self) -> bool {
        self.averages.is_none()
    }

    /// The codes in use `[K, D]`.
    pub(super) fn codes(&self, params: &Params) -> Tensor<2> {
        let codes = params.get(self.codes);
        match self.cover.cosine {
            true => unit(codes),
            false => codes,
        }
    }

    /// The nearest code of every vector `[R, D]`, `[R]`.
    pub(super) fn nearest(&self, params: &Params, vectors: Tensor<2>) -> Tensor<1, Int> {
        let book = self.codes(params).inner();
        let square = book.clone().square().sum_dim(1).transpose();
        let distance = square - vectors.inner().matmul(book.transpose()) * 2.0;
        let n_rows = distance.dims()[0];
        distance.argmin(1).reshape([n_rows])
    }

    /// Adds the nearest codes' vectors `[B, n, D]` to a graph.
    pub(super) fn emit(&self, params: &Params, graph: &mut Graph, vectors: &Value) -> Value {
        let last = [("axis", Attribute::Int(-1))];
        let mut book = graph.parameter(params, self.codes);
        let mut vectors = vectors.clone();
        if self.cover.cosine {
            book = graph.node("LpNormalization", &[&book], &last);
            vectors = graph.node("LpNormalization", &[&vectors], &last);
        }
        // |e|^2 - 2 v e
        let square = graph.node("Mul", &[&book, &book], &[]);
        let ones = graph.numbers(&[self.cover.dim, 1], &vec![1.0; self.cover.dim]);
        let lengths = graph.node("MatMul", &[&square, &ones], &[]);
        let lengths = graph.transpose(&lengths, &[1, 0]);
        let columns = graph.transpose(&book, &[1, 0]);
        let product = graph.node("MatMul", &[&vectors, &columns], &[]);
        let two = graph.numbers(&[], &[2.0]);
        let product = graph.node("Mul", &[&product, &two], &[]);
        let distance = graph.node("Sub", &[&lengths, &product], &[]);
        let options = [("axis", Attribute::Int(2)), ("keepdims", Attribute::Int(0))];
        let codes = graph.node("ArgMin", &[&distance], &options);
        graph.node("Gather", &[&book, &codes], &[("axis", Attribute::Int(0))])
    }

    /// Learns from vectors, row-major `[R, D]`, and the codes `[R]` that replaced them.
    pub(super) fn adapt(
        &self,
        params: &mut Params,
        vectors: &[f32],
        codes: &[u32],
        stream: &mut Stream,
    ) {
        let Cover {
            codes: k,
            dim,
            decay,
            revive_after,
            ..
        } = self.cover;
        let vectors: Vec<f64> = vectors.iter().map(|&v| f64::from(v)).collect();
        let mut state = State {
            width: dim,
            book: to_f64(params.get(self.codes)),
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
            state.follow(&vectors, codes, decay);
            state.grow_old(codes);
            if revive_after > 0 {
                state.revive(&vectors, revive_after as f64, stream);
            }
        }
        let narrow = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        if let (Some((counts, sums)), Some((counts_now, sums_now))) =
            (self.averages, state.averages)
        {
            params.set(counts, narrow(counts_now));
            params.set(sums, narrow(sums_now));
        }
        params.set(self.codes, narrow(state.book));
        params.set(self.age, narrow(state.age));
    }

    /// The share of codes used in the last `n_steps` steps.
    pub(super) fn usage(&self, params: &Params, n_steps: u64) -> f64 {
        let age = to_f64(params.get(self.age));
        let used = age.iter().filter(|&&age| age < n_steps as f64).count();
        used as f64 / age.len() as f64
    }

    /// The perplexity of the decayed counts, where there are some.
    pub(super) fn perplexity(&self, params: &Params) -> Option<f64> {
        let (counts, _) = self.averages?;
        Some(super::discrete::perplexity(&to_f64(params.get(counts))))
    }
}

/// Rows of length one.
pub(super) fn unit(rows: Tensor<2>) -> Tensor<2> {
    let square = rows.clone().square().sum_dim(1).clamp_min(LEAST_SQUARE);
    rows / square.sqrt()
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! What a trained model makes: samples, reconstructions, interpolations, traversals.
//!
//! Results are means of the likelihood unless a draw is asked for, row-major on the host, in the units
//! of the data.

use crate::condition::Condition;
use crate::latent::discrete::to_codes;
use crate::ledger::to_f32;
use crate::metric::Advance;
use crate::model::Model;
use crate::noise;
use burn::tensor::{Tensor, TensorData};
use jensen_nets::Params;
use jensen_rng::Stream;

/// Codes decoded in one pass.
const BATCH: usize = 500;

/// How codes between two codes are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// On the straight line.
    Linear,
    /// On the great circle, with the length changing evenly: stays where a normal prior has its mass.
    Spherical,
}

impl Path {
    /// The name in options and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Spherical => "spherical",
        }
    }
}

/// n samples from the prior, `[n, P]`; with `draw` from the likelihood, else its mean. What is not said of them is drawn
/// as it is said of the training part.
pub fn sample(model: &Model, params: &Params, n: usize, draw: bool, stream: &Stream) -> Vec<f32> {
    let z = model.prior_sample(params, n, stream);
    decode(model, params, &z, draw, stream)
}

/// A sample of the prior for each row of a condition, `[n, P]`; with `draw` from the likelihood, else its mean.
pub fn sample_given(
    model: &Model,
    params: &Params,
    condition: &Condition,
    draw: bool,
    stream: &Stream,
) -> Vec<f32> {
    let n = condition.n_rows();
    let z = model.prior_sample_given(params, n, Some(condition), stream);
    decode(model, params, &z, draw, stream)
}

/// The data of codes, `[n, P]`; one z `[n, d]` per latent.
pub fn decode(
    model: &Model,
    params: &Params,
    z: &[Tensor<2>],
    draw: bool,
    stream: &Stream,
) -> Vec<f32> {
    let outputs = model.decode(params, z);
    let likelihood = model.likelihood();
    to_f32(match draw {
        true => likelihood.sample(params, outputs, &mut stream.child("likelihood", 0)),
        false => likelihood.mean(params, outputs),
    })
}

/// Reconstructions through the posterior mean of x `[n, P]`.
pub fn reconstruct(model: &Model, params: &Params, x: Tensor<2>) -> Vec<f32> {
    let z = means(model, params, x);
    to_f32(model.likelihood().mean(params, model.decode(params, &z)))
}

/// The posterior means of every latent, each `[n, d]`.
pub fn means(model: &Model, params: &Params, x: Tensor<2>) -> Vec<Tensor<2>> {
    model
        .posteriors(params, x)
        .iter()
        .map(|q| q.mean())
        .collect()
}

/// The means of n codes on the host, one row-major `[n, d]` list a latent, pass by pass; `None` once
/// `advance` asks for a stop.
fn decode_in_passes(
    model: &Model,
    params: &Params,
    codes: &[Vec<f32>],
    n: usize,
    advance: &mut Advance<'_>,
) -> Option<Vec<f32>> {
    let mut values = Vec::new();
    for start in (0..n).step_by(BATCH) {
        let rows = BATCH.min(n - start);
        let z: Vec<Tensor<2>> = (codes.iter().zip(model.latent_dims()))
            .map(|(code, d)| {
                let part = code[start * d..(start + rows) * d].to_vec();
                noise::upload(part, rows, d, params.device())
            })
            .collect();
        values.extend(to_f32(
            model.likelihood().mean(params, model.decode(params, &z)),
        ));
        if !advance(Some(start + rows)) {
            return None;
        }
    }
    Some(values)
}

/// `steps` images from the first to the second row of each pair of x `[2 m, P]`; row-major
/// `[m, steps, P]`. On the way a discrete z takes the codes that are nearest, because the decoder has seen no others;
/// so places change one after the other. `None` once `advance` asks for a stop.
pub fn interpolate(
    model: &Model,
    params: &Params,
    x: Tensor<2>,
    steps: usize,
    path: Path,
    advance: &mut Advance<'_>,
) -> Option<Vec<f32>> {
    let n_pairs = x.dims()[0] / 2;
    let between = |codes: Tensor<2>| {
        let d = codes.dims()[1];
        let ends = to_f32(codes);
        let mut all = Vec::with_capacity(n_pairs * steps * d);
        for pair in ends.chunks_exact(2 * d) {
            let (from, to) = pair.split_at(d);
            for step in 0..steps {
                let t = step as f64 / (steps.max(2) - 1) as f64;
                all.extend(point(from, to, t, path));
            }
        }
        all
    };
    let n_rows = n_pairs * steps;
    let z: Vec<Vec<f32>> = (means(model, params, x).into_iter())
        .zip(model.code_books())
        .map(|(ends, book)| match book {
            None => between(ends),
            Some(book) => {
                let dim = ends.dims()[1];
                let z = noise::upload(between(ends), n_rows, dim, params.device());
                to_f32(book.embed(params, book.codes(params, z)))
            }
        })
        .collect();
    decode_in_passes(model, params, &z, n_rows, advance)
}

/// The code at t in [0, 1] between two codes.
fn point(from: &[f32], to: &[f32], t: f64, path: Path) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let (a, b) = match path {
        Path::Linear => (1.0 - t, t),
        Path::Spherical => {
            let lengths = (dot(from, from).sqrt(), dot(to, to).sqrt());
            let cosine = dot(from, to) / (lengths.0 * lengths.1);
            let angle = cosine.clamp(-1.0, 1.0).acos();
            // Nearly parallel or opposite directions have no great circle of their own.
            if !(angle > 1e-4 && angle < std::f64::consts::PI - 1e-4) {
                (1.0 - t, t)
            } else {
                let length = (1.0 - t) * lengths.0 + t * lengths.1;
                let weight =
                    |part: f64, own: f64| (part * angle).sin() / angle.sin() * length / own;
                (weight(1.0 - t, lengths.0), weight(t, lengths.1))
            }
        }
    };
    let mix = |(&from, &to): (&f32, &f32)| (a * f64::from(from) + b * f64::from(to)) as f32;
    from.iter().zip(to).map(mix).collect()
}

/// Images while one unit at a time of one latent runs over `values`, the others staying at the code of x `[1, P]`, or
/// in the middle of the priors if there is no x; row-major `[dims, values, P]`. Units are coordinates, or positions, whose values are
/// numbers of codes. `None` once `advance` asks for a stop.
pub fn traverse(
    model: &Model,
    params: &Params,
    x: Option<Tensor<2>>,
    latent: usize,
    dims: &[usize],
    values: &[f64],
    advance: &mut Advance<'_>,
) -> Option<Vec<f32>> {
    let device = params.device();
    let n_rows = dims.len() * values.len();
    let centers: Vec<Tensor<2>> = match x {
        Some(x) => means(model, params, x),
        None => model.prior_middle(params),
    };
    let books = model.code_books();
    let z: Vec<Vec<f32>> = centers
        .into_iter()
        .enumerate()
        .map(|(i, center)| match (i == latent, books[i]) {
            (false, _) => to_f32(center).repeat(n_rows),
            (true, None) => moved(&to_f32(center), dims, values, |value| value as f32),
            (true, Some(book)) => {
                let code = to_codes(book.codes(params, center));
                let codes = moved(&code, dims, values, |value| value.round() as u32);
                let codes: Vec<i64> = codes.into_iter().map(i64::from).collect();
                let shape = [n_rows, book.n_positions()];
                to_f32(book.embed(
                    params,
                    Tensor::from_data(TensorData::new(codes, shape), device),
                ))
            }
        })
        .collect();
    decode_in_passes(model, params, &z, n_rows, advance)
}

/// A row for each of `dims` and `values`: `center` with this entry replaced; row-major.
fn moved<T: Copy>(center: &[T], dims: &[usize], values: &[f64], of: impl Fn(f64) -> T) -> Vec<T> {
    let rows = dims
        .iter()
        .flat_map(|&dim| values.iter().map(move |&value| (dim, value)));
    rows.flat_map(|(dim, value)| {
        let mut row = center.to_vec();
        row[dim] = of(value);
        row
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_meet_their_ends_and_the_sphere_keeps_the_length() {
        let (from, to) = ([3.0f32, 0.0, 0.0], [0.0f32, 3.0, 0.0]);
        for path in [Path::Linear, Path::Spherical] {
            for (t, end) in [(0.0, from), (1.0, to)] {
                let at = point(&from, &to, t, path);
                assert!(at.iter().zip(end).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
        let length = |z: Vec<f32>| z.iter().map(|z| z * z).sum::<f32>().sqrt();
        assert!((length(point(&from, &to, 0.5, Path::Spherical)) - 3.0).abs() < 1e-6);
        assert!(length(point(&from, &to, 0.5, Path::Linear)) < 2.2);
        let opposite = [-3.0f32, 0.0, 0.0];
        assert_eq!(point(&from, &opposite, 0.5, Path::Spherical), [0.0; 3]);
        assert_eq!(point(&from, &from, 0.5, Path::Spherical), from);
    }
}

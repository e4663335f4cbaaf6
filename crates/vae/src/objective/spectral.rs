//! Spectral regularization: the sum over convolutions of the largest singular value of their weights as matrices
//! `[out, in k k]`, of transposed ones `[in, out k k]`.
//!
//! It bounds how much outputs can change with inputs, and so how far the KL of deep hierarchies can jump. A singular
//! value is s = u^T W v with u and v by power iteration from a random start in every step; both are constant for the
//! gradient, u v^T. Few iterations give a little less than s. The weight multiplies the sum, a number without unit, and
//! adds to the loss of every example. Sources: [vahdat-2020], section 3.2 and equation 5; [miyato-2018], algorithm 1
//! (power iteration).
//! Cost: 4 n products for each weight in n iterations, on one thread.

use super::network::{NetworkContext, NetworkTerm};
use super::spread;
use crate::ledger::{Ledger, Role, to_f32};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::schedule::Schedule;
use burn::tensor::{Tensor, TensorData};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Options of the spectral regularization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor of the sum of singular values in the loss, at least 0.
    pub weight: Schedule,
    /// Parts whose convolutions count, by the beginning of the names of their parameters.
    pub parts: Vec<String>,
    /// Power iterations n, at least 1.
    pub iterations: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(0.01),
            parts: ["encoder", "decoder", "latent", "prior"]
                .map(str::to_owned)
                .to_vec(),
            iterations: 4,
        }
    }
}

struct Spectral {
    options: Options,
}

pub(super) const ENTRY: Entry<super::network::Build> = Entry {
    kind: "spectral",
    about: "sum of the largest singular values of convolutions, by power iteration",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let options: Options = part::options(table, place)?;
        if let Some(fault) = options.weight.fault() {
            return Err(RecipeError::value(place, format!("weight: {fault}")));
        }
        if options.iterations == 0 {
            return Err(RecipeError::value(
                place,
                "iterations = 0: expected at least 1",
            ));
        }
        Ok(Box::new(Spectral { options }))
    },
};

impl NetworkTerm for Spectral {
    fn add(&self, context: &NetworkContext<'_>, ledger: &mut Ledger) {
        let Options {
            weight,
            parts,
            iterations,
        } = &self.options;
        let params = context.params;
        let counts = |name: &str| parts.iter().any(|part| name.starts_with(part.as_str()));
        let mut sum = Tensor::zeros([1], params.device());
        for (index, entry) in params.entries().iter().enumerate() {
            let is_convolution = entry.shape.len() == 4 && entry.name.ends_with(".weight");
            if is_convolution && entry.trainable && counts(&entry.name) {
                let mut stream = context.stream.child(&entry.name, 0);
                let rows = entry.shape[0];
                let columns = entry.shape[1..].iter().product();
                let weight = params.at::<4>(index).reshape([rows, columns]);
                sum = sum + largest_singular_value(weight, *iterations, &mut stream);
            }
        }
        let values = spread(sum, context.n_examples);
        let weight = weight.at(context.progress);
        ledger.push("spectral", values, Role::Penalty, weight);
    }
}

/// u^T W v `[1]` for W `[n, m]` after so many power iterations.
fn largest_singular_value(weight: Tensor<2>, iterations: usize, stream: &mut Stream) -> Tensor<1> {
    let [n, m] = weight.dims();
    let host = to_f32(weight.clone());
    let mut v: Vec<f64> = (0..m).map(|_| stream.normal()).collect();
    let mut u = vec![0.0; n];
    for _ in 0..iterations {
        for (u, row) in u.iter_mut().zip(host.chunks_exact(m)) {
            *u = row.iter().zip(&v).map(|(w, v)| f64::from(*w) * v).sum();
        }
        normalize(&mut u);
        v.fill(0.0);
        for (u, row) in u.iter().zip(host.chunks_exact(m)) {
            for (v, w) in v.iter_mut().zip(row) {
                *v += u * f64::from(*w);
            }
        }
        normalize(&mut v);
    }
    let upload = |values: &[f64], shape: [usize; 2]| {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, shape), &weight.device().inner())
    };
    let along = weight.clone().matmul(upload(&v, [m, 1]));
    (along * upload(&u, [n, 1])).sum()
}

/// To length one; zeros stay.
fn normalize(values: &mut [f64]) {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value /= length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::to_f64;
    use burn::tensor::Device;

    /// The largest eigenvalue of W W^T by many more iterations than any start needs, in f64.
    fn by_gram(weight: &[f64], n: usize, m: usize) -> f64 {
        let gram = |i: usize, j: usize| -> f64 {
            (0..m).map(|k| weight[i * m + k] * weight[j * m + k]).sum()
        };
        let mut u = vec![1.0; n];
        let mut length = 0.0f64;
        for _ in 0..5000 {
            let next: Vec<f64> = (0..n)
                .map(|i| (0..n).map(|j| gram(i, j) * u[j]).sum())
                .collect();
            length = next.iter().map(|x| x * x).sum::<f64>().sqrt();
            u = next.iter().map(|x| x / length).collect();
        }
        length.sqrt()
    }

    #[test]
    fn many_iterations_find_the_singular_value_and_its_gradient() {
        let (n, m) = (4, 6);
        let mut stream = Stream::from_seed(1);
        let values: Vec<f64> = (0..n * m).map(|_| stream.normal()).collect();
        let device = Device::flex().autodiff();
        let upload = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [n, m]), &device)
        };
        let weight = upload(&values).require_grad();
        let found = largest_singular_value(weight.clone(), 300, &mut Stream::from_seed(2));
        let expected = by_gram(&values, n, m);
        // f32 weights.
        assert!((to_f64(found.clone())[0] - expected).abs() < 1e-5);
        let gradient = to_f64(weight.grad(&found.backward()).unwrap());
        for (i, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[i] += by;
                by_gram(&values, n, m)
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((found - expected).abs() < 1e-4, "{i}: {found}, {expected}");
        }
        let few = largest_singular_value(weight, 1, &mut Stream::from_seed(2));
        let few = to_f64(few)[0];
        assert!(few > 0.3 * expected && few < expected, "{few}, {expected}");
        let nothing = largest_singular_value(upload(&vec![0.0; n * m]), 3, &mut stream);
        assert_eq!(to_f64(nothing), [0.0]);
    }
}

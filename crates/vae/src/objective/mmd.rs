//! Maximum mean discrepancy between the aggregated posterior and the prior, the penalty of WAE and
//! InfoVAE.
//!
//! Unbiased estimate over a batch of n codes z and n prior draws y:
//! MMD = [sum_{i != j} k(z_i, z_j) + k(y_i, y_j)] / (n (n - 1)) - 2 sum_{i, j} k(z_i, y_j) / n^2.
//! Kernels: inverse multiquadratic, a sum over scales s of C / (C + |a - b|^2) with C = 2 d s, or
//! radial, exp(-|a - b|^2 / d). Sources: [tolstikhin-2018], equation 4 and section 4 (IMQ);
//! [zhao-2019] (InfoVAE, radial). Being unbiased, the estimate can be slightly negative.

use super::{ObjectiveTerm, TermContext, spread};
use crate::draw::LatentDraw;
use crate::ledger::{Ledger, Role, to_f64};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use std::ops::{Add, Mul, Sub};

/// Scales of the inverse multiquadratic kernel, as in the authors' code.
const IMQ_SCALES: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Options of the penalty.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Factor of the discrepancy in the loss. The discrepancy is unitless, a mean of kernel values and
    /// no number of nats; the weight says how many nats it is worth.
    pub weight: Schedule,
    /// `"imq"` or `"radial"`.
    pub kernel: Kernel,
}

/// The kernel of the discrepancy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Inverse multiquadratic at seven scales.
    Imq,
    /// Gaussian radial basis function.
    Radial,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            weight: Schedule::Constant(10.0),
            kernel: Kernel::Imq,
        }
    }
}

struct Mmd {
    options: Options,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "mmd",
    about: "maximum mean discrepancy to the prior (WAE, InfoVAE); kernel \"imq\" or \"radial\"",
    defaults: part::defaults::<Options>,
    build: |table, place| {
        let options: Options = part::options(table, place)?;
        match options.weight.fault() {
            Some(fault) => Err(RecipeError::value(place, format!("weight: {fault}"))),
            None => Ok(Box::new(Mmd { options })),
        }
    },
};

/// Squared distances `[n, m]` of the rows of a `[n, d]` and b `[m, d]`.
fn squared_distances(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let norms = a.clone().square().sum_dim(1) + b.clone().square().sum_dim(1).transpose();
    (norms - a.matmul(b.transpose()) * 2.0).clamp_min(0.0)
}

impl Kernel {
    fn apply(self, squared: Tensor<2>, d: f64) -> Tensor<2> {
        match self {
            Self::Radial => (squared * (-1.0 / d)).exp(),
            Self::Imq => IMQ_SCALES
                .into_iter()
                .map(|scale| {
                    let c = 2.0 * d * scale;
                    (squared.clone() + c).recip() * c
                })
                .reduce(|sum, next| sum + next)
                .expect("internal error: no scales"),
        }
    }

    /// The sum of the kernel of a point with itself, for n points.
    fn diagonal(self, n: f64) -> f64 {
        match self {
            Self::Radial => n,
            Self::Imq => n * IMQ_SCALES.len() as f64,
        }
    }
}

/// The kernel `[n, n]` among z, among y and between them, for z and y `[n, d]`.
fn pairs(z: Tensor<2>, y: Tensor<2>, kernel: Kernel) -> [Tensor<2>; 3] {
    let d = z.dims()[1] as f64;
    let of = |a: Tensor<2>, b: Tensor<2>| kernel.apply(squared_distances(a, b), d);
    [of(z.clone(), z.clone()), of(y.clone(), y.clone()), of(z, y)]
}

/// The unbiased estimate from the sums of [`pairs`], n at least 2.
fn unbiased<T>([zz, yy, zy]: [T; 3], n: usize, kernel: Kernel) -> T
where
    T: Add<Output = T> + Sub<f64, Output = T> + Sub<Output = T> + Mul<f64, Output = T>,
{
    let n = n as f64;
    (zz + yy - 2.0 * kernel.diagonal(n)) * (1.0 / (n * (n - 1.0))) - zy * (2.0 / (n * n))
}

/// The estimate `[1]` that is trained on.
fn discrepancy(z: Tensor<2>, y: Tensor<2>, kernel: Kernel) -> Tensor<1> {
    let n = z.dims()[0];
    unbiased(pairs(z, y, kernel).map(Tensor::sum), n, kernel)
}

/// The same of codes and prior draws that are not trained on, with sums in f64: the measure of how far all
/// codes together are from the prior.
pub(crate) fn measure(z: Tensor<2>, y: Tensor<2>, kernel: Kernel) -> f64 {
    let n = z.dims()[0];
    let sum = |pairs: Tensor<2>| -> f64 { to_f64(pairs.sum_dim(1)).iter().sum() };
    unbiased(pairs(z, y, kernel).map(sum), n, kernel)
}

impl ObjectiveTerm for Mmd {
    fn least_batch(&self) -> usize {
        2
    }

    fn check(&self, draw: &LatentDraw, latent: &str) -> Result<(), RecipeError> {
        match draw.posterior.gaussian() {
            Some(_) => Ok(()),
            None => Err(RecipeError::value(
                &format!("objective.mmd.{latent}"),
                "the discrepancy moves codes of numbers towards the prior, and this latent has a book of them",
            )),
        }
    }

    fn add(&self, context: &TermContext<'_>, latent: &str, ledger: &mut Ledger) {
        let [batch, d] = context.draw.posterior.mean().dims();
        let k = context.draw.z.dims()[0] / batch;
        let z = context
            .draw
            .z
            .clone()
            .reshape([batch, k * d])
            .narrow(1, 0, d);
        // One code has no pairs: a last batch of one example adds nothing.
        if batch < 2 {
            return;
        }
        let mut stream = context.stream.child("mmd", 0);
        let y = (context.prior_sample)(batch, &mut stream);
        let mmd = discrepancy(z, y, self.options.kernel);
        let weight = self.options.weight.at(context.progress);
        ledger.push(
            format!("mmd.{latent}"),
            spread(mmd, batch),
            Role::Penalty,
            weight,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise;
    use burn::tensor::Device;
    use jensen_rng::Stream;

    /// The definition, pair by pair in f64.
    fn by_definition(z: &[f64], y: &[f64], d: usize, kernel: Kernel) -> f64 {
        let k = |a: &[f64], b: &[f64]| -> f64 {
            let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
            let scales = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0].map(|s| 2.0 * d as f64 * s);
            match kernel {
                Kernel::Radial => (-squared / d as f64).exp(),
                Kernel::Imq => scales.iter().map(|c| c / (c + squared)).sum(),
            }
        };
        let n = z.len() / d;
        let row = |of: &[f64], i: usize| of[i * d..(i + 1) * d].to_vec();
        let (mut within, mut between) = (0.0, 0.0);
        for i in 0..n {
            for j in 0..n {
                if i != j {
                    within += k(&row(z, i), &row(z, j)) + k(&row(y, i), &row(y, j));
                }
                between += k(&row(z, i), &row(y, j));
            }
        }
        let n = n as f64;
        within / (n * (n - 1.0)) - 2.0 * between / (n * n)
    }

    #[test]
    fn the_estimate_is_its_definition() {
        let device = Device::flex();
        let mut stream = Stream::from_seed(2);
        for kernel in [Kernel::Imq, Kernel::Radial] {
            for (n, d) in [(2, 1), (7, 3), (40, 5)] {
                let z = noise::normal(&mut stream, n, d, &device) * 0.7 + 0.4;
                let y = noise::normal(&mut stream, n, d, &device);
                let expected = by_definition(&to_f64(z.clone()), &to_f64(y.clone()), d, kernel);
                let trained = to_f64(discrepancy(z.clone(), y.clone(), kernel))[0];
                for found in [trained, measure(z, y, kernel)] {
                    // Means of kernel values up to 7 in f32.
                    assert!(
                        (found - expected).abs() < 1e-5,
                        "{kernel:?}, {n} x {d}: {found} for {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn zero_in_mean_for_equal_laws_and_positive_for_others() {
        let device = Device::flex();
        let mut stream = Stream::from_seed(1);
        let mut draw = || noise::normal(&mut stream, 64, 3, &device);
        for kernel in [Kernel::Imq, Kernel::Radial] {
            let n_runs = 200;
            let mut same = Vec::new();
            for _ in 0..n_runs {
                same.push(f64::from(
                    discrepancy(draw(), draw(), kernel).into_scalar::<f32>(),
                ));
            }
            let mean = same.iter().sum::<f64>() / f64::from(n_runs);
            let var = same.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / f64::from(n_runs - 1);
            assert!(
                mean.abs() < 5.0 * (var / f64::from(n_runs)).sqrt(),
                "{kernel:?}: {mean}"
            );
            let (z, y) = (draw() + 2.0, draw());
            let shifted = discrepancy(z.clone(), y.clone(), kernel).into_scalar::<f32>();
            // Sums of thousands of values near one lose that much in f32.
            assert!((f64::from(shifted) - measure(z, y, kernel)).abs() < 1e-4);
            assert!(
                f64::from(shifted) > 10.0 * var.sqrt(),
                "{kernel:?}: {shifted}"
            );
        }
    }
}

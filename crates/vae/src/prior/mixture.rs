//! Mixture of Gaussians: p(z) = sum_k w_k N(z; m_k, diag(s_k^2)).
//!
//! `fit = "joint"` trains the mixture with the network; `fit = "post_hoc"` trains under N(0, I) and fits
//! the mixture to codes of the training data afterwards, by expectation maximization, so that samples
//! come from where the codes are. Sources: [dilokthanakul-2016] (joint); [ghosh-2020]
//! (post hoc); [dempster-1977] (EM).

use super::normal::log_standard_normal;
use super::{Prior, PriorContext};
use crate::latent::gaussian::log_density_per_dim;
use crate::latent::{GaussianPosterior, Posterior};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::{Tensor, activation};
use jensen_nets::{Handle, Init, Params};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Iterations of EM; it stops sooner when the log-likelihood rises by less than [`EM_TOLERANCE`].
const EM_STEPS: usize = 200;
/// Nats per code.
const EM_TOLERANCE: f64 = 1e-5;
/// Smallest variance of a component: keeps a component from closing on one code.
const MIN_VARIANCE: f64 = 1e-4;

/// Options of the mixture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Number of Gaussians, at least 1.
    pub components: usize,
    /// `"joint"` or `"post_hoc"`.
    pub fit: Fit,
}

/// When the mixture is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// With the network, by the bound's gradient.
    Joint,
    /// To codes after training.
    PostHoc,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            components: 10,
            fit: Fit::Joint,
        }
    }
}

struct Mixture {
    logits: Handle<2>,
    means: Handle<2>,
    log_vars: Handle<2>,
    /// One once a post-hoc mixture has been fitted; before that the prior is N(0, I).
    fitted: Option<Handle<1>>,
    n_components: usize,
    dim: usize,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "mixture",
    about: "mixture of Gaussians, trained with the network (fit = \"joint\") or fitted to the codes afterwards (\"post_hoc\")",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| {
        super::expect_numbers("mixture", place, site)?;
        let Options { components, fit } = part::options(table, place)?;
        if components == 0 {
            return Err(RecipeError::value(place, "components = 0".to_owned()));
        }
        let shape = [components, site.dim];
        let spread = Init::Normal(1.0);
        let flat = Init::Constant(0.0);
        let (logits, means, log_vars, fitted) = match fit {
            Fit::Joint => (
                builder.register("logits", [1, components], flat),
                builder.register("means", shape, spread),
                builder.register("log_vars", shape, flat),
                None,
            ),
            Fit::PostHoc => (
                builder.register_fixed("logits", [1, components], flat),
                builder.register_fixed("means", shape, spread),
                builder.register_fixed("log_vars", shape, flat),
                Some(builder.register_fixed("fitted", [1], flat)),
            ),
        };
        Ok(Box::new(Mixture {
            logits,
            means,
            log_vars,
            fitted,
            n_components: components,
            dim: site.dim,
        }))
    },
};

impl Mixture {
    /// Whether this is a post-hoc mixture that still waits for its codes.
    fn is_waiting(&self, params: &Params) -> bool {
        self.fitted
            .is_some_and(|flag| params.get(flag).into_scalar::<f32>() == 0.0)
    }
}

impl Prior for Mixture {
    fn kl(&self, context: &PriorContext<'_>, posterior: &dyn Posterior) -> Option<Tensor<2>> {
        self.is_waiting(context.params)
            .then(|| {
                posterior
                    .gaussian()
                    .map(GaussianPosterior::kl_standard_normal)
            })
            .flatten()
    }

    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        let params = context.params;
        if self.is_waiting(params) {
            return log_standard_normal(z);
        }
        let [n_rows, d] = z.dims();
        let shape = [1, self.n_components, d];
        let per_dim = log_density_per_dim(
            z.reshape([n_rows, 1, d]),
            params.get(self.means).reshape(shape),
            params.get(self.log_vars).reshape(shape),
        );
        let log_weight = activation::log_softmax(params.get(self.logits), 1);
        let joint = per_dim.sum_dim(2).reshape([n_rows, self.n_components]) + log_weight;
        rows::log_sum_exp(joint, 1).reshape([n_rows])
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let params = context.params;
        let device = params.device();
        if self.is_waiting(params) {
            return noise::normal(stream, n, self.dim, device);
        }
        let weights = crate::ledger::to_f64(activation::softmax(params.get(self.logits), 1));
        let means = crate::ledger::to_f64(params.get(self.means));
        let log_vars = crate::ledger::to_f64(params.get(self.log_vars));
        let mut codes = Vec::with_capacity(n * self.dim);
        for _ in 0..n {
            let k = noise::choose(&weights, stream);
            for at in k * self.dim..(k + 1) * self.dim {
                codes.push((means[at] + (0.5 * log_vars[at]).exp() * stream.normal()) as f32);
            }
        }
        noise::upload(codes, n, self.dim, device)
    }

    fn fit(
        &self,
        params: &mut Params,
        codes: &[f64],
        stream: &mut Stream,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        let Some(fitted) = self.fitted else {
            return false;
        };
        let found = expectation_maximization(codes, self.dim, self.n_components, stream, go_on);
        let to_f32 = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect();
        params.set(self.logits, to_f32(found.log_weights));
        params.set(self.means, to_f32(found.means));
        params.set(
            self.log_vars,
            found.variances.iter().map(|v| v.ln() as f32).collect(),
        );
        params.set(fitted, vec![1.0]);
        true
    }
}

struct Fitted {
    log_weights: Vec<f64>,
    means: Vec<f64>,
    variances: Vec<f64>,
}

/// EM from k-means++ starting points ([arthur-2007]) on codes `[n, d]`.
fn expectation_maximization(
    codes: &[f64],
    d: usize,
    k: usize,
    stream: &mut Stream,
    go_on: &mut dyn FnMut() -> bool,
) -> Fitted {
    let n = codes.len() / d;
    let row = |i: usize| &codes[i * d..(i + 1) * d];
    let mut means = row(stream.below(n)).to_vec();
    let mut nearest = vec![f64::INFINITY; n];
    for _ in 1..k {
        let last = &means[means.len() - d..];
        for (i, slot) in nearest.iter_mut().enumerate() {
            let distance = row(i).iter().zip(last).map(|(a, b)| (a - b).powi(2)).sum();
            *slot = slot.min(distance);
        }
        let next = noise::choose(&nearest, stream);
        means.extend_from_slice(row(next));
    }
    let overall: f64 = codes.iter().map(|z| z * z).sum::<f64>() / codes.len() as f64;
    let mut fitted = Fitted {
        log_weights: vec![-(k as f64).ln(); k],
        means,
        variances: vec![overall.max(MIN_VARIANCE); k * d],
    };
    let mut previous = f64::NEG_INFINITY;
    for _ in 0..EM_STEPS {
        let log_likelihood = em_step(codes, d, k, &mut fitted);
        if log_likelihood - previous < EM_TOLERANCE || !go_on() {
            break;
        }
        previous = log_likelihood;
    }
    fitted
}

/// One EM step; returns the mean log-likelihood of the codes before it, nats per code.
fn em_step(codes: &[f64], d: usize, k: usize, fitted: &mut Fitted) -> f64 {
    let n = codes.len() / d;
    let (mut mass, mut first, mut second) = (vec![0.0; k], vec![0.0; k * d], vec![0.0; k * d]);
    let mut log_likelihood = 0.0;
    let mut joint = vec![0.0; k];
    for z in codes.chunks_exact(d) {
        for (c, slot) in joint.iter_mut().enumerate() {
            let at = c * d..(c + 1) * d;
            let log_density: f64 = z
                .iter()
                .zip(&fitted.means[at.clone()])
                .zip(&fitted.variances[at])
                .map(|((z, m), v)| -0.5 * ((z - m).powi(2) / v + v.ln() + crate::latent::LN_TAU))
                .sum();
            *slot = fitted.log_weights[c] + log_density;
        }
        let peak = joint.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total = peak + joint.iter().map(|j| (j - peak).exp()).sum::<f64>().ln();
        log_likelihood += total;
        for (c, &j) in joint.iter().enumerate() {
            let share = (j - total).exp();
            mass[c] += share;
            for (i, &z) in z.iter().enumerate() {
                first[c * d + i] += share * z;
                second[c * d + i] += share * z * z;
            }
        }
    }
    for (c, &mass) in mass.iter().enumerate() {
        let mass = mass.max(1e-12);
        fitted.log_weights[c] = (mass / n as f64).ln();
        for i in c * d..(c + 1) * d {
            let mean = first[i] / mass;
            fitted.means[i] = mean;
            fitted.variances[i] = (second[i] / mass - mean * mean).max(MIN_VARIANCE);
        }
    }
    log_likelihood / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn em_recovers_two_separate_gaussians() {
        let mut stream = Stream::from_seed(4);
        let codes: Vec<f64> = (0..4000)
            .flat_map(|i| {
                let (center, scale) = if i % 4 == 0 { (3.0, 0.5) } else { (-2.0, 1.0) };
                [center + scale * stream.normal(), scale * stream.normal()]
            })
            .collect();
        let fitted = expectation_maximization(&codes, 2, 2, &mut stream, &mut || true);
        let high = usize::from(fitted.means[2] > fitted.means[0]);
        // Five standard errors of a mean of 1000 draws with scale 0.5, and of a share of 1/4.
        assert!((fitted.means[2 * high] - 3.0).abs() < 5.0 * 0.5 / 1000f64.sqrt());
        assert!((fitted.log_weights[high].exp() - 0.25).abs() < 0.01);
        assert!((fitted.variances[2 * high] - 0.25).abs() < 5.0 * 0.25 * (2.0 / 1000f64).sqrt());
    }
}

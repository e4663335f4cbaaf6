//! Affine coupling flows over a Gaussian: z = m + s f(e), f a stack of layers that are cheap both ways.
//!
//! Real NVP, [dinh-2017], equations (7) and (8). A layer leaves one half p of the coordinates and maps the
//! other half a, elementwise; the halves change roles from layer to layer:
//!
//! a' = a exp(sigma(p)) + tau(p),   a = (a' - tau(p)) exp(-sigma(p)),   ln |det| = sum sigma(p)
//!
//! (raw, tau) = W2 tanh(W1 p + b1) + b2 and sigma = c tanh(raw / c), so that no step of training can let a
//! layer overflow. lambda = (m `[d]`, ln s `[d]`, then W1 `[h, p]`, b1 `[h]`, W2 `[2 a, h]`, b2 `[2 a]` layer
//! after layer). An inverse-autoregressive flow of the same cost would need d passes for ln q at a given z;
//! this one needs one. Backward passes, with g the gradient by the layer's output and forward by a':
//!
//! - of the transform: g_a = g_a' exp(sigma), g_sigma = g_a' a exp(sigma), g_tau = g_a'
//! - of ln q = ln N(e) - sum ln s - sum sigma, through the inverse: g_a' = g_a exp(-sigma),
//!   g_sigma = -g_a a - 1, g_tau = -g_a'
//!
//! Cost O(layers h d) a draw. For posteriors that are bent or skewed, when a Gaussian fails the referee.
//! The flow starts as the identity. Local coordinates: J = (s, 1/sqrt 2) for m and ln s, else the identity.

use super::{Family, Member};
use crate::dense::dot;
use jensen_posterior::Approximation;
use std::f64::consts::{FRAC_1_SQRT_2, TAU};
use std::ops::Range;

/// Coupling flows on R^d.
#[derive(Clone, Copy, Debug)]
pub struct CouplingFlow {
    /// Number of coordinates d.
    pub dim: usize,
    /// Number of layers; two change every coordinate once.
    pub n_layers: usize,
    /// Hidden units h of each layer's network.
    pub width: usize,
}

/// Bound c of |sigma|: a layer stretches by at most e^2, which stacked layers exceed where they must.
const LN_STRETCH_MAX: f64 = 2.0;

/// The golden ratio's fraction: its multiples fill the unit interval evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// One layer: its weights and which coordinates it reads and maps.
struct Layer<'a> {
    weights: &'a [f64],
    read: Range<usize>,
    mapped: Range<usize>,
    width: usize,
}

/// What a layer's network says about one position.
struct Outcome {
    hidden: Vec<f64>,
    sigma: Vec<f64>,
    /// d sigma / d raw.
    slope: Vec<f64>,
    tau: Vec<f64>,
}

impl Layer<'_> {
    fn network(&self, x: &[f64]) -> Outcome {
        let (h, q) = (self.width, self.mapped.len());
        let read = &x[self.read.clone()];
        let (w1, rest) = self.weights.split_at(h * read.len());
        let (b1, rest) = rest.split_at(h);
        let (w2, b2) = rest.split_at(2 * q * h);
        let hidden: Vec<f64> = (0..h)
            .map(|k| (b1[k] + dot(&w1[k * read.len()..(k + 1) * read.len()], read)).tanh())
            .collect();
        let out = |k: usize| b2[k] + dot(&w2[k * h..(k + 1) * h], &hidden);
        let bent: Vec<f64> = (0..q).map(|k| (out(k) / LN_STRETCH_MAX).tanh()).collect();
        Outcome {
            tau: (q..2 * q).map(out).collect(),
            sigma: bent.iter().map(|t| LN_STRETCH_MAX * t).collect(),
            slope: bent.iter().map(|t| 1.0 - t * t).collect(),
            hidden,
        }
    }

    /// Adds the derivatives of by_sigma^T sigma + by_tau^T tau to those by x and by the weights.
    fn network_backward(
        &self,
        outcome: &Outcome,
        x: &[f64],
        by_sigma: &[f64],
        by_tau: &[f64],
        by_x: &mut [f64],
        by_weights: &mut [f64],
    ) {
        let (h, q, p) = (self.width, self.mapped.len(), self.read.len());
        let read = &x[self.read.clone()];
        let w1 = &self.weights[..h * p];
        let w2 = &self.weights[h * p + h..];
        let (by_w1, rest) = by_weights.split_at_mut(h * p);
        let (by_b1, rest) = rest.split_at_mut(h);
        let (by_w2, by_b2) = rest.split_at_mut(2 * q * h);
        let mut by_hidden = vec![0.0; h];
        for k in 0..2 * q {
            let by_out = match k < q {
                true => by_sigma[k] * outcome.slope[k],
                false => by_tau[k - q],
            };
            by_b2[k] += by_out;
            for j in 0..h {
                by_w2[k * h + j] += by_out * outcome.hidden[j];
                by_hidden[j] += by_out * w2[k * h + j];
            }
        }
        let by_read = &mut by_x[self.read.clone()];
        for k in 0..h {
            let by_sum = by_hidden[k] * (1.0 - outcome.hidden[k] * outcome.hidden[k]);
            by_b1[k] += by_sum;
            for j in 0..p {
                by_w1[k * p + j] += by_sum * read[j];
                by_read[j] += by_sum * w1[k * p + j];
            }
        }
    }
}

impl CouplingFlow {
    /// Where the layers' weights begin, their numbers, and the halves, layer after layer.
    fn shapes(
        &self,
    ) -> impl DoubleEndedIterator<Item = (Range<usize>, Range<usize>, Range<usize>)> {
        let (d, h) = (self.dim, self.width);
        let half = d / 2;
        // A single coordinate has no other half to read.
        let n_layers = if d > 1 { self.n_layers } else { 0 };
        let size = move |p: usize| h * p + h + 2 * (d - p) * h + 2 * (d - p);
        (0..n_layers).map(move |layer| {
            let pairs = size(half) + size(d - half);
            let first = 2 * d + layer / 2 * pairs;
            match layer % 2 {
                0 => (first..first + size(half), 0..half, half..d),
                _ => (first + size(half)..first + pairs, half..d, 0..half),
            }
        })
    }

    fn layers<'a>(&self, params: &'a [f64]) -> Vec<(Range<usize>, Layer<'a>)> {
        self.shapes()
            .map(|(weights, read, mapped)| {
                let layer = Layer {
                    weights: &params[weights.clone()],
                    read,
                    mapped,
                    width: self.width,
                };
                (weights, layer)
            })
            .collect()
    }

    /// The input of every layer, and at the end f(e).
    fn forward(&self, params: &[f64], noise: &[f64]) -> Vec<Vec<f64>> {
        let mut states = vec![noise.to_vec()];
        for (_, layer) in self.layers(params) {
            let mut x = states[states.len() - 1].clone();
            let outcome = layer.network(&x);
            for (k, i) in layer.mapped.enumerate() {
                x[i] = x[i] * outcome.sigma[k].exp() + outcome.tau[k];
            }
            states.push(x);
        }
        states
    }
}

impl Family for CouplingFlow {
    fn name(&self) -> String {
        format!("coupling-flow({}x{})", self.n_layers, self.width)
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn n_params(&self) -> usize {
        self.shapes().last().map_or(2 * self.dim, |last| last.0.end)
    }

    fn start(&self, mean: &[f64], sd: &[f64]) -> Vec<f64> {
        let mut params: Vec<f64> = mean
            .iter()
            .copied()
            .chain(sd.iter().map(|s| s.ln()))
            .collect();
        params.resize(self.n_params(), 0.0);
        // The last map of each network is zero, so that the flow is the identity; the first one spreads its
        // units evenly, without any randomness, so that they learn different things.
        let mut count = 0.0;
        for (weights, read, _) in self.shapes() {
            let bound = 1.0 / (read.len() as f64).sqrt();
            for w in &mut params[weights][..self.width * read.len()] {
                count += 1.0;
                *w = bound * (2.0 * (count * GOLDEN).fract() - 1.0);
            }
        }
        params
    }

    fn transform(&self, params: &[f64], noise: &[f64], z: &mut [f64]) {
        let states = self.forward(params, noise);
        let x = &states[states.len() - 1];
        for i in 0..self.dim {
            z[i] = params[i] + params[self.dim + i].exp() * x[i];
        }
    }

    fn pullback(&self, params: &[f64], noise: &[f64], by_z: &[f64], by_params: &mut [f64]) {
        let d = self.dim;
        let states = self.forward(params, noise);
        let mut by_x = vec![0.0; d];
        for i in 0..d {
            by_x[i] = by_z[i] * params[d + i].exp();
            by_params[i] += by_z[i];
            by_params[d + i] += by_x[i] * states[states.len() - 1][i];
        }
        for ((weights, layer), x) in self.layers(params).into_iter().zip(&states).rev() {
            let outcome = layer.network(x);
            let by_tau = by_x[layer.mapped.clone()].to_vec();
            let mut by_sigma = by_tau.clone();
            for (k, i) in layer.mapped.clone().enumerate() {
                by_x[i] *= outcome.sigma[k].exp();
                by_sigma[k] = by_x[i] * x[i];
            }
            let by_weights = &mut by_params[weights];
            layer.network_backward(&outcome, x, &by_sigma, &by_tau, &mut by_x, by_weights);
        }
    }

    fn ln_density_and_grads(
        &self,
        params: &[f64],
        z: &[f64],
        by_z: &mut [f64],
        by_params: &mut [f64],
    ) -> f64 {
        let d = self.dim;
        let inverse_sd: Vec<f64> = params[d..2 * d].iter().map(|w| (-w).exp()).collect();
        let top: Vec<f64> = (0..d).map(|i| (z[i] - params[i]) * inverse_sd[i]).collect();
        let mut ln_q = -0.5 * d as f64 * TAU.ln() - params[d..2 * d].iter().sum::<f64>();
        let mut x = top.clone();
        let mut passed = Vec::new();
        for (weights, layer) in self.layers(params).into_iter().rev() {
            // The half that is read is the same before and after the layer.
            let outcome = layer.network(&x);
            for (k, i) in layer.mapped.clone().enumerate() {
                x[i] = (x[i] - outcome.tau[k]) * (-outcome.sigma[k]).exp();
                ln_q -= outcome.sigma[k];
            }
            passed.push((weights, layer, outcome, x.clone()));
        }
        ln_q -= 0.5 * x.iter().map(|e| e * e).sum::<f64>();
        by_params.fill(0.0);
        let mut by_x: Vec<f64> = x.iter().map(|e| -e).collect();
        for (weights, layer, outcome, below) in passed.into_iter().rev() {
            let mut by_sigma = vec![0.0; layer.mapped.len()];
            let mut by_tau = by_sigma.clone();
            for (k, i) in layer.mapped.clone().enumerate() {
                by_sigma[k] = -by_x[i] * below[i] - 1.0;
                by_x[i] *= (-outcome.sigma[k]).exp();
                by_tau[k] = -by_x[i];
            }
            let by_weights = &mut by_params[weights];
            layer.network_backward(&outcome, &below, &by_sigma, &by_tau, &mut by_x, by_weights);
        }
        for i in 0..d {
            by_z[i] = by_x[i] * inverse_sd[i];
            by_params[i] = -by_z[i];
            by_params[d + i] = -by_x[i] * top[i] - 1.0;
        }
        ln_q
    }

    fn gradient_to_local(&self, params: &[f64], grad: &mut [f64]) {
        for i in 0..self.dim {
            grad[i] *= params[self.dim + i].exp();
            grad[self.dim + i] *= FRAC_1_SQRT_2;
        }
    }

    fn step_from_local(&self, params: &[f64], step: &mut [f64]) {
        // J is diagonal.
        self.gradient_to_local(params, step);
    }

    fn has_natural_coordinates(&self) -> bool {
        false
    }

    fn member(&self, params: &[f64]) -> Box<dyn Approximation> {
        Box::new(Member {
            family: *self,
            params: params.to_vec(),
        })
    }
}

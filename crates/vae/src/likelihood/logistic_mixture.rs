//! Discretized mixture of logistics: the mass that a mixture of logistic densities gives to the bin of
//! each level, with the outer bins open.
//!
//! P(level) = sum_m w_m [S((x + h - m_m) / s_m) - S((x - h - m_m) / s_m)], S the logistic function,
//! h half the distance of levels, data scaled to [-1, 1]. Color channels are independent here.
//! Source: [salimans-2017], equation 2.

use super::{DataFacts, Grid, Likelihood, Support, sample_on_host};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use burn::tensor::{Tensor, activation};
use jensen_nets::Params;
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};

/// Log scales are not smaller than this, [salimans-2017].
const MIN_LOG_SCALE: f64 = -7.0;
/// Below this width in units of the scale log(1 - exp(-w)) is taken by its series; the next term is then
/// under 4e-8, the rounding of f32.
const SERIES_BELOW: f32 = 0.1;

/// Options of the mixture.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Number of logistic components, at least 1; [salimans-2017] uses 5, VDVAE 10.
    pub components: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { components: 5 }
    }
}

/// Independent values, each a discretized mixture of logistics.
pub struct LogisticMixture {
    n_components: usize,
    grid: Grid,
}

const NAME: &str = "discretized_logistic_mixture";

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: NAME,
    about: "discrete values as bins of a mixture of logistics",
    defaults: part::defaults::<Options>,
    build: |table, facts, _| {
        let options: Options = part::options(table, "likelihood")?;
        if options.components == 0 {
            return Err(RecipeError::value(
                "likelihood",
                "components = 0".to_owned(),
            ));
        }
        Ok(Box::new(LogisticMixture {
            n_components: options.components,
            grid: Grid::of(NAME, facts)?,
        }))
    },
};

impl LogisticMixture {
    /// Log weights, means and log scales, each `[R, M, P]`, on the scale [-1, 1].
    fn mixture(&self, outputs: Tensor<2>) -> [Tensor<3>; 3] {
        let [rows, width] = outputs.dims();
        let n_values = width / self.n_params();
        let parts = outputs.reshape([rows, self.n_params(), n_values]);
        let part = |i: usize| {
            parts
                .clone()
                .narrow(1, i * self.n_components, self.n_components)
        };
        [
            activation::log_softmax(part(0), 1),
            part(1),
            part(2).clamp_min(MIN_LOG_SCALE),
        ]
    }

    /// log p of each of the values x `[R, P]`, `[R, P]` nats.
    fn log_probs(&self, mixture: [Tensor<3>; 3], x: Tensor<2>) -> Tensor<2> {
        let [log_weight, mean, log_scale] = mixture;
        let [n_rows, _, n_values] = mean.dims();
        let unit = (x - self.grid.min) * (2.0 / (self.grid.max - self.grid.min)) - 1.0;
        let unit = unit.reshape([n_rows, 1, n_values]).expand(mean.shape());

        let inverse = log_scale.clone().neg().exp();
        let centered = unit.clone() - mean;
        let upper = (centered.clone() + self.half_step()) * inverse.clone();
        let lower = (centered - self.half_step()) * inverse.clone();

        // log S(u) = -softplus(-u), log(1 - S(u)) = -softplus(u), and without cancellation
        // log(S(u) - S(l)) = log S(u) + log(1 - S(l)) + log(1 - exp(-(u - l))).
        let log_below = activation::softplus(upper.neg(), 1.0).neg();
        let log_above = activation::softplus(lower, 1.0).neg();
        let width = inverse * (2.0 * self.half_step());
        let log_mass = log_below.clone() + log_above.clone() + log_one_minus_exp(width);

        let first = unit.clone().lower_scalar(-1.0 + self.half_step());
        let last = unit.greater_scalar(1.0 - self.half_step());
        let log_bin = log_mass
            .mask_where(first, log_below)
            .mask_where(last, log_above);
        let log_p = rows::log_sum_exp(log_bin + log_weight, 1);
        log_p.reshape([n_rows, n_values])
    }

    fn half_step(&self) -> f64 {
        1.0 / f64::from(self.grid.n_levels - 1)
    }

    /// From [-1, 1] to the scale of the data.
    fn to_data(&self, unit: f64) -> f64 {
        self.grid.min + (unit.clamp(-1.0, 1.0) + 1.0) / 2.0 * (self.grid.max - self.grid.min)
    }
}

/// log(1 - exp(-w)) for w > 0.
fn log_one_minus_exp(w: Tensor<3>) -> Tensor<3> {
    let small = w.clone().lower_scalar(SERIES_BELOW);
    let series = w.clone().log() - w.clone() * 0.5 + w.clone().square() * (1.0 / 24.0);
    // The branch not taken gets a harmless argument, so that its gradient is finite.
    let safe = w.mask_fill(small.clone(), 1.0);
    let exact = (safe.neg().exp().neg() + 1.0).log();
    exact.mask_where(small, series)
}

impl Likelihood for LogisticMixture {
    fn n_params(&self) -> usize {
        3 * self.n_components
    }

    fn support(&self) -> Support {
        Support::Levels
    }

    fn accepts(&self, facts: &DataFacts) -> Result<(), RecipeError> {
        self.grid.accepts(NAME, facts)
    }

    fn log_prob(&self, _: &Params, outputs: Tensor<2>, x: Tensor<2>) -> Tensor<1> {
        let mixture = self.mixture(outputs);
        let n_rows = mixture[0].dims()[0];
        let x = rows::repeat(x.clone(), n_rows / x.dims()[0]);
        rows::sum(self.log_probs(mixture, x))
    }

    fn level_probs(&self, _: &Params, outputs: Tensor<2>) -> Option<Tensor<3>> {
        let mixture = self.mixture(outputs);
        let [n_rows, _, n_values] = mixture[0].dims();
        let level = |level: u32| {
            let unit = f64::from(level) * 2.0 * self.half_step() - 1.0;
            let device = mixture[0].device();
            let x = Tensor::full([n_rows, n_values], self.to_data(unit), &device);
            let log_p = self.log_probs(mixture.clone(), x);
            log_p.exp().reshape([n_rows, 1, n_values])
        };
        Some(Tensor::cat((0..self.grid.n_levels).map(level).collect(), 1))
    }

    /// The mean of the mixture clipped to the range of the data, before it is rounded to levels.
    ///
    /// E[clip(u)] = -1 + integral over [-1, 1] of P(u > t) dt, two softplus for each component.
    /// Rounding moves it by at most half a level, and by at most 1/96 of one where the scale is a level
    /// or wider. The sum over levels would take 255 exponentials for each component instead: a million
    /// for an image of 28 x 28, many times the work of a decoder.
    fn mean(&self, _: &Params, outputs: Tensor<2>) -> Tensor<2> {
        let [log_weight, mean, log_scale] = self.mixture(outputs);
        let [rows, _, n_values] = mean.dims();
        let scale = log_scale.exp();
        let beyond = |t: f64| activation::softplus((mean.clone() - t) / scale.clone(), 1.0);
        let clipped = (beyond(-1.0) - beyond(1.0)) * scale.clone() - 1.0;
        let unit = (log_weight.exp() * clipped).sum_dim(1);
        (unit.reshape([rows, n_values]) + 1.0) * ((self.grid.max - self.grid.min) / 2.0)
            + self.grid.min
    }

    fn sample(&self, _: &Params, outputs: Tensor<2>, stream: &mut Stream) -> Tensor<2> {
        let n = self.n_components;
        sample_on_host(outputs, 3 * n, |at| {
            // The Gumbel-max trick chooses the component.
            let gumbel = |stream: &mut Stream| -(-stream.uniform_open().ln()).ln();
            let scored = (0..n).map(|m| (m, at[m] + gumbel(stream)));
            let chosen = scored
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(0, |(m, _)| m);
            let u = stream.uniform_open();
            let scale = at[2 * n + chosen].max(MIN_LOG_SCALE).exp();
            let real = at[n + chosen] + scale * (u.ln() - (-u).ln_1p());
            let level = ((real + 1.0) / (2.0 * self.half_step())).round();
            self.to_data(level * 2.0 * self.half_step() - 1.0)
        })
    }
}

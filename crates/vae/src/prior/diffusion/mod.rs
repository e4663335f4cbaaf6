//! A denoising diffusion over a continuous latent: codes are what is left when noise is taken away step by step.
//!
//! q(z_t | z_0) = N(sqrt(alpha_bar_t) z_0, (1 - alpha_bar_t) I), and a network tells the noise, the code, or v of z_t.
//! It is trained on codes when the rest of the model is done, by E |y - y_theta(z_t, t)|^2 with t even over 1 ... T
//! ([ho-2020], equation 14; [rombach-2022], equation 2). Mean and scale of the codes are measured then and stored; the
//! diffusion sees codes of mean 0 and variance 1, of each channel of a map or each coordinate of a vector.
//!
//! `log_prob` is no density but a lower bound of one: -KL(q(z_T|z_0) || N(0, I)) - sum_{t > 1} KL(q(z_{t-1}|z_t, z_0) ||
//! p(z_{t-1}|z_t)) + log p(z_0|z_1) ([ho-2020], equation 5), with variances beta_t, right where codes are spread evenly. The
//! sum is w_t |epsilon - epsilon_theta|^2 over all t; it is estimated without bias by one t a code, drawn about in
//! proportion to what it adds, and fixed noise. So -ELBO stays an upper bound of -log p(x) in expectation; importance weights of it would not.
//!
//! Samples walk from T to 0 in a number of strides, deterministic or with noise ([song-2021]). A condition is dropped
//! from some codes in training, so that samples can be guided: epsilon + g (epsilon of the condition - epsilon)
//! ([ho-2022], equation 6). Cost of a sample: as many passes as strides, twice with guidance.

mod denoiser;
pub mod schedule;
#[cfg(test)]
mod tests;

use super::normal::log_standard_normal;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext, PriorSite};
use crate::condition::Condition;
use crate::latent::{GaussianPosterior, Posterior};
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::{noise, rows};
use burn::tensor::{Device, Tensor, TensorData};
use denoiser::Denoiser;
use jensen_nets::{Builder, Handle, Init, Params};
use jensen_rng::Stream;
use schedule::{Pace, Schedule, Target};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the diffusion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// What the network tells: `"v"`, `"epsilon"` or `"x0"`.
    pub target: Target,
    /// How noise comes in: `"cosine"` or `"linear"`.
    pub schedule: Pace,
    /// Steps T of the noise, at least 2.
    pub timesteps: usize,
    /// Channels of each size of the U-Net, the largest first; or widths of the layers, where z has no places.
    pub widths: Vec<usize>,
    /// Steps of training, after those of everything else.
    pub steps: u64,
    /// Strides of a sample, at most T; 0 for T.
    pub strides: usize,
    /// Noise of the strides: 0 for none, 1 for that of the ancestral walk.
    pub eta: f64,
    /// Whether the class or caption of an example is given.
    pub conditional: bool,
    /// Share of the codes in training without their condition, in [0, 1].
    pub drop: f64,
    /// Guidance g of samples: 1 samples given the condition, more overdoes it.
    pub guidance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            target: Target::V,
            schedule: Pace::Cosine,
            timesteps: 1000,
            widths: vec![32, 64],
            steps: 4000,
            strides: 50,
            eta: 0.0,
            conditional: false,
            drop: 0.1,
            guidance: 1.0,
        }
    }
}

/// Far more than any diffusion has; a slip of the pen would fill the memory.
const MOST_TIMESTEPS: usize = 100_000;
/// Samples that walk together.
const BATCH: usize = 256;
/// Scales of codes below this are those of a constant.
const LEAST_SCALE: f64 = 1e-4;
/// Fraction of the golden section: multiples of it fill [0, 1) evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

struct Diffusion {
    denoiser: Denoiser,
    schedule: Schedule,
    options: Options,
    /// Words of a condition and of its vocabulary.
    condition: Option<[usize; 2]>,
    stage: Option<Stage>,
    /// Mean and scale of the codes, `[C]` each.
    mean: Handle<1>,
    scale: Handle<1>,
    /// Channels C and places of each; the number of coordinates and 1 where there are no places.
    shape: [usize; 2],
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "diffusion",
    about: "codes made from noise step by step, trained when the rest is done",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(Diffusion::new(table, place, site, builder)?)),
};

fn check(options: &Options, place: &str) -> Result<(), RecipeError> {
    let refuse = |message: String| Err(RecipeError::value(place, message));
    if !(2..=MOST_TIMESTEPS).contains(&options.timesteps) {
        return refuse(format!(
            "timesteps = {}: expected 2 to {MOST_TIMESTEPS}",
            options.timesteps
        ));
    }
    if options.widths.is_empty() {
        return refuse("widths = []: expected at least one".to_owned());
    }
    crate::encoder::check_widths(place, "widths", &options.widths)?;
    if options.steps == 0 {
        return refuse("steps = 0: nothing to train".to_owned());
    }
    for (name, value, most) in [
        ("eta", options.eta, 1.0),
        ("drop", options.drop, 1.0),
        ("guidance", options.guidance, f64::MAX),
    ] {
        if !(0.0..=most).contains(&value) {
            return refuse(format!(
                "{name} = {value}: expected a number in [0, {most:?}]"
            ));
        }
    }
    Ok(())
}

impl Diffusion {
    fn new(
        table: &Table,
        place: &str,
        site: &PriorSite,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        super::expect_numbers("diffusion", place, site)?;
        let options: Options = part::options(table, place)?;
        check(&options, place)?;
        let condition = super::condition_size(options.conditional, place, site)?;
        let shape = match site.map {
            Some([channels, height, width]) => [channels, height * width],
            None => [site.dim, 1],
        };
        let [channels, _] = shape;
        Ok(Self {
            denoiser: Denoiser::new(builder, site, &options.widths, condition),
            schedule: Schedule::new(options.schedule, options.timesteps),
            condition,
            stage: Stage::new(builder, options.steps),
            mean: builder.register_fixed("mean", [channels], Init::Constant(0.0)),
            scale: builder.register_fixed("scale", [channels], Init::Constant(1.0)),
            shape,
            options,
        })
    }

    /// Mean and scale of each coordinate, `[1, d]`.
    fn moments(&self, params: &Params) -> [Tensor<2>; 2] {
        let [channels, n] = self.shape;
        [self.mean, self.scale].map(|handle| {
            let values = params.get(handle).reshape([channels, 1]);
            values.repeat_dim(1, n).reshape([1, channels * n])
        })
    }

    /// z_t `[R, d]` of standard codes and noise, a step for each row.
    fn noisy(&self, z: Tensor<2>, noise: Tensor<2>, steps: &[usize]) -> Tensor<2> {
        let [signal, spread] = self.columns(steps, &z.device().inner(), |scales| scales);
        z * signal + noise * spread
    }

    /// Two columns `[R, 1]` of numbers made of the scales of each row's step.
    fn columns(
        &self,
        steps: &[usize],
        device: &Device,
        of: impl Fn([f64; 2]) -> [f64; 2],
    ) -> [Tensor<2>; 2] {
        let rows: Vec<[f64; 2]> = steps.iter().map(|&t| of(self.schedule.scales(t))).collect();
        [0, 1].map(|i| {
            let values: Vec<f32> = rows.iter().map(|row| row[i] as f32).collect();
            Tensor::from_data(TensorData::new(values, [steps.len(), 1]), device)
        })
    }

    /// What the network tells of z_t.
    fn told(
        &self,
        params: &Params,
        noisy: Tensor<2>,
        steps: &[usize],
        condition: Option<&Condition>,
    ) -> Tensor<2> {
        let n = self.schedule.n_steps() as f64;
        let times: Vec<f64> = steps.iter().map(|&t| t as f64 / n).collect();
        self.denoiser.forward(params, noisy, &times, condition)
    }

    /// epsilon_theta `[R, d]` of z_t.
    fn epsilon(
        &self,
        params: &Params,
        noisy: Tensor<2>,
        steps: &[usize],
        condition: Option<&Condition>,
    ) -> Tensor<2> {
        let told = self.told(params, noisy.clone(), steps, condition);
        let target = self.options.target;
        let [of_noisy, of_told] =
            self.columns(steps, params.device(), |scales| target.inverse(scales)[1]);
        noisy * of_noisy + told * of_told
    }

    /// Standard codes `[R, d]` of noise drawn from a stream each.
    fn walk(
        &self,
        params: &Params,
        streams: &mut [Stream],
        condition: Option<&Condition>,
    ) -> Tensor<2> {
        let [channels, places] = self.shape;
        let (n_rows, dim) = (streams.len(), channels * places);
        let device = params.device();
        let mut normals = || {
            let mut values = vec![0.0; n_rows * dim];
            for (row, stream) in values.chunks_exact_mut(dim).zip(&mut *streams) {
                stream.fill_normal(row);
            }
            noise::upload(values, n_rows, dim, device)
        };
        let strides = match self.options.strides {
            0 => self.schedule.n_steps(),
            n => n,
        };
        let mut z = normals();
        for pair in self.schedule.walk(strides).windows(2) {
            let steps = vec![pair[0]; n_rows];
            let mut told = self.told(params, z.clone(), &steps, condition);
            let guidance = self.options.guidance;
            if condition.is_some() && guidance != 1.0 {
                let free = self.told(params, z.clone(), &steps, None);
                told = free.clone() + (told - free) * guidance;
            }
            let scales = self.schedule.scales(pair[0]);
            let [code, noise] = (self.options.target.inverse(scales))
                .map(|[of_noisy, of_told]| z.clone() * of_noisy + told.clone() * of_told);
            let [of_code, of_noise, of_new] =
                self.schedule.back(pair[0], pair[1], self.options.eta);
            z = code * of_code + noise * of_noise;
            if of_new > 0.0 {
                z = z + normals() * of_new;
            }
        }
        z
    }

    /// The condition, or the lack of it, for n rows; nothing for a prior without.
    fn given(&self, context: &PriorContext<'_>, n: usize) -> Option<Condition> {
        let size = self.condition?;
        let unsaid = || Condition::unsaid(n, size);
        Some(context.condition.cloned().unwrap_or_else(unsaid))
    }
}

impl Prior for Diffusion {
    fn kl(&self, context: &PriorContext<'_>, posterior: &dyn Posterior) -> Option<Tensor<2>> {
        match Stage::is_waiting(&self.stage, context.params) {
            false => None,
            true => (posterior.gaussian()).map(GaussianPosterior::kl_standard_normal),
        }
    }

    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        let params = context.params;
        if Stage::is_waiting(&self.stage, params) {
            return log_standard_normal(z);
        }
        let [n_rows, dim] = z.dims();
        let [mean, scale] = self.moments(params);
        let log_scales = rows::sum(scale.clone().log()).into_scalar::<f32>();
        let z = (z - mean) / scale;
        // The same noise for the same rows each time: a function, as others are.
        let mut stream = Stream::from_seed(0).child("bound", 0);
        let start = stream.uniform();
        let looks = (0..n_rows).map(|row| (start + row as f64 * GOLDEN).fract());
        let (steps, weights): (Vec<usize>, Vec<f64>) =
            looks.map(|place| self.schedule.look(place)).unzip();
        let weights: Vec<f32> = weights.into_iter().map(|weight| weight as f32).collect();
        let weights = Tensor::from_data(TensorData::new(weights, [n_rows]), params.device());
        let noise = noise::normal(&mut stream, n_rows, dim, params.device());
        let noisy = self.noisy(z.clone(), noise.clone(), &steps);
        let condition = self.given(context, n_rows);
        let found = self.epsilon(params, noisy, &steps, condition.as_ref());
        let errors = rows::sum((noise - found).square()) * weights;
        // KL(q(z_T|z_0) || N(0, I)).
        let [signal, spread] = self.schedule.scales(self.schedule.n_steps()).map(|s| s * s);
        let d = dim as f64;
        let end = rows::sum(z.square()) * (0.5 * signal) + 0.5 * d * (spread - 1.0 - spread.ln());
        (errors + end + d * self.schedule.constant() + f64::from(log_scales)).neg()
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let params = context.params;
        let [channels, places] = self.shape;
        let dim = channels * places;
        if Stage::is_waiting(&self.stage, params) {
            return noise::normal(stream, n, dim, params.device());
        }
        let condition = self.given(context, n);
        // A stream a draw, so that the draws do not depend on how many are drawn together.
        let mut streams: Vec<Stream> = (0..n).map(|i| stream.child("draw", i as u64)).collect();
        let walks = streams.chunks_mut(BATCH).enumerate().map(|(i, streams)| {
            let rows = |all: &Condition| all.rows(i * BATCH, streams.len());
            let condition = condition.as_ref().map(rows);
            self.walk(params, streams, condition.as_ref())
        });
        let z = Tensor::cat(walks.collect(), 0);
        let [mean, scale] = self.moments(params);
        z * scale + mean
    }

    fn is_bound(&self) -> bool {
        true
    }

    fn is_conditional(&self) -> bool {
        self.condition.is_some()
    }

    fn staged(&self) -> Option<&dyn Staged> {
        Some(self)
    }
}

impl Staged for Diffusion {
    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn measure(&self, params: &mut Params, codes: &[f64]) {
        let [channels, places] = self.shape;
        let (mut mean, mut scale) = (vec![0.0; channels], vec![1.0; channels]);
        let n = (codes.len() / channels) as f64;
        for channel in 0..channels {
            let rows = codes.chunks_exact(channels * places);
            let values =
                || (rows.clone()).flat_map(|row| &row[channel * places..(channel + 1) * places]);
            let center = values().sum::<f64>() / n;
            let variance = values().map(|z| (z - center).powi(2)).sum::<f64>() / n;
            mean[channel] = center as f32;
            scale[channel] = variance.sqrt().max(LEAST_SCALE) as f32;
        }
        params.set(self.mean, mean);
        params.set(self.scale, scale);
    }

    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, stream: &mut Stream) -> Tensor<1> {
        let params = context.params;
        let [n_rows, dim] = z.dims();
        let [mean, scale] = self.moments(params);
        let z = (z - mean) / scale;
        let steps: Vec<usize> = (0..n_rows).map(|_| self.schedule.draw(stream)).collect();
        let noise = noise::normal(stream, n_rows, dim, params.device());
        let noisy = self.noisy(z.clone(), noise.clone(), &steps);
        let condition = self.condition.and_then(|size| {
            let given = self.given(context, n_rows)?;
            Some(given.dropped(self.options.drop, size[1], stream))
        });
        let told = self.told(params, noisy, &steps, condition.as_ref());
        let target = self.options.target;
        let [of_code, of_noise] =
            self.columns(&steps, params.device(), |scales| target.factors(scales));
        rows::sum((z * of_code + noise * of_noise - told).square())
    }
}

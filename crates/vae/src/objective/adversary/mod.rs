//! An adversary: a critic learns to tell data from what the decoder makes, and the decoder to pass for data.
//!
//! - Terms: `adversary`, the decoder's loss under the critic; `critic`, the critic's own, half on data and half on what
//!   was made; `feature`, 1/2 |D_l(x) - D_l(y)|^2 of the features after stage l, a Gaussian log-likelihood but for its
//!   constant ([larsen-2016], equation 6). Losses of logits are means over places.
//! - The critic is trained from `start` on and its gradient used from `start + warmup` on: a critic that knows nothing
//!   yet only spoils a decoder.
//! - `adaptive` makes the weight that of [esser-2021], equation 7: |g_rec| / (|g_adv| + 1e-4), at most 1e4, of the
//!   gradients of likelihood, perceptual and feature terms and of the adversary. The paper takes them at the weights of
//!   the last layer; here they are those at the decoder's outputs, which the one pass has at hand: through the last
//!   layer both go alike.
//! - `encoder = false` keeps the adversary's gradient from the encoder ([larsen-2016], algorithm 1); the decoder then
//!   makes the reconstructions once more. `samples` has samples of the prior judged beside reconstructions.
//! - The paper's weight of the reconstruction in the decoder's gradient, gamma, is 1 / `weight` here, since Adam does not
//!   see the size of all gradients together.
//! - Equilibrium: the critic rests in steps in which its loss is below `guard` times that of one that knows nothing, as in
//!   the code of pythae; `lecam` pulls logits towards moving averages of those of the other side ([tseng-2021],
//!   equation 4), which keeps critics of few data from knowing them by heart. Penalties on gradients would need second
//!   derivatives, which burn does not give.

mod critic;
mod loss;

pub use critic::{Critic, Head};
pub use loss::Loss;

use super::output::{Kind, OutputContext, OutputTerm, at_border, carry};
use crate::bound::LOG_LIKELIHOOD;
use crate::features::to_unit;
use crate::ledger::{Ledger, Readout, Role, to_f64};
use crate::likelihood::DataFacts;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use crate::rows;
use crate::schedule::Schedule;
use burn::tensor::Tensor;
use jensen_nets::{Handle, Init, NormKind, Params};
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the adversary.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Channels of the critic's stages, each of which halves the image.
    pub channels: Vec<usize>,
    /// Normalization of the critic: `"none"`, `"group"` or `"layer"`.
    pub norm: String,
    /// Logits for each `"patch"` or for the whole `"image"`.
    pub head: Head,
    /// `"hinge"`, `"nonsaturating"` or `"least_squares"`.
    pub loss: Loss,
    /// Factor of the decoder's loss under the critic; with `adaptive` a factor of that weight.
    pub weight: Schedule,
    /// Whether the weight follows the sizes of gradients.
    pub adaptive: bool,
    /// Fraction of the run after which the critic is trained, in [0, 1).
    pub start: f64,
    /// Fraction of the run that it is trained before its gradient is used, in [0, 1).
    pub warmup: f64,
    /// Whether it judges samples of the prior, too.
    pub samples: bool,
    /// Whether its gradient reaches the encoder.
    pub encoder: bool,
    /// Weight of the reconstruction of the critic's features (it multiplies nats).
    pub features: f64,
    /// Stages after which these features are taken.
    pub feature_stage: usize,
    /// The critic rests where its loss is less than this share of that of one that knows nothing; 0 never.
    pub guard: f64,
    /// Weight of the pull of logits towards averages of those of the other side; 0 turns it off.
    pub lecam: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            channels: vec![32, 64],
            norm: "none".to_owned(),
            head: Head::Patch,
            loss: Loss::Hinge,
            weight: Schedule::Constant(1.0),
            adaptive: false,
            start: 0.0,
            warmup: 0.0,
            samples: false,
            encoder: true,
            features: 0.0,
            feature_stage: 1,
            guard: 0.0,
            lecam: 0.0,
        }
    }
}

/// Added to the norm of the adversary's gradient, and the largest adaptive weight.
const LEAST_NORM: f64 = 1e-4;
const LARGEST_WEIGHT: f64 = 1e4;
/// Share by which the averages of logits move in a step.
const SHARE: f64 = 0.01;
/// Names of terms that are only measured: mean logits of data and of what was made.
const LOGITS: [&str; 2] = ["logit_data", "logit_made"];

struct Adversary {
    options: Options,
    critic: Critic,
    facts: DataFacts,
    /// Moving averages of the logits of data and of what was made.
    averages: Option<[Handle<1>; 2]>,
}

pub(super) const ENTRY: Entry<Kind> = Entry {
    kind: "adversary",
    about: "a critic that tells data from reconstructions and samples, and its gradient for the decoder",
    defaults: part::defaults::<Options>,
    build: Kind {
        optimizer: Some(optimizer),
        build: |table, place, site, builder| {
            let options: Options = part::options(table, place)?;
            let norm = NormKind::from_name(&options.norm).ok_or_else(|| {
                let known = NormKind::NAMES.map(|(known, _)| known);
                RecipeError::choice(place, "norm", &options.norm, &known)
            })?;
            let (channels, head) = (&options.channels, options.head);
            let critic = Critic::new(place, site.layout, channels, norm, head, builder)?;
            check(&options, place, critic.n_stages())?;
            let averages = (options.lecam > 0.0)
                .then(|| LOGITS.map(|name| builder.register_fixed(name, [1], Init::Constant(0.0))));
            Ok(Box::new(Adversary {
                options,
                critic,
                facts: site.facts.clone(),
                averages,
            }))
        },
    },
};

/// The critic's optimizer: that of [esser-2021] with a larger rate, for runs of thousands of steps.
fn optimizer() -> Table {
    Table::from_iter([
        ("kind".to_owned(), "adam".into()),
        ("lr".to_owned(), 5e-4.into()),
        ("beta_1".to_owned(), 0.5.into()),
        ("beta_2".to_owned(), 0.9.into()),
    ])
}

fn check(options: &Options, place: &str, n_stages: usize) -> Result<(), RecipeError> {
    let refuse = |message: String| Err(RecipeError::value(place, message));
    if let Some(fault) = options.weight.fault() {
        return refuse(format!("weight: {fault}"));
    }
    for (key, value) in [("start", options.start), ("warmup", options.warmup)] {
        if !(0.0..1.0).contains(&value) {
            return refuse(format!(
                "{key} = {value}: expected a fraction of the run in [0, 1)"
            ));
        }
    }
    for (key, value) in [
        ("features", options.features),
        ("lecam", options.lecam),
        ("guard", options.guard),
    ] {
        if !(value >= 0.0 && value.is_finite()) {
            return refuse(format!("{key} = {value}: expected a number of at least 0"));
        }
    }
    if options.guard >= 1.0 {
        let guard = options.guard;
        return refuse(format!(
            "guard = {guard}: expected less than 1, or the critic never learns anything"
        ));
    }
    if !(1..=n_stages).contains(&options.feature_stage) {
        return refuse(format!(
            "feature_stage = {}: expected one of 1 to {n_stages}",
            options.feature_stage
        ));
    }
    Ok(())
}

impl OutputTerm for Adversary {
    fn add(&self, context: &OutputContext<'_>, ledger: &mut Ledger) {
        let options = &self.options;
        let is_begun = context.progress >= options.start;
        let is_used = context.progress >= options.start + options.warmup;
        let frozen = context.params.frozen();
        let images = |outputs| self.images(context.likelihood.mean(&frozen, outputs));
        // Terms are always there, so that means over steps are means over the same ones.
        let nothing = || Tensor::zeros([context.x.dims()[0]], &context.x.device().inner());

        let (mut reconstructed, mut sampled) = (context.outputs.clone(), None);
        if is_begun && options.samples {
            sampled = Some((context.from_prior)());
        }
        if is_used && !options.encoder {
            reconstructed = (context.again)();
        }
        let (mut feature, mut adversary, mut weight) = (nothing(), nothing(), 0.0);
        if is_used {
            if options.features > 0.0 {
                feature = self.reconstruct_features(context, &frozen);
            }
            let judge = |outputs| {
                let logits = self.critic.forward(&frozen, images(outputs));
                mean_of_places(options.loss.of_decoder(logits))
            };
            let (values, gradient) = at_border(&reconstructed, judge);
            weight = options.weight.at(context.progress);
            if options.adaptive {
                weight *= self.adaptive_weight(context, &frozen, gradient.clone(), ledger);
            }
            adversary = context.per_example(carry(&reconstructed, values, gradient));
            if let Some(sampled) = &sampled {
                let (values, gradient) = at_border(sampled, judge);
                adversary = (adversary + carry(sampled, values, gradient)) / 2.0;
            }
        }
        if options.features > 0.0 {
            let weight = if is_used { options.features } else { 0.0 };
            ledger.push("feature", feature, Role::Penalty, weight);
        }
        ledger.push("adversary", adversary, Role::Penalty, weight);

        if !is_begun {
            for name in ["critic", LOGITS[0], LOGITS[1]] {
                ledger.push(name, nothing(), Role::Penalty, 0.0);
            }
            return;
        }
        let made = [Some(reconstructed), sampled].into_iter().flatten();
        let made: Vec<Tensor<2>> = made.map(|outputs| images(outputs.detach())).collect();
        self.train_critic(context, made, ledger);
    }

    fn adapt(&self, params: &mut Params, read: &Readout) {
        let Some(averages) = self.averages else {
            return;
        };
        for (handle, name) in averages.into_iter().zip(LOGITS) {
            let term = read.terms.iter().find(|term| term.name == name);
            let Some(values) = term.map(|term| &term.nats).filter(|nats| !nats.is_empty()) else {
                continue;
            };
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let before = to_f64(params.get(handle))[0];
            params.set(handle, vec![(before + SHARE * (mean - before)) as f32]);
        }
    }
}

impl Adversary {
    /// Images in [-1, 1] as the critic sees them.
    fn images(&self, x: Tensor<2>) -> Tensor<2> {
        to_unit(x, &self.facts) * 2.0 - 1.0
    }

    /// 1/2 |D_l(x) - D_l(y)|^2 of the reconstructions, `[B]`.
    fn reconstruct_features(&self, context: &OutputContext<'_>, frozen: &Params) -> Tensor<1> {
        let features = |x| {
            let images = self.images(x);
            (self.critic).features(frozen, images, self.options.feature_stage)
        };
        let wanted = features(context.x_of_samples());
        let (values, gradient) = at_border(&context.outputs, |outputs| {
            let found = features(context.likelihood.mean(frozen, outputs));
            rows::sum((wanted - found).square()) / 2.0
        });
        let n_rows = context.outputs.dims()[0] / context.x.dims()[0];
        context.note_pull(gradient.clone() * (self.options.features / n_rows as f64));
        context.per_example(carry(&context.outputs, values, gradient))
    }

    /// |g_rec| / (|g_adv| + 1e-4), at most 1e4, of the gradients of the loss at the outputs of reconstructions; `gradient`
    /// is that of the sum over rows of the decoder's loss.
    fn adaptive_weight(
        &self,
        context: &OutputContext<'_>,
        frozen: &Params,
        gradient: Tensor<2>,
        ledger: &Ledger,
    ) -> f64 {
        let likelihood = -ledger.weight(LOG_LIKELIHOOD);
        let k = (context.outputs.dims()[0] / context.x.dims()[0]) as f64;
        if likelihood != 0.0 {
            let (_, pull) = at_border(&context.outputs, |outputs| {
                (context.likelihood)
                    .log_prob(frozen, outputs, context.x.clone())
                    .neg()
            });
            context.note_pull(pull * (likelihood / k));
        }
        let n = context.x.dims()[0] as f64;
        let norm = |gradient: Tensor<2>| {
            let squares = to_f64(gradient).into_iter().map(|g| g * g);
            squares.sum::<f64>().sqrt() / n
        };
        let pull = context.pull.borrow().clone();
        let (of_rec, of_adversary) = (pull.map_or(0.0, norm), norm(gradient) / k);
        (of_rec / (of_adversary + LEAST_NORM)).clamp(0.0, LARGEST_WEIGHT)
    }

    /// The critic's own terms; `made` are images of the decoder without a way back.
    fn train_critic(&self, context: &OutputContext<'_>, made: Vec<Tensor<2>>, ledger: &mut Ledger) {
        let options = &self.options;
        let n = context.x.dims()[0];
        let x = self.images(context.x.clone());
        let n_kinds = made.len() as f64;
        let all = Tensor::cat(std::iter::once(x).chain(made).collect(), 0);
        let logits = self.critic.forward(context.params, all);
        let [n_rows, n_places] = logits.dims();
        let of_data = logits.clone().narrow(0, 0, n);
        let of_made = logits.narrow(0, n, n_rows - n);
        // Rows of reconstructions, then of samples: a mean for each example.
        let per_example = |values: Tensor<1>| {
            let n_each = values.dims()[0] / n;
            match n_kinds as usize {
                1 => rows::mean_of_samples(values, n_each),
                _ => {
                    let k = n_each - 1;
                    let reconstructed =
                        rows::mean_of_samples(values.clone().narrow(0, 0, n * k), k);
                    (reconstructed + values.narrow(0, n * k, n)) / 2.0
                }
            }
        };
        let loss = mean_of_places(options.loss.of_data(of_data.clone()))
            + per_example(mean_of_places(options.loss.of_made(of_made.clone())));
        let loss = loss / 2.0;
        let mean = to_f64(loss.clone()).iter().sum::<f64>() / n as f64;
        let is_resting = mean < options.guard * options.loss.of_ignorance();
        let weight = if is_resting { 0.0 } else { 1.0 };
        ledger.push("critic", loss, Role::Penalty, weight);
        if let Some([average_of_data, average_of_made]) = self.averages {
            let to = |logits: Tensor<2>, average: Handle<1>| {
                let average = context.params.get(average).detach().reshape([1, 1]);
                let rows = logits.dims()[0];
                mean_of_places((logits - average.expand([rows, n_places])).square())
            };
            let pull = to(of_data.clone(), average_of_made)
                + per_example(to(of_made.clone(), average_of_data));
            ledger.push("lecam", pull, Role::Penalty, weight * options.lecam);
        }
        let measured = [
            mean_of_places(of_data),
            per_example(mean_of_places(of_made)),
        ];
        for (name, logits) in LOGITS.into_iter().zip(measured) {
            ledger.push(name, logits.detach(), Role::Penalty, 0.0);
        }
    }
}

/// Means over the logits of an image, `[R, places]` to `[R]`.
fn mean_of_places(values: Tensor<2>) -> Tensor<1> {
    let [n_rows, _] = values.dims();
    values.mean_dim(1).reshape([n_rows])
}

//! An autoregressive prior over codes: log p(z) = sum_i log p(c_i | c_1 ... c_{i-1}), by a causal transformer.
//!
//! Position i of the input is the vector of code i - 1, or a start vector, plus a vector of the place; the output
//! there gives the logits of code i. The prior is trained with the network by its rate, which has no gradient for
//! the encoder, because codes are whole numbers; or, with `steps`, when the rest is done, and until then codes are
//! uniform. Samples are drawn code by code, with the keys and values of earlier positions kept.
//!
//! The words of a condition, a class or a caption, stand before the codes as further positions ([ramesh-2021], section
//! 2.2; their probability is not part of the prior here). A condition that is dropped from some codes in training lets
//! samples be guided: logits + g (logits of the condition - logits) ([ho-2022], section 3.2, on logits).
//!
//! Where a decoder goes top-down, a linear layer of its state at the place is added to the inputs, so that codes depend
//! on the latents before; the state gets no gradient from here.
//! Sources: [esser-2021], section 3.2; [oord-2017], section 3.3.
//! Cost: 12 L W^2 + W K a position, and n (n + 1) L W for attention; the same for all samples together, position
//! after position.

use super::choice::Choice;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext, PriorSite, code_book, uniform};
use crate::condition::Condition;
use crate::encoder::Port;
use crate::latent::discrete::split;
use crate::ledger::to_f32;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor, TensorData, activation};
use jensen_nets::{Activation, Builder, Embedding, Linear, Params, Transformer, TransformerShape};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the transformer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Numbers W of a position, a multiple of `heads`.
    pub width: usize,
    /// Blocks L, at least 1.
    pub layers: usize,
    /// Heads of every attention, at least 1.
    pub heads: usize,
    /// Nonlinearity of the hidden units.
    pub activation: String,
    /// In samples, logits are divided by it before a code is drawn, above 0; 1 draws from the prior itself.
    pub temperature: f64,
    /// In samples, only so many of the most probable codes are drawn; 0 for all.
    pub top_k: usize,
    /// In samples, only the fewest codes that hold this share of the probability are drawn, in (0, 1].
    pub top_p: f64,
    /// Steps of training after those of everything else; 0 trains the prior with the network.
    pub steps: u64,
    /// Whether the class or caption of an example is given.
    pub conditional: bool,
    /// With `steps`, the share of the codes in training without their condition, in [0, 1].
    pub drop: f64,
    /// Guidance g of samples: 1 samples given the condition, more overdoes it and needs `drop`.
    pub guidance: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 64,
            layers: 2,
            heads: 4,
            activation: "relu".to_owned(),
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            steps: 0,
            conditional: false,
            drop: 0.0,
            guidance: 1.0,
        }
    }
}

/// Standard deviation of the first embeddings ([radford-2019]).
const SCALE: f64 = 0.02;
/// Hidden units of a block, in widths.
const N_HIDDEN: usize = 4;
/// Far more than any prior has; a slip of the pen would fill the memory.
const MOST_LAYERS: usize = 1000;
/// Samples that are drawn together.
const BATCH: usize = 256;

struct TransformerPrior {
    start: Embedding,
    codes: Embedding,
    places: Embedding,
    given: Option<Given>,
    body: Transformer,
    head: Linear,
    choice: Choice,
    n_codes: usize,
    condition: Option<Words>,
    /// Of a prior that is trained when the rest is done.
    stage: Option<Stage>,
    drop: f64,
}

/// The words before the codes.
struct Words {
    table: Embedding,
    /// Words of a condition and of the vocabulary.
    size: [usize; 2],
    guidance: f64,
}

/// What the state of the decoder adds to the inputs.
struct Given {
    layer: Linear,
    /// Channels of the state, where it has the places of the codes.
    channels: Option<usize>,
}

impl Given {
    fn new(builder: &mut Builder, context: &Port, n: usize, width: usize) -> Self {
        let places = context
            .map
            .filter(|[_, height, columns]| height * columns == n);
        let channels = places.map(|[channels, ..]| channels);
        let n_in = channels.unwrap_or(context.width);
        Self {
            layer: Linear::new(builder, "given", n_in, width, Activation::Identity),
            channels,
        }
    }

    /// `[R, n, W]`, or `[R, 1, W]` for all positions, from the state `[R, F]`.
    fn forward(&self, params: &Params, context: Tensor<2>) -> Tensor<3> {
        let rows = context.dims()[0];
        let context = context.detach();
        let y = match self.channels {
            Some(channels) => self.layer.forward(params, split(context, channels)),
            None => self.layer.forward(params, context),
        };
        let [all, width] = y.dims();
        y.reshape([rows, all / rows, width])
    }
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "transformer",
    about: "codes one after the other, each by a transformer that sees those before",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| {
        Ok(Box::new(TransformerPrior::new(
            table, place, site, builder,
        )?))
    },
};

fn check(options: &Options, place: &str) -> Result<Choice, RecipeError> {
    let refuse = |message: String| Err(RecipeError::value(place, message));
    let Options {
        width,
        layers,
        heads,
        temperature,
        top_k,
        top_p,
        steps,
        conditional,
        drop,
        guidance,
        activation: _,
    } = *options;
    if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
        return refuse(format!(
            "width = {width}, heads = {heads}: expected a width that is a multiple of the heads, both at least 1"
        ));
    }
    if !(1..=MOST_LAYERS).contains(&layers) {
        return refuse(format!("layers = {layers}: expected 1 to {MOST_LAYERS}"));
    }
    if !(0.0..=1.0).contains(&drop) || drop > 0.0 && (steps == 0 || !conditional) {
        return refuse(format!(
            "drop = {drop}: expected a share in [0, 1], and 0 unless conditional = true and steps are given"
        ));
    }
    if guidance < 0.0 || guidance != 1.0 && drop == 0.0 {
        return refuse(format!(
            "guidance = {guidance}: expected at least 0, and 1 unless drop is above 0"
        ));
    }
    let choice = Choice {
        temperature,
        top_k,
        top_p,
    };
    choice.check(place)?;
    Ok(choice)
}

impl TransformerPrior {
    fn new(
        table: &Table,
        place: &str,
        site: &PriorSite,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        let [n, n_codes] = super::expect_codes("transformer", place, site)?;
        let options: Options = part::options(table, place)?;
        let choice = check(&options, place)?;
        let activation = crate::encoder::activation(place, &options.activation)?;
        let width = options.width;
        let shape = TransformerShape {
            width,
            n_layers: options.layers,
            n_heads: options.heads,
            n_hidden: N_HIDDEN * width,
        };
        let embedding = |b: &mut Builder, name, n| Embedding::new(b, name, n, width, SCALE);
        let size = super::condition_size(options.conditional, place, site)?;
        let n_words = size.map_or(0, |[len, _]| len);
        Ok(Self {
            start: embedding(builder, "start", 1),
            codes: embedding(builder, "codes", n_codes),
            places: embedding(builder, "places", n_words + n),
            given: (site.context.as_ref()).map(|context| Given::new(builder, context, n, width)),
            body: Transformer::new(builder, "body", shape, activation),
            head: Linear::new(builder, "head", width, n_codes, Activation::Identity),
            choice,
            n_codes,
            condition: size.map(|size| Words {
                table: embedding(builder, "words", size[1] + 1),
                size,
                guidance: options.guidance,
            }),
            stage: Stage::new(builder, options.steps),
            drop: options.drop,
        })
    }

    /// The vectors of the words of each of R conditions, `[R, L, W]`; nothing for a prior without.
    fn words(
        &self,
        params: &Params,
        rows: usize,
        condition: Option<&Condition>,
    ) -> Option<Tensor<3>> {
        let words = self.condition.as_ref()?;
        let unsaid = || Condition::unsaid(rows, words.size);
        let condition = condition.cloned().unwrap_or_else(unsaid);
        let [len, _] = words.size;
        let numbers = condition.upload(|_| 0, params.device());
        let vectors = (words.table).forward(params, numbers.reshape([rows * len]));
        let width = vectors.dims()[1];
        Some(vectors.reshape([rows, len, width]))
    }

    /// What the context adds to the inputs.
    fn given(&self, at: &PriorContext<'_>) -> Option<Tensor<3>> {
        let (given, context) = (self.given.as_ref()?, at.context.clone()?);
        Some(given.forward(at.params, context))
    }

    /// log p(c_i | c_1 ... c_{i-1}) of every code, `[R n, K]`, for codes `[R, n]`.
    fn conditionals(
        &self,
        params: &Params,
        codes: Tensor<2, Int>,
        condition: Option<&Condition>,
        given: Option<Tensor<3>>,
    ) -> Tensor<2> {
        let [rows, n] = codes.dims();
        let width = self.start.table(params).dims()[1];
        let start = self.start.table(params).reshape([1, 1, width]);
        let words = self.words(params, rows, condition);
        let n_words = words.as_ref().map_or(0, |words| words.dims()[1]);
        let mut inputs = vec![start.repeat_dim(0, rows)];
        if n > 1 {
            let before = codes.narrow(1, 0, n - 1).reshape([rows * (n - 1)]);
            let vectors = self.codes.forward(params, before);
            inputs.push(vectors.reshape([rows, n - 1, width]));
        }
        let mut x = Tensor::cat(inputs, 1);
        if let Some(given) = given {
            x = x + given;
        }
        if let Some(words) = words {
            x = Tensor::cat(vec![words, x], 1);
        }
        let whole = n_words + n;
        let places = self.places.table(params).reshape([1, whole, width]);
        let x = (x + places).reshape([rows * whole, width]);
        let y = self.body.forward(params, x, whole);
        let y = y.reshape([rows, whole, width]).narrow(1, n_words, n);
        let logits = (self.head).forward(params, y.reshape([rows * n, width]));
        activation::log_softmax(logits, 1)
    }

    /// Goes from position to position of `rows` sequences at once: `next` gets a position and its logits `[R, K]` and
    /// gives the codes `[R]` there.
    fn walk(
        &self,
        params: &Params,
        n: usize,
        rows: usize,
        condition: Option<&Condition>,
        given: Option<Tensor<3>>,
        next: &mut dyn FnMut(usize, &[f32]) -> Vec<i64>,
    ) {
        let mut memories = self.body.memories();
        let place = |i: usize| self.places.table(params).narrow(0, i, 1);
        let mut n_words = 0;
        if let Some(words) = self.words(params, rows, condition) {
            let [_, len, width] = words.dims();
            for i in 0..len {
                let word = words.clone().narrow(1, i, 1).reshape([rows, width]);
                self.body.step(params, word + place(i), &mut memories);
            }
            n_words = len;
        }
        let mut x = self.start.table(params).repeat_dim(0, rows);
        for i in 0..n {
            x = x + place(n_words + i);
            if let Some(given) = &given {
                let [_, columns, width] = given.dims();
                let here = given.clone().narrow(1, i.min(columns - 1), 1);
                x = x + here.reshape([rows, width]);
            }
            let y = self.body.step(params, x, &mut memories);
            let codes = next(i, &to_f32(self.head.forward(params, y)));
            let codes = TensorData::new(codes, [rows]);
            x = (self.codes).forward(params, Tensor::from_data(codes, params.device()));
        }
    }

    /// The codes of a draw for each stream, `[R, n]` row-major.
    fn draw(
        &self,
        params: &Params,
        n: usize,
        streams: &mut [Stream],
        condition: Option<&Condition>,
        given: Option<Tensor<3>>,
    ) -> Vec<i64> {
        let rows = streams.len();
        let mut drawn = vec![0; rows * n];
        // With guidance each sequence walks twice, with and without its condition.
        let guided = self
            .condition
            .as_ref()
            .filter(|words| words.guidance != 1.0);
        let guided = guided.zip(condition);
        let (n_walks, both) = match guided {
            None => (rows, condition.cloned()),
            Some((words, condition)) => {
                let unsaid = Condition::unsaid(rows, words.size);
                (2 * rows, Some(condition.followed_by(&unsaid)))
            }
        };
        let given = match guided {
            None => given,
            Some(_) => given.map(|given| Tensor::cat(vec![given.clone(), given], 0)),
        };
        self.walk(
            params,
            n,
            n_walks,
            both.as_ref(),
            given,
            &mut |i, logits| {
                let mixed = guided.map(|(words, _)| mix(logits, words.guidance as f32));
                let logits = mixed.as_deref().unwrap_or(logits);
                let draws = logits.chunks_exact(self.n_codes).zip(&mut *streams);
                let codes: Vec<i64> = draws
                    .map(|(logits, stream)| self.choice.draw(logits, stream) as i64)
                    .collect();
                for (row, &code) in codes.iter().enumerate() {
                    drawn[row * n + i] = code;
                }
                codes.repeat(n_walks / rows)
            },
        );
        drawn
    }

    /// log p of codes `[R, n]`, `[R]`.
    fn log_prob_of(
        &self,
        params: &Params,
        codes: Tensor<2, Int>,
        condition: Option<&Condition>,
        given: Option<Tensor<3>>,
    ) -> Tensor<1> {
        let [rows, n] = codes.dims();
        let conditionals = self.conditionals(params, codes.clone(), condition, given);
        let chosen = conditionals.gather(1, codes.reshape([rows * n, 1]));
        chosen.reshape([rows, n]).sum_dim(1).reshape([rows])
    }
}

/// Of rows with and as many without a condition, one after the other: l + g (l_c - l).
fn mix(logits: &[f32], guidance: f32) -> Vec<f32> {
    let (with, without) = logits.split_at(logits.len() / 2);
    let pairs = with.iter().zip(without);
    pairs
        .map(|(with, without)| without + guidance * (with - without))
        .collect()
}

impl Prior for TransformerPrior {
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        if Stage::is_waiting(&self.stage, context.params) {
            return uniform::log_prob(context, z);
        }
        let codes = code_book(context).codes(context.params, z);
        self.log_prob_of(
            context.params,
            codes,
            context.condition,
            self.given(context),
        )
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        if Stage::is_waiting(&self.stage, context.params) {
            return uniform::sample(context, n, stream);
        }
        let book = code_book(context);
        let positions = book.n_positions();
        // A stream a draw, so that the draws do not depend on how many are drawn together.
        let mut streams: Vec<Stream> = (0..n).map(|i| stream.child("draw", i as u64)).collect();
        let condition = context.condition.filter(|_| self.condition.is_some());
        let given = self.given(context);
        let drawn = (streams.chunks_mut(BATCH).enumerate()).flat_map(|(i, streams)| {
            let (from, rows) = (i * BATCH, streams.len());
            let condition = condition.map(|all| all.rows(from, rows));
            let given = given.clone().map(|given| given.narrow(0, from, rows));
            self.draw(
                context.params,
                positions,
                streams,
                condition.as_ref(),
                given,
            )
        });
        let codes = TensorData::new(drawn.collect::<Vec<i64>>(), [n, positions]);
        book.embed(
            context.params,
            Tensor::from_data(codes, context.params.device()),
        )
    }

    fn is_conditional(&self) -> bool {
        self.condition.is_some()
    }

    fn staged(&self) -> Option<&dyn Staged> {
        self.stage.is_some().then_some(self)
    }
}

impl Staged for TransformerPrior {
    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, stream: &mut Stream) -> Tensor<1> {
        let codes = code_book(context).codes(context.params, z);
        let condition = self.condition.as_ref().zip(context.condition);
        let condition =
            condition.map(|(words, given)| given.dropped(self.drop, words.size[1], stream));
        self.log_prob_of(
            context.params,
            codes,
            condition.as_ref(),
            self.given(context),
        )
        .neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Vocabulary;
    use crate::ledger::to_f64;
    use burn::tensor::Device;

    const N: usize = 6;
    const K: usize = 5;
    const ROWS: usize = 3;
    /// Two ways through some hundred sums in f32, of logits of a few nats.
    const TOLERANCE: f64 = 1e-5;

    /// A prior whose parameters are far from the first ones, and codes `[3, 6]`.
    fn example() -> (TransformerPrior, Params, Vec<i64>) {
        example_with("")
    }

    /// With captions of two words out of three.
    fn example_with(options: &str) -> (TransformerPrior, Params, Vec<i64>) {
        let mut table = part::defaults::<Options>();
        let options = &format!("width = 8\nlayers = 2\nheads = 2\n{options}");
        part::overlay(&mut table, &options.parse().unwrap(), "prior.z").unwrap();
        let site = PriorSite {
            dim: N,
            map: None,
            book: Some([N, K]),
            vocabulary: Some(Vocabulary {
                words: ["x", "y", "z"].map(str::to_owned).to_vec(),
                len: 2,
                examples: vec![0, 1],
            }),
            context: None,
            n_values: 1,
            data_mean: vec![0.0],
        };
        let mut builder = Builder::new(Stream::from_seed(3), &Device::flex());
        let prior = TransformerPrior::new(&table, "prior.z", &site, &mut builder).unwrap();
        let mut params = builder.finish();
        let mut stream = Stream::from_seed(4);
        let mut host = params.to_host();
        for value in host.iter_mut().flat_map(|tensor| &mut tensor.values) {
            *value += 0.5 * stream.normal() as f32;
        }
        params.load(&host).unwrap();
        let codes = (0..ROWS * N).map(|_| stream.below(K) as i64).collect();
        (prior, params, codes)
    }

    /// `[R, n, K]`.
    fn conditionals(prior: &TransformerPrior, params: &Params, codes: &[i64]) -> Vec<f64> {
        let codes = TensorData::new(codes.to_vec(), [codes.len() / N, N]);
        let codes = Tensor::from_data(codes, params.device());
        to_f64(prior.conditionals(params, codes, None, None))
    }

    const CONDITIONAL: &str = "conditional = true\nsteps = 1\ndrop = 0.5\nguidance = 2.0";

    fn captions() -> Condition {
        Condition::repeated(&[0, 1], 1)
            .followed_by(&Condition::repeated(&[2, 0], 1))
            .followed_by(&Condition::unsaid(1, [2, 3]))
    }

    #[test]
    fn words_before_the_codes_change_all_of_them_and_steps_are_the_whole_pass() {
        let (prior, params, codes) = example_with(CONDITIONAL);
        let given = captions();
        let tensor = Tensor::from_data(TensorData::new(codes.clone(), [ROWS, N]), params.device());
        let whole = to_f64(prior.conditionals(&params, tensor, Some(&given), None));
        let unsaid = conditionals(&prior, &params, &codes);
        for row in 0..ROWS * N {
            let at = row * K..(row + 1) * K;
            // The last caption says nothing.
            assert_eq!(whole[at.clone()] != unsaid[at], row < 2 * N, "{row}");
        }
        prior.walk(&params, N, ROWS, Some(&given), None, &mut |i, logits| {
            for (row, logits) in logits.chunks_exact(K).enumerate() {
                let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                for (k, &logit) in logits.iter().enumerate() {
                    let found = f64::from(logit) - total.ln();
                    assert!((found - whole[(row * N + i) * K + k]).abs() < TOLERANCE);
                }
            }
            (0..ROWS).map(|row| codes[row * N + i]).collect()
        });
    }

    #[test]
    fn guidance_mixes_logits_with_and_without_the_condition() {
        assert_eq!(mix(&[1.0, 5.0, 2.0, 3.0], 1.0), [1.0, 5.0]);
        assert_eq!(mix(&[1.0, 5.0, 2.0, 3.0], 0.0), [2.0, 3.0]);
        assert_eq!(mix(&[1.0, 5.0, 2.0, 3.0], 2.0), [0.0, 7.0]);
        // Where nothing is said, guidance changes nothing.
        let (prior, params, _) = example_with(CONDITIONAL);
        let streams = || (0..3).map(Stream::from_seed).collect::<Vec<_>>();
        let unsaid = Condition::unsaid(3, [2, 3]);
        let guided = prior.draw(&params, N, &mut streams(), Some(&unsaid), None);
        assert_eq!(guided, prior.draw(&params, N, &mut streams(), None, None));
        assert_eq!(guided.len(), 3 * N);
    }

    #[test]
    fn steps_with_memory_are_the_whole_pass() {
        let (prior, params, codes) = example();
        let whole = conditionals(&prior, &params, &codes);
        let mut n_steps = 0;
        prior.walk(&params, N, ROWS, None, None, &mut |i, logits| {
            for (row, logits) in logits.chunks_exact(K).enumerate() {
                let total: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
                for (k, &logit) in logits.iter().enumerate() {
                    let (found, expected) =
                        (f64::from(logit) - total.ln(), whole[(row * N + i) * K + k]);
                    assert!(
                        (found - expected).abs() < TOLERANCE,
                        "{row}, {i}: {found}, {expected}"
                    );
                }
            }
            n_steps += 1;
            (0..ROWS).map(|row| codes[row * N + i]).collect()
        });
        assert_eq!(n_steps, N);
    }

    #[test]
    fn a_code_changes_only_what_comes_after_it() {
        let (prior, params, codes) = example();
        let before = conditionals(&prior, &params, &codes);
        for changed in 0..N {
            let mut other = codes.clone();
            other[N + changed] = (other[N + changed] + 1) % K as i64;
            let after = conditionals(&prior, &params, &other);
            for row in 0..ROWS * N {
                let at = row * K..(row + 1) * K;
                let sees = row / N == 1 && row % N > changed;
                assert_eq!(
                    before[at.clone()] != after[at],
                    sees,
                    "row {row}, changed {changed}"
                );
            }
        }
    }

    #[test]
    fn a_draw_does_not_depend_on_those_beside_it() {
        let (prior, params, _) = example();
        let streams: Vec<Stream> = (0..5).map(Stream::from_seed).collect();
        let together = prior.draw(&params, N, &mut streams.clone(), None, None);
        for (i, stream) in streams.into_iter().enumerate() {
            assert_eq!(
                prior.draw(&params, N, &mut [stream], None, None),
                together[i * N..(i + 1) * N]
            );
        }
    }
}

//! An autoregressive prior over maps of codes, by masked convolutions: log p(z) = sum_i log p(c_i | c_1 ... c_{i-1}), row
//! after row.
//!
//! Two stacks of convolutions see what comes before: one all rows above, one what is left in the same row and, through a
//! 1 x 1 convolution, the other stack; so no code before is out of sight for its direction. Units are gated,
//! tanh(a) sigmoid(b), and the second stack is residual. Source: [vandenoord-2016b], section 2. Cost: 4 k^2 W^2 a place
//! and layer; a sample takes as many passes as places, all samples together.

use super::choice::Choice;
use super::staged::{Stage, Staged};
use super::{Prior, PriorContext, PriorSite, code_book, uniform};
use crate::ledger::to_f32;
use crate::part::{self, Entry};
use crate::recipe::RecipeError;
use burn::tensor::{Int, Tensor, TensorData, activation};
use jensen_nets::{Activation, Builder, Conv2d, ConvShape, Embedding, MaskedConv2d, Params};
use jensen_rng::Stream;
use serde::{Deserialize, Serialize};
use toml::Table;

/// Options of the convolutions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Channels W of each stack.
    pub width: usize,
    /// Layers, at least 1.
    pub layers: usize,
    /// Side of the kernels, odd, at least 3.
    pub kernel: usize,
    /// In samples, logits are divided by it before a code is drawn, above 0; 1 draws from the prior itself.
    pub temperature: f64,
    /// In samples, only so many of the most probable codes are drawn; 0 for all.
    pub top_k: usize,
    /// In samples, only the fewest codes that hold this share of the probability are drawn, in (0, 1].
    pub top_p: f64,
    /// Steps of training after those of everything else; 0 trains the prior with the network.
    pub steps: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            width: 32,
            layers: 4,
            kernel: 3,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            steps: 0,
        }
    }
}

/// Standard deviation of the first embeddings.
const SCALE: f64 = 0.5;
/// Far more than any prior has; a slip of the pen would fill the memory.
const MOST_LAYERS: usize = 1000;
/// Samples that are drawn together.
const BATCH: usize = 256;
const POINT: ConvShape = ConvShape {
    kernel: 1,
    stride: 1,
    padding: 0,
};

struct Layer {
    above: MaskedConv2d,
    left: MaskedConv2d,
    join: Conv2d,
    out: Conv2d,
    /// Whether the second stack has something to add to: the first layer has not.
    is_first: bool,
}

struct PixelCnn {
    codes: Embedding,
    layers: Vec<Layer>,
    last: [Conv2d; 2],
    choice: Choice,
    /// Height and width.
    size: [usize; 2],
    stage: Option<Stage>,
}

pub(super) const ENTRY: Entry<super::Build> = Entry {
    kind: "pixelcnn",
    about: "codes of a map row after row, each by masked convolutions over those before",
    defaults: part::defaults::<Options>,
    build: |table, place, site, builder| Ok(Box::new(PixelCnn::new(table, place, site, builder)?)),
};

impl PixelCnn {
    fn new(
        table: &Table,
        place: &str,
        site: &PriorSite,
        builder: &mut Builder,
    ) -> Result<Self, RecipeError> {
        let [n, n_codes] = super::expect_codes("pixelcnn", place, site)?;
        let refuse = |message: String| Err(RecipeError::value(place, message));
        let Some([_, height, width]) = site.map.filter(|[_, h, w]| h * w == n) else {
            return refuse(
                "kind = \"pixelcnn\" wants one code at each place of a map, and these codes have no places; \
                 take kind = \"transformer\""
                    .to_owned(),
            );
        };
        let options: Options = part::options(table, place)?;
        let Options {
            width: w,
            layers,
            kernel,
            ..
        } = options;
        if w == 0 || !(1..=MOST_LAYERS).contains(&layers) {
            return refuse(format!(
                "width = {w}, layers = {layers}: expected at least 1, and at most {MOST_LAYERS} layers"
            ));
        }
        if kernel < 3 || kernel.is_multiple_of(2) {
            return refuse(format!(
                "kernel = {kernel}: expected an odd number of at least 3"
            ));
        }
        let choice = Choice {
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
        };
        choice.check(place)?;
        let plain = Activation::Identity;
        let layer = |b: &mut Builder, is_first: bool| Layer {
            // What was found for the rows above does not see its own row: later layers may.
            above: MaskedConv2d::new(b, "above", [w, 2 * w], kernel, |row, _| {
                row < 0 || (row == 0 && !is_first)
            }),
            left: MaskedConv2d::new(b, "left", [w, 2 * w], kernel, |row, column| {
                row == 0 && (column < 0 || (column == 0 && !is_first))
            }),
            join: Conv2d::new(b, "join", 2 * w, 2 * w, POINT, plain),
            out: Conv2d::new(b, "out", w, w, POINT, plain),
            is_first,
        };
        let codes = Embedding::new(builder, "codes", n_codes, w, SCALE);
        let layers = (0..layers)
            .map(|i| {
                builder
                    .within(&format!("layer{}", i + 1), |b| layer(b, i == 0))
                    .1
            })
            .collect();
        Ok(Self {
            codes,
            layers,
            last: [
                Conv2d::new(builder, "last1", w, w, POINT, Activation::Relu),
                Conv2d::new(builder, "last2", w, n_codes, POINT, plain),
            ],
            choice,
            size: [height, width],
            stage: Stage::new(builder, options.steps),
        })
    }

    /// Logits of every code given those before, `[R, n, K]`, for codes `[R, n]`.
    fn logits(&self, params: &Params, codes: Tensor<2, Int>) -> Tensor<3> {
        let [rows, n] = codes.dims();
        let [height, width] = self.size;
        let vectors = self.codes.forward(params, codes.reshape([rows * n]));
        let w = vectors.dims()[1];
        let maps = vectors.reshape([rows, n, w]).swap_dims(1, 2);
        let mut above = maps.reshape([rows, w, height, width]);
        let mut left = above.clone();
        for layer in &self.layers {
            let seen = layer.above.forward(params, above);
            above = gate(seen.clone());
            let joined =
                layer.left.forward(params, left.clone()) + layer.join.forward(params, seen);
            let found = layer.out.forward(params, gate(joined));
            left = match layer.is_first {
                true => found,
                false => left + found,
            };
        }
        let [first, second] = &self.last;
        let hidden = first.forward(params, Activation::Relu.apply(left));
        let logits = second.forward(params, hidden);
        let n_codes = logits.dims()[1];
        logits.reshape([rows, n_codes, n]).swap_dims(1, 2)
    }

    /// log p of codes `[R, n]`, `[R]`.
    fn log_prob_of(&self, params: &Params, codes: Tensor<2, Int>) -> Tensor<1> {
        let [rows, n] = codes.dims();
        let conditionals = activation::log_softmax(self.logits(params, codes.clone()), 2);
        let chosen = conditionals.gather(2, codes.reshape([rows, n, 1]));
        chosen.reshape([rows, n]).sum_dim(1).reshape([rows])
    }

    /// The codes of a draw for each stream, `[R, n]` row-major.
    fn draw(&self, params: &Params, streams: &mut [Stream]) -> Vec<i64> {
        let (rows, n) = (streams.len(), self.size[0] * self.size[1]);
        let mut drawn = vec![0i64; rows * n];
        for i in 0..n {
            let codes = TensorData::new(drawn.clone(), [rows, n]);
            let logits = self.logits(params, Tensor::from_data(codes, params.device()));
            let n_codes = logits.dims()[2];
            let here = to_f32(logits.narrow(1, i, 1));
            let draws = here.chunks_exact(n_codes).zip(&mut *streams);
            for (row, (logits, stream)) in draws.enumerate() {
                drawn[row * n + i] = self.choice.draw(logits, stream) as i64;
            }
        }
        drawn
    }
}

/// tanh of the first half of the channels times the logistic function of the second.
fn gate(x: Tensor<4>) -> Tensor<4> {
    let half = x.dims()[1] / 2;
    x.clone().narrow(1, 0, half).tanh() * activation::sigmoid(x.narrow(1, half, half))
}

impl Prior for PixelCnn {
    fn log_prob(&self, context: &PriorContext<'_>, z: Tensor<2>) -> Tensor<1> {
        if Stage::is_waiting(&self.stage, context.params) {
            return uniform::log_prob(context, z);
        }
        let codes = code_book(context).codes(context.params, z);
        self.log_prob_of(context.params, codes)
    }

    fn sample(&self, context: &PriorContext<'_>, n: usize, stream: &mut Stream) -> Tensor<2> {
        let params = context.params;
        if Stage::is_waiting(&self.stage, params) {
            return uniform::sample(context, n, stream);
        }
        // A stream a draw, so that the draws do not depend on how many are drawn together.
        let mut streams: Vec<Stream> = (0..n).map(|i| stream.child("draw", i as u64)).collect();
        let drawn = streams.chunks_mut(BATCH);
        let drawn: Vec<i64> = drawn
            .flat_map(|streams| self.draw(params, streams))
            .collect();
        let codes = TensorData::new(drawn, [n, self.size[0] * self.size[1]]);
        code_book(context).embed(params, Tensor::from_data(codes, params.device()))
    }

    fn staged(&self) -> Option<&dyn Staged> {
        self.stage.is_some().then_some(self)
    }
}

impl Staged for PixelCnn {
    fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, _: &mut Stream) -> Tensor<1> {
        let codes = code_book(context).codes(context.params, z);
        self.log_prob_of(context.params, codes).neg()
    }
}

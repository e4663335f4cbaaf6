//! Priors that are trained by gradients when everything else is done, on codes that no longer move.
//!
//! Until then such a prior is N(0, I). The trainer goes on with the same batches, checkpoints and moving average; only
//! the loss is another one, and only the prior has gradients. Codes are drawn anew from q(z|x) each time.

use super::{Prior, PriorContext};
use burn::tensor::Tensor;
use jensen_nets::{Builder, Handle, Init, Params};
use jensen_rng::Stream;

/// What the trainer asks of such a prior.
pub trait Staged: Prior {
    /// Steps of training.
    fn n_steps(&self) -> u64;

    /// Takes from codes `[n, d]` of the aggregated posterior what it must know before the first step.
    fn begin(&self, params: &mut Params, codes: &[f64]);

    /// What the steps make small: per code `[R]`, for z `[R, d]`; `stream` draws what there is to draw.
    fn loss(&self, context: &PriorContext<'_>, z: Tensor<2>, stream: &mut Stream) -> Tensor<1>;
}

/// Whether the steps of a prior have begun, as a stored number.
pub(super) struct Begun {
    flag: Handle<1>,
}

impl Begun {
    pub(super) fn new(builder: &mut Builder) -> Self {
        Self {
            flag: builder.register_fixed("begun", [1], Init::Constant(0.0)),
        }
    }

    pub(super) fn get(&self, params: &Params) -> bool {
        params.get(self.flag).into_scalar::<f32>() > 0.0
    }

    pub(super) fn set(&self, params: &mut Params) {
        params.set(self.flag, vec![1.0]);
    }
}
